"""What a pilot says about another design: its variances recovered, and the detectable difference that follows."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from analysis import load_comparison
from analysis.noise.power import (
    Components,
    components_of,
    detectable_difference,
    problems_needed,
    samples_needed,
    seeds_needed,
)
from analysis.records.spent import seed_cost
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
    assert "400 problems with 16 samples each find four times in five, at 5 % over 1 contrast" in text
    assert "grpo − sft_start" in text and "seeds for 5 points" in text


def test_arms_that_nothing_sets_against_one_another_have_no_power(comparison_dir):
    for run in (comparison_dir / "runs").glob("sft_start-seed*"):
        shutil.rmtree(run)
    alone = load_comparison(comparison_dir)
    with pytest.raises(ValueError, match=r"no contrast has all its arms on .* among grpo; expected arms that are set"):
        power_text(alone, difference=0.05, problems=None, samples=None, seeds=(2, 3), baseline=None)


def test_problems_and_samples_that_a_difference_needs_are_those_of_a_hand_computation():
    """A difference of (z_0.975 + z_0.8) standard errors, 2.8016, is found four times in five where the noise is known;
    Student's t with some hundred degrees of freedom asks for about 1 % more problems."""
    only_problems = Components(problem=0.01, seed=0.0, local=0.0, completion=0.0, pilot_freedom=10**6)
    by_hand = 0.01 * (2.8016 / 0.02) ** 2  # 196.2
    assert problems_needed(only_problems, 0.02, seeds=4, samples=1, level=0.05) == 200
    assert by_hand == pytest.approx(196.2, abs=0.1)
    only_samples = Components(problem=0.0, seed=0.0, local=0.0, completion=0.4, pilot_freedom=10**6)
    by_hand = 0.4 / (1001 * 10) * (2.8016 / 0.0035) ** 2  # 25.6, rounded up
    assert samples_needed(only_samples, 0.0035, seeds=1001, problems=10, level=0.05) == 26
    assert by_hand == pytest.approx(25.6, abs=0.1)


def test_what_seeds_differ_by_is_not_cured_by_problems_nor_problems_by_samples():
    seed = Components(problem=0.01, seed=0.02**2, local=0.02, completion=0.4, pilot_freedom=10**6)
    error = 0.02 / np.sqrt(1001)  # of so many seeds and all problems there are
    size = {"seeds": 1001, "samples": 16, "level": 0.05}
    assert problems_needed(seed, 2.75 * error, **size) is None
    needed = problems_needed(seed, 2.95 * error, **size)
    assert needed is not None
    power = [
        float(seed.power(np.array([2.95 * error]), problems=number, **size)[0]) for number in (needed * 9 // 10, needed)
    ]
    assert power[0] < 0.8 <= power[1] < 0.82
    assert samples_needed(seed, 0.02, seeds=4, problems=100, level=0.05) is None
    two_seeds = replace(seed, pilot_freedom=1)
    with pytest.raises(ValueError, match=r"two seeds.*three or more"):
        problems_needed(two_seeds, 0.02, **size)
    with pytest.raises(ValueError, match=r"two seeds.*three or more"):
        samples_needed(two_seeds, 0.02, seeds=4, problems=100, level=0.05)


def test_the_cost_of_a_design_is_counted_from_the_runs_own_accounts(comparison_dir):
    """Both arms at their last step: 2 problems of 4 samples; grpo at steps 0 and 2 too, 2 samples a problem. Training
    of grpo: 4 steps of 8 completions and 2 s, of a start policy 30 s or 50 s; an evaluation of 8 samples 1 s or 3 s."""
    for seed, seconds in ((0, 30.0), (1, 50.0)):
        start = comparison_dir / f"start-seed{seed}"
        start.mkdir()
        rows = [{"step": 1, "seconds": 5}, {"step": 2, "seconds": seconds}]
        (start / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for arm, seconds in (("sft_start", 1.0), ("grpo", 3.0)):
        for seed in (0, 1):
            finished = comparison_dir / "runs" / f"{arm}-seed{seed}" / "finished.json"
            finished.write_text(json.dumps({"evaluation": {"tokens": 5, "seconds": seconds}}))
    cost = seed_cost(load_comparison(comparison_dir), problems=None, samples=None)
    assert (cost.training, cost.evaluation, cost.curves, cost.decoding, cost.validation) == (32, 16, 8, 0, 0)
    assert (cost.start_seconds, cost.training_seconds) == (40, 8)
    assert cost.evaluation_seconds == pytest.approx((16 + 8) * (1 + 1 + 3 + 3) / 32)
    larger = seed_cost(load_comparison(comparison_dir), problems=400, samples=16)
    assert (larger.evaluation, larger.curves) == (400 * 16 * 2, 400 * 2 * 2)
    assert larger.evaluation_seconds == pytest.approx((12_800 + 1_600) * 8 / 32)
    text = power_text(
        load_comparison(comparison_dir), difference=0.05, problems=400, samples=16, seeds=(3, 4), baseline="sft_start"
    )
    rows = {line.split("  ")[0]: line.split()[-2:] for line in text.splitlines()}
    assert rows["completions to be judged: of the last evaluation"] == ["38,400", "51,200"]
    assert rows["seconds: training of start policies"] == ["120", "160"]
    assert rows["seconds in all"] == ["10,944", "14,592"]  # 3,600 s of drawing, 40 and 8 s of training, a seed


def test_what_was_not_recorded_is_not_in_the_cost(comparison_dir):
    text = power_text(
        load_comparison(comparison_dir), difference=0.05, problems=400, samples=16, seeds=(3, 4), baseline="sft_start"
    )
    rows = {line.split("  ")[0]: line.split()[-2:] for line in text.splitlines()}
    assert rows["seconds: training of start policies"] == rows["drawing what is judged"] == ["–", "–"]
    assert rows["seconds in all"] == ["24", "32"] and "not recorded here, and not in the sum" in text


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
    found, needed = [line for line in text.splitlines() if line.startswith("grpo − sft_start")]
    assert found.split()[-2:] == ["–", "–"] and needed.split()[-3:] == ["–", "–", "–"]
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
