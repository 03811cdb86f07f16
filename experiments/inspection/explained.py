"""An explanation printed, drawn and written: table, figure, CSV."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.console import Console
from rich.table import Table

from analysis.figures.canvas import blank_figure, figure_pdf, figure_png, figure_svg, plain_axes
from analysis.report.export import csv_text
from experiments.inspection.explain import Explanation

__all__ = ["draw_explanation", "print_explanation", "write_explanation"]

PANELS = {
    "coefficients": "distance of the coefficients",
    "cosine": "cosine to the first gradient",
    "norm": "norm of the gradient",
}
UP, DOWN = "#0072b2", "#d55e00"


def print_explanation(explanation: Explanation, console: Console) -> None:
    """A row a field with its two values and shares; the last rows are their sums and the two ends."""
    before, after = explanation.names
    table = Table(title=f"from {before} to {after}", title_style="", title_justify="left", pad_edge=False)
    for heading in ("field", before, after):
        table.add_column(heading, overflow="fold")
    for heading in ("Δ coefficients", "Δ cosine", "Δ norm"):
        table.add_column(heading, justify="right")
    for row in largest_first(explanation.shares).to_dict("records"):
        table.add_row(row["field"], row[before], row[after], *(f"{row[name]:+.4g}" for name in PANELS))
    table.add_section()
    totals = explanation.totals.set_index("quantity")
    table.add_row("sum", "", "", *(f"{explanation.shares[name].sum():+.4g}" for name in PANELS))
    for end in ("from", "to"):
        table.add_row({"from": before, "to": after}[end], "", "", *(f"{totals.loc[name, end]:.4g}" for name in PANELS))
    console.print(table)
    how = "every order of swaps" if explanation.exact is True else f"{explanation.exact} drawn orders of swaps"
    console.print(
        f"Shapley shares over {how}. Gradients are taken in the tokens' logprobs: entries are weight × coefficient. "
        "Δ coefficients is the share of their distance, along the change.",
        soft_wrap=True,
    )


def largest_first(shares: pd.DataFrame) -> pd.DataFrame:
    """Fields in falling order of what they do to the coefficients; those that only weigh come by the norm."""
    size = shares[list(PANELS)].abs()
    return shares.assign(size=size.max(axis=1)).sort_values("size", ascending=False).drop(columns="size")


def draw_explanation(explanation: Explanation) -> Figure:
    """A panel a quantity, a bar a field from the largest down; bars add up to the change in the panel's title."""
    shares = largest_first(explanation.shares).iloc[::-1]
    figure = blank_figure((11.0, 1.5 + 0.32 * len(shares)))
    totals = explanation.totals.set_index("quantity")
    for axes, (name, title) in zip(figure.subplots(1, 3, sharey=True), PANELS.items(), strict=True):
        plain_axes(axes, f"{title}\n{totals.loc[name, 'from']:.3g} to {totals.loc[name, 'to']:.3g}")
        colors = [UP if value >= 0 else DOWN for value in shares[name]]
        axes.barh(shares["field"], shares[name], color=colors, height=0.6)
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.axvline(0, color="#333333", linewidth=0.8)
    return figure


def write_explanation(explanation: Explanation, folder: Path) -> list[Path]:
    """``explain.svg``, ``.pdf``, ``.png``, and ``explain.csv``, ``explain_totals.csv``, ``explain_tokens.csv``."""
    figure = draw_explanation(explanation)
    tables = {
        "explain.csv": explanation.shares,
        "explain_totals.csv": explanation.totals,
        "explain_tokens.csv": explanation.tokens,
    }
    files = {f"explain.{kind}": save(figure) for kind, save in SAVERS.items()}
    files |= {name: csv_text(table).encode("utf-8") for name, table in tables.items()}
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [folder / name for name in files]


SAVERS = {"svg": figure_svg, "pdf": figure_pdf, "png": figure_png}
