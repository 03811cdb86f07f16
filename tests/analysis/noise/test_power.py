"""What a pilot says about another design: its variances recovered, and the detectable difference that follows."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis import load_comparison
from analysis.noise.power import Components, components_of, detectable_difference, seeds_needed
from analysis.report.terminal import power_text


def test_the_variances_of_a_simulated_contrast_are_found_again():
    """Many seeds and problems; two arms whose completions are coins of 1/2 ± what problems and seeds do."""
    rng = np.random.default_rng(0)
    seeds, problems, samples = 200, 400, 4
    mean_SP = 0.5 + 0.1 * rng.standard_normal(problems) + 0.03 * rng.standard_normal((seeds, 1))
    mean_SP = mean_SP + 0.05 * rng.standard_normal((seeds, problems))
    first = rng.binomial(samples, np.clip(mean_SP, 0, 1)) / samples
    second = rng.binomial(samples, 0.5, (seeds, problems)) / samples
    parts = components_of([first, second], [1.0, -1.0], samples)
    assert parts.problem == pytest.approx(0.1**2, rel=0.2)
    assert parts.seed == pytest.approx(0.03**2, rel=0.3)
    assert parts.completion == pytest.approx(0.25 + 0.25 - 0.1**2 - 0.03**2 - 0.05**2, rel=0.02)
    assert parts.local == pytest.approx(0.05**2, abs=0.002)


def test_more_of_anything_finds_less_and_a_noisy_seed_is_not_cured_by_problems():
    parts = Components(problem=0.01, seed=0.02**2, local=0.02, completion=0.4, pilot_freedom=4)

    def found(seeds: int, problems: int, samples: int) -> float:
        return parts.detectable(seeds=seeds, problems=problems, samples=samples, level=0.05)

    assert found(5, 400, 16) < found(3, 400, 16) < found(3, 100, 16) < found(3, 100, 4)
    assert found(3, 10**6, 64) > 0.5 * found(3, 400, 16)
    needed = seeds_needed(parts, 0.05, problems=400, samples=16, level=0.05)
    assert needed is not None
    power = [
        float(parts.power(np.array([0.05]), seeds=seeds, problems=400, samples=16, level=0.05)[0])
        for seeds in (needed - 1, needed)
    ]
    assert power[0] < 0.8 <= power[1]


def test_a_single_seed_says_nothing_of_others(make_run):
    with pytest.raises(ValueError, match=r"1 seed.*expected two of each or more"):
        components_of([np.zeros((1, 5)), np.ones((1, 5))], [1.0, -1.0], 4)


def test_the_table_has_a_row_a_contrast(comparison_dir):
    text = power_text(
        load_comparison(comparison_dir), difference=0.05, problems=400, samples=16, seeds=(2, 3), baseline="sft_start"
    )
    assert "400 problems with 16 samples each find four times in five, at 5 % over 1 contrasts" in text
    assert "grpo − sft_start" in text and "seeds for 5 points" in text
    assert "12,800 completions to be judged" in text  # 400 problems, 16 samples, two arms


def test_two_seeds_state_no_power_of_their_own_repetition_nor_of_another_design():
    parts = Components(problem=0.01, seed=0.005**2, local=0.02, completion=0.4, pilot_freedom=1)
    size = {"problems": 400, "samples": 16, "level": 0.05}
    for seeds in (2, 3, 12):
        assert np.isnan(parts.detectable(seeds=seeds, **size))
        assert np.isnan(parts.power(np.array([0.02, 0.5]), seeds=seeds, **size)).all()
    with pytest.raises(ValueError, match=r"two seeds.*three or more"):
        seeds_needed(parts, 0.05, **size)
    known = replace(parts, pilot_freedom=4)
    assert np.isfinite(known.detectable(seeds=3, **size)) and np.isnan(known.detectable(seeds=2, **size))
    assert np.isfinite(known.power(np.array([0.02]), seeds=2, **size)).all()
    assert np.isnan(known.power(np.array([0.02]), seeds=1, **size)).all()  # one seed has no verdict
    assert np.isnan(detectable_difference(parts.noise(seeds=2, problems=400, samples=16), level=0.05))


def test_the_table_of_a_two_seed_pilot_says_why_it_states_nothing(comparison_dir):
    text = power_text(
        load_comparison(comparison_dir), difference=0.05, problems=400, samples=16, seeds=(3, 4), baseline="sft_start"
    )
    [row] = [line for line in text.splitlines() if line.startswith("grpo − sft_start")]
    assert row.split()[-3:] == ["–", "–", "–"]
    assert "the pilot has two seeds, which differ by one number" in text


@pytest.mark.parametrize("pilot_seeds", [3, 5])
@pytest.mark.parametrize("rest", [0.03, 0.3, 1.0])  # of a seed's mean in the pilot, over the seeds' own variance
def test_what_is_stated_to_be_found_is_found_so_often(pilot_seeds, rest):
    """No simulation: pilots at the quantiles of their law, each followed by the real power of the effect it states.

    Means are normal and estimates χ², as they are with hundreds of problems; the design has twice the pilot's problems.
    """
    levels = (np.arange(20) + 0.5) / 20
    freedom, seed, problem, problems = pilot_seeds - 1, 0.05**2, 0.3 * 0.05**2 * 400, 400
    local = rest * seed * problems

    def parts(own: float, pilot_freedom: int) -> Components:
        return Components(
            problem=problem,
            seed=own,
            local=local,
            completion=0.0,
            pilot_freedom=pilot_freedom,
            pilot_rest=local / problems,
        )

    size = {"seeds": 3, "problems": 2 * problems, "samples": 1, "level": 0.05}
    effects = np.linspace(0, 1, 201)
    real = parts(seed, 10**7).power(effects, **size)  # known as from ten million seeds
    found: dict[float, list[float]] = {0.2: [], 0.5: [], 0.8: []}
    for drawn in stats.chi2.ppf(levels, freedom) / freedom:
        stated = parts(seed * (1 + rest) * drawn - local / problems, freedom).power(effects, **size)
        for power, reals in found.items():
            reals.append(float(np.interp(np.interp(power, np.maximum.accumulate(stated), effects), effects, real)))
    for power, reals in found.items():
        assert np.mean(reals) == pytest.approx(power, abs=0.05)
