"""Accuracy against tokens spent: searches, votes and the best of K, as `analysis.verification.searches` has them."""

from __future__ import annotations

import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from analysis.figures.canvas import INK, blank_figure, legend_below, number_axis, plain_axes
from analysis.figures.plots import PANEL_INCHES, draw_line, percent_axis
from analysis.figures.styles import DASH_DOT, DASHED, DOTTED, SOLID, ArmStyle
from analysis.records.frames import column

__all__ = ["SEARCH_STYLES", "draw_searches"]

SEARCH_STYLES = {
    "beam search": ArmStyle(color="#d55e00", marker="*", dashes=SOLID),
    "best-first search": ArmStyle(color="#e69f00", marker="X", dashes=DASH_DOT),
    "Maj@K": ArmStyle(color="#0072b2", marker="v", dashes=SOLID),
    "best of K": ArmStyle(color="#56b4e9", marker="^", dashes=DASHED),
    "Pass@K": ArmStyle(color=INK, marker="o", dashes=DOTTED),
}


def draw_searches(table: pd.DataFrame, title: str) -> Figure:
    """A line a method with its 95 % band over problems.

    Args:
        table: of `tokens_table`, of one benchmark.
        title: of the panel.
    """
    figure = blank_figure(PANEL_INCHES)
    axes = figure.subplots()
    plain_axes(axes, title)
    lines: dict[str, Artist] = {}
    for name, own in table.groupby("arm", sort=False):
        style = SEARCH_STYLES[str(name)]
        x_X, low_X, high_X, point_X = (column(own, field) for field in ("x", "low", "high", "point"))
        axes.fill_between(x_X, low_X, high_X, color=style.color, alpha=0.08, linewidth=0, zorder=1)
        lines[str(name)] = draw_line(axes, x_X, point_X, style)
    number_axis(axes, "completion tokens drawn for a problem")
    percent_axis(axes, "pass")
    axes.set_ylabel("solved (%)")
    legend_below(figure, lines)
    return figure
