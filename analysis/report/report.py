"""The report of a comparison or of a single run: `report/index.html`, its figures and its tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.noise.intervals import Resampling
from analysis.records.evaluations import BUDGETS
from analysis.records.load import load_comparison
from analysis.records.record import ComparisonRecord
from analysis.records.schema import START_ARM
from analysis.report import page, sections
from analysis.report.claims import Claims, answer_section, claims_tables, equal_budget_html, make_claims
from analysis.report.coefficient_page import coefficient_section
from analysis.report.export import statistics_frames, write_frames
from analysis.report.pictures import (
    LEARNING_CAPTION,
    Picture,
    diagnostics_picture,
    first_pictures,
    k_pictures,
    learning_pictures,
)
from analysis.report.sample_browser import browser_html
from analysis.report.tables import cost_columns, score_columns, summarize_scores, verdict_table
from analysis.statistics.curves import differences_to_own, learning_curves, majority_curves, pass_curves
from analysis.statistics.decoding import temperature_curves
from analysis.statistics.scores import ArmScores, score_comparison

RESAMPLING = Resampling()
# Further sections, between the samples and the failures: heading, and what makes the HTML of a comparison ("" leaves
# the section out). All text from a run must pass through `page.shown` or `page.json_block`.
FURTHER_SECTIONS: tuple[tuple[str, Callable[[ComparisonRecord], str]], ...] = (("Coefficients", coefficient_section),)


def write_report(comparison_dir: str | Path, *, baseline: str | None = None, out: str | Path | None = None) -> Path:
    """Write the report of a comparison folder, or of a run folder, into its folder `report/`.

    Beside `index.html`, which needs no other file: each figure as SVG and PNG, each table as CSV and Parquet.
    Everything is computed before the first file is written, and the page is put in place last.

    Args:
        comparison_dir: what `coeflab compare`, `train` or `evaluate` wrote.
        baseline: the arm to subtract; without it, the one that `comparison.json` names, else "sft_start" where it
        finished.
        out: folder of the report; without it, `report/` in the comparison's folder.

    Returns:
        The path of `index.html`.

    Raises:
        RecordError: the records cannot be read or compared (see `load_comparison`).
        ValueError: `baseline` is not among the finished arms.
    """
    comparison = load_comparison(comparison_dir)
    scores = score_comparison(comparison)
    chosen = _choose_baseline(comparison, baseline)
    claims = make_claims(
        comparison, scores, summarize_scores(comparison, scores, chosen, RESAMPLING), chosen, RESAMPLING
    )
    frames = {
        "summary": claims.summary,
        "verdicts": verdict_table(comparison),
        **statistics_frames(
            comparison,
            scores,
            baseline=chosen,
            resampling=RESAMPLING,
            contrasts=claims.contrasts,
            controls=claims.controls,
        ),
    }
    pictures = _draw(comparison, scores, chosen, claims)
    html = _render(comparison, claims, frames, pictures)
    folder = comparison.path / "report" if out is None else Path(out)
    write_frames(frames, folder)
    for picture in pictures.all:
        (folder / f"{picture.name}.svg").write_bytes(picture.svg)
        (folder / f"{picture.name}.png").write_bytes(picture.png)
        (folder / f"{picture.name}.pdf").write_bytes(picture.pdf)
    target = folder / "index.html"
    draft = folder / "index.html.part"
    draft.write_text(html, encoding="utf-8")
    draft.replace(target)
    return target


@dataclass(frozen=True, kw_only=True)
class _Pictures:
    first: tuple[Picture, ...]
    accuracy: tuple[Picture, ...]
    training: tuple[Picture, ...]
    diagnostics: Picture | None

    @property
    def all(self) -> tuple[Picture, ...]:
        return (*self.first, *self.accuracy, *self.training, *([self.diagnostics] if self.diagnostics else []))


def _draw(comparison: ComparisonRecord, scores: Sequence[ArmScores], baseline: str | None, claims: Claims) -> _Pictures:
    differences = differences_to_own(comparison, scores, baseline, RESAMPLING) if baseline is not None else ()
    curves = (*pass_curves(scores, RESAMPLING), *majority_curves(scores, RESAMPLING), *differences)
    learning = {x: learning_curves(comparison, x, RESAMPLING) for x in BUDGETS}
    return _Pictures(
        first=first_pictures(comparison, claims.contrasts, temperature_curves(comparison, RESAMPLING.confidence)),
        accuracy=k_pictures(comparison, curves, baseline),
        training=learning_pictures(comparison, learning),
        diagnostics=diagnostics_picture(comparison),
    )


def _choose_baseline(comparison: ComparisonRecord, baseline: str | None) -> str | None:
    if baseline is not None:
        if baseline not in comparison.arms:
            raise ValueError(
                f"baseline {baseline!r} is not among the finished arms {list(comparison.arms)} of {comparison.path}; "
                "name one of them, or let it finish"
            )
        return baseline
    wanted = comparison.description.get("baseline", START_ARM)
    return wanted if wanted in comparison.arms and len(comparison.arms) > 1 else None


def _render(
    comparison: ComparisonRecord, claims: Claims, frames: Mapping[str, pd.DataFrame], pictures: _Pictures
) -> str:
    title = str(comparison.description.get("title") or f"Comparison {comparison.path.resolve().name}")
    if len(comparison.runs) == 1:
        title = f"Run {comparison.path.resolve().name}"
    size = f"{sections.number_of(len(comparison.arms), 'arm')}, {sections.number_of(len(comparison.runs), 'run')}"
    lead = f"{size}, on {', '.join(comparison.benchmarks)}."
    results = _summary_html(claims.summary, claims.baseline) + claims_tables(claims)
    accuracy = page.figures([picture.html() for picture in pictures.accuracy])
    learning = page.figures([picture.html() for picture in pictures.training])
    if learning:
        learning = page.paragraph(LEARNING_CAPTION, "note") + learning
        learning += equal_budget_html(frames["budgets"], frames["best_checkpoints"])
    contents = [
        (
            "In short",
            sections.warnings(comparison)
            + answer_section(claims, page.figures([picture.html() for picture in pictures.first])),
        ),
        ("What was run", sections.run_section(comparison)),
        ("Results", results),
        ("Accuracy against the number of samples", accuracy),
        ("Accuracy against what was spent", learning),
        ("Training metrics", pictures.diagnostics.html(wide=True) if pictures.diagnostics else ""),
        ("Samples", browser_html(comparison)),
        *((heading, content(comparison)) for heading, content in FURTHER_SECTIONS),
        ("Failures", sections.failures_section(comparison, frames["verdicts"])),
        ("How to read this", sections.notes_section(comparison, claims.baseline)),
        ("Data", sections.data_section(tuple(frames))),
    ]
    return page.document(title, lead, contents)


def _summary_html(summary: pd.DataFrame, baseline: str | None) -> str:
    parts = []
    for benchmark, rows in summary.groupby("benchmark", sort=False):
        first = rows.iloc[0]
        parts.append(page.heading(f"{benchmark}: {first['problems']} problems, {first['samples']} samples each"))
        parts += [page.table(score_columns(rows)), page.table(cost_columns(rows))]
    against = f" The difference is to {baseline}, on Pass@1, paired by problem." if baseline else ""
    note = (
        f"In %, with 95 % intervals over problems and seeds, at each arm's last step.{against} Budgets "
        "are the mean over seeds; shares of samples without an answer, not parsable, timed out in the checker, and cut "
        "off at the length limit, are over all seeds."
    )
    return "".join(parts) + page.paragraph(note, "note")
