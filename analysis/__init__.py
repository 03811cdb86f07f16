"""Run folders into statements: Pass@K, Maj@K, bands, differences, curves, tables and the report. Reads files only."""

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
