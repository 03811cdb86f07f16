"""Run folders as tidy pandas frames, for analyses that the report does not make."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.records.agreement import OnMismatch
from analysis.records.evaluations import BUDGETS, spent_by_step
from analysis.records.frames import codes_of, column
from analysis.records.load import load_comparison
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.records.schema import VERDICTS


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFrames:
    """Tidy frames; "comparison", "arm" and "seed" name the run in each.

    runs: a row a run: folder, algorithm, recipe, final_step, checker_version, git_commit, and the budgets at the end.
    evaluations: a row a run, step and benchmark: problems, samples, pass_at_1, mean num_tokens, truncated (share), a
        share a verdict, and the budgets spent by then.
    metrics: the rows of every `metrics.jsonl`.
    samples: a row an evaluation sample, with or without its texts.
    unfinished: runs that were left out: comparison, name, reason.
    """

    runs: pd.DataFrame
    evaluations: pd.DataFrame
    metrics: pd.DataFrame
    samples: pd.DataFrame
    unfinished: pd.DataFrame


def load_runs(
    folders: str | Path | Sequence[str | Path], *, texts: bool = False, on_mismatch: OnMismatch = "refuse"
) -> RunFrames:
    """Read one or several comparison or run folders into frames.

    Args:
        folders: each what `coeflab compare`, `train` or `evaluate` wrote.
        texts: also read question, completion and answer: most of the bytes of the files.
        on_mismatch: as in `load_comparison`, for each folder.

    Raises:
        RecordError: as `load_comparison`, or two folders with the same name.
    """
    paths = [Path(folders)] if isinstance(folders, str | Path) else [Path(folder) for folder in folders]
    if not paths:
        raise ValueError("load_runs: no folder; expected at least one comparison or run folder")
    names = [path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        raise ValueError(
            f"load_runs: folders named {names}; expected different names, which become the comparison column"
        )
    comparisons = {
        name: load_comparison(path, on_mismatch=on_mismatch) for name, path in zip(names, paths, strict=True)
    }
    every = [(name, run) for name, comparison in comparisons.items() for run in comparison.runs]
    return RunFrames(
        runs=pd.DataFrame([{"comparison": name, **_run_row(run)} for name, run in every]),
        evaluations=pd.concat([_named(_evaluation_rows(run), name, run) for name, run in every], ignore_index=True),
        metrics=pd.concat([_named(run.metrics, name, run) for name, run in every], ignore_index=True),
        samples=_samples(every, texts),
        unfinished=pd.DataFrame(
            [
                {"comparison": name, "name": run.name, "reason": run.reason}
                for name, comparison in comparisons.items()
                for run in comparison.unfinished
            ],
            columns=["comparison", "name", "reason"],
        ),
    )


def run_table(comparison: ComparisonRecord) -> pd.DataFrame:
    """`RunFrames.runs` of a comparison that is loaded already."""
    return pd.DataFrame([_run_row(run) for run in comparison.runs])


def evaluation_table(comparison: ComparisonRecord) -> pd.DataFrame:
    """`RunFrames.evaluations` of a comparison that is loaded already."""
    rows = [_evaluation_rows(run).assign(arm=run.arm, seed=run.seed) for run in comparison.runs]
    return _keys_first(pd.concat(rows, ignore_index=True), ["arm", "seed"])


def metric_table(comparison: ComparisonRecord) -> pd.DataFrame:
    """`RunFrames.metrics` of a comparison that is loaded already."""
    rows = [run.metrics.assign(arm=run.arm, seed=run.seed) for run in comparison.runs]
    return _keys_first(pd.concat(rows, ignore_index=True), ["arm", "seed"])


def _run_row(run: RunRecord) -> dict[str, object]:
    steps_X = np.array([run.final_step])
    return {
        "arm": run.arm,
        "seed": run.seed,
        "folder": run.path.name,
        "algorithm": run.algorithm,
        "recipe": run.config.get("recipe", ""),
        "final_step": run.final_step,
        "checker_version": run.checker_version,
        "git_commit": run.environment.get("git_commit", ""),
        **{budget: float(spent_by_step(run, budget, steps_X)[0]) for budget in BUDGETS if budget != "step"},
    }


def _evaluation_rows(run: RunRecord) -> pd.DataFrame:
    judgements = run.judgements
    marks = pd.DataFrame(
        {
            "step": column(judgements, "step"),
            "benchmark": column(judgements, "benchmark"),
            "problem_id": column(judgements, "problem_id"),
            "num_tokens": column(judgements, "num_tokens"),
            "truncated": column(judgements, "finish_reason") == "length",
            **{verdict: column(judgements, "verdict") == verdict for verdict in VERDICTS},
        }
    )
    groups = marks.groupby(["step", "benchmark"], sort=True, observed=True, as_index=False)
    rows = groups.agg(
        problems=("problem_id", "nunique"),
        samples=("problem_id", "size"),
        pass_at_1=("CORRECT", "mean"),
        **{name: (name, "mean") for name in ("num_tokens", "truncated", *VERDICTS)},
    )
    for budget in BUDGETS:
        if budget != "step":
            rows[budget] = spent_by_step(run, budget, column(rows, "step"))
    return rows


def _samples(every: Sequence[tuple[str, RunRecord]], texts: bool) -> pd.DataFrame:
    parts = [_named(run.samples if texts else run.judgements, name, run) for name, run in every]
    for name in parts[0].columns:  # one set of categories for all parts, or joining them turns codes into objects
        if isinstance(parts[0][name].dtype, pd.CategoricalDtype):
            values = sorted({value for part in parts for value in codes_of(part, name)[1]})
            for part in parts:
                part[name] = part[name].astype(pd.CategoricalDtype(values))
    return pd.concat(parts, ignore_index=True)


def _named(rows: pd.DataFrame, comparison: str, run: RunRecord) -> pd.DataFrame:
    return _keys_first(rows.assign(comparison=comparison, arm=run.arm, seed=run.seed), ["comparison", "arm", "seed"])


def _keys_first(rows: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    return rows.reindex(columns=[*keys, *(name for name in rows.columns if name not in keys)])
