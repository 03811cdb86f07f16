"""The interval over problems and seeds, and the bands of shares and curves, against hand computations and scipy."""

import numpy as np
import pytest
from scipy import stats

from analysis import bootstrap_mean, share_band
from analysis.noise.power import p_value
from analysis.noise.seeds import FLOOR, contrast_noise, difference_noise, total_band, total_noise
from analysis.noise.simultaneous import along_curve, curve_factor
from analysis.noise.two_noises import half_width, miss_rate


def scores(num_seeds: int, num_problems: int, *, seed_sd: float, rest_sd: float, seed: int) -> np.ndarray:
    """(S, P, 1): problems of standard deviation 0.3, seeds, and the rest."""
    rng = np.random.default_rng(seed)
    values_SP = rng.normal(0.5, 0.3, num_problems) + rng.normal(0, seed_sd, (num_seeds, 1))
    return (values_SP + rng.normal(0, rest_sd, (num_seeds, num_problems)))[:, :, None]


def test_where_problems_do_not_vary_it_is_the_t_interval_on_seed_means():
    """Means 0.4, 0.5, 0.6: standard error 0.1/√3, t at two degrees of freedom 4.3027: half width 0.2484."""
    band = total_band(np.tile(np.array([0.4, 0.5, 0.6])[:, None, None], (1, 10, 1)), 0.95)
    assert (band.low[0], band.high[0]) == pytest.approx((0.5 - 0.2484, 0.5 + 0.2484), abs=1e-4)


def test_with_one_seed_it_is_the_interval_over_problems():
    values_SPX = scores(1, 400, seed_sd=0.0, rest_sd=0.0, seed=2)
    band = total_band(values_SPX, 0.95)
    low, high = stats.t.interval(0.95, 399, loc=values_SPX.mean(), scale=stats.sem(values_SPX[0, :, 0]))
    assert (band.low[0], band.high[0]) == pytest.approx((low, high))
    interval = bootstrap_mean(values_SPX[:, :, 0], num_resamples=20_000, seed=0)
    assert band.low[0] == pytest.approx(interval.low, abs=0.03 * (interval.high - interval.low))


def test_the_parts_are_those_of_a_two_way_analysis_of_variance():
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
    noise = total_noise(values_SP[:, :, None])
    assert (noise.problem_freedom, noise.seed_freedom) == (7, 2)
    assert noise.problems_X[0] == pytest.approx((problem_square - rest_square) / (num_seeds * num_problems))
    assert noise.seeds_X[0] == pytest.approx(seed_square / (num_seeds * num_problems))


@pytest.mark.parametrize(("freedom", "most"), [(1, 0.16), (2, 0.02), (3, 0.01), (4, 0.01), (9, 0.01)])
@pytest.mark.parametrize("ratio", [0.0, 0.05, 0.3, 1.0, 3.0, 30.0])
def test_the_interval_misses_in_5_per_cent_whatever_the_ratio_of_the_two_variances(freedom, most, ratio):
    """The estimate's χ² is integrated here by simulation, apart from `miss_rate`."""
    assert miss_rate(freedom, 0.05, ratio) == pytest.approx(0.05, rel=most)
    rng = np.random.default_rng(freedom)
    estimate_N = ratio * rng.chisquare(freedom, 40_000) / freedom
    mean_N = rng.normal(0, np.sqrt(1 + ratio), 40_000)
    half_N = half_width(np.ones(40_000), 10**9, estimate_N, freedom, 0.95)
    assert (np.abs(mean_N) > half_N).mean() == pytest.approx(0.05, abs=0.05 * most + 0.004)


@pytest.mark.parametrize("freedom", [1, 2, 3, 5])
def test_small_levels_err_to_the_cautious_side_and_no_level_crosses_another(freedom):
    assert all(miss_rate(freedom, 0.05 / 9, ratio) < 1.1 * 0.05 / 9 for ratio in (0.0, 0.1, 0.5, 1.0, 5.0, 50.0))
    ratios_X = np.exp(np.linspace(-6, 6, 50))
    halves = [half_width(np.ones(50), 10**6, ratios_X, freedom, 1 - level) for level in (0.2, 0.05, 0.01, 1e-3, 1e-5)]
    assert (np.diff(np.array(halves), axis=0) >= -1e-6).all()


def test_a_contrast_cancels_what_a_seed_shares():
    """Start policies move both arms by ±0.3; what is left moves by 0.01: the interval knows the second only."""
    rng = np.random.default_rng(5)
    shared_S, problems_P = np.array([0.3, -0.3, 0.1]), rng.normal(0, 0.3, 400)
    own_AS = np.array([[0.01, -0.01, 0.0], [0.0, 0.0, 0.0]])
    a_SPX, b_SPX = ((shared_S[:, None] + own_S[:, None] + problems_P)[:, :, None] for own_S in own_AS)
    paired = difference_noise(a_SPX, b_SPX, paired=True)
    assert paired.seeds_X[0] == pytest.approx(0.01**2 / 3)
    unpaired = difference_noise(a_SPX, b_SPX, paired=False)
    assert unpaired.seeds_X[0] == pytest.approx(stats.sem(shared_S + own_AS[0]) ** 2 + stats.sem(shared_S) ** 2)


def test_a_mean_of_arms_minus_a_mean_of_arms_is_the_contrast_of_each_seed():
    rng = np.random.default_rng(15)
    values_ASPX = rng.random((4, 3, 20, 1))
    noise = contrast_noise(list(values_ASPX), [0.5, 0.5, -0.5, -0.5], paired=True)
    by_seed_S = (values_ASPX[:2].mean(axis=0) - values_ASPX[2:].mean(axis=0)).mean(axis=1)[:, 0]
    assert noise.seeds_X[0] == pytest.approx(stats.sem(by_seed_S) ** 2)


def test_arms_with_seeds_of_their_own_have_the_fewest_degrees_of_freedom():
    a_SPX, b_SPX = scores(3, 40, seed_sd=0.1, rest_sd=0.1, seed=6), scores(2, 40, seed_sd=0.1, rest_sd=0.1, seed=7)
    assert difference_noise(a_SPX, b_SPX, paired=False).seed_freedom == 1
    assert difference_noise(a_SPX, b_SPX[:1], paired=False).seed_freedom == 0


def test_estimates_that_are_0_by_chance_do_not_make_a_sure_interval():
    """Differences 1 0 1 0 / 0 1 0 1 under two seeds, and half a point more on one problem in both: seed means are equal
    and the rest is larger than the problems' part, so both parts are 0."""
    noise = total_noise(np.array([[1.5, 0, 1, 0], [0.5, 1, 0, 1]])[:, :, None])
    assert (noise.problems_X[0], noise.seeds_X[0]) == (0.0, 0.0)
    assert noise.half_width(0.95)[0] == pytest.approx(FLOOR * stats.t.ppf(0.975, 3) * stats.sem([1.0, 0.5, 0.5, 0.5]))


def test_one_problem_has_no_interval():
    assert np.isnan(total_band(scores(3, 1, seed_sd=0.1, rest_sd=0.1, seed=13), 0.95).low).all()


def test_equal_differences_allow_for_problems_that_were_not_seen():
    """Ten problems better by 1/4: scipy's exact interval of 10 successes in 10 trials ends at 0.6915, and the others
    may be worse by 1, so that the mean is 0.25 - 0.3085 * 1.25 at least."""
    exact = stats.binomtest(10, 10).proportion_ci(0.95)
    b_SPX = np.random.default_rng(14).random((1, 10, 2)) / 2
    a_SPX = b_SPX + np.array([0.25, 0.0])
    band = difference_noise(a_SPX, b_SPX, paired=True).band(0.95)
    assert band.low[0] == pytest.approx(0.25 - (1 - exact.low) * 1.25)
    assert (band.low[1], band.high[1]) == pytest.approx((0, 0), abs=1e-9)  # no difference, none claimed


@pytest.mark.parametrize("solved", [0, 3, 50, 99, 100])
def test_the_band_of_a_share_of_problems_is_wilsons(solved):
    values_SPX = np.repeat([1.0, 0.0], [solved, 100 - solved])[None, :, None]
    band = share_band(values_SPX, 0.95)
    expected = stats.binomtest(solved, 100).proportion_ci(0.95, method="wilson")
    assert (band.low[0], band.high[0]) == pytest.approx((expected.low, expected.high), abs=0.003)


def test_a_band_near_the_ceiling_promises_no_more_than_one_at_it():
    """99.5 % came out as [98.5, 100] where 100 % came out as [96.4, 100]."""
    nearly = np.ones((1, 100, 1))
    nearly[0, 0, 0] = 0.5
    low_nearly, low_all = (share_band(values, 0.95).low[0] for values in (nearly, np.ones((1, 100, 1))))
    assert low_nearly == pytest.approx(low_all, abs=0.015)
    assert low_nearly < 0.975


def test_a_simultaneous_band_of_independent_points_follows_sidak():
    """20 independent positions: the maximum of 20 normals stays below z with 95 %, 2Φ(z) - 1 = 0.95^(1/20)."""
    means_PX = np.random.default_rng(10).normal(size=(20_000, 20))
    expected = stats.norm.ppf((1 + 0.95 ** (1 / 20)) / 2) / stats.norm.ppf(0.975)
    assert curve_factor(total_noise(means_PX[None]), means_PX, 0.95) == pytest.approx(expected, rel=0.01)
    together_PX = means_PX[:, :1] * np.array([1.0, 2.0, -1.0])
    assert curve_factor(total_noise(together_PX[None]), together_PX, 0.95) == pytest.approx(1.0, abs=0.01)
    still_PX = np.hstack([means_PX[:, :1], np.ones((20_000, 3))])  # what never moves
    assert curve_factor(total_noise(still_PX[None]), still_PX, 0.95) == 1.0


def test_where_the_curves_of_two_seeds_cross_the_band_does_not_close():
    """Seeds differ by +4, 0 and -4 points at three K, problems vary alike: (2² + 0 + 2²)/3 in place of 0 in the middle.

    The half width of one position is then t_1 (the seeds' quantile, 12.7) times 1.63 points where problems hardly vary.
    """
    rng = np.random.default_rng(4)
    shared_P = 0.01 * rng.standard_normal(2000)
    by_seed_SX = np.array([[0.52, 0.5, 0.48], [0.48, 0.5, 0.52]])
    values_SPX = by_seed_SX[:, None, :] + (shared_P - shared_P.mean())[None, :, None]
    noise = total_noise(values_SPX)
    assert np.sqrt(noise.seeds_X) == pytest.approx([0.02, 0.0, 0.02])
    together = along_curve(noise)
    assert np.sqrt(together.seeds_X) == pytest.approx([0.02, 0.02 * np.sqrt(2 / 3), 0.02])
    assert together.half_width(0.95)[1] == pytest.approx(12.706 * 0.02 * np.sqrt(2 / 3), rel=0.01)

    band = share_band(values_SPX, 0.95, simultaneous=True)
    assert float(band.high[1] - band.low[1]) / 2 > 0.15
    one_seed = total_noise(values_SPX[:1])
    assert along_curve(one_seed) is one_seed


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_two_arms_that_solve_nothing_are_not_shown_to_be_alike(seeds: int):
    """As with one arm, a problem in 1 - 0.025^(1/100) = 3.6 % may be of a kind that was not seen; at p = 1."""
    nothing = np.zeros((seeds, 100, 1))
    for score in (0.0, 1.0):
        noise = contrast_noise([nothing + score, nothing + score], [1.0, -1.0], paired=True)
        assert noise.half_width(0.95) == pytest.approx([1 - 0.025 ** (1 / 100)])
        assert p_value(noise) == 1.0


def test_the_same_samples_differ_by_nothing():
    scores = np.random.default_rng(0).random((2, 100, 1))
    assert contrast_noise([scores, scores], [1.0, -1.0], paired=True).half_width(0.95) == pytest.approx([0.0])
