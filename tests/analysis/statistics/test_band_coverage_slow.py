"""How often the 95 % bands contain the truth, on simulated benchmarks whose truth is known.

The population: a problem's success rate b ~ Beta(1/2, 1/2) for the base arm (most problems are nearly always or nearly
never solved), and a = b + (1 − b)/5 for the better arm, which solves a fifth of what the base misses. By hand:
E b = 1/2, E a = 3/5, E(a − b) = 1/10, and E (1 − b)^K = C(2K, K)/4^K, so that the base arm's true Pass@K is one minus
that. A training seed moves the rate p of every problem by 4·u·p(1 − p) with u ~ N(0, σ), cut to |u| <= 1/4: the mean
over seeds stays where it was, and the mean over problems of one seed of the base arm moves by u/2. A score is the share
of 16 samples that are right.
"""

from __future__ import annotations

from math import comb

import numpy as np
import pytest

from analysis import Resampling, bootstrap_difference, bootstrap_mean, simultaneous_band
from analysis.statistics.differences import holm, p_value
from analysis.statistics.intervals import Band, Interval, bootstrap_band
from analysis.statistics.scores import VoteTable, pass_scores
from analysis.statistics.seeds import difference_noise, seed_band, total_band

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

NUM_DATA_SETS = 2000  # the standard error of a coverage near 95 % is then half a point
NUM_PROBLEMS = 200
NUM_SAMPLES = 16
NUM_RESAMPLES = 1000
KS = (1, 2, 4, 8, 16)
PASS_AT_KS = np.array([1 - comb(2 * k, k) / 4**k for k in KS])


def rates(generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """True rates (P,) of the better and of the base arm on one draw of problems."""
    base_P = generator.beta(0.5, 0.5, size=NUM_PROBLEMS)
    return base_P + (1 - base_P) / 5, base_P


def trained(generator: np.random.Generator, rate_P: np.ndarray, num_seeds: int, seed_sd: float) -> np.ndarray:
    """(S, P): scores of an arm trained with `num_seeds` seeds."""
    moves_S1 = (
        np.clip(generator.normal(0, seed_sd, (num_seeds, 1)), -0.25, 0.25) if seed_sd else np.zeros((num_seeds, 1))
    )
    moved_SP = rate_P + 4 * moves_S1 * rate_P * (1 - rate_P)
    return generator.binomial(NUM_SAMPLES, moved_SP) / NUM_SAMPLES


def simulate(generator: np.random.Generator, num_seeds: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores (S, P) of the better and of the base arm on one draw of problems, without training noise."""
    better_P, base_P = rates(generator)
    return trained(generator, better_P, num_seeds, 0.0), trained(generator, base_P, num_seeds, 0.0)


def report(name: str, covered: list[bool]) -> float:
    """The share, printed."""
    share = float(np.mean(covered))
    print(f"{name}: {share:.2%}")
    return share


def inside(interval: Interval | Band, truth: float) -> bool:
    """Whether the truth lies between the ends, of a band at its only position."""
    return bool(np.all(interval.low <= truth) and np.all(truth <= interval.high))


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_the_band_of_a_mean_covers_the_population_mean(num_seeds: int) -> None:
    generator = np.random.default_rng(20 + num_seeds)
    covered = []
    for draw in range(NUM_DATA_SETS):
        _, base_SP = simulate(generator, num_seeds)
        covered.append(inside(bootstrap_mean(base_SP, num_resamples=NUM_RESAMPLES, seed=draw), 0.5))
    assert 0.93 <= report(f"mean, {num_seeds} seeds", covered) <= 0.97


@pytest.mark.parametrize("num_seeds", [1, 3])
def test_the_band_of_a_paired_difference_covers_the_population_difference(num_seeds: int) -> None:
    generator = np.random.default_rng(30 + num_seeds)
    covered = []
    for draw in range(NUM_DATA_SETS):
        better_SP, base_SP = simulate(generator, num_seeds)
        interval = bootstrap_difference(better_SP, base_SP, num_resamples=NUM_RESAMPLES, seed=draw)
        covered.append(inside(interval, 0.1))
    assert 0.93 <= report(f"paired difference, {num_seeds} seeds", covered) <= 0.97


def test_pointwise_bands_cover_each_point_and_simultaneous_ones_the_whole_curve() -> None:
    """Pass@K of the base arm at K = 1 to 16 from 16 samples; pointwise bands are left somewhere more often."""
    generator = np.random.default_rng(50)
    points, whole_pointwise, whole_simultaneous = [], [], []
    for draw in range(NUM_DATA_SETS):
        _, base_P = rates(generator)
        correct_P = generator.binomial(NUM_SAMPLES, base_P)
        curve_SPX = pass_scores(votes_of(correct_P), KS)[None]
        how = Resampling(num_resamples=NUM_RESAMPLES, seed=draw)
        pointwise, simultaneous = bootstrap_band(curve_SPX, how), simultaneous_band(curve_SPX, how)
        points.append((pointwise.low <= PASS_AT_KS) & (pointwise.high >= PASS_AT_KS))
        whole_pointwise.append(bool(points[-1].all()))
        within = (simultaneous.low <= PASS_AT_KS) & (simultaneous.high >= PASS_AT_KS)
        whole_simultaneous.append(bool(within.all()))
    for k, share in zip(KS, np.mean(points, axis=0), strict=True):
        print(f"pointwise at K={k}: {share:.2%}")
        assert 0.93 <= share <= 0.97
    assert 0.93 <= report("simultaneous", whole_simultaneous) <= 0.97
    assert report("pointwise, the whole curve", whole_pointwise) < 0.92


def votes_of(correct_P: np.ndarray) -> VoteTable:
    """Votes of problems with so many right samples; nobody else votes."""
    return VoteTable(
        problem_ids=tuple(range(len(correct_P))),
        num_samples_P=np.full(len(correct_P), NUM_SAMPLES),
        num_correct_P=correct_P,
        num_abstaining_P=NUM_SAMPLES - correct_P,
        wrong_votes_P=((),) * len(correct_P),
    )


@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_the_seed_interval_covers_the_mean_on_the_problems_at_hand(num_seeds: int) -> None:
    generator = np.random.default_rng(60 + num_seeds)
    covered = []
    for _ in range(NUM_DATA_SETS):
        _, base_P = rates(generator)
        base_SP = trained(generator, base_P, num_seeds, 0.04)
        covered.append(inside(seed_band(base_SP[:, :, None], 0.95), float(base_P.mean())))
    assert 0.93 <= report(f"seed interval, {num_seeds} seeds", covered) <= 0.97


@pytest.mark.parametrize("seed_sd", [0.0, 0.04, 0.12])
@pytest.mark.parametrize("num_seeds", [3, 5])
def test_the_total_covers_the_mean_over_problems_and_seeds(num_seeds: int, seed_sd: float) -> None:
    """Its rule promises at least 95 %, whatever the ratio of the two variances; the fewer seeds, the more careful."""
    generator = np.random.default_rng(70 + num_seeds)
    covered, by_problems = [], []
    for draw in range(NUM_DATA_SETS):
        _, base_P = rates(generator)
        base_SP = trained(generator, base_P, num_seeds, seed_sd)
        covered.append(inside(total_band(base_SP[:, :, None], 0.95), 0.5))
        if seed_sd == 0.12:
            by_problems.append(inside(bootstrap_mean(base_SP, num_resamples=200, seed=draw), 0.5))
    share = report(f"total, {num_seeds} seeds, seed noise {seed_sd / 2:g}", covered)
    assert 0.93 <= share <= (0.985 if num_seeds == 3 else 0.97)
    if by_problems:
        assert report("over problems alone, the same data", by_problems) < 0.85


@pytest.mark.parametrize("seed_sd", [0.02, 0.08])
@pytest.mark.parametrize("num_seeds", [2, 3, 5])
def test_the_total_of_a_difference_covers_with_training_noise_pooled_over_eight_arms(
    num_seeds: int, seed_sd: float
) -> None:
    generator = np.random.default_rng(80 + num_seeds)
    covered, unpaired = [], []
    for _ in range(NUM_DATA_SETS):
        better_P, base_P = rates(generator)
        better_SP = trained(generator, better_P, num_seeds, seed_sd)
        base_SP = trained(generator, base_P, num_seeds, seed_sd)
        others = [trained(generator, base_P, num_seeds, seed_sd) for _ in range(6)]
        means_ASX = np.stack([scores.mean(axis=1) for scores in (better_SP, base_SP, *others)])[:, :, None]
        arms = better_SP[:, :, None], base_SP[:, :, None]
        covered.append(inside(difference_noise(*arms, paired=True, seed_means_ASX=means_ASX).band(0.95), 0.1))
        unpaired.append(inside(difference_noise(*arms, paired=False).band(0.95), 0.1))
    assert 0.93 <= report(f"pooled difference, {num_seeds} seeds, seed noise {seed_sd / 2:g}", covered) <= 0.97
    assert 0.93 <= report("arms with seeds of their own", unpaired) <= 0.998  # never too narrow; two seeds: too wide


def test_holm_keeps_false_claims_below_five_percent() -> None:
    """Seven arms that are all the base arm, three seeds: any claim among the 21 pairs is a false one."""
    generator = np.random.default_rng(90)
    false = []
    for _ in range(500):
        _, base_P = rates(generator)
        arms = [trained(generator, base_P, 3, 0.04)[:, :, None] for _ in range(7)]
        means_ASX = np.stack([scores.mean(axis=1) for scores in arms])
        pairs = [(first, second) for place, first in enumerate(arms) for second in arms[:place]]
        noises = [difference_noise(*pair, paired=True, seed_means_ASX=means_ASX) for pair in pairs]
        false.append(bool((holm(np.array([p_value(noise) for noise in noises])) < 0.05).any()))
    assert report("data sets with a false claim", false) <= 0.07  # two standard errors above 5 %


def test_ignoring_the_pairing_would_give_a_band_three_times_as_wide() -> None:
    """Variances of a problem's score by hand, one seed. Between problems Var b = 1/8 and Var a = (4/5)²/8 = 0.08;
    of 16 samples E b(1 − b)/16 = (1/8)/16 and E a(1 − a)/16 = 0.16/16.

    paired: Var (a − b) = (1/5)²/8 + 0.0078 + 0.01 = 0.0228; unpaired: 0.08 + 0.125 + 0.0078 + 0.01 = 0.2228.
    A 95 % band over 200 problems is 2 · 1.96 · √(variance / 200) wide: 0.0419 and 0.1308, a factor of 3.13.
    """
    generator = np.random.default_rng(40)
    paired, unpaired = [], []
    for draw in range(200):
        better_SP, base_SP = simulate(generator, 1)
        others_SP = generator.permutation(base_SP, axis=1)  # the same scores, on the wrong problems
        for widths, base in ((paired, base_SP), (unpaired, others_SP)):
            interval = bootstrap_difference(better_SP, base, num_resamples=NUM_RESAMPLES, seed=draw)
            widths.append(interval.high - interval.low)
    assert np.mean(paired) == pytest.approx(0.0419, rel=0.05)
    assert np.mean(unpaired) == pytest.approx(0.1308, rel=0.05)
