"""The report's sections that are words and tables: the answer in sentences, what was run, failures, notes."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from analysis.records.frames import column
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.records.schema import VERDICTS
from analysis.records.showing import number_of
from analysis.report import page
from analysis.report.claims import control_kinds
from analysis.report.contrast_tables import DASH, TextColumn
from analysis.report.sentences import INTERVAL_NOTE
from analysis.report.tables import budget_columns

FEW_PROBLEMS = 30
FAILURES = {
    "NO_ANSWER": "without an answer",
    "UNPARSABLE": "with an answer that cannot be parsed",
    "TIMEOUT": "on which the checker timed out",
    "truncated": "cut off at the length limit",
}


def run_section(comparison: ComparisonRecord) -> str:
    """What was run: a row an arm, what each spent, how settings were chosen, every setting in which arms differ, whole
    configurations, versions and machine."""
    firsts = [comparison.runs_of(arm)[0] for arm in comparison.arms]
    seeds = [" ".join(str(run.seed) for run in comparison.runs_of(arm)) for arm in comparison.arms]
    kinds = control_kinds(comparison)
    columns = [
        TextColumn(heading="arm", cells=comparison.arms, is_text=True),
        TextColumn(heading="algorithm", cells=tuple(run.algorithm for run in firsts), is_text=True),
        TextColumn(
            heading="recipe", cells=tuple(_recipe_name(run.config.get("recipe")) for run in firsts), is_text=True
        ),
        TextColumn(heading="seeds", cells=tuple(seeds), is_text=True),
        TextColumn(heading="evaluated at step", cells=tuple(str(run.final_step) for run in firsts)),
    ]
    if kinds:
        shown = tuple(kinds.get(arm, DASH).replace("_", " ") for arm in comparison.arms)
        columns.insert(1, TextColumn(heading="control", cells=shown, is_text=True))
    content = page.table(columns) + page.heading(
        "Spent on training, mean over seeds, and the last KL from the reference"
    )
    content += page.table(budget_columns(comparison)) + _choice_html(comparison.description.get("choice"))
    texts = [page.labelled_text(run.path.name, json.dumps(run.config, indent=2, default=str)) for run in firsts]
    content += _differing_settings(comparison.arms, firsts)
    content += page.folded("Resolved configurations (first seed of each arm)", "".join(texts))
    return content + _environment_html(comparison)


def _differing_settings(arms: Sequence[str], firsts: Sequence[RunRecord]) -> str:
    settings = [flatten(run.config) for run in firsts]
    names = [name for name in dict.fromkeys(name for each in settings for name in each) if name not in ("arm", "seed")]
    differing = [name for name in names if len({each.get(name) for each in settings}) > 1]
    if not differing:
        return ""
    by_arm = [
        TextColumn(heading=arm, cells=tuple(each.get(name, DASH) for name in differing))
        for arm, each in zip(arms, settings, strict=True)
    ]
    grid = page.table([TextColumn(heading="setting", cells=tuple(differing), is_text=True), *by_arm])
    return page.folded(f"{number_of(len(differing), 'setting')} in which the arms differ", grid)


def _choice_html(choice: object) -> str:
    """How a setting was chosen on validation problems, where `comparison.json` says so."""
    if not isinstance(choice, Mapping) or not isinstance(choice.get("table"), list):
        return ""
    rows = [row for row in choice["table"] if isinstance(row, Mapping)]
    scores = [row.get("pass_at_1") for row in rows]
    remarks = [str(row.get("failure") or ("chosen" if row.get("chosen") else "")) for row in rows]
    columns = [
        TextColumn(heading="arm", cells=tuple(str(row.get("arm")) for row in rows), is_text=True),
        TextColumn(heading=str(choice.get("field", "value")), cells=tuple(str(row.get("value")) for row in rows)),
        TextColumn(
            heading="Pass@1 on validation (%)",
            cells=tuple(DASH if score is None else f"{100 * float(score):.1f}" for score in scores),
        ),
        TextColumn(heading="outcome", cells=tuple(remarks), is_text=True),
    ]
    where = f"Split: {choice.get('split')}, seed {choice.get('seed')}; never the test problems."
    rule = f"Rule: {choice.get('rule')}. {where}"
    return page.heading("How settings were chosen") + page.paragraph(rule, "note") + page.table(columns)


def data_section(names: Sequence[str], figures: Sequence[str] = ()) -> str:
    """Links to the tables and figures beside the page."""
    where = (
        "Every table of this page in files beside it. Every figure as PDF, SVG and PNG with its values as CSV; "
        "`python redraw.py NAME.csv --width 3.25 --points 8` draws it again for a column of a paper, without coeflab, "
        "and `coeflab plot NAME FOLDER --width 3.25 --points 8` as it is here."
    )
    tables = page.file_links([[f"{name}.csv", f"{name}.parquet"] for name in names])
    drawn = page.file_links([[f"{name}.{ending}" for ending in ("pdf", "svg", "png", "csv")] for name in figures])
    script = page.file_links([["redraw.py", "figures.json"]]) if figures else ""
    return page.paragraph(where) + page.heading("Tables") + tables + page.heading("Figures") + drawn + script


def notes_section(comparison: ComparisonRecord, baseline: str | None) -> str:
    """What the numbers do and do not say."""
    seeds = [len(comparison.runs_of(arm)) for arm in comparison.arms]
    counts = f"{min(seeds)} to {max(seeds)} seeds" if min(seeds) < max(seeds) else number_of(seeds[0], "seed")
    notes = [
        f"{counts} an arm, shown as dots or thin lines. {INTERVAL_NOTE}",
        "Shares have Wilson's score interval, which stays between 0 and 100 % and keeps its promise near both "
        "ends; the thin edges of a curve hold the whole curve at once (sup-t).",
        "Pass@K and Maj@K are exact expectations over K samples drawn without replacement; samples without an answer "
        "do not vote; ties are split evenly.",
        "Every number is of the last evaluated step, not of the best one.",
    ]
    run = comparison.runs[0]
    fewest = min(len(set(column(run.final_samples_on(name), "problem_id"))) for name in comparison.benchmarks)
    if fewest < FEW_PROBLEMS:
        notes.append(
            f"Only {number_of(fewest, 'problem')}: "
            f"intervals were calibrated with 100 or more, not below {FEW_PROBLEMS}."
        )
    if baseline is not None:
        notes.append(
            f"Differences to {baseline} are paired by problem, and by seed where both arms have the same seeds."
        )
    return page.bullets(notes)


def _environment_html(comparison: ComparisonRecord) -> str:
    """Versions and machine, once where all runs agree, else run by run."""
    settings = [flatten(run.environment) for run in comparison.runs]
    names = tuple(dict.fromkeys(name for each in settings for name in each))
    if not names:
        return page.paragraph("The runs recorded no environment.", "note")
    values = []
    for name in names:
        found = [each.get(name, DASH) for each in settings]
        listed = ", ".join(f"{run.path.name}: {value}" for run, value in zip(comparison.runs, found, strict=True))
        values.append(found[0] if len(set(found)) == 1 else listed)
    columns = [
        TextColumn(heading="what", cells=names, is_text=True),
        TextColumn(heading="value", cells=tuple(values), is_text=True),
    ]
    return page.folded("Versions and machine", page.table(columns))


def failures_section(comparison: ComparisonRecord, verdicts: pd.DataFrame) -> str:
    """Runs that failed; samples on which the checker timed out, without an answer, unparsed, cut off."""
    failed = comparison.description.get("failures")
    runs = [f"{name}: {message}" for name, message in failed.items()] if isinstance(failed, Mapping) else []
    totals = {name: int(column(verdicts, name).sum()) for name in FAILURES}
    samples = int(column(verdicts, "samples").sum())
    parts = [f"{number_of(totals[name], 'sample')} {FAILURES[name]}" for name in FAILURES]
    sentence = f"Of {samples:,} samples of the last step: {', '.join(parts)}. None of the first three counts as solved."
    headings = {"truncated": "cut off"}
    columns = [
        TextColumn(
            heading=headings.get(str(name), str(name)),
            cells=tuple(_share(count, size) for count, size in zip(verdicts[name], verdicts["samples"], strict=True))
            if name in (*VERDICTS, "truncated")
            else tuple(str(cell) for cell in verdicts[name]),
            is_text=name in ("arm", "benchmark"),
        )
        for name in ["arm", *verdicts.columns.drop("arm")]
    ]
    note = (
        "Samples of the last step, all seeds, in brackets their share. TIMEOUT is the checker giving up. A sample that "
        "was cut off may still hold its answer, so it can have any verdict: CORRECT counts."
    )
    listed = page.warning(f"{number_of(len(runs), 'run')} failed:", runs) if runs else ""
    return listed + page.paragraph(sentence) + page.table(columns) + page.paragraph(note, "note")


def _share(count: int, size: int) -> str:
    return f"{count} ({100 * count / size:.1f} %)" if count else "0"


def warnings(comparison: ComparisonRecord) -> str:
    """The runs that are missing from every number of the page, and what else limits it; empty if nothing does."""
    items = [f"{run.name}: {run.reason}" for run in comparison.unfinished]
    left_out = f"{number_of(len(items), 'run')} left out of every number and figure, not finished:"
    html = page.warning(left_out, items) if items else ""
    return html + (page.warning("What limits this comparison:", comparison.notes) if comparison.notes else "")


def flatten(settings: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Nested settings as dotted names and JSON texts."""
    flat: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value if isinstance(value, str) else json.dumps(value, default=str)
    return flat


def _recipe_name(recipe: object) -> str:
    if isinstance(recipe, Mapping):
        return str(recipe.get("name", "see configuration"))
    return DASH if recipe is None else str(recipe)
