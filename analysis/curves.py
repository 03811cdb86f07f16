"""Curves with bands: accuracy against K, difference to a baseline, learning curves, and training diagnostics.

Everything that a figure shows is computed here; `analysis.plots` only draws it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import column
from analysis.intervals import Band, Resampling, bootstrap_band, bootstrap_difference_band
from analysis.records import ComparisonRecord, RunRecord
from analysis.scores import ArmScores

DIAGNOSTICS = {
    "reward_mean": "mean reward",
    "kl": "KL from the reference (nats a token)",
    "tokens_per_completion": "tokens a completion",
    "loss": "loss",
}
SMOOTHING_SHARE = 20  # the running mean of a diagnostic spans 1/20 of its rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One arm's line: X positions, the mean over S seeds with its band over problems, and each seed's own line.

    `quantity` names y: "pass", "majority", "pass_difference" or "majority_difference". y is a share in 0..1 (a
    difference lies in -1..1). `seed_y_SX` has no rows for a difference.
    """

    arm: str
    benchmark: str
    quantity: str
    x_X: np.ndarray
    band: Band
    seeds: tuple[int, ...]
    seed_x_SX: np.ndarray
    seed_y_SX: np.ndarray


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One arm's training metric, smoothed: steps that all seeds have (X,), mean over seeds (X,), each seed (S, X)."""

    arm: str
    quantity: str
    step_X: np.ndarray
    mean_X: np.ndarray
    seed_y_SX: np.ndarray


def pass_curves(scores: Sequence[ArmScores], resampling: Resampling) -> tuple[Curve, ...]:
    """Pass@K against K at the final step, a curve an arm and benchmark."""
    return tuple(_k_curve(arm, "pass", arm.pass_SPK, resampling) for arm in scores)


def majority_curves(scores: Sequence[ArmScores], resampling: Resampling) -> tuple[Curve, ...]:
    """Maj@K against K at the final step, a curve an arm and benchmark."""
    return tuple(_k_curve(arm, "majority", arm.majority_SPK, resampling) for arm in scores)


def difference_curves(scores: Sequence[ArmScores], baseline: str, resampling: Resampling) -> tuple[Curve, ...]:
    """Pass@K and Maj@K minus the baseline's, paired by problem, for every other arm.

    Raises:
        ValueError: no scores of the baseline.
    """
    curves = []
    for arm in scores:
        if arm.arm == baseline:
            continue
        base = baseline_scores(scores, baseline, arm.benchmark)
        pairs = {"pass": (arm.pass_SPK, base.pass_SPK), "majority": (arm.majority_SPK, base.majority_SPK)}
        for quantity, (ours_SPK, theirs_SPK) in pairs.items():
            curves.append(
                Curve(
                    arm=arm.arm,
                    benchmark=arm.benchmark,
                    quantity=f"{quantity}_difference",
                    x_X=np.array(arm.ks),
                    band=bootstrap_difference_band(ours_SPK, theirs_SPK, resampling),
                    seeds=arm.seeds,
                    seed_x_SX=np.empty((0, len(arm.ks))),
                    seed_y_SX=np.empty((0, len(arm.ks))),
                )
            )
    return tuple(curves)


def baseline_scores(scores: Sequence[ArmScores], baseline: str, benchmark: str) -> ArmScores:
    """The scores of the baseline arm on a benchmark.

    Raises:
        ValueError: there are none; lists the arms that there are.
    """
    for arm in scores:
        if (arm.arm, arm.benchmark) == (baseline, benchmark):
            return arm
    arms = sorted({arm.arm for arm in scores})
    raise ValueError(
        f"baseline {baseline!r} has no scores on {benchmark}; expected one of {arms}; name an arm that finished"
    )


def learning_curves(comparison: ComparisonRecord, x: str, resampling: Resampling) -> tuple[Curve, ...]:
    """Pass@1 at every evaluated step, against the step or a budget of `frames.BUDGET_COLUMNS`.

    The problems are those evaluated at every step by every seed of the arm, the steps those that all its seeds
    evaluated. An arm whose metrics lack the budget, or that trains without spending any of it, is left out.
    """
    curves = []
    for benchmark in comparison.benchmarks:
        for arm in comparison.arms:
            runs = comparison.runs_of(arm)
            steps_X, accuracy_SPX = _accuracy_by_step(runs, benchmark)
            spent_SX = np.stack([spent_by_step(run, x, steps_X) for run in runs])
            spends_none = len(steps_X) > 1 and not spent_SX.any()
            if spends_none or not np.isfinite(spent_SX).all():
                continue
            curves.append(
                Curve(
                    arm=arm,
                    benchmark=benchmark,
                    quantity="pass",
                    x_X=spent_SX.mean(axis=0),
                    band=bootstrap_band(accuracy_SPX, resampling),
                    seeds=tuple(run.seed for run in runs),
                    seed_x_SX=spent_SX,
                    seed_y_SX=accuracy_SPX.mean(axis=1),
                )
            )
    return tuple(curves)


def spent_by_step(run: RunRecord, budget: str, steps_X: np.ndarray) -> np.ndarray:
    """(X,): the budget spent up to each step ("step": the steps themselves); 0 at step 0, NaN where not recorded."""
    if budget == "step":
        return steps_X.astype(float)
    spent_X = np.where(steps_X == 0, 0.0, np.nan)
    if budget not in run.metrics:
        return spent_X
    spent_N = column(run.metrics, budget).astype(float)
    known_N = np.isfinite(spent_N)
    rows_X = np.searchsorted(column(run.metrics, "step")[known_N], steps_X, side="right") - 1
    reached_X = (rows_X >= 0) & (steps_X > 0)
    spent_X[reached_X] = spent_N[known_N][rows_X[reached_X]]
    return spent_X


def diagnostic_traces(comparison: ComparisonRecord) -> tuple[Trace, ...]:
    """The metrics of `DIAGNOSTICS`, a trace an arm, where the arm's metrics hold them at two steps or more.

    Each seed is smoothed by a centred running mean over 1/20 of its rows. Tokens a completion are the tokens generated
    between two rows over the completions sampled between them; steps that sample nothing have none.
    """
    traces = []
    for quantity in DIAGNOSTICS:
        for arm in comparison.arms:
            seeds = [_diagnostic(run, quantity) for run in comparison.runs_of(arm)]
            steps = sorted(set.intersection(*(set(values) for values in seeds)))
            if len(steps) < 2:
                continue
            seed_y_SX = np.array([[values[step] for step in steps] for values in seeds])
            smooth_SX = _running_mean(seed_y_SX, max(1, len(steps) // SMOOTHING_SHARE))
            traces.append(
                Trace(
                    arm=arm,
                    quantity=quantity,
                    step_X=np.array(steps),
                    mean_X=smooth_SX.mean(axis=0),
                    seed_y_SX=smooth_SX,
                )
            )
    return tuple(traces)


def curve_table(curves: Sequence[Curve]) -> pd.DataFrame:
    """Curves as tidy rows: quantity, benchmark, arm, x, point, low, high."""
    frames = [
        pd.DataFrame(
            {
                "quantity": curve.quantity,
                "benchmark": curve.benchmark,
                "arm": curve.arm,
                "x": curve.x_X,
                "point": curve.band.point,
                "low": curve.band.low,
                "high": curve.band.high,
            }
        )
        for curve in curves
    ]
    return pd.concat(frames, ignore_index=True)


def _k_curve(arm: ArmScores, quantity: str, values_SPK: np.ndarray, resampling: Resampling) -> Curve:
    ks = np.array(arm.ks)
    return Curve(
        arm=arm.arm,
        benchmark=arm.benchmark,
        quantity=quantity,
        x_X=ks,
        band=bootstrap_band(values_SPK, resampling),
        seeds=arm.seeds,
        seed_x_SX=np.tile(ks, (len(arm.seeds), 1)),
        seed_y_SX=values_SPK.mean(axis=1),
    )


def _accuracy_by_step(runs: Sequence[RunRecord], benchmark: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps (X,) and Pass@1 (S, P, X) on the problems that every seed evaluated at each of these steps."""
    tables = []  # of each seed: {(problem, step): mean correctness}
    for run in runs:
        samples = run.samples_on(benchmark)
        keys = zip(column(samples, "problem_id").tolist(), column(samples, "step").tolist(), strict=True)
        right = column(samples, "verdict") == "CORRECT"
        tables.append(_mean_by_key(keys, right.tolist()))
    steps = sorted(set.intersection(*({step for _, step in table} for table in tables)))
    known = set.intersection(*(set(table) for table in tables))
    seen = {problem for problem, _ in known}
    problems = [problem for problem in sorted(seen) if all((problem, step) in known for step in steps)]
    if not problems:
        raise ValueError(
            f"{runs[0].arm} on {benchmark}: no problem was evaluated at every one of the steps {steps} by every seed; "
            "expected the same problems at every step; evaluate again on one problem set"
        )
    accuracy_SPX = [[[table[problem, step] for step in steps] for problem in problems] for table in tables]
    return np.array(steps), np.array(accuracy_SPX)


def _mean_by_key(keys: Iterable[tuple[Any, int]], values: Iterable[bool]) -> dict[tuple[Any, int], float]:
    """The mean of the values that share a key."""
    totals: dict[tuple[Any, int], list[int]] = {}
    for key, value in zip(keys, values, strict=True):
        total = totals.setdefault(key, [0, 0])
        total[0] += value
        total[1] += 1
    return {key: right / size for key, (right, size) in totals.items()}


def _diagnostic(run: RunRecord, quantity: str) -> dict[int, float]:
    """One metric of one run by step, only where it is recorded."""
    steps_N = column(run.metrics, "step")
    if quantity in run.metrics:
        values_N = column(run.metrics, quantity).astype(float)
    elif quantity == "tokens_per_completion" and {"tokens_generated", "completions_sampled"} <= set(run.metrics):
        tokens_N = np.diff(column(run.metrics, "tokens_generated").astype(float), prepend=0.0)
        completions_N = np.diff(column(run.metrics, "completions_sampled").astype(float), prepend=0.0)
        values_N = np.divide(tokens_N, completions_N, out=np.full_like(tokens_N, np.nan), where=completions_N > 0)
    else:
        return {}
    known_N = np.isfinite(values_N)
    return dict(zip(steps_N[known_N].tolist(), values_N[known_N].tolist(), strict=True))


def _running_mean(values_SX: np.ndarray, window: int) -> np.ndarray:
    """(S, X): the centred mean of `window` neighbours, of fewer at the ends."""
    kernel = np.ones(window)
    size_X = np.convolve(np.ones(values_SX.shape[1]), kernel, mode="same")
    return np.stack([np.convolve(row, kernel, mode="same") / size_X for row in values_SX])
