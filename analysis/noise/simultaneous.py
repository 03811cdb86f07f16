"""Bands of shares and of whole curves: no end beyond 0 or 1, and one level for the curve at once.

**Shares** (Pass@K, Maj@K, rates) near 0 or 1 are skewed: a symmetric interval of a mean of 99.5 % would promise too
much. The ends are those of Wilson's score interval (1927, J. American Statistical Association 22, 209-212) with the
variance of the data: all μ that satisfy

    (m - μ)² <= c²·φ·μ(1 - μ)/P,        φ = (Σ(y - m)² + w) / (P·m(1 - m) + w)

with m the mean over P problems, φ the variance relative to that of a coin (1 where every problem is all or nothing),
and c the half width of `seeds` in standard errors over problems, so that seeds are in. The w = 1/2 in φ matter near the
ends only: where one problem of a hundred differs, its own variance says next to nothing.

**A whole curve** is contained by a sup-t band (Montiel Olea & Plagborg-Møller 2019, J. Applied Econometrics 34, 1-17):
c grows by the quantile of max_x |error_x| / half width_x. With one seed the errors are normal with the correlations of
the positions over problems. With several,

    error_x = √A_x · Z_x + √(s·B̂_x) · U,        half width_x from A_x and s·B̂_x·χ²_ν/ν

with A and B̂ the variances of problems and seeds (`seeds`), U one normal number and χ² one draw for the whole curve: a
seed moves all positions together. s = ν/χ²_ν is what the true variance of the seeds may be of the estimated one; c is
taken over s, χ², Z and U together.

**With few seeds** that is not enough. Where the curves of two seeds cross, B̂_x is nearly 0 by chance although the
seeds differ next to it, and there the band missed: whole Pass@K curves of two seeds and 1,319 problems were contained
in 89 to 92 %, learning curves whose seeds drift apart in 77 to 93 %, with five seeds too. What a seed does to a policy
it does at all positions, about in proportion to the variance a_x over problems, so no position's estimate is below what
the curve says:

    B̂_x  ←  max( B̂_x, a_x · mean_x'(B̂_x'/a_x') )

and what completions and single problems add (`Noise.rest_X`), which differs from position to position, is drawn with Z
and not with U. Simulated, whole curves over K are then contained in 93 to 98 % with two seeds, three and five, 100 to
1,319 problems; learning curves in 95 to 98 % with three and five, in 99.5 % with two. Bands are about as wide on
average as before, since c need not make up for the pinches. Where seeds truly do not differ (all start from one model)
a band is wider than it need be.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np
from scipy import stats

from analysis.noise.intervals import Band, problem_means
from analysis.noise.seeds import Noise, total_noise
from analysis.noise.two_noises import half_width

PRIOR = 0.5  # w
DRAWS = 40_000  # of the maximum with one seed; its 95 % quantile is then good to about 0.3 %
SEED_DRAWS = 8_000  # with several


def share_band(values_SPX: np.ndarray, confidence: float, *, simultaneous: bool = False) -> Band:
    """The band of a share at X positions, over problems and seeds; over problems with one seed.

    Args:
        values_SPX: scores in 0..1, (S, P, X).
        confidence: at each position, or of the whole curve where `simultaneous`.
        simultaneous: whether the whole curve is to be contained.
    """
    noise = total_noise(values_SPX)
    if simultaneous:
        noise = along_curve(noise)
    means_PX = problem_means(values_SPX)
    num_problems = len(means_PX)
    if num_problems < 2:
        unknown_X = np.full_like(noise.point_X, np.nan)
        return Band(point=noise.point_X, low=unknown_X, high=unknown_X)
    multiple_X = np.full_like(noise.point_X, stats.t.ppf((1 + confidence) / 2, num_problems - 1))
    moves_X = noise.alone_X > 0
    multiple_X[moves_X] = noise.half_width(confidence)[moves_X] / np.sqrt(noise.alone_X[moves_X])
    if simultaneous:
        multiple_X = multiple_X * curve_factor(noise, means_PX, confidence)
    mean_X = np.clip(noise.point_X, 0.0, 1.0)
    coin_X = mean_X * (1 - mean_X)
    relative_X = (num_problems * noise.alone_X * (num_problems - 1) + PRIOR) / (num_problems * coin_X + PRIOR)
    spread_X = multiple_X**2 * relative_X / num_problems
    middle_X = (mean_X + spread_X / 2) / (1 + spread_X)
    half_X = np.sqrt(spread_X * coin_X + spread_X**2 / 4) / (1 + spread_X)
    low_X, high_X = np.clip(middle_X - half_X, 0.0, 1.0), np.clip(middle_X + half_X, 0.0, 1.0)
    return Band(point=noise.point_X, low=np.minimum(low_X, mean_X), high=np.maximum(high_X, mean_X))


def along_curve(noise: Noise) -> Noise:
    """The noise of a curve: at no position less variance of the seeds than the whole curve says of it."""
    moves_X = noise.alone_X > 1e-12
    if noise.seed_freedom < 1 or not moves_X.any():
        return noise
    together = float((noise.seeds_X[moves_X] / noise.alone_X[moves_X]).mean())
    return replace(noise, seeds_X=np.maximum(noise.seeds_X, together * noise.alone_X))


def curve_factor(noise: Noise, means_PX: np.ndarray, confidence: float) -> float:
    """How much wider than at one position a band is that contains the whole curve: >= 1.

    Args:
        noise: of the curve (`along_curve`).
        means_PX: what each problem adds to it, the mean over seeds.
        confidence: of the whole curve.
    """
    moving_X = np.ptp(means_PX, axis=0) > 1e-12
    if moving_X.sum() < 2:
        return 1.0
    values, vectors = np.linalg.eigh(np.corrcoef(means_PX[:, moving_X].T))
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    if noise.seed_freedom < 1:
        largest_N = np.abs(_normals(DRAWS, len(values), 0) @ root.T).max(axis=1)
        return max(1.0, float(np.quantile(largest_N, confidence)) / float(stats.norm.ppf((1 + confidence) / 2)))
    freedom = noise.seed_freedom
    problems_X, seeds_X = np.maximum(noise.problems_X[moving_X], 1e-12), noise.seeds_X[moving_X]
    rest_X = noise.rest_X[moving_X]
    z_NX = (_normals(SEED_DRAWS, len(values), 0) @ root.T) * np.sqrt(problems_X)
    z_NX = z_NX + (_normals(SEED_DRAWS, len(values), 4) @ root.T) * np.sqrt(rest_X)
    u_N1 = _normals(SEED_DRAWS, 1, 1)
    drawn_N1, known_N1 = (np.square(_normals(SEED_DRAWS, freedom, seed)).mean(axis=1, keepdims=True) for seed in (2, 3))
    true_NX = np.maximum(seeds_X - rest_X, 0.0) / known_N1
    half_N = half_width(
        np.broadcast_to(problems_X, z_NX.shape).ravel(),
        noise.problem_freedom,
        (true_NX * drawn_N1 + rest_X).ravel(),
        freedom,
        confidence,
    )
    largest_N = (np.abs(z_NX + np.sqrt(true_NX) * u_N1) / half_N.reshape(z_NX.shape)).max(axis=1)
    return max(1.0, float(np.quantile(largest_N, confidence)))


@lru_cache(maxsize=32)
def _normals(number: int, width: int, seed: int) -> np.ndarray:
    """(number, width): a fixed sample of independent normals."""
    return np.random.default_rng(seed).standard_normal((number, width))
