"""The order of the page: what stands in which section, from the answer to the data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from analysis.noise.intervals import Resampling
from analysis.records.frames import column, rows_where
from analysis.records.record import ComparisonRecord
from analysis.records.showing import number_of
from analysis.report import page, sections
from analysis.report.claims import Claims, answer_section, claims_tables, equal_budget_html, sharpening_section
from analysis.report.coefficient_page import coefficient_section
from analysis.report.export import passages_to_levels, ranks_of_methods
from analysis.report.order_tables import passages_html, ranks_html
from analysis.report.page import Section
from analysis.report.pictures import DIAGNOSTICS_CAPTION, LEARNING_CAPTION, Picture, constant_metrics
from analysis.report.sample_browser import browser_html
from analysis.report.tables import (
    CHAIN_HEADING,
    chain_columns,
    cost_columns,
    score_columns,
    size_text,
    wrong_chain_columns,
)
from analysis.report.trust.facts import LearnedFacts
from analysis.report.trust.section import trust_section
from analysis.statistics.curves import Curve
from analysis.statistics.scores import ArmScores

GROUPS_NOTE = (
    "Problems are grouped by what was known before any arm ran, never by how well an arm did on them: those that the "
    "start gets wrong would flatter every other arm."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Content:
    """What the page says, computed: the comparison, its scores and claims, tables, learning curves, reward models."""

    comparison: ComparisonRecord
    scores: tuple[ArmScores, ...]
    claims: Claims
    frames: Mapping[str, pd.DataFrame]
    learning: Mapping[str, Sequence[Curve]]
    learned: LearnedFacts


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """What the page shows, drawn, by section."""

    first: tuple[Picture, ...]
    decoding: tuple[Picture, ...]
    groups: tuple[Picture, ...]
    accuracy: tuple[Picture, ...]
    training: tuple[Picture, ...]
    learned: tuple[Picture, ...]
    diagnostics: tuple[Picture, ...]
    coefficients: tuple[Picture, ...]

    @property
    def all(self) -> tuple[Picture, ...]:
        """In the order of the page."""
        return tuple(each for group in vars(self).values() for each in group)


def render(content: Content, pictures: Pictures, again_s: int | None = None) -> str:
    """The whole page as HTML."""
    comparison, claims, frames = content.comparison, content.claims, content.frames
    title = str(comparison.description.get("title") or f"Comparison {comparison.path.resolve().name}")
    if len(comparison.runs) == 1:
        title = f"Run {comparison.path.resolve().name}"
    size = f"{number_of(len(comparison.arms), 'arm')}, {number_of(len(comparison.runs), 'run')}"
    lead = f"{size}, on {', '.join(comparison.benchmarks)}."
    results = _summary_html(claims.summary, claims.baseline, frames["chains"]) + claims_tables(claims)
    in_short = sections.warnings(comparison) + answer_section(claims, _figures(pictures.first))
    groups = _figures(pictures.groups)
    samples = coefficient_section(comparison, pictures.coefficients)
    contents = [
        ("In short", "In short", in_short),
        ("Sharpening, or more", "Sharpening", sharpening_section(claims, _figures(pictures.decoding))),
        ("Results", "Results", results),
        ("Which problems, which lengths", "Problems", page.paragraph(GROUPS_NOTE, "note") + groups if groups else ""),
        ("Accuracy against the number of samples", "K", _figures(pictures.accuracy)),
        ("Accuracy against what was spent", "Budgets", _training_html(content, pictures)),
        ("Reward models", "Reward models", trust_section(content.learned, pictures.learned)),
        ("How firm the order is", "Order", _order_html(content)),
        ("Training metrics", "Training", _diagnostics_html(content, pictures)),
        ("Samples", "Samples", browser_html(comparison)),
        ("Coefficients", "Coefficients", samples),
        ("What was run", "Runs", sections.run_section(comparison)),
        ("Failures", "Failures", sections.failures_section(comparison, frames["verdicts"])),
        ("How to read this", "Notes", sections.notes_section(comparison, claims.baseline)),
        ("Data", "Data", sections.data_section(tuple(frames), [each.name for each in pictures.all])),
    ]
    parts = [Section(heading=heading, label=label, content=html) for heading, label, html in contents]
    return page.document(title, lead, parts, again_s=again_s)


def _figures(pictures: Sequence[Picture]) -> str:
    return page.figures([each.html() for each in pictures])


def _training_html(content: Content, pictures: Pictures) -> str:
    if not pictures.training:
        return ""
    found = passages_to_levels(content.learning, _outside(content.claims))
    return (
        page.paragraph(LEARNING_CAPTION, "note")
        + _figures(pictures.training)
        + passages_html(found)
        + equal_budget_html(content.frames["budgets"], content.frames["best_checkpoints"])
    )


def _order_html(content: Content) -> str:
    found = ranks_of_methods(content.comparison, content.scores, _outside(content.claims), Resampling())
    return ranks_html(found)


def _diagnostics_html(content: Content, pictures: Pictures) -> str:
    if not pictures.diagnostics:
        return ""
    still = page.bullets(constant_metrics(content.comparison))
    return page.paragraph(DIAGNOSTICS_CAPTION, "note") + _figures(pictures.diagnostics) + still


def _outside(claims: Claims) -> tuple[str, ...]:
    """Arms that are no methods."""
    return (*claims.controls, *([claims.baseline] if claims.baseline is not None else []))


def _summary_html(summary: pd.DataFrame, baseline: str | None, chains: pd.DataFrame) -> str:
    parts = []
    for benchmark, rows in summary.groupby("benchmark", sort=False):
        parts.append(page.heading(f"{benchmark}: {size_text(rows)}"))
        parts += [page.table([*score_columns(rows), *wrong_chain_columns(rows)]), page.table(cost_columns(rows))]
        checked = column(chains, "benchmark") == benchmark
        if checked.any():
            parts += [page.paragraph(CHAIN_HEADING), page.table(chain_columns(rows_where(chains, checked)))]
    against = f" The difference is to {baseline}, on Pass@1, paired by problem." if baseline else ""
    note = (
        f"In %, with 95 % intervals over problems and seeds, at each arm's last step.{against} Budgets "
        "are the mean over seeds; shares of samples without an answer, not parsable, timed out in the checker, and cut "
        "off at the length limit, are over all seeds."
    )
    return "".join(parts) + page.paragraph(note, "note")
