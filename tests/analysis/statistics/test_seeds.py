"""The interval over seeds, the total and the simultaneous band, against hand computations and other implementations."""

import numpy as np
import pytest
from scipy import stats

from analysis import Resampling, bootstrap_mean, simultaneous_band
from analysis.statistics.seeds import Noise, difference_noise, seed_band, total_band, total_noise


def scores(num_seeds: int, num_problems: int, *, seed_sd: float, rest_sd: float, seed: int) -> np.ndarray:
    """(S, P, 1): problems of standard deviation 0.3, seeds, and the rest."""
    rng = np.random.default_rng(seed)
    values_SP = rng.normal(0.5, 0.3, num_problems) + rng.normal(0, seed_sd, (num_seeds, 1))
    return (values_SP + rng.normal(0, rest_sd, (num_seeds, num_problems)))[:, :, None]


def test_the_seed_interval_is_the_t_interval_on_seed_means():
    values_SPX = scores(4, 50, seed_sd=0.05, rest_sd=0.1, seed=1)
    means_S = values_SPX[:, :, 0].mean(axis=1)
    low, high = stats.t.interval(0.95, 3, loc=means_S.mean(), scale=stats.sem(means_S))
    band = seed_band(values_SPX, 0.95)
    assert (band.point[0], band.low[0], band.high[0]) == pytest.approx((means_S.mean(), low, high))


def test_three_seed_means_by_hand():
    """Means 0.4, 0.5, 0.6: standard error 0.1/√3, t at two degrees of freedom 4.3027: half width 0.2484."""
    values_SPX = np.tile(np.array([0.4, 0.5, 0.6])[:, None, None], (1, 10, 1))
    band = seed_band(values_SPX, 0.95)
    assert (band.low[0], band.high[0]) == pytest.approx((0.5 - 0.2484, 0.5 + 0.2484), abs=1e-4)


def test_one_seed_has_no_seed_interval_and_the_total_is_that_over_problems():
    values_SPX = scores(1, 400, seed_sd=0.0, rest_sd=0.0, seed=2)
    assert np.isnan(seed_band(values_SPX, 0.95).low).all()
    total = total_band(values_SPX, 0.95)
    interval = bootstrap_mean(values_SPX[:, :, 0], num_resamples=20_000, seed=0)
    width = interval.high - interval.low
    assert total.low[0] == pytest.approx(interval.low, abs=0.03 * width)
    assert total.high[0] == pytest.approx(interval.high, abs=0.03 * width)


def test_the_parts_of_the_total_are_those_of_a_two_way_analysis_of_variance():
    """Expected from least squares with a dummy a problem and a dummy a seed: mean squares of problems, seeds, rest."""
    num_seeds, num_problems = 3, 8
    values_SP = scores(num_seeds, num_problems, seed_sd=0.2, rest_sd=0.1, seed=3)[:, :, 0]
    seed_D = np.repeat(np.eye(num_seeds), num_problems, axis=0)
    problem_D = np.tile(np.eye(num_problems), (num_seeds, 1))

    def residual_squares(design: np.ndarray) -> float:
        fitted = design @ np.linalg.lstsq(design, values_SP.ravel(), rcond=None)[0]
        return float(((values_SP.ravel() - fitted) ** 2).sum())

    both = residual_squares(np.hstack([seed_D, problem_D]))
    problem_square = (residual_squares(seed_D) - both) / (num_problems - 1)
    seed_square = (residual_squares(problem_D) - both) / (num_seeds - 1)
    rest_square = both / ((num_seeds - 1) * (num_problems - 1))
    count = num_seeds * num_problems
    (problems_X, problem_freedom), (seeds_X, seed_freedom) = total_noise(values_SP[:, :, None]).parts
    assert (problem_freedom, seed_freedom) == (7, 2)
    assert problems_X[0] == pytest.approx((problem_square - rest_square) / count)
    assert seeds_X[0] == pytest.approx(seed_square / count)


def test_the_total_adds_half_widths_in_quadrature():
    values_SPX = scores(3, 30, seed_sd=0.1, rest_sd=0.2, seed=4)
    (problems_X, _), (seeds_X, _) = total_noise(values_SPX).parts
    half = np.sqrt(stats.t.ppf(0.975, 29) ** 2 * problems_X + stats.t.ppf(0.975, 2) ** 2 * seeds_X)
    band = total_band(values_SPX, 0.95)
    np.testing.assert_allclose((band.high - band.low) / 2, half)


def test_two_arms_with_the_same_seeds_are_a_paired_t_test_where_problems_do_not_differ():
    """Every problem alike, so that only seeds vary: their interval is that of scipy's paired t-test on seed means."""
    rng = np.random.default_rng(5)
    shared_S = rng.normal(0, 0.1, 4)
    means_AS = np.stack([0.6 + shared_S + rng.normal(0, 0.02, 4), 0.5 + shared_S + rng.normal(0, 0.02, 4)])
    a_SPX, b_SPX = np.tile(means_AS[:, :, None, None], (1, 1, 20, 1))
    noise = difference_noise(a_SPX, b_SPX, paired=True, seed_means_ASX=means_AS[:, :, None])
    band = noise.seeds_only().band(0.95)
    expected = stats.ttest_rel(means_AS[0], means_AS[1]).confidence_interval(0.95)
    assert (band.low[0], band.high[0]) == pytest.approx((expected.low, expected.high))


def test_training_noise_is_pooled_over_arms_as_in_a_block_design():
    """Three arms, three seeds, by hand. Seed means 1 2 3 / 2 3 4 / 3 5 4 (a, b, c): row means 2, 3, 4, column means 2,
    10/3, 11/3, total 3. Residuals a 0 -1/3 1/3, b 0 -1/3 1/3, c 0 2/3 -2/3: sum of squares 12/9, on 4 degrees of
    freedom a mean square of 1/3, so 2·(1/3)/3 = 2/9 for a difference. a - b is the same in every seed: its own variance
    is 0, and the pooled one counts. c - a is 2, 3, 1: its own variance 1/3 is larger and stays."""
    means_ASX = np.array([[1.0, 2, 3], [2, 3, 4], [3, 5, 4]])[:, :, None]
    a_SPX, b_SPX, c_SPX = np.tile(means_ASX[:, :, None, :], (1, 1, 6, 1))
    _, (same_X, freedom) = difference_noise(b_SPX, a_SPX, paired=True, seed_means_ASX=means_ASX).parts
    assert (float(same_X[0]), freedom) == (pytest.approx(2 / 9), 4)
    _, (own_X, _) = difference_noise(c_SPX, a_SPX, paired=True, seed_means_ASX=means_ASX).parts
    assert own_X[0] == pytest.approx(1 / 3)


def test_arms_with_seeds_of_their_own_have_a_part_each():
    a_SPX, b_SPX = scores(3, 40, seed_sd=0.1, rest_sd=0.1, seed=6), scores(2, 40, seed_sd=0.1, rest_sd=0.1, seed=7)
    noise = difference_noise(a_SPX, b_SPX, paired=False)
    assert [freedom for _, freedom in noise.parts] == [39, 2, 1]
    assert noise.parts[1][0][0] == pytest.approx(stats.sem(a_SPX[:, :, 0].mean(axis=1)) ** 2)
    assert noise.parts[2][0][0] == pytest.approx(stats.sem(b_SPX[:, :, 0].mean(axis=1)) ** 2)
    single = difference_noise(a_SPX, b_SPX[:1], paired=False)
    assert [freedom for _, freedom in single.parts] == [39, 2]


def test_the_interval_over_problems_is_scipys_one_sample_t_interval():
    values_SPX = scores(2, 25, seed_sd=0.1, rest_sd=0.1, seed=8)
    means_P = values_SPX[:, :, 0].mean(axis=0)
    low, high = stats.t.interval(0.9, 24, loc=means_P.mean(), scale=stats.sem(means_P))
    band = total_noise(values_SPX).problems_only().band(0.9)
    assert (band.low[0], band.high[0]) == pytest.approx((low, high))
    with pytest.raises(ValueError, match="no alone_X"):
        Noise(point_X=np.zeros(1), parts=((np.ones(1), 3),)).problems_only()


def test_the_total_is_never_narrower_than_over_problems_alone():
    """One sample of each of 16 problems, two seeds: by chance the seeds' means agree, or their part of the problems'
    variance comes out as all of it. No total may be narrower than scipy's interval over problems."""
    rng = np.random.default_rng(12)
    for _ in range(200):
        a_SPX, b_SPX = rng.integers(0, 2, (2, 2, 16, 1)).astype(float)
        means_P = (a_SPX - b_SPX).mean(axis=0)[:, 0]
        low, high = stats.t.interval(0.95, 15, loc=means_P.mean(), scale=stats.sem(means_P))
        for paired in (True, False):
            band = difference_noise(a_SPX, b_SPX, paired=paired).band(0.95)
            assert band.low[0] <= low + 1e-12
            assert band.high[0] >= high - 1e-12


def test_two_seeds_that_disagree_on_every_problem_alike_do_not_make_a_sure_interval():
    """Differences 1 0 1 0 / 0 1 0 1 under two seeds, and half a point more on one problem in both: seed means are equal
    and the rest is larger than the problems' part, so both parts are 0."""
    difference_SP = np.array([[1.5, 0, 1, 0], [0.5, 1, 0, 1]])
    noise = total_noise(difference_SP[:, :, None])
    assert [float(variance_X[0]) for variance_X, _ in noise.parts] == [0.0, 0.0]
    assert noise.half_width(0.95)[0] == pytest.approx(stats.t.ppf(0.975, 3) * stats.sem([1.0, 0.5, 0.5, 0.5]))


def test_one_problem_has_no_interval_over_problems():
    values_SPX = scores(3, 1, seed_sd=0.1, rest_sd=0.1, seed=13)
    band = total_band(values_SPX, 0.95)
    assert np.isnan([band.low[0], band.high[0]]).all()
    assert np.isfinite(seed_band(values_SPX, 0.95).low).all()  # the seeds on this one problem


def test_equal_differences_allow_for_problems_that_were_not_seen():
    """Ten problems better by 1/4: scipy's exact interval of 10 successes in 10 trials ends at 0.6915, and the others
    may be worse by 1, so that the mean is 0.25 - 0.3085 * 1.25 at least."""
    exact = stats.binomtest(10, 10).proportion_ci(0.95)
    b_SPX = np.random.default_rng(14).random((1, 10, 2)) / 2
    a_SPX = b_SPX + np.array([0.25, 0.0])
    band = difference_noise(a_SPX, b_SPX, paired=True).band(0.95)
    assert band.low[0] == pytest.approx(0.25 - (1 - exact.low) * 1.25)
    assert (band.low[1], band.high[1]) == pytest.approx((0, 0), abs=1e-9)  # no difference, none claimed


def test_a_simultaneous_band_of_one_point_or_of_equal_points_is_pointwise():
    """Where all positions move together, nothing is gained by looking at several: c is the normal quantile 1.96."""
    values_P = np.random.default_rng(9).normal(size=2000)
    together_SPX = np.stack([values_P, 2 * values_P + 1, -values_P], axis=1)[None]
    band = simultaneous_band(together_SPX, Resampling(num_resamples=4000))
    error = values_P.std() / np.sqrt(2000)
    np.testing.assert_allclose((band.high - band.low) / 2, 1.96 * error * np.array([1, 2, 1]), rtol=0.04)


def test_a_simultaneous_band_of_independent_points_follows_sidak():
    """20 independent positions: the maximum of 20 normals stays below z with 95 %, 2Φ(z) - 1 = 0.95^(1/20)."""
    values_SPX = np.random.default_rng(10).normal(size=(1, 1000, 20))
    band = simultaneous_band(values_SPX, Resampling(num_resamples=4000))
    error_X = values_SPX[0].std(axis=0) / np.sqrt(1000)
    expected = stats.norm.ppf((1 + 0.95 ** (1 / 20)) / 2)
    assert ((band.high - band.low) / 2 / error_X).mean() == pytest.approx(expected, rel=0.04)


def test_a_point_that_never_moves_gets_no_width_and_does_not_widen_the_others():
    values_P = np.random.default_rng(11).normal(size=200)
    constant_SPX = np.stack([values_P, np.ones(200)], axis=1)[None]
    band = simultaneous_band(constant_SPX, Resampling())
    alone = simultaneous_band(values_P[None, :, None], Resampling())
    assert (band.low[1], band.high[1]) == (1.0, 1.0)
    assert (band.low[0], band.high[0]) == pytest.approx((alone.low[0], alone.high[0]))
