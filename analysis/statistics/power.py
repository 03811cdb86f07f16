"""How sure a difference is, and what a design can find: p-values, power, detectable differences."""

from collections.abc import Callable

import numpy as np
from scipy import optimize, stats

from analysis.statistics.seeds import FLOOR, Noise
from analysis.statistics.two_noises import half_width

POWER = 0.8
GRID = (np.arange(80) + 0.5) / 80  # quantile levels at which the law of a variance is averaged over


def p_value(noise: Noise) -> float:
    """Two-sided: one minus the confidence at which the interval of `noise` just reaches 0.

    1 where there is no interval, or one without width: nothing is known of the noise, and nothing can be claimed.
    """
    distance = abs(float(noise.point_X[0]))
    if not float(noise.half_width(0.5)[0]) > 0:
        return 1.0

    def beyond(log_p: float) -> float:
        return float(noise.half_width(-np.expm1(log_p))[0]) - distance

    lowest, highest = np.log(1e-12), np.log(1 - 1e-12)
    if beyond(lowest) < 0:
        return 1e-12
    if beyond(highest) > 0:
        return 1.0
    return float(np.exp(_root(beyond, lowest, highest)))


def detectable_difference(noise: Noise, *, level: float, power: float = POWER) -> float:
    """The smallest true difference that a repetition of this design finds with the given power.

    A repetition draws a mean around the true difference and a variance estimate of its own, and finds a difference
    where its interval at 1 - level excludes 0. The true variance of the seeds is not known: given the estimate B̂ with
    ν degrees of freedom it is taken as B̂·ν/χ²_ν, and the repetition's estimate as that times another χ²_ν/ν, so that
    the power is averaged over both. That of the problems is taken as known.

    Args:
        noise: of the difference.
        level: of the test: (1 - confidence) over the number of comparisons, Holm's first step.
        power: share of the repetitions.

    Returns:
        The difference; NaN where no variance could be estimated (one problem, or all differ by the same) or no
        difference up to 1 is found so often.
    """
    most = float(design_power(np.ones(1), noise, level=level)[0])
    if not most > power:
        return np.nan
    return _root(lambda effect: float(design_power(np.array([effect]), noise, level=level)[0]) - power, 0.0, 1.0)


def design_power(effects_N: np.ndarray, noise: Noise, *, level: float) -> np.ndarray:
    """(N,): the chance that a repetition of this design finds each true difference (`detectable_difference`)."""
    problems, seeds = float(noise.problems_X[0]), float(noise.seeds_X[0])
    alone, freedom = float(noise.alone_X[0]), noise.seed_freedom
    if freedom < 1:
        true_M, estimate_M = np.zeros(1), np.zeros(1)
    else:
        true_G = seeds * freedom / stats.chi2.ppf(GRID, freedom)
        drawn_G = stats.chi2.ppf(GRID, freedom) / freedom
        true_M, estimate_M = np.repeat(true_G, len(GRID)), np.outer(true_G, drawn_G).ravel()
    quantile = float(stats.t.isf(level / 2, noise.problem_freedom))
    if freedom < 1:
        half_M, error_M = np.array([quantile * np.sqrt(alone)]), np.array([np.sqrt(alone)])
    else:
        known_M = np.full(len(true_M), problems)
        half_M = half_width(known_M, noise.problem_freedom, estimate_M, freedom, 1 - level)
        half_M = np.maximum(half_M, FLOOR * quantile * np.sqrt(alone))
        error_M = np.sqrt(problems + np.maximum(true_M, alone - problems))
    if not (error_M > 0).all() or not np.isfinite(error_M).all():
        return np.full(len(effects_N), np.nan)
    return np.array([_found(half_M, error_M, float(effect)) for effect in effects_N])


def _found(half_M: np.ndarray, error_M: np.ndarray, effect: float) -> float:
    found_M = stats.norm.sf((half_M - effect) / error_M) + stats.norm.cdf((-half_M - effect) / error_M)
    return float(found_M.mean())


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.root_scalar(function, bracket=(low, high), method="brentq").root)
