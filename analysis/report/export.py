"""Every table of a report as CSV and as Parquet, all of them or none."""

import re
import shutil
import tempfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import pandas as pd

from analysis.noise.intervals import Resampling
from analysis.records.evaluations import BUDGETS
from analysis.records.record import ComparisonRecord
from analysis.records.run_frames import evaluation_table, metric_table, run_table
from analysis.report.statements import budget_difference_table, crossing_table, difference_table
from analysis.statistics.breakdown import breakdown
from analysis.statistics.budget import best_checkpoints, budget_table, equal_budget
from analysis.statistics.chains import chain_table
from analysis.statistics.contrasts import Contrast
from analysis.statistics.crossings import crossings
from analysis.statistics.curves import (
    Curve,
    curve_table,
    differences_to_own,
    learning_curves,
    majority_curves,
    pass_curves,
)
from analysis.statistics.decoding import temperature_curves
from analysis.statistics.differences import Difference, compare_arms, judge_contrasts
from analysis.statistics.ranks import ArmRanks, rank_arms, rank_table
from analysis.statistics.scores import ArmScores, score_comparison, scores_alike
from analysis.statistics.summaries import sample_summaries
from analysis.statistics.thresholds import Passage, passage_table, passages

NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
PASSAGE_BUDGETS = ("step", "completions_sampled", "tokens_trained")  # what is counted up to a level of accuracy
NO_FRAMES: Mapping[str, pd.DataFrame] = MappingProxyType({})


def write_frames(frames: Mapping[str, pd.DataFrame], folder: str | Path) -> tuple[Path, ...]:
    """Write each frame as NAME.csv and NAME.parquet.

    All files are written beside the folder first and then moved into it: a frame that cannot be written leaves the
    folder as it was.

    Args:
        frames: by name; names become file names.
        folder: made if absent; other files in it stay.

    Returns:
        The paths, in order.

    Raises:
        ValueError: a name is no plain file name.
    """
    target = Path(folder)
    for name in frames:
        if not name or Path(name).name != name:
            raise ValueError(f"write_frames: {name!r} is no file name; expected one without folders")
    target.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for name, frame in frames.items():
            (draft / f"{name}.csv").write_text(csv_text(frame), encoding="utf-8", newline="")
            frame.to_parquet(draft / f"{name}.parquet", index=False)
        names = [f"{name}.{ending}" for name in frames for ending in ("csv", "parquet")]
        for name in names:
            (draft / name).replace(target / name)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return tuple(target / name for name in names)


def csv_text(frame: pd.DataFrame) -> str:
    """A table as CSV for spreadsheets too: a text that one would take for a formula has a ' before it.

    That is a text which starts with =, +, -, @, a tab or a carriage return and is no number; Parquet files hold the
    texts as they are.
    """
    safe = frame.copy(deep=False)
    for place, name in enumerate(frame.columns):
        column = frame.iloc[:, place]
        if isinstance(column.dtype, pd.CategoricalDtype):
            column = column.astype(object)
        if column.dtype == object or pd.api.types.is_string_dtype(column.dtype):
            safe.isetitem(place, column.map(_no_formula))
        safe = safe.rename(columns={name: _no_formula(name)})
    return safe.to_csv(index=False)


def _no_formula(value: object) -> object:
    if not isinstance(value, str) or not value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return value
    return value if NUMBER.fullmatch(value) else f"'{value}"


def statistics_frames(
    comparison: ComparisonRecord,
    scores: Sequence[ArmScores],
    *,
    baseline: str | None,
    resampling: Resampling,
    contrasts: Sequence[Difference] = (),
    controls: Sequence[str] = (),
) -> dict[str, pd.DataFrame]:
    """The tables behind every number and line: curves and each seed's own, differences, budgets, problems, runs.

    Args:
        comparison: the finished runs.
        scores: of `score_comparison`.
        baseline: for the difference curves; without it they have no rows.
        resampling: how the bands are made.
        contrasts: the declared ones, judged.
        controls: arms that are left out where arms are set side by side at an equal budget.
    """
    curves = [*pass_curves(scores, resampling), *majority_curves(scores, resampling)]
    learning = {x: learning_curves(comparison, x, resampling) for x in BUDGETS}
    if baseline is not None:
        curves += differences_to_own(comparison, scores, baseline, resampling)
    methods = [arm for arm in comparison.arms if arm not in {*controls, baseline}]
    at_budget = [
        found
        for x in BUDGETS
        for alike in comparison.alike
        if len(among := [arm for arm in alike if arm in methods]) > 1
        for found in equal_budget(comparison, x, resampling=resampling, among=among)
    ]
    groups = scores_alike(comparison, scores)
    outside = [*controls, *([baseline] if baseline is not None else [])]
    return {
        "curves": curve_table(curves),
        "decoding": curve_table(temperature_curves(comparison, resampling.confidence)),
        "learning": pd.concat(
            [curve_table(found).assign(x_name=x) for x, found in learning.items()], ignore_index=True
        ),
        "contrasts": difference_table(contrasts),
        "pairs": difference_table([pair for alike in groups for pair in compare_arms(alike, resampling=resampling)]),
        "crossings": crossing_table([found for alike in groups for found in crossings(alike, resampling=resampling)]),
        "budgets": budget_table(comparison, resampling=resampling, among=methods),
        "budget_differences": budget_difference_table(at_budget),
        "thresholds": passage_table(passages_to_levels(learning, outside)),
        "ranks": rank_table(ranks_of_methods(comparison, scores, outside, resampling)),
        "breakdown": breakdown(comparison, scores, resampling=resampling),
        "best_checkpoints": best_checkpoints(comparison, resampling=resampling),
        "chains": chain_table(comparison, resampling=resampling),
        "sample_summaries": sample_summaries(comparison, resampling=resampling),
        "problems": problem_table(scores),
        "runs": run_table(comparison),
        "evaluations": evaluation_table(comparison),
        "metrics": metric_table(comparison),
    }


def passages_to_levels(
    learning: Mapping[str, Sequence[Curve]], outside: Collection[str]
) -> dict[str, tuple[Passage, ...]]:
    """Steps, completions and tokens to a level of Pass@1, of every arm that is neither control nor start."""
    return {
        x: passages([curve for curve in learning[x] if curve.arm not in outside])
        for x in PASSAGE_BUDGETS
        if x in learning
    }


def ranks_of_methods(
    comparison: ComparisonRecord, scores: Sequence[ArmScores], outside: Collection[str], resampling: Resampling
) -> tuple[ArmRanks, ...]:
    """The ranks of the arms that are neither control nor start, among those that may be compared."""
    groups = [[arm for arm in alike if arm.arm not in outside] for alike in scores_alike(comparison, scores)]
    return tuple(each for alike in groups if alike for each in rank_arms(alike, resampling=resampling))


def problem_table(scores: Sequence[ArmScores]) -> pd.DataFrame:
    """One row a benchmark, arm, seed, problem and K: pass_at_k, maj_at_k."""
    parts = [
        pd.DataFrame(
            {
                "benchmark": arm.benchmark,
                "arm": arm.arm,
                "seed": seed,
                "problem_id": arm.problem_ids,
                "k": k,
                "pass_at_k": arm.pass_SPK[place, :, column],
                "maj_at_k": arm.majority_SPK[place, :, column],
            }
        )
        for arm in scores
        for place, seed in enumerate(arm.seeds)
        for column, k in enumerate(arm.ks)
    ]
    return pd.concat(parts, ignore_index=True)


def write_tables(
    comparison: ComparisonRecord,
    folder: str | Path,
    *,
    baseline: str | None = None,
    contrasts: Sequence[Contrast] = (),
    resampling: Resampling | None = None,
    more: Mapping[str, pd.DataFrame] = NO_FRAMES,
) -> tuple[Path, ...]:
    """`statistics_frames` of a comparison, and `more` tables by name, as CSV and Parquet (`write_frames`).

    `contrasts` are declared by the caller and judged together.
    """
    scores, how = score_comparison(comparison), resampling or Resampling()
    judged = judge_contrasts(scores, contrasts, resampling=how)
    frames = statistics_frames(comparison, scores, baseline=baseline, resampling=how, contrasts=judged)
    return write_frames({**frames, **more}, folder)
