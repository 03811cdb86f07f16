"""How often the 95 % bands contain the truth, on simulated benchmarks whose truth is known.

The population: a problem's success rate b ~ Beta(1/2, 1/2) for the base arm (most problems are nearly always or nearly
never solved), and a = b + (1 − b)/5 for the better arm, which solves a fifth of what the base misses. By hand:
E b = 1/2, E a = 3/5, E(a − b) = 1/10. A score is the share of 16 samples that are right.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from analysis import bootstrap_difference, bootstrap_mean
from analysis.intervals import Interval

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NUM_DATA_SETS = 2000  # the standard error of a coverage near 95 % is then half a point
NUM_PROBLEMS = 100
NUM_SAMPLES = 16
NUM_RESAMPLES = 1000


def simulate(generator: np.random.Generator, num_seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores of the better and of the base arm on one draw of problems; (S, P) each."""
    base_P = generator.beta(0.5, 0.5, size=NUM_PROBLEMS)
    better_P = base_P + (1 - base_P) / 5
    shape = (num_seeds, NUM_PROBLEMS)
    return (
        generator.binomial(NUM_SAMPLES, better_P, size=shape) / NUM_SAMPLES,
        generator.binomial(NUM_SAMPLES, base_P, size=shape) / NUM_SAMPLES,
    )


def coverage(
    interval_of: Callable[[np.ndarray, np.ndarray, int], Interval], truth: float, *, num_seeds: int, seed: int
) -> float:
    """Share of simulated data sets whose interval contains the truth."""
    generator = np.random.default_rng(seed)
    intervals = [interval_of(*simulate(generator, num_seeds), draw) for draw in range(NUM_DATA_SETS)]
    return sum(interval.low <= truth <= interval.high for interval in intervals) / NUM_DATA_SETS


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_the_band_of_a_mean_covers_the_population_mean(num_seeds: int) -> None:
    def interval_of(_: np.ndarray, base_SP: np.ndarray, draw: int) -> Interval:
        return bootstrap_mean(base_SP, num_resamples=NUM_RESAMPLES, seed=draw)

    share = coverage(interval_of, 0.5, num_seeds=num_seeds, seed=20 + num_seeds)
    print(f"coverage of the mean, {num_seeds} seeds: {share:.2%}")
    assert 0.925 <= share <= 0.965


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_the_band_of_a_paired_difference_covers_the_population_difference(num_seeds: int) -> None:
    def interval_of(better_SP: np.ndarray, base_SP: np.ndarray, draw: int) -> Interval:
        return bootstrap_difference(better_SP, base_SP, num_resamples=NUM_RESAMPLES, seed=draw)

    share = coverage(interval_of, 0.1, num_seeds=num_seeds, seed=30 + num_seeds)
    print(f"coverage of the paired difference, {num_seeds} seeds: {share:.2%}")
    assert 0.925 <= share <= 0.965


def test_ignoring_the_pairing_would_give_a_band_three_times_as_wide() -> None:
    """Variances of a problem's score by hand, one seed. Between problems Var b = 1/8 and Var a = (4/5)²/8 = 0.08;
    of 16 samples E b(1 − b)/16 = (1/8)/16 and E a(1 − a)/16 = 0.16/16.

    paired: Var (a − b) = (1/5)²/8 + 0.0078 + 0.01 = 0.0228; unpaired: 0.08 + 0.125 + 0.0078 + 0.01 = 0.2228.
    A 95 % band over 100 problems is 2 · 1.96 · √(variance / 100) wide: 0.0592 and 0.1850, a factor of 3.13.
    """
    generator = np.random.default_rng(40)
    paired, unpaired = [], []
    for draw in range(200):
        better_SP, base_SP = simulate(generator, 1)
        others_SP = generator.permutation(base_SP, axis=1)  # the same scores, on the wrong problems
        for widths, base in ((paired, base_SP), (unpaired, others_SP)):
            interval = bootstrap_difference(better_SP, base, num_resamples=NUM_RESAMPLES, seed=draw)
            widths.append(interval.high - interval.low)
    assert np.mean(paired) == pytest.approx(0.0592, rel=0.05)
    assert np.mean(unpaired) == pytest.approx(0.1850, rel=0.05)
