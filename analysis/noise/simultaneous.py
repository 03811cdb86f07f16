"""Bands of shares and of whole curves: no end beyond 0 or 1, and one level for the curve at once.

**Shares** (Pass@K, Maj@K, rates) near 0 or 1 are skewed: a symmetric interval of a mean of 99.5 % would promise too
much. The ends are those of Wilson's score interval (1927, J. American Statistical Association 22, 209-212) with the
variance of the data: all μ that satisfy

    (m - μ)² <= c²·φ·μ(1 - μ)/P,        φ = (Σ(y - m)² + w) / (P·m(1 - m) + w)

with m the mean over P problems, φ the variance relative to that of a coin (1 where every problem is all or nothing),
and c the half width of `seeds` in standard errors over problems, so that seeds are in. The w = 1/2 in φ matter near the
ends only: where one problem of a hundred differs, its own variance says next to nothing.

**A whole curve** is contained by a sup-t band (Montiel Olea & Plagborg-Møller 2019, J. Applied Econometrics 34, 1-17):
c grows by the quantile of max_x |Z_x| over that of one |Z|, Z normal with the correlations of the positions over
problems.
"""

from functools import lru_cache

import numpy as np
from scipy import stats

from analysis.noise.intervals import Band, problem_means
from analysis.noise.seeds import total_noise

PRIOR = 0.5  # w
DRAWS = 40_000  # of the maximum; its 95 % quantile is then good to about 0.3 %


def share_band(values_SPX: np.ndarray, confidence: float, *, simultaneous: bool = False) -> Band:
    """The band of a share at X positions, over problems and seeds; over problems with one seed.

    Args:
        values_SPX: scores in 0..1, (S, P, X).
        confidence: at each position, or of the whole curve where `simultaneous`.
    """
    noise = total_noise(values_SPX)
    means_PX = problem_means(values_SPX)
    num_problems = len(means_PX)
    if num_problems < 2:
        unknown_X = np.full_like(noise.point_X, np.nan)
        return Band(point=noise.point_X, low=unknown_X, high=unknown_X)
    multiple_X = np.full_like(noise.point_X, stats.t.ppf((1 + confidence) / 2, num_problems - 1))
    moves_X = noise.alone_X > 0
    multiple_X[moves_X] = noise.half_width(confidence)[moves_X] / np.sqrt(noise.alone_X[moves_X])
    if simultaneous:
        multiple_X = multiple_X * curve_factor(means_PX, confidence)
    mean_X = np.clip(noise.point_X, 0.0, 1.0)
    coin_X = mean_X * (1 - mean_X)
    relative_X = (num_problems * noise.alone_X * (num_problems - 1) + PRIOR) / (num_problems * coin_X + PRIOR)
    spread_X = multiple_X**2 * relative_X / num_problems
    middle_X = (mean_X + spread_X / 2) / (1 + spread_X)
    half_X = np.sqrt(spread_X * coin_X + spread_X**2 / 4) / (1 + spread_X)
    low_X, high_X = np.clip(middle_X - half_X, 0.0, 1.0), np.clip(middle_X + half_X, 0.0, 1.0)
    return Band(point=noise.point_X, low=np.minimum(low_X, mean_X), high=np.maximum(high_X, mean_X))


def curve_factor(means_PX: np.ndarray, confidence: float) -> float:
    """How much wider than at one position a band is that contains the whole curve: >= 1."""
    moving_PX = means_PX[:, np.ptp(means_PX, axis=0) > 1e-12]
    if moving_PX.shape[1] < 2:
        return 1.0
    correlation = np.corrcoef(moving_PX.T)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    largest_N = np.abs(_normals(len(values)) @ root.T).max(axis=1)
    return max(1.0, float(np.quantile(largest_N, confidence)) / float(stats.norm.ppf((1 + confidence) / 2)))


@lru_cache(maxsize=8)
def _normals(width: int) -> np.ndarray:
    """(N, width): a fixed sample of independent normals."""
    return np.random.default_rng(0).standard_normal((DRAWS, width))
