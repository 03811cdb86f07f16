"""How sure a difference is, and what a design can find: p-values, power, detectable differences."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import optimize, stats

from analysis.noise.seeds import FLOOR, Noise, contrast_noise
from analysis.noise.two_noises import half_width

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


def detectable_difference(
    noise: Noise, *, level: float, power: float = POWER, pilot_freedom: int | None = None
) -> float:
    """The smallest true difference that a repetition of this design finds with the given power.

    A repetition draws a mean around the true difference and a variance estimate of its own, and finds a difference
    where its interval at 1 - level excludes 0. The true variance of the seeds is not known: given the estimate B̂ with
    ν degrees of freedom it is taken as B̂·ν/χ²_ν, and the repetition's estimate as that times another χ²_ν/ν, so that
    the power is averaged over both. That of the problems is taken as known.

    Args:
        noise: of the difference.
        level: of the test: (1 - confidence) over the number of comparisons, Holm's first step.
        power: share of the repetitions.
        pilot_freedom: as in `design_power`.

    Returns:
        The difference; NaN where no variance could be estimated (one problem, or all differ by the same), no difference
        up to 1 is found so often, or the only estimate is that of two seeds: where such a pilot states a difference at
        all its variance came out small, and a repetition finds it in 69 % of cases (simulated), not in 80.
    """
    if noise.seed_freedom == 1 and pilot_freedom is None:
        return np.nan

    def found(effect: float) -> float:
        return float(design_power(np.array([effect]), noise, level=level, pilot_freedom=pilot_freedom)[0])

    if not found(1.0) > power:
        return np.nan
    return _root(lambda effect: found(effect) - power, 0.0, 1.0)


def design_power(effects_N: np.ndarray, noise: Noise, *, level: float, pilot_freedom: int | None = None) -> np.ndarray:
    """(N,): the chance that a run of this design finds each true difference (`detectable_difference`).

    `pilot_freedom` is that of the estimate of the seeds' variance, where it came from another design.
    """
    problems, seeds = float(noise.problems_X[0]), float(noise.seeds_X[0])
    alone, freedom = float(noise.alone_X[0]), noise.seed_freedom
    if freedom < 1:
        true_M, estimate_M = np.zeros(1), np.zeros(1)
    else:
        known = pilot_freedom or freedom
        true_G = seeds * known / stats.chi2.ppf(GRID, known)
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


@dataclass(frozen=True, kw_only=True)
class Components:
    """The variances of a contrast, apart from how much of each was drawn: of a problem, a seed, a problem under a seed,
    and one completion; `pilot_freedom` is that of the second."""

    problem: float
    seed: float
    local: float
    completion: float
    pilot_freedom: int

    def noise(self, *, seeds: int, problems: int, samples: int) -> Noise:
        """The noise of a design of so many seeds, problems and completions a problem."""
        rest = (self.local + self.completion / samples) / (seeds * problems)
        return Noise(
            point_X=np.zeros(1),
            problems_X=np.array([self.problem / problems]),
            problem_freedom=max(1, problems - 1),
            seeds_X=np.array([self.seed / seeds + rest]),
            seed_freedom=seeds - 1,
            alone_X=np.array([self.problem / problems + rest]),
            rest_X=np.array([rest]),
        )


def components_of(values_ASP: Sequence[np.ndarray], weights_A: Sequence[float], num_samples: int) -> Components:
    """The variances of a contrast of arms with the same seeds, from a pilot.

    Args:
        values_ASP: the share of right completions of each problem in each arm, (S, P).
        weights_A: of each arm.
        num_samples: completions a problem; the variance of one is p(1 - p), without bias from the pilot.

    Raises:
        ValueError: a single seed, or a single problem: nothing is known of the noise.
    """
    num_seeds, num_problems = values_ASP[0].shape
    if num_seeds < 2 or num_problems < 2:
        raise ValueError(
            f"power: {num_seeds} seed(s) and {num_problems} problem(s); expected two of each or more: the noise "
            "between seeds cannot be known from one; run more seeds"
        )
    noise = contrast_noise([values[:, :, None] for values in values_ASP], weights_A, paired=True)
    rest = float(noise.rest_X[0]) * num_seeds * num_problems
    completion = sum(
        weight**2 * float((values * (1 - values)).mean()) for values, weight in zip(values_ASP, weights_A, strict=True)
    )
    completion *= num_samples / max(1, num_samples - 1)
    return Components(
        problem=float(noise.problems_X[0]) * num_problems,
        seed=max(0.0, num_seeds * float(noise.seeds_X[0]) - rest / num_problems),
        local=max(0.0, rest - completion / num_samples),
        completion=completion,
        pilot_freedom=num_seeds - 1,
    )


def seeds_needed(components: Components, effect: float, *, problems: int, samples: int, level: float) -> int | None:
    """The fewest seeds, up to 100, with which a design finds the difference four times in five; None: 100 do not."""
    for seeds in (*range(2, 21), *range(25, 101, 5)):
        noise = components.noise(seeds=seeds, problems=problems, samples=samples)
        found = design_power(np.array([effect]), noise, level=level, pilot_freedom=components.pilot_freedom)
        if found[0] >= POWER:
            return seeds
    return None


def _found(half_M: np.ndarray, error_M: np.ndarray, effect: float) -> float:
    found_M = stats.norm.sf((half_M - effect) / error_M) + stats.norm.cdf((-half_M - effect) / error_M)
    return float(found_M.mean())


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.root_scalar(function, bracket=(low, high), method="brentq").root)
