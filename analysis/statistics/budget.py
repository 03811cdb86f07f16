"""Arms at an equal budget, or at an equal distance from the reference: interpolated between evaluations.

Compared are policies that have spent the same, never the best checkpoint of each: the maximum over evaluations is
biased upwards, the more so the more evaluations an arm has (`best_checkpoints` shows it under its own name, corrected).
Nothing is extrapolated: the level lies in the range that every seed of every arm has passed through.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.noise.intervals import Band, Resampling
from analysis.noise.simultaneous import share_band
from analysis.records.evaluations import BUDGETS, accuracy_by_step, spent_by_step
from analysis.records.record import ComparisonRecord
from analysis.statistics.differences import ArmValues, Difference, compare_values


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """One arm's Pass@1 of each problem at X evaluations, with what each seed had spent by then."""

    arm: str
    benchmark: str
    seeds: tuple[int, ...]
    steps_X: np.ndarray
    problem_ids: tuple[str | int, ...]
    spent_SX: np.ndarray
    accuracy_SPX: np.ndarray

    @property
    def spends(self) -> bool:
        """Whether the budget is recorded, and grows from one evaluation to another, in every seed."""
        return bool(np.isfinite(self.spent_SX).all() and (np.ptp(self.spent_SX, axis=1) > 0).all())

    @property
    def reach(self) -> tuple[float, float]:
        """The budgets that every seed has passed through."""
        return float(self.spent_SX.min(axis=1).max()), float(self.spent_SX.max(axis=1).min())


@dataclass(frozen=True, kw_only=True, eq=False)
class AtBudget:
    """One arm's Pass@1 where it had spent `level` of the budget x."""

    benchmark: str
    x: str
    level: float
    arm: str
    band: Band  # over problems and seeds; one position
    interpolation_error: float  # at most, where accuracy is monotone between the two evaluations around the level
    values: ArmValues


@dataclass(frozen=True, kw_only=True)
class BudgetDifference:
    """Two arms at the same level of the budget x; the difference is in Pass@1."""

    x: str
    level: float
    difference: Difference


def trainings(comparison: ComparisonRecord, benchmark: str, x: str) -> tuple[Training, ...]:
    """Every arm's evaluations on a benchmark against the budget x, one of `BUDGETS`."""
    found = []
    for arm in comparison.arms:
        runs = comparison.runs_of(arm)
        steps_X, problem_ids, accuracy_SPX = accuracy_by_step(runs, benchmark)
        found.append(
            Training(
                arm=arm,
                benchmark=benchmark,
                seeds=tuple(run.seed for run in runs),
                steps_X=steps_X,
                problem_ids=problem_ids,
                spent_SX=np.stack([spent_by_step(run, x, steps_X) for run in runs]),
                accuracy_SPX=accuracy_SPX,
            )
        )
    return tuple(found)


def left_out(comparison: ComparisonRecord, x: str) -> tuple[str, ...]:
    """Arms that cannot be compared at an equal x: not recorded, none spent, or evaluated once."""
    every = [trainings(comparison, benchmark, x) for benchmark in comparison.benchmarks]
    return tuple(dict.fromkeys(arm.arm for arms in every for arm in arms if not arm.spends))


def values_at(training: Training, level: float) -> tuple[np.ndarray, float]:
    """(S, P): Pass@1 of each problem at the level, linear between the two evaluations around it; and the largest error
    of that in the mean, if accuracy is monotone between these two: the distance to the further one, averaged over
    seeds.

    Where the budget is not monotone (KL), the first passage through the level counts.

    Raises:
        ValueError: a seed never passes through the level.
    """
    low, high = training.reach
    if not low <= level <= high:
        raise ValueError(
            f"{training.arm} on {training.benchmark}: level {level:g} lies outside {low:g} to {high:g}, what all its "
            "seeds have passed through; expected a level inside; nothing is extrapolated"
        )
    values_SP = np.empty(training.accuracy_SPX.shape[:2])
    errors = []
    for seed, spent_X in enumerate(training.spent_SX):
        before = np.minimum(spent_X[:-1], spent_X[1:])
        after = np.maximum(spent_X[:-1], spent_X[1:])
        place = int(np.argmax((before <= level) & (level <= after)))
        width = spent_X[place + 1] - spent_X[place]
        share = (level - spent_X[place]) / width if width else 1.0
        ends_PX = training.accuracy_SPX[seed, :, place : place + 2]
        values_SP[seed] = (1 - share) * ends_PX[:, 0] + share * ends_PX[:, 1]
        step = abs(float(ends_PX[:, 1].mean() - ends_PX[:, 0].mean()))
        errors.append(0.0 if share in (0.0, 1.0) else step * max(share, 1 - share))
    return values_SP, float(np.mean(errors))


def at_equal_budget(
    comparison: ComparisonRecord,
    x: str,
    *,
    resampling: Resampling,
    level: float | None = None,
    among: Sequence[str] | None = None,
) -> tuple[AtBudget, ...]:
    """Every arm that spends x, benchmark by benchmark, at one level.

    Args:
        comparison: finished runs with evaluations during training.
        x: one of `BUDGETS`.
        resampling: how the bands are made.
        level: without it, the largest that every seed of every arm has reached.
        among: only these arms; without it all. An arm that spends little (a control) holds the common level down.

    Raises:
        ValueError: the level is outside what an arm has spent, or the arms' evaluations share no problem.
    """
    found = []
    for benchmark in comparison.benchmarks:
        arms = [
            arm for arm in trainings(comparison, benchmark, x) if arm.spends and (among is None or arm.arm in among)
        ]
        if not arms:
            continue
        lowest, highest = max(arm.reach[0] for arm in arms), min(arm.reach[1] for arm in arms)
        if lowest > highest:
            continue  # no level that all have passed through
        chosen = highest if level is None else level
        common = sorted(set.intersection(*(set(arm.problem_ids) for arm in arms)))
        if not common:
            raise ValueError(f"{benchmark}: the arms share no problem that was evaluated during training; expected one")
        found += [_at_level(arm, x, chosen, common, resampling) for arm in arms]
    return tuple(found)


def equal_budget(
    comparison: ComparisonRecord,
    x: str,
    *,
    resampling: Resampling,
    baseline: str | None = None,
    level: float | None = None,
    among: Sequence[str] | None = None,
) -> tuple[BudgetDifference, ...]:
    """Differences in Pass@1 at an equal budget: of every arm to the baseline where it spends x, else of all pairs.

    Args and errors: as `at_equal_budget`.
    """
    arms = at_equal_budget(comparison, x, resampling=resampling, level=level, among=among)
    return tuple(found for group in _by_benchmark(arms) for found in _compare(group, baseline, resampling))


def budget_table(
    comparison: ComparisonRecord,
    xs: Sequence[str] = tuple(BUDGETS),
    *,
    resampling: Resampling,
    among: Sequence[str] | None = None,
) -> pd.DataFrame:
    """One row a benchmark, budget and arm at the largest common level of the arms `among`: x, level, arm, point, low,
    high (over problems and seeds), interpolation_error."""
    rows = [
        {
            "benchmark": arm.benchmark,
            "x": arm.x,
            "level": arm.level,
            "arm": arm.arm,
            "point": float(arm.band.point[0]),
            "low": float(arm.band.low[0]),
            "high": float(arm.band.high[0]),
            "interpolation_error": arm.interpolation_error,
        }
        for x in xs
        for arm in at_equal_budget(comparison, x, resampling=resampling, among=among)
    ]
    names = ["benchmark", "x", "level", "arm", "point", "low", "high", "interpolation_error"]
    return pd.DataFrame(rows, columns=names)


def best_checkpoints(comparison: ComparisonRecord, *, resampling: Resampling) -> pd.DataFrame:
    """Each arm at its best evaluation, corrected: chosen on one half of the problems, scored on the other, both ways.

    Columns: benchmark, arm, steps (of the halves, each chosen on the mean over seeds), naive (the maximum on all
    problems, biased upwards), corrected, low, high (95 % over problems, the choice given).
    """
    rows = []
    for benchmark in comparison.benchmarks:
        for arm in trainings(comparison, benchmark, "step"):
            mean_PX = arm.accuracy_SPX.mean(axis=0)
            if mean_PX.shape[1] < 2 or len(mean_PX) < 2:
                continue
            half_P = np.random.default_rng(resampling.seed).permutation(len(mean_PX)) % 2
            chosen = [int(mean_PX[half_P == half].mean(axis=0).argmax()) for half in (0, 1)]
            values_P = np.where(half_P == 0, mean_PX[:, chosen[1]], mean_PX[:, chosen[0]])
            band = share_band(values_P[None, :, None], resampling.confidence)
            rows.append(
                {
                    "benchmark": benchmark,
                    "arm": arm.arm,
                    "steps": ";".join(str(arm.steps_X[place]) for place in chosen),
                    "naive": float(mean_PX.mean(axis=0).max()),
                    "corrected": float(band.point[0]),
                    "low": float(band.low[0]),
                    "high": float(band.high[0]),
                }
            )
    return pd.DataFrame(rows, columns=["benchmark", "arm", "steps", "naive", "corrected", "low", "high"])


def _at_level(training: Training, x: str, level: float, problems: list[str | int], resampling: Resampling) -> AtBudget:
    place = {problem: row for row, problem in enumerate(training.problem_ids)}
    values_SP, error = values_at(training, level)
    values_SP = values_SP[:, [place[problem] for problem in problems]]
    return AtBudget(
        benchmark=training.benchmark,
        x=x,
        level=level,
        arm=training.arm,
        band=share_band(values_SP[:, :, None], resampling.confidence),
        interpolation_error=error,
        values=ArmValues(arm=training.arm, seeds=training.seeds, problem_ids=tuple(problems), values_SP=values_SP),
    )


def _by_benchmark(arms: Sequence[AtBudget]) -> list[list[AtBudget]]:
    return [[arm for arm in arms if arm.benchmark == name] for name in dict.fromkeys(arm.benchmark for arm in arms)]


def _compare(arms: Sequence[AtBudget], baseline: str | None, resampling: Resampling) -> list[BudgetDifference]:
    first = arms[0]
    if len(arms) < 2:
        return []
    differences = compare_values(
        [arm.values for arm in arms],
        benchmark=first.benchmark,
        quantity="pass",
        k=1,
        temperature=None,
        baseline=baseline if baseline in {arm.arm for arm in arms} else None,
        confidence=resampling.confidence,
    )
    return [BudgetDifference(x=first.x, level=first.level, difference=difference) for difference in differences]
