"""How sure a difference is, and what a design can find: p-values, power, detectable differences."""

from bisect import bisect_left
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


def true_seeds(estimate: float, rest: float, freedom: int) -> np.ndarray:
    """(80,): what the variance of a mean due to seeds may truly be, at the levels of `GRID`, given its estimate.

    From the estimate alone it is B̂·ν/χ²_ν, and never less than `rest`, what completions and single problems make of it,
    which is known well. Where that is much of B̂ the law is drawn together: T^(1 − s)·max(B̂, rest)^s with T the draws
    and s = (rest/max(B̂, rest))²/2. The exponent was found numerically, with pilots of three and of five seeds: what is
    stated to be found in 20, 50 and 80 % of repetitions is found in 19 to 23, 48 to 56 and 75 to 83 % where the rest is
    at most the seeds' own variance, and in 23 to 25, 54 to 60 and 81 to 87 % where it is three times that.

    Args:
        estimate: B̂, `rest` included.
        rest: the part that is not the seeds' own.
        freedom: ν of the estimate.

    Returns:
        NaN where ν is 1: two seeds differ by one number, from which nothing that is stated of power holds.
    """
    if freedom == 1:
        return np.full(len(GRID), np.nan)
    plug = max(estimate, rest)
    if not plug > 0:
        return np.zeros(len(GRID))
    share = (rest / plug) ** 2 / 2
    drawn_G = np.maximum(estimate * freedom / stats.chi2.ppf(GRID, freedom), rest)
    return drawn_G ** (1 - share) * plug**share


def detectable_difference(
    noise: Noise, *, level: float, power: float = POWER, true_G: np.ndarray | None = None
) -> float:
    """The smallest true difference that a repetition of this design finds with the given power.

    A repetition draws a mean around the true difference and a variance estimate of its own, and finds a difference
    where its interval at 1 - level excludes 0. The power is averaged over what the true variance of the seeds may be
    (`true_seeds`) and over the repetition's estimate of it, which is that times χ²_ν/ν. That of the problems is taken
    as known.

    Args:
        noise: of the difference.
        level: of the test: (1 - confidence) over the number of comparisons, Holm's first step.
        power: share of the repetitions.
        true_G: as in `design_power`.

    Returns:
        The difference; NaN where no variance could be estimated (one problem, or all differ by the same), no difference
        up to 1 is found so often, or the design has two seeds: what they find four times in five is often more than
        everything, and where a difference is stated its variance came out small (65 to 75 % find it, simulated).
    """
    if noise.seed_freedom == 1:
        return np.nan

    def found(effect: float) -> float:
        return float(design_power(np.array([effect]), noise, level=level, true_G=true_G)[0])

    if not found(1.0) > power:
        return np.nan
    return _root(lambda effect: found(effect) - power, 0.0, 1.0)


def design_power(effects_N: np.ndarray, noise: Noise, *, level: float, true_G: np.ndarray | None = None) -> np.ndarray:
    """(N,): the chance that a run of this design finds each true difference (`detectable_difference`).

    Args:
        effects_N: true differences.
        noise: of the design.
        level: of the test.
        true_G: what its variance due to seeds may truly be; without it what `noise` itself says, as of a repetition.

    Returns:
        NaN where that is not known: from two seeds nothing is stated.
    """
    problems, alone, freedom = float(noise.problems_X[0]), float(noise.alone_X[0]), noise.seed_freedom
    quantile = float(stats.t.isf(level / 2, noise.problem_freedom))
    if freedom < 1:
        half_M, error_M = np.array([quantile * np.sqrt(alone)]), np.array([np.sqrt(alone)])
    else:
        if true_G is None:
            true_G = true_seeds(float(noise.seeds_X[0]), float(noise.rest_X[0]), freedom)
        drawn_G = stats.chi2.ppf(GRID, freedom) / freedom
        true_M, estimate_M = np.repeat(true_G, len(GRID)), np.outer(true_G, drawn_G).ravel()
        known_M = np.full(len(true_M), problems)
        half_M = half_width(known_M, noise.problem_freedom, estimate_M, freedom, 1 - level)
        half_M = np.maximum(half_M, FLOOR * quantile * np.sqrt(alone))
        error_M = np.sqrt(problems + np.maximum(true_M, alone - problems))
    if not (error_M > 0).all() or not np.isfinite(error_M).all():
        return np.full(len(effects_N), np.nan)
    return np.array([_found(half_M, error_M, float(effect)) for effect in effects_N])


@dataclass(frozen=True, kw_only=True)
class Components:
    """The variances of a contrast, apart from how much of each was drawn, and what is known of them.

    Attributes:
        problem: of a problem.
        seed: of a seed; below 0 where the pilot's seeds differ by less than completions make them.
        local: of a problem under a seed.
        completion: of one completion.
        pilot_freedom: degrees of freedom of `seed`.
        pilot_rest: variance of the mean of a seed in the pilot due to the two before: `seed` was estimated with it in.
    """

    problem: float
    seed: float
    local: float
    completion: float
    pilot_freedom: int
    pilot_rest: float = 0.0

    def noise(self, *, seeds: int, problems: int, samples: int) -> Noise:
        """The noise of a design of so many seeds, problems and completions a problem."""
        rest = self._rest(seeds, problems, samples)
        return Noise(
            point_X=np.zeros(1),
            problems_X=np.array([self.problem / problems]),
            problem_freedom=max(1, problems - 1),
            seeds_X=np.array([max(0.0, self.seed) / seeds + rest]),
            seed_freedom=seeds - 1,
            alone_X=np.array([self.problem / problems + rest]),
            rest_X=np.array([rest]),
        )

    def power(self, effects_N: np.ndarray, *, seeds: int, problems: int, samples: int, level: float) -> np.ndarray:
        """(N,): `design_power` of such a design; NaN where the pilot or the design is too small to state it."""
        if seeds < 2:
            return np.full(len(effects_N), np.nan)  # no verdict, whatever the difference
        noise, true_G = (
            self.noise(seeds=seeds, problems=problems, samples=samples),
            self._true(seeds, problems, samples),
        )
        return design_power(effects_N, noise, level=level, true_G=true_G)

    def detectable(self, *, seeds: int, problems: int, samples: int, level: float) -> float:
        """`detectable_difference` of such a design; NaN where the pilot or the design is too small to state it."""
        if seeds < 2:
            return np.nan
        noise, true_G = (
            self.noise(seeds=seeds, problems=problems, samples=samples),
            self._true(seeds, problems, samples),
        )
        return detectable_difference(noise, level=level, true_G=true_G)

    def _rest(self, seeds: int, problems: int, samples: int) -> float:
        return (self.local + self.completion / samples) / (seeds * problems)

    def _true(self, seeds: int, problems: int, samples: int) -> np.ndarray:
        mean_G = true_seeds(self.seed + self.pilot_rest, self.pilot_rest, self.pilot_freedom) - self.pilot_rest
        return mean_G / seeds + self._rest(seeds, problems, samples)


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
        seed=num_seeds * float(noise.seeds_X[0]) - rest / num_problems,
        local=max(0.0, rest - completion / num_samples),
        completion=completion,
        pilot_freedom=num_seeds - 1,
        pilot_rest=rest / num_problems,
    )


def seeds_needed(components: Components, effect: float, *, problems: int, samples: int, level: float) -> int | None:
    """The fewest seeds, 3 to 100, with which a design finds the difference four times in five; None: 100 do not.

    Raises:
        ValueError: the pilot has two seeds, which state no power.
    """
    _check_pilot(components)
    for seeds in (*range(3, 21), *range(25, 101, 5)):
        found = components.power(np.array([effect]), seeds=seeds, problems=problems, samples=samples, level=level)
        if found[0] >= POWER:
            return seeds
    return None


def problems_needed(components: Components, effect: float, *, seeds: int, samples: int, level: float) -> int | None:
    """The fewest problems, to two digits and rounded up, with which so many seeds find the difference four times in
    five; None: no number of problems would, the seeds' own part is too large.

    Raises:
        ValueError: the pilot has two seeds, which state no power.
    """
    return _fewest(
        lambda number: components.power(np.array([effect]), seeds=seeds, problems=number, samples=samples, level=level),
        components,
        range(2, 10),
    )


def samples_needed(components: Components, effect: float, *, seeds: int, problems: int, level: float) -> int | None:
    """The fewest samples a problem, to two digits and rounded up, with which so many seeds and problems find the
    difference four times in five; None: no number of samples would, seeds and problems differ too much.

    Raises:
        ValueError: the pilot has two seeds, which state no power.
    """
    return _fewest(
        lambda number: components.power(
            np.array([effect]), seeds=seeds, problems=problems, samples=number, level=level
        ),
        components,
        range(1, 10),
    )


def _fewest(power: Callable[[int], np.ndarray], components: Components, small: range) -> int | None:
    """The first of the numbers of two digits whose power is enough, which grows with them; None where none has it."""
    _check_pilot(components)
    numbers = [*small, *(digits * 10**zeros for zeros in range(8) for digits in range(10, 100))]
    place = bisect_left(numbers, True, key=lambda number: bool(power(number)[0] >= POWER))
    return numbers[place] if place < len(numbers) else None


def _check_pilot(components: Components) -> None:
    if components.pilot_freedom == 1:
        raise ValueError("the pilot has two seeds, which say too little of how seeds differ; expected three or more")


def _found(half_M: np.ndarray, error_M: np.ndarray, effect: float) -> float:
    found_M = stats.norm.sf((half_M - effect) / error_M) + stats.norm.cdf((-half_M - effect) / error_M)
    return float(found_M.mean())


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.root_scalar(function, bracket=(low, high), method="brentq").root)
