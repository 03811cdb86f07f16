"""The evaluations of a run over its training: Pass@1 of each problem at each step, and what had been spent by then."""

from collections.abc import Sequence

import numpy as np

from analysis.records.frames import codes_of, column
from analysis.records.record import RunRecord

BUDGETS = {  # the axes of a learning curve; all but the first are columns of metrics.jsonl
    "step": "optimiser steps",
    "completions_sampled": "completions sampled",
    "tokens_generated": "tokens generated",
    "tokens_trained": "tokens trained on",
    "flops": "FLOPs",
    "seconds": "wall-clock seconds",
    "kl": "KL from the reference (nats a token)",
}


def spent_by_step(run: RunRecord, budget: str, steps_X: np.ndarray) -> np.ndarray:
    """(X,): the budget spent up to each step ("step": the steps themselves); 0 at step 0, NaN where not recorded.

    "kl" is no total but the distance of the policy at that step. A row of the metrics measures it on the policy before
    its update, so step t reads the row of step t + 1; the last step has none and reads its own row.

    Raises:
        ValueError: the budget is none of `BUDGETS`.
    """
    if budget not in BUDGETS:
        raise ValueError(f"budget {budget!r}; expected one of {list(BUDGETS)}")
    if budget == "step":
        return steps_X.astype(float)
    spent_X = np.where(steps_X == 0, 0.0, np.nan)
    if budget not in run.metrics:
        return spent_X
    spent_N = column(run.metrics, budget).astype(float)
    known_N = np.isfinite(spent_N)
    if not known_N.any():
        return spent_X
    steps_N, spent_N = column(run.metrics, "step")[known_N], spent_N[known_N]
    wanted_X = steps_X + 1 if budget == "kl" else steps_X
    rows_X = np.searchsorted(steps_N, wanted_X, side="right") - 1
    reached_X = (rows_X >= 0) & (steps_X > 0)
    spent_X[reached_X] = spent_N[rows_X[reached_X]]
    return spent_X


def accuracy_by_step(runs: Sequence[RunRecord], benchmark: str) -> tuple[np.ndarray, tuple[str | int, ...], np.ndarray]:
    """Pass@1 over training, of the problems that every seed evaluated at every step that all seeds evaluated.

    Returns:
        Steps (X,), problem ids (P,) in order, and Pass@1 (S, P, X).

    Raises:
        ValueError: no problem was evaluated at every one of these steps.
    """
    tables = [_accuracy_table(run, benchmark) for run in runs]
    steps = sorted(set.intersection(*(set(steps) for steps, _, _ in tables)))
    kept = [
        {problem: row for row, problem in enumerate(problems) if np.isfinite(means_PX[row][_places(own, steps)]).all()}
        for own, problems, means_PX in tables
    ]
    problems = sorted(set.intersection(*(set(rows) for rows in kept)))
    if not problems:
        raise ValueError(
            f"{runs[0].arm} on {benchmark}: no problem was evaluated at every one of the steps {steps} by every seed; "
            "expected the same problems at every step; evaluate again on one problem set"
        )
    accuracy_SPX = [
        means_PX[np.ix_([rows[problem] for problem in problems], _places(own, steps))]
        for rows, (own, _, means_PX) in zip(kept, tables, strict=True)
    ]
    return np.array(steps), tuple(problems), np.stack(accuracy_SPX)


def _accuracy_table(run: RunRecord, benchmark: str) -> tuple[list[int], list[str | int], np.ndarray]:
    """Steps, problem ids and the share of right samples (P, X) of one run; NaN where a problem was not evaluated."""
    judgements = run.samples_on(benchmark)
    problem_N, ids = codes_of(judgements, "problem_id")
    verdict_N, verdicts = codes_of(judgements, "verdict")
    steps, step_N = np.unique(column(judgements, "step"), return_inverse=True)
    cell_N = problem_N * len(steps) + step_N
    size = np.bincount(cell_N, minlength=len(ids) * len(steps))
    right = np.bincount(cell_N, (verdicts == "CORRECT")[verdict_N], minlength=len(size))
    means = np.divide(right, size, out=np.full(len(size), np.nan), where=size > 0)
    return steps.tolist(), ids.tolist(), means.reshape(len(ids), len(steps))


def _places(own: list[int], steps: list[int]) -> list[int]:
    return [own.index(step) for step in steps]
