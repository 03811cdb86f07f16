"""Searches beside sampling at equal tokens: figures and the table, as HTML."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from analysis.figures.marks import Mark
from analysis.figures.searches import draw_searches
from analysis.records.frames import column
from analysis.records.showing import number_of
from analysis.report import page
from analysis.report.contrast_tables import TextColumn
from analysis.report.pictures import Picture, picture, slug
from analysis.report.sentences import minus
from analysis.verification.searches import SEARCH_NAMES, tokens_table

__all__ = ["search_pictures", "searches_html"]

CAPTION = (
    "Every token that a search drew is counted, whether it was kept or not; what the reward model read is not. K "
    "samples have as many tokens together, rounded down to whole samples. 95 % over problems, one seed."
)
NOTE = (
    "Solved: the solution that the search puts first is right. Ended: a solution came to its end within the budget. "
    "Maj@K, best of K by the same reward model and Pass@K are exact expectations over K samples that have the tokens "
    "of the search. In %, 95 % over problems."
)


def search_pictures(searches: pd.DataFrame) -> tuple[Picture, ...]:
    """Accuracy against tokens spent, a figure a benchmark; none without a search."""
    pictures = []
    for benchmark, table in tokens_table(searches).groupby("benchmark", sort=False):
        title = f"Solved by search and by sampling at equal tokens, {benchmark}"
        figure = draw_searches(table, title)
        marks = [
            Mark(axes=figure.axes[0], x=row["x"], y=row["point"], text=_mark(row)) for row in table.to_dict("records")
        ]
        pictures.append(
            picture(
                figure,
                name=f"accuracy_by_tokens-{slug(str(benchmark))}",
                alt=f"{title}, {number_of(len(set(column(table, 'arm'))), 'method')}",
                caption=CAPTION,
                values=table.drop(columns="benchmark").reset_index(drop=True),
                labels=("lines", "completion tokens drawn for a problem", "solved (%)", 100.0),
                marks=marks,
            )
        )
    return tuple(pictures)


def searches_html(searches: pd.DataFrame) -> str:
    """The table with its note; empty without a search."""
    if not len(searches):
        return ""
    rows = searches.to_dict("records")
    cells = {
        "benchmark": [str(row["benchmark"]) for row in rows],
        "search": [SEARCH_NAMES[row["method"]] for row in rows],
        "problems": [f"{row['problems']:,}" for row in rows],
        "budget": [f"{row['budget']:,}" for row in rows],
        "tokens": [f"{row['tokens']:,.0f}" for row in rows],
        "ended": [f"{100 * row['finished']:.0f}" for row in rows],
        "solved": [_percent(row, "found") for row in rows],
        "K": [str(row["k"]) for row in rows],
        "tokens of K": [f"{row['sampled_tokens']:,.0f}" for row in rows],
        "Maj@K": [_percent(row, "majority") for row in rows],
        "best of K": [_percent(row, "best") for row in rows],
        "Pass@K": [_percent(row, "any_right") for row in rows],
    }
    columns = [
        TextColumn(heading=name, cells=tuple(values), is_text=name in ("benchmark", "search"))
        for name, values in cells.items()
    ]
    return page.heading("Search at equal tokens") + page.table(columns, "dense") + page.paragraph(NOTE, "note")


def _percent(row: Mapping[Any, Any], name: str) -> str:
    ends = f"[{minus(100 * row[f'{name}_low'])}, {minus(100 * row[f'{name}_high'])}]"
    return f"{100 * row[name]:.1f} {ends}"


def _mark(row: Mapping[Any, Any]) -> str:
    k = f", K = {row['k']}" if row["k"] else ""
    band = f"[{100 * row['low']:.1f}, {100 * row['high']:.1f}]"
    return f"{row['arm']}{k}\n{row['x']:,.0f} tokens: {100 * row['point']:.1f} % {band}"
