"""Figures of the coefficients of every method on the same completions, from the tables of `statistics.coefficients`."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures.canvas import INK, blank_figure, legend_below, number_axis, plain_axes, scaled
from analysis.figures.plots import PANEL_INCHES
from analysis.figures.styles import arm_styles
from analysis.records.frames import column, rows_where

RIGHT, WRONG = "#5e3c99", "#e66101"
PANEL_CHARACTERS = 24  # of a title above half a figure
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")


def draw_histograms(rows: pd.DataFrame) -> Figure:
    """Tokens by coefficient, a panel a method: filled those of right completions, an outline those of wrong ones."""
    methods = list(dict.fromkeys(rows["arm"]))
    columns = 2
    panel_rows = -(-len(methods) // columns)
    lines = max(-(-len(method) // PANEL_CHARACTERS) for method in methods)
    figure = blank_figure((PANEL_INCHES[0], 1.0 + (1.35 + 0.17 * (lines - 1)) * panel_rows))
    panels = np.atleast_2d(figure.subplots(panel_rows, columns)).ravel()
    handles = {}
    for panel, method in zip(panels, methods, strict=False):
        for verdict, color, fill in (("right", RIGHT, True), ("wrong", WRONG, False)):
            own = rows_where(rows, (column(rows, "arm") == method) & (column(rows, "verdict") == verdict))
            edges = [*column(own, "low"), column(own, "high")[-1]]
            handles[verdict] = panel.stairs(
                column(own, "tokens"), edges, color=color, fill=fill, alpha=0.55 if fill else 1.0, linewidth=scaled(1.4)
            )
        plain_axes(panel, method, PANEL_CHARACTERS)
        panel.set_yscale("symlog", linthresh=1)
        panel.yaxis.set_major_formatter(PLAIN)
        panel.tick_params(labelsize=scaled(7))
    for panel in panels[len(methods) :]:
        panel.set_visible(False)
    legend_below(figure, handles)
    return figure


def draw_by_position(rows: pd.DataFrame) -> Figure:
    """Mean |coefficient| against the tenth of the completion, a line a method."""
    figure = _lines(rows, "by position", "x")
    [axes] = figure.axes
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PLAIN)
    number_axis(axes, "tenth of the completion")
    axes.set_xticks(sorted(set(rows["x"])))
    axes.set_ylabel("mean |coefficient|", color=INK)
    return figure


def draw_by_length(rows: pd.DataFrame) -> Figure:
    """The share of a method's total weight that completions of like length have, a line a method."""
    figure = _lines(rows, "by length", "place")
    [axes] = figure.axes
    axes.set_xticks(range(4), list(rows["group"].iloc[:4]))
    axes.set_ylim(bottom=0)
    axes.set_xlabel("tokens of the completion", color=INK)
    axes.set_ylabel("share of the method's total (%)", color=INK)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g}"))
    return figure


def _lines(rows: pd.DataFrame, title: str, place: str) -> Figure:
    methods = list(dict.fromkeys(rows["arm"]))
    figure, styles = blank_figure(PANEL_INCHES), arm_styles(methods)
    axes = figure.subplots()
    plain_axes(axes, title)
    lines = {}
    for method in methods:
        own, style = rows_where(rows, column(rows, "arm") == method), styles[method]
        [lines[method]] = axes.plot(
            column(own, place),
            column(own, "point"),
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=scaled(5),
        )
    legend_below(figure, lines)
    return figure
