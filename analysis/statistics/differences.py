"""Two arms on the same problems: how far apart, how sure, and what this design could have seen.

A claim rests on the total interval (problems and seeds, training noise pooled over arms: `seeds`) and on its
p-value after Holm's correction (1979, Scandinavian J. Statistics 6, 65-70) over all pairs of one call on one benchmark.
Where an arm has one seed its training noise is not in the interval, and every sentence says so.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np
from scipy import optimize, stats

from analysis.statistics.intervals import Band, Interval, Resampling, bootstrap_mean, within
from analysis.statistics.scores import ArmScores
from analysis.statistics.seeds import Noise, difference_noise

POWER = 0.8
GRID = (np.arange(400) + 0.5) / 400  # quantile levels at which a variance estimate is averaged over its law
Verdict = Literal["better", "worse", "undecided"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmValues:
    """One arm's score of each problem under each seed; (S, P), the problems named."""

    arm: str
    seeds: tuple[int, ...]
    problem_ids: tuple[str | int, ...]
    values_SP: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Difference:
    """`arm` minus `baseline` in one quantity at one K; shares in -1..1."""

    arm: str
    baseline: str
    benchmark: str
    quantity: str
    k: int
    num_seeds: int  # of the arm
    num_baseline_seeds: int
    num_problems: int
    point: float
    problem: Interval  # over problems, the seeds given
    seed: Interval  # over seeds, the problems given; NaN with one seed
    total: Interval  # over both: what a claim rests on; NaN with one problem
    p_value: float
    p_holm: float
    num_comparisons: int
    detectable: float  # NaN where no variance can be estimated
    improvement: Interval
    confidence: float

    @property
    def verdict(self) -> Verdict:
        """Whether the arm is better or worse than the baseline after Holm's correction, or neither can be said."""
        if self.p_holm >= 1 - self.confidence or self.point == 0:
            return "undecided"
        return "better" if self.point > 0 else "worse"


def compare_arms(
    scores: Sequence[ArmScores],
    *,
    resampling: Resampling,
    baseline: str | None = None,
    quantity: str = "pass",
    k: int = 1,
) -> tuple[Difference, ...]:
    """Every other arm against the baseline, or every pair of arms; Holm's correction over the pairs of a benchmark.

    Args:
        scores: of `score_comparison`, all benchmarks.
        resampling: its confidence is that of the intervals and of the claims.
        baseline: the arm to subtract; without it all pairs, each later arm minus an earlier one.
        quantity: "pass" or "majority".
        k: a value of K among those of the scores.

    Raises:
        ValueError: no such K or baseline, or the arms have different problems.
    """
    differences: list[Difference] = []
    for benchmark in dict.fromkeys(arm.benchmark for arm in scores):
        values = [_at_k(arm, quantity, k) for arm in scores if arm.benchmark == benchmark]
        differences += compare_values(
            values, benchmark=benchmark, quantity=quantity, k=k, baseline=baseline, resampling=resampling
        )
    return tuple(differences)


def compare_with_controls(
    scores: Sequence[ArmScores], *, methods: Collection[str], controls: Sequence[str], resampling: Resampling
) -> tuple[tuple[Difference, ...], ...]:
    """Pass@1 of every method minus that of every control arm: a group a benchmark and control.

    Holm's correction is over all methods and all controls of a benchmark at once; training noise is pooled over all
    arms of `scores`, as in `compare_arms`.
    """
    groups = []
    for benchmark in dict.fromkeys(arm.benchmark for arm in scores) if methods and controls else ():
        arms = {arm.arm: _at_k(arm, "pass", 1) for arm in scores if arm.benchmark == benchmark}
        pairs = [(arms[arm], arms[control]) for control in controls for arm in arms if arm in methods]
        found = _family(pairs, tuple(arms.values()), benchmark=benchmark, quantity="pass", k=1, resampling=resampling)
        groups += [tuple(each for each in found if each.baseline == control) for control in controls]
    return tuple(groups)


def compare_values(
    values: Sequence[ArmValues],
    *,
    benchmark: str,
    quantity: str,
    k: int,
    baseline: str | None,
    resampling: Resampling,
) -> tuple[Difference, ...]:
    """`compare_arms` on one benchmark, from the values of each arm."""
    arms = {arm.arm: arm for arm in values}
    if baseline is not None and baseline not in arms:
        raise ValueError(f"baseline {baseline!r} has no scores on {benchmark}; expected one of {sorted(arms)}")
    if baseline is not None:
        pairs = [(arm, arms[baseline]) for arm in values if arm.arm != baseline]
    else:
        pairs = [(later, earlier) for earlier, later in combinations(values, 2)]
    return _family(pairs, tuple(values), benchmark=benchmark, quantity=quantity, k=k, resampling=resampling)


def _family(
    pairs: Sequence[tuple[ArmValues, ArmValues]],
    arms: tuple[ArmValues, ...],
    *,
    benchmark: str,
    quantity: str,
    k: int,
    resampling: Resampling,
) -> tuple[Difference, ...]:
    """The first of each pair minus the second; Holm's correction over all pairs, noise pooled over the arms."""
    context = _Context(
        benchmark=benchmark,
        quantity=quantity,
        k=k,
        num_comparisons=len(pairs),
        resampling=resampling,
        arms=arms,
    )
    found = [_difference(ours, theirs, context) for ours, theirs in pairs]
    adjusted = holm(np.array([difference.p_value for difference in found]))
    return tuple(replace(difference, p_holm=float(p)) for difference, p in zip(found, adjusted, strict=True))


def holm(p_values_M: np.ndarray) -> np.ndarray:
    """(M,): p-values adjusted so that the chance of any false claim among M stays at the level (Holm 1979).

    The i-th smallest is multiplied by M - i + 1, and none is smaller than one before it.
    """
    order = np.argsort(p_values_M, kind="stable")
    steps = np.arange(len(order), 0, -1) * p_values_M[order]
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def p_value(noise: Noise) -> float:
    """Two-sided: one minus the confidence at which the interval of `noise` just reaches 0.

    1 where there is no interval, or one without width: nothing is known of the noise, and nothing can be claimed.
    """
    distance = abs(float(noise.point_X[0]))
    if not float(noise.half_width(0.5)[0]) > 0:
        return 1.0

    def beyond(log_p: float) -> float:
        return float(noise.half_width(1 - np.exp(log_p))[0]) - distance

    if beyond(np.log(1e-12)) < 0:
        return 1e-12
    if beyond(np.log(1 - 1e-12)) > 0:
        return 1.0
    return float(np.exp(_root(beyond, np.log(1e-12), np.log(1 - 1e-12))))


def detectable_difference(noise: Noise, *, level: float, power: float = POWER) -> float:
    """The smallest true difference that a repetition of this design finds with the given power.

    A repetition draws a mean around the true difference and variance estimates ν·s²/σ² ~ χ²_ν around those found here,
    and finds a difference where the interval at 1 - level excludes 0. The estimates of the seeds' variances have few
    degrees of freedom, so that the power is averaged over their law; that of the problems is taken as known.

    Args:
        noise: of the difference.
        level: of the test: (1 - confidence) over the number of comparisons, Holm's first step.
        power: share of the repetitions.

    Returns:
        The difference; NaN where no variance could be estimated (one problem, or all differ by the same).
    """
    (problems_X, freedom), *seeds = noise.parts
    quantile = stats.t.ppf(1 - level / 2, freedom)
    half_squares = np.array([quantile**2 * float(problems_X[0])])
    for variance_X, own_freedom in seeds:
        drawn = stats.chi2.ppf(GRID, own_freedom) / own_freedom * float(variance_X[0])
        half_squares = np.add.outer(half_squares, stats.t.ppf(1 - level / 2, own_freedom) ** 2 * drawn).ravel()
        if len(half_squares) > len(GRID):  # two arms with seeds of their own: back to a grid of their sum
            half_squares = np.quantile(half_squares, GRID)
    halves = np.maximum(np.sqrt(half_squares), float(noise.alone_half_width(1 - level)[0]))
    alone = 0.0 if noise.alone_X is None else float(noise.alone_X[0])
    error = float(np.sqrt(max(alone, float(sum(variance_X[0] for variance_X, _ in noise.parts)))))
    if not error > 0:
        return np.nan

    def missing(effect: float) -> float:
        found = stats.norm.sf((halves - effect) / error) + stats.norm.cdf((-halves - effect) / error)
        return float(found.mean()) - power

    return _root(missing, 0.0, float(halves.max()) + 10 * error)


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.root_scalar(function, bracket=(low, high), method="brentq").root)


def probability_of_improvement(a_SP: np.ndarray, b_SP: np.ndarray) -> np.ndarray:
    """(P,): the chance that a run of a beats a run of b on each problem, ties counting one half.

        P(X > Y) = mean over problems of 1/(S_a·S_b) Σ_i Σ_j ( 1[x_i > y_j] + ½·1[x_i = y_j] )

    Agarwal et al. 2021 (arXiv 2108.13264), section 4.3, with problems as tasks and seeds as runs.
    """
    ahead_ABP = np.sign(a_SP[:, None] - b_SP[None])
    return (ahead_ABP.mean(axis=(0, 1)) + 1) / 2


def _at_k(arm: ArmScores, quantity: str, k: int) -> ArmValues:
    if k not in arm.ks:
        raise ValueError(f"{arm.arm} on {arm.benchmark}: no score at K={k}; expected one of {list(arm.ks)}")
    values_SP = arm.values(quantity)[:, :, arm.ks.index(k)]
    return ArmValues(arm=arm.arm, seeds=arm.seeds, problem_ids=arm.problem_ids, values_SP=values_SP)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Context:
    """What all pairs of one table share."""

    benchmark: str
    quantity: str
    k: int
    num_comparisons: int
    resampling: Resampling
    arms: tuple[ArmValues, ...]


def _difference(ours: ArmValues, theirs: ArmValues, context: _Context) -> Difference:
    if ours.problem_ids != theirs.problem_ids:
        raise ValueError(
            f"{ours.arm} and {theirs.arm} on {context.benchmark}: different problems ({len(ours.problem_ids)} and "
            f"{len(theirs.problem_ids)}); expected the same; intersect them when the comparison is loaded"
        )
    a_SPX, b_SPX = ours.values_SP[:, :, None], theirs.values_SP[:, :, None]
    paired = ours.seeds == theirs.seeds
    fellows = [arm.values_SP.mean(axis=1) for arm in context.arms if arm.seeds == ours.seeds]
    noise = difference_noise(a_SPX, b_SPX, paired=paired, seed_means_ASX=np.stack(fellows)[:, :, None])
    own = difference_noise(a_SPX, b_SPX, paired=paired).seeds_only()
    confidence = context.resampling.confidence
    improvement_P = probability_of_improvement(ours.values_SP, theirs.values_SP)
    return Difference(
        arm=ours.arm,
        baseline=theirs.arm,
        benchmark=context.benchmark,
        quantity=context.quantity,
        k=context.k,
        num_seeds=len(ours.seeds),
        num_baseline_seeds=len(theirs.seeds),
        num_problems=len(ours.problem_ids),
        point=float(noise.point_X[0]),
        problem=_interval(noise.problems_only().band(confidence)),
        seed=_interval(own.band(confidence)),
        total=_interval(noise.band(confidence)),
        p_value=(p := p_value(noise)),
        p_holm=p,
        num_comparisons=context.num_comparisons,
        detectable=detectable_difference(noise, level=(1 - confidence) / context.num_comparisons),
        improvement=bootstrap_mean(
            improvement_P[None],
            num_resamples=context.resampling.num_resamples,
            confidence=confidence,
            seed=context.resampling.seed,
        ),
        confidence=confidence,
    )


def _interval(difference: Band) -> Interval:
    band = within(difference, -1.0)
    return Interval(point=float(band.point[0]), low=float(band.low[0]), high=float(band.high[0]))
