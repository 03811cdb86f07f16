"""Run folders into statements: Pass@K, Maj@K, bands, differences, curves, tables and the report. Reads files only."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.noise.intervals import Band, Interval, Resampling, bootstrap_difference, bootstrap_mean
    from analysis.noise.simultaneous import share_band
    from analysis.records.join import load_joined
    from analysis.records.load import load_comparison, load_run
    from analysis.records.reading import RecordError, UnfinishedRunError
    from analysis.records.record import ComparisonRecord, RunRecord, UnfinishedRun
    from analysis.records.run_frames import RunFrames, load_runs
    from analysis.records.schema import SAMPLE_COLUMNS
    from analysis.report.export import write_frames, write_tables
    from analysis.report.report import comparison_pictures, report_folder, write_report
    from analysis.report.sentences import crossing_sentence, difference_sentence
    from analysis.report.statements import crossing_table, difference_table
    from analysis.report.tables import render_text, summary_table, verdict_table
    from analysis.report.terminal import comparison_text
    from analysis.statistics.budget import at_equal_budget, best_checkpoints, budget_table, equal_budget
    from analysis.statistics.contrasts import Contrast
    from analysis.statistics.crossings import Crossing, crossing_of, crossings
    from analysis.statistics.curves import Curve, difference_curves, learning_curves, majority_curves, pass_curves
    from analysis.statistics.differences import Difference, compare_arms, judge_contrasts
    from analysis.statistics.metrics import maj_at_k, majority_curve, pass_at_k
    from analysis.statistics.scores import ArmScores, VoteTable, count_votes, score_comparison
    from analysis.statistics.selection import best_of_k, weighted_maj_at_k
    from analysis.statistics.summaries import sample_summaries

__all__ = [
    "SAMPLE_COLUMNS",
    "ArmScores",
    "Band",
    "ComparisonRecord",
    "Contrast",
    "Crossing",
    "Curve",
    "Difference",
    "Interval",
    "RecordError",
    "Resampling",
    "RunFrames",
    "RunRecord",
    "UnfinishedRun",
    "UnfinishedRunError",
    "VoteTable",
    "at_equal_budget",
    "best_checkpoints",
    "best_of_k",
    "bootstrap_difference",
    "bootstrap_mean",
    "budget_table",
    "compare_arms",
    "comparison_pictures",
    "comparison_text",
    "count_votes",
    "crossing_of",
    "crossing_sentence",
    "crossing_table",
    "crossings",
    "difference_curves",
    "difference_sentence",
    "difference_table",
    "equal_budget",
    "judge_contrasts",
    "learning_curves",
    "load_comparison",
    "load_joined",
    "load_run",
    "load_runs",
    "maj_at_k",
    "majority_curve",
    "majority_curves",
    "pass_at_k",
    "pass_curves",
    "render_text",
    "report_folder",
    "sample_summaries",
    "score_comparison",
    "share_band",
    "summary_table",
    "verdict_table",
    "weighted_maj_at_k",
    "write_frames",
    "write_report",
    "write_tables",
]

# The names that each module gives, loaded when first asked for: a command that names a wrong recipe needs none of
# pandas, scipy and matplotlib, and a recipe needs only the names of arms and contrasts.
_FACE = {
    "analysis.noise.intervals": ("Band", "Interval", "Resampling", "bootstrap_difference", "bootstrap_mean"),
    "analysis.noise.simultaneous": ("share_band",),
    "analysis.records.join": ("load_joined",),
    "analysis.records.load": ("load_comparison", "load_run"),
    "analysis.records.reading": ("RecordError", "UnfinishedRunError"),
    "analysis.records.record": ("ComparisonRecord", "RunRecord", "UnfinishedRun"),
    "analysis.records.run_frames": ("RunFrames", "load_runs"),
    "analysis.records.schema": ("SAMPLE_COLUMNS",),
    "analysis.report.export": ("write_frames", "write_tables"),
    "analysis.report.report": ("comparison_pictures", "report_folder", "write_report"),
    "analysis.report.sentences": ("crossing_sentence", "difference_sentence"),
    "analysis.report.statements": ("crossing_table", "difference_table"),
    "analysis.report.tables": ("render_text", "summary_table", "verdict_table"),
    "analysis.report.terminal": ("comparison_text",),
    "analysis.statistics.budget": ("at_equal_budget", "best_checkpoints", "budget_table", "equal_budget"),
    "analysis.statistics.contrasts": ("Contrast",),
    "analysis.statistics.crossings": ("Crossing", "crossing_of", "crossings"),
    "analysis.statistics.curves": ("Curve", "difference_curves", "learning_curves", "majority_curves", "pass_curves"),
    "analysis.statistics.differences": ("Difference", "compare_arms", "judge_contrasts"),
    "analysis.statistics.metrics": ("maj_at_k", "majority_curve", "pass_at_k"),
    "analysis.statistics.scores": ("ArmScores", "VoteTable", "count_votes", "score_comparison"),
    "analysis.statistics.selection": ("best_of_k", "weighted_maj_at_k"),
    "analysis.statistics.summaries": ("sample_summaries",),
}
_MODULE_OF = {name: module for module, names in _FACE.items() for name in names}


def __getattr__(name: str) -> Any:
    """One of `__all__`, from its module (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'analysis' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    """The names of `__all__` too."""
    return sorted({*globals(), *__all__})
