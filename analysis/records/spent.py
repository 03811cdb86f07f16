"""What one seed of all arms of a finished comparison cost, by its own accounts: completions, and seconds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.records.decoding import decoded_samples, validated_samples
from analysis.records.frames import column, read_json, read_metrics, rows_where
from analysis.records.reading import FINISHED
from analysis.records.record import ComparisonRecord, RunRecord


@dataclass(frozen=True, kw_only=True)
class SeedCost:
    """Of a seed of all arms together; NaN where a folder does not record it.

    Attributes:
        training: completions drawn for training.
        evaluation: completions of the last evaluation at its own temperature.
        decoding: of the last policies at other temperatures, greedy ones included.
        curves: of the evaluations during training.
        validation: of validation problems, by start policies.
        start_seconds: of the training of start policies.
        training_seconds: of the training of the arms.
        evaluation_seconds: of drawing all completions that are not for training, at the rate of the last evaluations.
    """

    training: float
    evaluation: float
    decoding: float
    curves: float
    validation: float
    start_seconds: float
    training_seconds: float
    evaluation_seconds: float


def seed_cost(comparison: ComparisonRecord, *, problems: int | None, samples: int | None) -> SeedCost:
    """What a seed of all arms costs in a design of so many problems and samples, at the rates of `comparison`.

    Args:
        comparison: finished; an arm's mean over its seeds counts.
        problems: of each benchmark; the comparison's own where None. Validation problems stay as many as they are.
        samples: completions a problem at the evaluation's temperature; the comparison's where None.
    """
    total = dict.fromkeys(("training", "evaluation", "decoding", "curves", "validation", "training_seconds"), 0.0)
    drawn, seconds = 0.0, 0.0
    for arm in comparison.arms:
        runs = comparison.runs_of(arm)
        for run in runs:
            final = run.final_samples
            before = rows_where(run.judgements, column(run.judgements, "step") != run.final_step)
            others = [rows for each, rows in decoded_samples(run).items() if each != run.temperature]
            found = {
                "training": _last(run, "completions_sampled"),
                "evaluation": _completions(final, problems, samples),
                "decoding": sum(_completions(rows, problems, None) for rows in others),
                "curves": _completions(before, problems, None),
                "validation": sum(len(rows) for rows in validated_samples(run).values()),
                "training_seconds": _last(run, "seconds"),
            }
            total = {name: value + found[name] / len(runs) for name, value in total.items()}
            drawn, seconds = drawn + len(final), seconds + _evaluation_seconds(run)
    asked = sum(total[name] for name in ("evaluation", "decoding", "curves", "validation"))
    return SeedCost(**total, start_seconds=_start_seconds(comparison.runs), evaluation_seconds=asked * seconds / drawn)


def _completions(rows: pd.DataFrame, problems: int | None, samples: int | None) -> float:
    """How many completions the same problems by benchmark would be with other numbers of problems and samples."""
    total = 0.0
    if rows.empty:
        return total
    for _, here in rows.groupby("benchmark", observed=True):
        own = len(set(column(here, "problem_id")))
        total += (problems or own) * (samples or len(here) / own)
    return total


def _last(run: RunRecord, budget: str) -> float:
    """The budget at the end of training; 0 where nothing was trained, NaN where it was not recorded."""
    if run.metrics.empty:
        return 0.0
    values = column(run.metrics, budget).astype(float) if budget in run.metrics else np.array([np.nan])
    return float(values[-1])


def _evaluation_seconds(run: RunRecord) -> float:
    path = run.path / FINISHED
    kept = read_json(path).get("evaluation") if path.exists() else None
    seconds = kept.get("seconds") if isinstance(kept, dict) else None
    return float(seconds) if isinstance(seconds, int | float) else np.nan


def _start_seconds(runs: Sequence[RunRecord]) -> float:
    """Of the start policies beside the runs, a seed."""
    folders = dict.fromkeys(run.path.parent.parent for run in runs)
    paths = [path for folder in folders for path in sorted(folder.glob("start-*/metrics.jsonl"))]
    found = [read_metrics(path) for path in paths]
    ends = [float(column(each, "seconds")[-1]) if "seconds" in each else np.nan for each in found if len(each)]
    return sum(ends) / len({run.seed for run in runs}) if ends else np.nan
