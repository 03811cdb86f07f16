"""What the report claims: declared contrasts and their verdicts, rankings in two sentences, and the tables behind."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.figures.canvas import short_number
from analysis.noise.intervals import Resampling
from analysis.records.evaluations import BUDGETS
from analysis.records.frames import column, records_of
from analysis.records.record import ComparisonRecord
from analysis.records.schema import CONTROL_KINDS
from analysis.records.showing import number_of
from analysis.report import page
from analysis.report.contrast_tables import DASH, TextColumn, contrast_columns, pair_columns
from analysis.report.sentences import (
    INTERVAL_NOTE,
    at_temperature,
    control_sentence,
    crossing_sentence,
    difference_sentence,
    no_crossing_sentence,
    sharpening_sentences,
)
from analysis.report.tables import spent_on
from analysis.statistics.contrasts import Contrast, default_contrasts, from_records
from analysis.statistics.crossings import Crossing, crossings
from analysis.statistics.decoding import TunedStart, contrast_scores, tuned_starts
from analysis.statistics.differences import Difference, compare_arms, judge_contrasts, reverse
from analysis.statistics.scores import ArmScores, scores_alike

SAME_SPENDING = 0.01  # budgets that differ by less are called equal


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What the arms are said to do on Pass@1, at each arm's last step."""

    summary: pd.DataFrame
    baseline: str | None
    contrasts: tuple[Difference, ...]  # declared, corrected together
    declared: bool  # before anything ran
    not_run: tuple[str, ...]  # declared contrasts that lack an arm
    tuned: tuple[TunedStart, ...]  # the start policy at its best temperature, a benchmark each
    pairs: tuple[Difference, ...]  # every pair of arms, without verdicts
    controls: tuple[str, ...]
    missing_controls: tuple[str, ...]  # what no control arm controls for, in words
    crossings: tuple[Crossing, ...]
    trained: bool
    spending: tuple[str, ...]  # of each contrast: who spent more, in words; "" where nobody did


def make_claims(
    comparison: ComparisonRecord,
    scores: Sequence[ArmScores],
    summary: pd.DataFrame,
    baseline: str | None,
    resampling: Resampling,
) -> Claims:
    """Answer the declared contrasts, and set every pair of arms side by side."""
    contrasts, declared = comparison_contrasts(comparison, baseline)
    tuned = tuned_starts(comparison, baseline)
    controls = control_kinds(comparison)
    judged = judge_contrasts(contrast_scores(comparison, scores, contrasts, tuned), contrasts, resampling=resampling)
    sides = {contrast.name: contrast for contrast in contrasts}
    return Claims(
        summary=summary,
        baseline=baseline,
        contrasts=judged,
        declared=declared,
        not_run=tuple(each.name for each in contrasts if each.name not in {found.name for found in judged}),
        tuned=tuned,
        pairs=tuple(
            pair for alike in scores_alike(comparison, scores) for pair in compare_arms(alike, resampling=resampling)
        ),
        controls=tuple(controls),
        missing_controls=tuple(words for kind, words in CONTROL_KINDS.items() if kind not in controls.values()),
        crossings=tuple(
            found for alike in scores_alike(comparison, scores) for found in crossings(alike, resampling=resampling)
        ),
        trained=any(_is_trained(comparison, arm) for arm in comparison.arms),
        spending=tuple(spending_text(comparison, sides[each.name]) for each in judged),
    )


def comparison_contrasts(comparison: ComparisonRecord, baseline: str | None) -> tuple[tuple[Contrast, ...], bool]:
    """The contrasts that `comparison.json` declared before the runs, or the default ones; and whether it did.

    A declared contrast with an arm that failed stays: it counts in the correction.

    Raises:
        ValueError: `comparison.json` has a malformed declaration.
    """
    records = comparison.description.get("contrasts")
    if records is not None:
        return from_records(records), True
    controls = control_kinds(comparison)
    tuned = bool(tuned_starts(comparison, baseline))
    return default_contrasts(comparison.arms, start=baseline, controls=tuple(controls), tuned=tuned), False


def control_kinds(comparison: ComparisonRecord) -> dict[str, str]:
    """The control arms of the comparison by name, and what each controls for."""
    kinds = {arm: comparison.runs_of(arm)[0].config.get("control") for arm in comparison.arms}
    return {arm: kind for arm, kind in kinds.items() if isinstance(kind, str)}


def spending_text(comparison: ComparisonRecord, contrast: Contrast) -> str:
    """Who drew more completions for training, such as "dapo drew 1.54k completions for training, grpo 768"; "" where
    both sides drew the same, or one of them is not trained on completions."""
    drawn = [
        float(np.mean([spent_on(comparison.runs_of(arm), "completions_sampled") for arm in side]))
        for side in (contrast.plus, contrast.minus)
        if set(side) <= set(comparison.arms)
    ]
    if (
        len(drawn) < 2
        or not all(np.isfinite(drawn))
        or min(drawn) <= 0
        or max(drawn) <= (1 + SAME_SPENDING) * min(drawn)
    ):
        return ""
    ours, theirs = (short_number(value) for value in drawn)
    return (
        f"{' and '.join(contrast.plus)} drew {ours} completions for training, {' and '.join(contrast.minus)} {theirs}"
    )


def answer_section(claims: Claims, figures: str = "") -> str:
    """The answer: the ranking in a sentence a benchmark, every arm and the declared contrasts as `figures`, the
    contrasts as a table, and behind it in sentences."""
    html = page.bullets(rankings(claims), "answers") + figures
    several = len(set(column(claims.summary, "benchmark"))) > 1
    found = [
        _placed(_with_spending(difference_sentence(each), spent), each.benchmark, several)
        for each, spent in zip(claims.contrasts, claims.spending, strict=True)
    ]
    if found:
        when = "before anything ran" if claims.declared else "by the default rule, not before the runs"
        html += page.heading("The declared contrasts") + page.table(contrast_columns(claims.contrasts), "dense")
        html += page.paragraph(f"In points. Declared {when}. {INTERVAL_NOTE}", "note")
        html += page.folded("The contrasts in sentences", page.bullets(found, "answers"))
    if claims.not_run:
        html += page.paragraph(
            f"Declared, counted in the correction, and not answered for want of an arm: {', '.join(claims.not_run)}."
        )
    if not claims.trained:
        html += page.paragraph("Nothing was trained here: the bands cover the choice of problems.", "note")
    return html


def sharpening_section(claims: Claims, figures: str = "") -> str:
    """Whose gain is more than what the start policy gives at its best temperature, in sentences, and `figures`; nothing
    where policies were decoded at one temperature."""
    return page.bullets(sharpening_sentences(claims.tuned, claims.contrasts, claims.baseline), "answers") + figures


def rankings(claims: Claims) -> list[str]:
    """A sentence a benchmark: the arms by Pass@1, and what was decided among the declared contrasts."""
    sentences = []
    for benchmark in dict.fromkeys(column(claims.summary, "benchmark")):
        rows = [row for row in records_of(claims.summary) if row["benchmark"] == benchmark]
        ranked = sorted(rows, key=lambda row: -row["pass_at_1"])
        listed = ", ".join(f"{row['arm']} {100 * row['pass_at_1']:.1f}" for row in ranked)
        where = at_temperature(rows[0]["temperature"] if np.isfinite(rows[0]["temperature"]) else None)
        sentences.append(f"Pass@1 on {benchmark}{where}, in %, highest first: {listed}.")
        decided = [
            each for each in claims.contrasts if each.benchmark == benchmark and each.verdict in ("better", "worse")
        ]
        here = [each for each in claims.contrasts if each.benchmark == benchmark]
        if here:
            names = "; ".join(each.name + at_temperature(each.temperature) for each in decided) or "none"
            sentences.append(f"Decided, of {number_of(len(here), 'contrast')} on {benchmark}: {names}.")
    return sentences


def claims_tables(claims: Claims) -> str:
    """Method against method, methods against controls, and where Pass@K curves cross."""
    html, outside = "", {*claims.controls, claims.baseline}
    methods = [each for each in claims.pairs if not outside & {each.arm, each.baseline}]
    pairs = methods or claims.pairs
    for benchmark in dict.fromkeys(each.benchmark for each in pairs):
        here = [each for each in pairs if each.benchmark == benchmark]
        html += page.heading(f"Method against method on {benchmark}: Pass@1 of the row minus that of the column")
        html += page.table(pair_columns(here), "dense")
    if html:
        html += page.paragraph(
            "In points, with 95 % intervals as above and without verdicts: not declared. Pairs with the start and the "
            "controls: pairs.csv.",
            "note",
        )
    if claims.trained:
        html += page.heading("Against the control arms") + _controls_html(claims)
    crossed = [sentence for each in claims.crossings if (sentence := crossing_sentence(each))]
    if crossed:
        html += page.heading("Where Pass@K curves cross") + page.bullets(crossed)
    elif claims.crossings:
        html += page.paragraph(no_crossing_sentence(claims.crossings), "note")
    return html


def _controls_html(claims: Claims) -> str:
    outside = {*claims.controls, claims.baseline}
    against = []
    for control in claims.controls:
        here = [_ordered(each, control) for each in claims.pairs if control in (each.arm, each.baseline)]
        methods = [each for each in here if each.arm not in outside]
        for benchmark in dict.fromkeys(each.benchmark for each in methods):
            against.append(control_sentence([each for each in methods if each.benchmark == benchmark], control))
    return page.bullets(against, "answers") + _missing_controls_html(claims)


def _ordered(difference: Difference, baseline: str) -> Difference:
    """The difference with `baseline` as what is subtracted."""
    return difference if difference.baseline == baseline else reverse(difference)


def _missing_controls_html(claims: Claims) -> str:
    if not claims.missing_controls:
        return ""
    names = ", ".join(claims.missing_controls)
    if len(claims.missing_controls) < len(CONTROL_KINDS):
        return page.paragraph(f"Control arms that were not run: {names}.", "note")
    ruled_out = "nothing here rules out that other training would have moved the numbers as much"
    return page.paragraph(f"No control arm was run ({names}): {ruled_out}.")


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
        cells = {(row["arm"], row["x"]): _at_budget(row) for row in here}
        arms = tuple(dict.fromkeys(row["arm"] for row in here))
        columns = [TextColumn(heading="arm", cells=arms, is_text=True)]
        for x, level in {row["x"]: row["level"] for row in here}.items():
            heading = f"{BUDGETS[x].split(' (')[0]} = {short_number(level)}"
            columns.append(TextColumn(heading=heading, cells=tuple(cells.get((arm, x), DASH) for arm in arms)))
        html += page.heading(f"Pass@1 on {benchmark} at equal budget") + page.table(columns, "dense")
    if html:
        html += page.paragraph(
            "In %, in brackets 95 % over problems and seeds, at the largest level that all arms in the column reached, "
            "controls and the start left out; ± the largest error of interpolating between evaluations, if "
            "accuracy is monotone between them. Wall-clock seconds on shared cores measure contention as well. "
            "Paired differences: budget_differences.csv.",
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


def _at_budget(row: Mapping[str, Any]) -> str:
    error = 100 * row["interpolation_error"]
    return _in_brackets(row, "point", "low", "high") + (f" ± {error:.1f}" if error >= 0.05 else "")


def _with_spending(sentence: str, spending: str) -> str:
    return f"{sentence} Not an equal budget: {spending}." if spending else sentence


def _is_trained(comparison: ComparisonRecord, arm: str) -> bool:
    return any(len(run.metrics) > 0 for run in comparison.runs_of(arm))


def _placed(sentence: str, benchmark: str, several: bool) -> str:
    return f"On {benchmark}: {sentence}" if several else sentence
