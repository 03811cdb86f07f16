"""A comparison as text for a terminal: the same numbers as the page, from the same functions."""

from analysis.records.record import ComparisonRecord
from analysis.report.claims import comparison_contrasts
from analysis.report.tables import render_text, summarize_scores
from analysis.statistics.decoding import tuned_starts
from analysis.statistics.differences import judge_contrasts
from analysis.statistics.intervals import Resampling
from analysis.statistics.scores import score_comparison


def comparison_text(comparison: ComparisonRecord, *, baseline: str | None = None) -> str:
    """Scores, declared contrasts and costs of a finished comparison."""
    scores, how = score_comparison(comparison), Resampling()
    contrasts, _ = comparison_contrasts(comparison, baseline)
    tuned = [each.scores for each in tuned_starts(comparison, baseline)]
    judged = judge_contrasts([*scores, *tuned], contrasts, resampling=how)
    return render_text(summarize_scores(comparison, scores, baseline, how), judged)
