"""What the report claims: sentences first (differences, controls, crossings), then the tables behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.records.evaluations import BUDGETS
from analysis.records.frames import column, records_of
from analysis.records.record import ComparisonRecord
from analysis.records.schema import CONTROL_KINDS
from analysis.report import page
from analysis.report.plots import short_number
from analysis.report.sentences import (
    TOTAL_NOTE,
    control_sentence,
    crossing_sentence,
    difference_sentence,
    minus,
    seed_warning,
    signed,
)
from analysis.report.tables import DASH, TextColumn
from analysis.statistics.crossings import Crossing, crossings
from analysis.statistics.differences import Difference, compare_arms, compare_with_controls
from analysis.statistics.intervals import Interval, Resampling
from analysis.statistics.scores import ArmScores


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What the arms are said to do on Pass@1, at each arm's last step."""

    summary: pd.DataFrame
    baseline: str | None
    differences: tuple[Difference, ...]  # to the baseline
    controls: tuple[tuple[Difference, ...], ...]  # methods minus one control, on one benchmark
    missing_controls: tuple[str, ...]  # what no control arm controls for, in words
    crossings: tuple[Crossing, ...]  # with the baseline
    trained: bool
    seed_warning: str


def make_claims(
    comparison: ComparisonRecord,
    scores: Sequence[ArmScores],
    summary: pd.DataFrame,
    baseline: str | None,
    resampling: Resampling,
) -> Claims:
    """Compare every arm with the baseline, and every method with every control arm.

    A control arm is one whose configuration says so (`control`); a method is any other arm that was trained.
    """
    controls = control_kinds(comparison)
    methods = [arm for arm in comparison.arms if arm not in controls and _is_trained(comparison, arm)]
    return Claims(
        summary=summary,
        baseline=baseline,
        differences=compare_arms(scores, resampling=resampling, baseline=baseline) if baseline else (),
        controls=compare_with_controls(scores, methods=methods, controls=tuple(controls), resampling=resampling),
        missing_controls=tuple(words for kind, words in CONTROL_KINDS.items() if kind not in controls.values()),
        crossings=crossings(scores, resampling=resampling, baseline=baseline) if baseline else (),
        trained=any(_is_trained(comparison, arm) for arm in comparison.arms),
        seed_warning=seed_warning([arm for arm in scores if _is_trained(comparison, arm.arm)]),
    )


def control_kinds(comparison: ComparisonRecord) -> dict[str, str]:
    """The control arms of the comparison by name, and what each controls for."""
    kinds = {arm: comparison.runs_of(arm)[0].config.get("control") for arm in comparison.arms}
    return {arm: kind for arm, kind in kinds.items() if isinstance(kind, str)}


def answer_section(claims: Claims) -> str:
    """The answer in sentences: how good the baseline is, who differs from it, who does not beat a control."""
    several = len(set(column(claims.summary, "benchmark"))) > 1
    levels = [_level_sentence(row) for row in records_of(claims.summary) if claims.baseline in (None, row["arm"])]
    ranked = sorted(claims.differences, key=lambda difference: -difference.point)
    found = [_placed(difference_sentence(each), each.benchmark, several) for each in ranked]
    html = page.bullets([*levels, *found], "answers")
    if claims.trained:
        html += page.heading("Against the control arms")
        against = [_placed(control_sentence(group), group[0].benchmark, several) for group in claims.controls]
        html += page.bullets(against, "answers") + _missing_controls_html(claims)
    else:
        html += page.paragraph("Nothing was trained here: the bands cover the choice of problems.", "note")
    if claims.seed_warning and claims.trained:
        html += page.warning(claims.seed_warning, [])
    return html


def _missing_controls_html(claims: Claims) -> str:
    if not claims.missing_controls:
        return ""
    names = ", ".join(claims.missing_controls)
    if len(claims.missing_controls) < len(CONTROL_KINDS):
        return page.paragraph(f"Control arms that were not run: {names}.", "note")
    ruled_out = "nothing here rules out that other training would have moved the numbers as much"
    return page.paragraph(f"No control arm was run ({names}): {ruled_out}.")


def claims_tables(claims: Claims) -> str:
    """Differences to the baseline and to the controls, and where Pass@K curves cross."""
    html = ""
    if claims.differences:
        html += page.heading(f"Pass@1 minus that of {claims.baseline}")
        html += page.table(difference_columns(claims.differences))
    if claims.controls:
        html += page.heading("Pass@1 of each method minus that of each control arm")
        html += page.table(difference_columns([each for group in claims.controls for each in group]))
    if html:
        html += page.paragraph(f"In points. {TOTAL_NOTE}", "note")
    if claims.crossings:
        html += page.heading("Where Pass@K curves cross")
        html += page.bullets([crossing_sentence(crossing) for crossing in claims.crossings])
    return html


def difference_columns(differences: Sequence[Difference]) -> list[TextColumn]:
    """Differences as text columns, in points."""
    several = len({difference.benchmark for difference in differences}) > 1
    columns = {
        "arm": [each.arm for each in differences],
        "minus": [each.baseline for each in differences],
        "benchmark": [each.benchmark for each in differences],
        "difference": [signed(each.point) for each in differences],
        "95 %, problems and seeds": [_ends(each.total) for each in differences],
        "problems alone": [_ends(each.problem) for each in differences],
        "seeds alone": [_ends(each.seed) for each in differences],
        "p (Holm)": [_p_text(each.p_holm) for each in differences],
        "smallest to be found": [
            minus(100 * each.detectable) if np.isfinite(each.detectable) else DASH for each in differences
        ],
        "chance of being better": [f"{100 * each.improvement.point:.0f} %" for each in differences],
        "verdict": [each.verdict for each in differences],
    }
    return [
        TextColumn(heading=name, cells=tuple(cells), is_text=name in ("arm", "minus", "benchmark", "verdict"))
        for name, cells in columns.items()
        if several or name != "benchmark"
    ]


def equal_budget_html(budgets: pd.DataFrame, best: pd.DataFrame) -> str:
    """Pass@1 of every arm at the largest common level of each budget; and each arm's best checkpoint, corrected.

    Args:
        budgets: of `budget.budget_table`.
        best: of `budget.best_checkpoints`.
    """
    html = ""
    rows = records_of(budgets)
    for benchmark in dict.fromkeys(row["benchmark"] for row in rows):
        here = [row for row in rows if row["benchmark"] == benchmark]
        cells = {(row["arm"], row["x"]): _in_brackets(row, "point", "total_low", "total_high") for row in here}
        arms = tuple(dict.fromkeys(row["arm"] for row in here))
        columns = [TextColumn(heading="arm", cells=arms, is_text=True)]
        for x, level in {row["x"]: row["level"] for row in here}.items():
            heading = f"{BUDGETS[x].split(' (')[0]} = {short_number(level)}"
            columns.append(TextColumn(heading=heading, cells=tuple(cells.get((arm, x), DASH) for arm in arms)))
        html += page.heading(f"Pass@1 on {benchmark} at equal budget") + page.table(columns)
    if html:
        html += page.paragraph(
            "In %, in brackets 95 % over problems and seeds, at the largest level that all arms in the column reached, "
            "interpolated between evaluations, never beyond one. Paired differences: budget_differences.csv.",
            "note",
        )
    if len(best):
        html += page.folded("Best checkpoint of each arm, corrected for the choice", _best_checkpoints_html(best))
    return html


def _best_checkpoints_html(best: pd.DataFrame) -> str:
    rows = records_of(best)
    columns = {
        "arm": [str(row["arm"]) for row in rows],
        "benchmark": [str(row["benchmark"]) for row in rows],
        "steps chosen": [str(row["steps"]).replace(";", " and ") for row in rows],
        "maximum (biased)": [f"{100 * row['naive']:.1f}" for row in rows],
        "corrected": [_in_brackets(row, "corrected", "low", "high") for row in rows],
    }
    note = (
        "Pass@1 in %. Chosen on one half of the problems and scored on the other, both ways; in brackets 95 % over "
        "problems, the choice given. Every other number of this page is of the last step."
    )
    table = [
        TextColumn(heading=name, cells=tuple(cells), is_text=name in ("arm", "benchmark"))
        for name, cells in columns.items()
    ]
    return page.table(table) + page.paragraph(note, "note")


def _in_brackets(row: Mapping[str, Any], point: str, low: str, high: str) -> str:
    ends = f"{100 * row[low]:.1f}, {100 * row[high]:.1f}" if np.isfinite(row[low]) else DASH  # one problem has no ends
    return f"{100 * row[point]:.1f} [{ends}]"


def _level_sentence(row: Mapping[str, Any]) -> str:
    problems, seeds = row["problems"], row["seeds"]
    return (
        f"{row['arm']} solves {100 * row['pass_at_1']:.1f} % of {problems} problem{'s' if problems != 1 else ''} of "
        f"{row['benchmark']} in one try (95 % over problems {100 * row['pass_at_1_low']:.1f} to "
        f"{100 * row['pass_at_1_high']:.1f}, {seeds} seed{'s' if seeds != 1 else ''})."
    )


def _is_trained(comparison: ComparisonRecord, arm: str) -> bool:
    return any(len(run.metrics) > 0 for run in comparison.runs_of(arm))


def _placed(sentence: str, benchmark: str, several: bool) -> str:
    return f"On {benchmark}: {sentence}" if several else sentence


def _ends(interval: Interval) -> str:
    return f"{minus(100 * interval.low)} to {minus(100 * interval.high)}" if np.isfinite(interval.low) else DASH


def _p_text(p: float) -> str:
    return "< 0.001" if p < 0.001 else f"{p:.3f}"
