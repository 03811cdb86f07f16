"""How far apart arms are, how sure, and what this design could have seen.

One interval for each contrast, over problems and seeds (`seeds`), computed from the arms of that contrast alone: it is
the same in every table, whatever else was run. A verdict is given for declared contrasts only (`contrasts`), by the
p-value after Holm's correction (1979, Scandinavian J. Statistics 6, 65-70) over all of them on one benchmark and
quantity, and never with fewer than two seeds. All other differences are shown with their interval and no verdict.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Literal

import numpy as np

from analysis.noise.intervals import Band, Interval, Resampling, within
from analysis.noise.power import detectable_difference, p_value
from analysis.noise.seeds import contrast_noise
from analysis.records.showing import table_html
from analysis.statistics.contrasts import TUNED_START, Contrast
from analysis.statistics.scores import ArmScores
from benchmarks.naming import did_you_mean

Judgement = Literal["better", "worse", "undecided", "none"]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmValues:
    """One arm's score of each problem under each seed; (S, P), the problems named."""

    arm: str
    seeds: tuple[int, ...]
    problem_ids: tuple[str | int, ...]
    values_SP: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A contrast in one quantity at one K; shares in -1..1. `arm` and `baseline` are its two sides in words."""

    name: str
    arm: str
    baseline: str
    benchmark: str
    quantity: str
    k: int
    temperature: float | None  # of the samples; None where it was not recorded
    num_seeds: int  # the fewest of an arm on this side
    num_baseline_seeds: int
    num_problems: int
    point: float
    interval: Interval  # over problems and seeds; over problems with one seed; NaN with one problem
    seed_points: tuple[float, ...]  # of each seed, where the arms have the same ones
    p_value: float
    p_holm: float  # over `num_comparisons`; NaN where the contrast was not declared
    num_comparisons: int
    detectable: float  # NaN with fewer than three seeds, or where no variance can be estimated
    confidence: float

    def _repr_html_(self) -> str:
        about = {
            "contrast": self.name,
            "verdict": self.verdict,
            "points": 100 * self.point,
            "low": 100 * self.interval.low,
            "high": 100 * self.interval.high,
            "p (Holm)": self.p_holm,
            "seeds": min(self.num_seeds, self.num_baseline_seeds),
            "problems": self.num_problems,
        }
        title = f"{self.quantity}@{self.k} on {self.benchmark}, {100 * self.confidence:g} %"
        return table_html(title, {name: [value] for name, value in about.items()})

    @property
    def declared(self) -> bool:
        """Whether the comparison asked for it."""
        return self.num_comparisons > 0

    @property
    def verdict(self) -> Judgement:
        """What may be said after Holm's correction; "none" where it was not declared or an arm has a single seed."""
        if not self.declared or min(self.num_seeds, self.num_baseline_seeds) < 2:
            return "none"
        if self.p_holm >= 1 - self.confidence or self.point == 0:
            return "undecided"
        return "better" if self.point > 0 else "worse"


def judge_contrasts(
    scores: Sequence[ArmScores],
    contrasts: Sequence[Contrast],
    *,
    resampling: Resampling,
    quantity: str = "pass",
    k: int = 1,
) -> tuple[Difference, ...]:
    """Every declared contrast whose arms are there, corrected together, benchmark by benchmark.

    Args:
        scores: of `decoding.contrast_scores`, all benchmarks and temperatures; of the same arm the first has the
            evaluation's.
        contrasts: declared; those with an arm that is not there, or not at their temperature, still count in the
            correction.
        resampling: its confidence is that of intervals and verdicts.
        quantity: "pass" or "majority".
        k: a value of K among those of the scores.

    Raises:
        ValueError: no such K, or the arms have different problems.
    """
    found: list[Difference] = []
    for benchmark in dict.fromkeys(arm.benchmark for arm in scores):
        on_benchmark = [arm for arm in scores if arm.benchmark == benchmark]
        found_in = [(contrast, scores_of(contrast, on_benchmark)) for contrast in contrasts]
        here = [(contrast, arms) for contrast, arms in found_in if arms is not None]
        family = [
            contrast_difference(
                contrast,
                {arm.arm: _at_k(arm, quantity, k) for arm in arms},
                benchmark=benchmark,
                quantity=quantity,
                k=k,
                temperature=_common(arm.temperature for arm in arms if arm.arm != TUNED_START),
                num_comparisons=len(contrasts),
                confidence=resampling.confidence,
            )
            for contrast, arms in here
        ]
        p_values = np.array([each.p_value for each in family] + [1.0] * (len(contrasts) - len(here)))
        found += [replace(each, p_holm=float(p)) for each, p in zip(family, holm(p_values)[: len(family)], strict=True)]
    return tuple(found)


def scores_of(contrast: Contrast, scores: Sequence[ArmScores]) -> list[ArmScores] | None:
    """The scores of each arm of a contrast at its temperature, in its order; None where one is not there.

    Args:
        contrast: `TUNED_START` has one temperature, its own.
        scores: of one benchmark; of the same arm the first has the evaluation's temperature.
    """
    found = []
    for arm in contrast.arms:
        asked = None if arm == TUNED_START else contrast.temperature
        fitting = [each for each in scores if each.arm == arm and asked in (None, each.temperature)]
        if not fitting:
            return None
        found.append(fitting[0])
    return found


def compare_arms(
    scores: Sequence[ArmScores],
    *,
    resampling: Resampling,
    baseline: str | None = None,
    quantity: str = "pass",
    k: int = 1,
) -> tuple[Difference, ...]:
    """Every other arm minus the baseline, or every pair of arms: intervals without a verdict.

    Args:
        scores: of `score_comparison`, all benchmarks.
        resampling: its confidence is that of the intervals.
        baseline: the arm to subtract; without it all pairs, each later arm minus an earlier one.
        quantity: "pass" or "majority".
        k: a value of K among those of the scores.

    Raises:
        ValueError: no such K or baseline, or the arms have different problems.
    """
    differences: list[Difference] = []
    for benchmark in dict.fromkeys(arm.benchmark for arm in scores):
        here = [arm for arm in scores if arm.benchmark == benchmark]
        differences += compare_values(
            [_at_k(arm, quantity, k) for arm in here],
            benchmark=benchmark,
            quantity=quantity,
            k=k,
            temperature=_common(arm.temperature for arm in here),
            baseline=baseline,
            confidence=resampling.confidence,
        )
    return tuple(differences)


def compare_values(
    values: Sequence[ArmValues],
    *,
    benchmark: str,
    quantity: str,
    k: int,
    temperature: float | None,
    baseline: str | None,
    confidence: float,
) -> tuple[Difference, ...]:
    """`compare_arms` on one benchmark, from the values of each arm."""
    arms = {arm.arm: arm for arm in values}
    if baseline is not None and baseline not in arms:
        near = did_you_mean(baseline, arms)
        raise ValueError(f"baseline {baseline!r} has no scores on {benchmark}{near}Known: {', '.join(sorted(arms))}")
    if baseline is not None:
        pairs = [(arm, baseline) for arm in arms if arm != baseline]
    else:
        pairs = [(later, earlier) for earlier, later in combinations(arms, 2)]
    return tuple(
        contrast_difference(
            Contrast(name=f"{ours} − {theirs}", plus=(ours,), minus=(theirs,)),
            arms,
            benchmark=benchmark,
            quantity=quantity,
            k=k,
            temperature=temperature,
            num_comparisons=0,
            confidence=confidence,
        )
        for ours, theirs in pairs
    )


def contrast_difference(
    contrast: Contrast,
    arms: Mapping[str, ArmValues],
    *,
    benchmark: str,
    quantity: str,
    k: int,
    temperature: float | None,
    num_comparisons: int,
    confidence: float,
) -> Difference:
    """One contrast from the values of its arms; `num_comparisons` 0: not declared, without a verdict.

    Raises:
        ValueError: the arms have different problems.
    """
    own = [arms[arm] for arm in contrast.arms]
    for other in own[1:]:
        if other.problem_ids != own[0].problem_ids:
            raise ValueError(
                f"{own[0].arm} and {other.arm} on {benchmark}: different problems ({len(own[0].problem_ids)} and "
                f"{len(other.problem_ids)}); expected the same; intersect them when the comparison is loaded"
            )
    paired = len({arm.seeds for arm in own}) == 1
    noise = contrast_noise([arm.values_SP[:, :, None] for arm in own], contrast.weights, paired=paired)
    level = (1 - confidence) / max(1, num_comparisons)
    means_AS = [arm.values_SP.mean(axis=1) for arm in own]
    by_seed = np.tensordot(contrast.weights, np.stack(means_AS), 1) if paired else ()
    return Difference(
        name=contrast.name,
        arm=" and ".join(contrast.plus),
        baseline=" and ".join(contrast.minus),
        benchmark=benchmark,
        quantity=quantity,
        k=k,
        temperature=temperature,
        num_seeds=min(len(arms[arm].seeds) for arm in contrast.plus),
        num_baseline_seeds=min(len(arms[arm].seeds) for arm in contrast.minus),
        num_problems=len(own[0].problem_ids),
        point=float(noise.point_X[0]),
        interval=_interval(noise.band(confidence)),
        seed_points=tuple(float(value) for value in by_seed),
        p_value=p_value(noise),
        p_holm=np.nan,
        num_comparisons=num_comparisons,
        detectable=detectable_difference(noise, level=level) if noise.seed_freedom > 1 else np.nan,
        confidence=confidence,
    )


def reverse(difference: Difference) -> Difference:
    """The same difference with its sides changed over."""
    interval = difference.interval
    return replace(
        difference,
        name=f"{difference.baseline} − {difference.arm}",
        arm=difference.baseline,
        baseline=difference.arm,
        num_seeds=difference.num_baseline_seeds,
        num_baseline_seeds=difference.num_seeds,
        point=-difference.point,
        interval=Interval(point=-interval.point, low=-interval.high, high=-interval.low),
        seed_points=tuple(-value for value in difference.seed_points),
    )


def holm(p_values_M: np.ndarray) -> np.ndarray:
    """(M,): p-values adjusted so that the chance of any false claim among M stays at the level (Holm 1979).

    The i-th smallest is multiplied by M - i + 1, and none is smaller than one before it.
    """
    order = np.argsort(p_values_M, kind="stable")
    steps = np.arange(len(order), 0, -1) * p_values_M[order]
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return adjusted


def _at_k(arm: ArmScores, quantity: str, k: int) -> ArmValues:
    if k not in arm.ks:
        raise ValueError(f"{arm.arm} on {arm.benchmark}: no score at K={k}; expected one of {list(arm.ks)}")
    values_SP = arm.values(quantity)[:, :, arm.ks.index(k)]
    return ArmValues(arm=arm.arm, seeds=arm.seeds, problem_ids=arm.problem_ids, values_SP=values_SP)


def _common(temperatures: Iterable[float | None]) -> float | None:
    found = set(temperatures)
    return found.pop() if len(found) == 1 else None


def _interval(difference: Band) -> Interval:
    band = within(difference, -1.0)
    return Interval(point=float(band.point[0]), low=float(band.low[0]), high=float(band.high[0]))
