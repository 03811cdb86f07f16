"""Run folders into statements: Pass@K, Maj@K, bands, curves, tables and the report. Reads files only."""

from analysis.curves import Curve, difference_curves, learning_curves, majority_curves, pass_curves
from analysis.frames import SAMPLE_COLUMNS, RecordError, UnfinishedRunError
from analysis.intervals import Band, Interval, Resampling, bootstrap_difference, bootstrap_mean
from analysis.metrics import maj_at_k, majority_curve, pass_at_k
from analysis.records import (
    ComparisonRecord,
    RunRecord,
    UnfinishedRun,
    load_comparison,
    load_run,
)
from analysis.report import write_report
from analysis.scores import ArmScores, VoteTable, count_votes, score_comparison
from analysis.tables import render_text, summary_table, verdict_table

__all__ = [
    "SAMPLE_COLUMNS",
    "ArmScores",
    "Band",
    "ComparisonRecord",
    "Curve",
    "Interval",
    "RecordError",
    "Resampling",
    "RunRecord",
    "UnfinishedRun",
    "UnfinishedRunError",
    "VoteTable",
    "bootstrap_difference",
    "bootstrap_mean",
    "count_votes",
    "difference_curves",
    "learning_curves",
    "load_comparison",
    "load_run",
    "maj_at_k",
    "majority_curve",
    "majority_curves",
    "pass_at_k",
    "pass_curves",
    "render_text",
    "score_comparison",
    "summary_table",
    "verdict_table",
    "write_report",
]
