"""What a pilot says about another design: its variances recovered, and the detectable difference that follows."""

import numpy as np
import pytest

from analysis import load_comparison
from analysis.noise.power import Components, components_of, design_power, detectable_difference, seeds_needed
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
        noise = parts.noise(seeds=seeds, problems=problems, samples=samples)
        return detectable_difference(noise, level=0.05, pilot_freedom=4)

    assert found(5, 400, 16) < found(3, 400, 16) < found(3, 100, 16) < found(3, 100, 4)
    assert found(3, 10**6, 64) > 0.5 * found(3, 400, 16)
    needed = seeds_needed(parts, 0.05, problems=400, samples=16, level=0.05)
    assert needed is not None
    power = [
        float(
            design_power(
                np.array([0.05]), parts.noise(seeds=seeds, problems=400, samples=16), level=0.05, pilot_freedom=4
            )[0]
        )
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


def test_two_seeds_state_no_power_of_their_own_repetition():
    parts = Components(problem=0.01, seed=0.005**2, local=0.02, completion=0.4, pilot_freedom=1)
    two, three = (parts.noise(seeds=seeds, problems=400, samples=16) for seeds in (2, 3))
    assert np.isnan(detectable_difference(two, level=0.05))
    assert np.isfinite(detectable_difference(two, level=0.05, pilot_freedom=4))  # known from a larger pilot
    assert np.isfinite(detectable_difference(three, level=0.05))
