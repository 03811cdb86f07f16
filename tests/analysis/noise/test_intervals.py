"""The bootstrap over problems against analytic values."""

import numpy as np
import pytest
from scipy import stats

from analysis import Resampling, bootstrap_difference, bootstrap_mean
from analysis.noise.intervals import bootstrap_band


def test_width_is_that_of_the_standard_error_over_problems():
    values_P = np.random.default_rng(5).normal(0.4, 0.3, size=400)
    interval = bootstrap_mean(values_P[None], num_resamples=20_000, seed=1)
    standard_error = values_P.std() / np.sqrt(len(values_P))
    assert interval.point == pytest.approx(values_P.mean())
    assert interval.low == pytest.approx(values_P.mean() - 1.96 * standard_error, abs=0.05 * standard_error)
    assert interval.high == pytest.approx(values_P.mean() + 1.96 * standard_error, abs=0.05 * standard_error)


def test_seeds_share_their_problems():
    """Two equal seeds tell no more about the problems than one: resampled apart, they would shrink the band by √2."""
    values_P = np.random.default_rng(6).random(50)
    assert bootstrap_mean(np.stack([values_P, values_P]), seed=3) == bootstrap_mean(values_P[None], seed=3)


def test_two_problems_by_hand():
    """Resamples of {0, 1} have means 0, 1/2, 1 with chances 1/4, 1/2, 1/4: both ends of a 95 % interval are reached."""
    interval = bootstrap_mean(np.array([[0.0, 1.0]]), seed=0)
    assert (interval.point, interval.low, interval.high) == (0.5, 0.0, 1.0)
    narrow = bootstrap_mean(np.array([[0.0, 1.0]]), confidence=0.4, seed=0)
    assert (narrow.low, narrow.high) == (0.5, 0.5)


def test_same_seed_repeats_and_another_does_not():
    values_SP = np.random.default_rng(7).random((2, 60))
    assert bootstrap_mean(values_SP, seed=4) == bootstrap_mean(values_SP, seed=4)
    assert bootstrap_mean(values_SP, seed=4) != bootstrap_mean(values_SP, seed=5)


def test_a_constant_gain_has_no_uncertainty_when_paired():
    base_P = np.random.default_rng(8).random(40)
    gained_SP = np.stack([base_P + 0.1, base_P + 0.1, base_P + 0.1])  # three seeds against one
    interval = bootstrap_difference(gained_SP, base_P[None], seed=0)
    assert (interval.point, interval.low, interval.high) == pytest.approx((0.1, 0.1, 0.1))


def test_difference_changes_sign_with_the_order():
    a_SP, b_SP = np.random.default_rng(9).random((2, 2, 30))
    forth, back = bootstrap_difference(a_SP, b_SP, seed=2), bootstrap_difference(b_SP, a_SP, seed=2)
    assert (back.point, back.low, back.high) == pytest.approx((-forth.point, -forth.high, -forth.low))


def test_ninety_five_percent_bands_cover_the_truth_as_often():
    """200 problems with a known mean difficulty, 400 draws: 380 ± 8.7 (two standard errors) should be covered."""
    generator = np.random.default_rng(10)
    covered = 0
    for draw in range(400):
        interval = bootstrap_mean(generator.beta(0.8, 1.2, size=(1, 200)), num_resamples=500, seed=draw)
        covered += interval.low <= 0.4 <= interval.high
    assert 367 <= covered <= 392


def test_when_every_problem_is_solved_the_band_allows_for_unseen_failures():
    """50 of 50 solved: the exact 95 % interval of a proportion ends at 0.025^(1/50) = 0.9289, scipy says the same."""
    exact = stats.binomtest(50, 50).proportion_ci(0.95)
    solved = bootstrap_mean(np.ones((2, 50)), seed=0)
    assert (solved.point, solved.low, solved.high) == (1.0, pytest.approx(exact.low), 1.0)
    failed = bootstrap_mean(np.zeros((2, 50)), seed=0)
    assert (failed.point, failed.low, failed.high) == (0.0, 0.0, pytest.approx(1 - exact.low))
    one_seed_fails = bootstrap_mean(np.vstack([np.ones((1, 50)), np.zeros((1, 50))]), seed=0)
    assert (one_seed_fails.low, one_seed_fails.high) == pytest.approx(
        (0.5, 0.5)
    )  # half of the runs, whatever the problem


def test_scores_that_are_one_or_zero_but_for_rounding_have_the_exact_band_too():
    """Maj@16 of 64 right samples is 1 - 1e-16 on some machines, and a mean of ones may be 1 + 2e-16."""
    exact = stats.binomtest(50, 50).proportion_ci(0.95)
    for one in (np.nextafter(1, 0), np.nextafter(1, 2), 1 - 1e-13):
        solved = bootstrap_mean(np.full((1, 50), one), seed=0)
        assert (solved.low, solved.high) == (pytest.approx(exact.low), 1.0)
    failed = bootstrap_mean(np.full((1, 50), 1e-16), seed=0)
    assert (failed.low, failed.high) == (0.0, pytest.approx(1 - exact.low))
    assert bootstrap_mean(np.full((1, 50), 7.0), seed=0).high == pytest.approx(7.0)  # no share: lengths in tokens, say


def test_a_band_is_the_interval_at_each_position():
    values_SPX = np.random.default_rng(11).random((2, 25, 3))
    band = bootstrap_band(values_SPX, Resampling(seed=6))
    for position in range(3):
        interval = bootstrap_mean(values_SPX[:, :, position], seed=6)
        assert (band.point[position], band.low[position], band.high[position]) == pytest.approx(
            (interval.point, interval.low, interval.high)
        )


def test_bad_input():
    with pytest.raises(ValueError, match=r"shape \(3,\).*\(seeds, problems\)"):
        bootstrap_mean(np.ones(3), seed=0)
    with pytest.raises(ValueError, match="1 values are not finite"):
        bootstrap_mean(np.array([[1.0, np.nan]]), seed=0)
    with pytest.raises(ValueError, match="the same problems"):
        bootstrap_difference(np.ones((1, 3)), np.ones((1, 4)), seed=0)
    with pytest.raises(ValueError, match="confidence=95"):
        bootstrap_mean(np.ones((1, 3)), confidence=95, seed=0)
