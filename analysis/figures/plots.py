"""Figures. They draw the curves that they are given and compute nothing; `styles` says how an arm looks."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures.canvas import INK, blank_figure, evaluation_axis, legend_below, number_axis, plain_axes, scaled
from analysis.figures.styles import ArmStyle, arm_styles
from analysis.records.evaluations import BUDGETS
from analysis.statistics.curves import DIAGNOSTICS, Curve, Trace

PANEL_INCHES = (5.6, 4.7)
MOST_EDGED = 4  # curves in a panel whose bands of the whole curve are drawn too
GROUP_WIDTH = 0.5  # of the distance between two groups, for the arms of one
Y_LABELS = {
    "pass": "Pass@K (%)",
    "majority": "Maj@K (%)",
    "pass_difference": "Pass@K minus baseline (points)",
    "majority_difference": "Maj@K minus baseline (points)",
}


def draw_k_curves(curves: Sequence[Curve], arms: Sequence[str], title: str) -> Figure:
    """Accuracy, or a difference to the baseline, against K: equal distances from K to K, as in the paper's Figure 7.

    `arms` are all arms of the comparison: an arm looks the same in each of its figures, whichever are left out of one.
    """
    figure = blank_figure(PANEL_INCHES)
    axes = figure.subplots()
    plain_axes(axes, title)
    styles = arm_styles(arms)
    ks = list(dict.fromkeys(int(k) for curve in curves for k in curve.x_X))
    lines = {curve.arm: draw_k_curve(axes, curve, ks, styles[curve.arm], len(curves)) for curve in curves}
    k_axis(axes, ks)
    percent_axis(axes, curves[0].quantity)
    legend_below(figure, lines)
    return figure


def draw_k_curve(axes: Axes, curve: Curve, ks: Sequence[int], style: ArmStyle, num_curves: int) -> Artist:
    """One arm's line against K: a shade for the band at each K, edges for that of the whole curve, a dot a seed."""
    positions = [ks.index(int(k)) for k in curve.x_X]
    draw_shade(axes, positions, curve, style, num_curves)
    edges = (curve.simultaneous.low, curve.simultaneous.high) if num_curves <= MOST_EDGED else ()
    for edge in edges:
        axes.plot(positions, edge, color=style.color, linestyle=style.dashes, linewidth=scaled(0.6), alpha=0.5)
    for seed_y_X in curve.seed_y_SX:
        axes.scatter(positions, seed_y_X, s=scaled(5), color=style.color, alpha=0.55, linewidths=0, zorder=2)
    return draw_line(axes, positions, curve.band.point, style)


def draw_learning_curves(curves: Sequence[Curve], arms: Sequence[str], x: str, title: str) -> Figure:
    """Pass@1 against what was spent; an arm evaluated once is a horizontal line with its band."""
    figure = blank_figure(PANEL_INCHES)
    axes = figure.subplots()
    plain_axes(axes, title)
    styles = arm_styles(arms)
    lines = {curve.arm: draw_learning_curve(axes, curve, styles[curve.arm], len(curves)) for curve in curves}
    evaluation_axis(axes, curves, BUDGETS[x])
    percent_axis(axes, curves[0].quantity)
    axes.set_ylabel("Pass@1 (%)")
    legend_below(figure, lines)
    return figure


def draw_learning_curve(axes: Axes, curve: Curve, style: ArmStyle, num_curves: int) -> Artist:
    """One arm's accuracy against what was spent, with its band and a thin line a seed."""
    if len(curve.x_X) == 1:
        axes.axhspan(curve.band.low[0], curve.band.high[0], color=style.color, alpha=0.05, linewidth=0)
        return axes.axhline(curve.band.point[0], color=style.color, linestyle=style.dashes, linewidth=scaled(1.4))
    draw_shade(axes, curve.x_X, curve, style, num_curves)
    for seed_x_X, seed_y_X in zip(curve.seed_x_SX, curve.seed_y_SX, strict=True):
        axes.plot(seed_x_X, seed_y_X, color=style.color, linewidth=scaled(0.6), alpha=0.45)
    return draw_line(axes, curve.x_X, curve.band.point, style)


def draw_trace(traces: Sequence[Trace], arms: Sequence[str], title: str) -> Figure:
    """One training metric against the step: thick the mean over seeds, thin each seed."""
    figure = blank_figure(PANEL_INCHES)
    axes = figure.subplots()
    plain_axes(axes, title)
    styles = arm_styles(arms)
    lines: dict[str, Artist] = {}
    for trace in traces:
        style = styles[trace.arm]
        for seed_y_X in trace.seed_y_SX:
            axes.plot(trace.step_X, seed_y_X, color=style.color, linewidth=scaled(0.6), alpha=0.4)
        every = max(1, len(trace.step_X) // 8)
        lines[trace.arm] = draw_line(axes, trace.step_X, trace.mean_X, style, every)
    number_axis(axes, BUDGETS["step"])
    axes.set_ylabel(DIAGNOSTICS[traces[0].quantity])
    legend_below(figure, {arm: lines[arm] for arm in styles if arm in lines})
    return figure


def draw_groups(rows: pd.DataFrame, arms: Sequence[str], title: str, label: str) -> Figure:
    """Pass@1 by group of problems (or completions): the groups in order, a line an arm, whiskers where it has bands.

    `rows` are of one benchmark and one kind of group, as `statistics.breakdown` makes them.
    """
    figure = blank_figure(PANEL_INCHES)
    axes = figure.subplots()
    plain_axes(axes, title)
    styles = arm_styles(arms)
    groups = list(dict.fromkeys(rows["group"]))
    present = list(dict.fromkeys(rows["arm"]))
    lines: dict[str, Artist] = {}
    for arm, own in rows.groupby("arm", sort=False):
        style = styles[str(arm)]
        x = np.array([groups.index(group) for group in own["group"]]) + offset(str(arm), present)
        known = own["low"].notna()
        axes.vlines(
            x[known], own["low"][known], own["high"][known], color=style.color, linewidth=scaled(1.0), alpha=0.55
        )
        lines[str(arm)] = draw_line(axes, x, own["point"], style)
    axes.set_xticks(range(len(groups)), groups)
    axes.set_xlabel(label)
    percent_axis(axes, "pass")
    axes.set_ylabel("Pass@1 (%)")
    legend_below(figure, lines)
    return figure


def offset(arm: str, arms: Sequence[str]) -> float:
    """How far an arm stands beside the tick of its group, so that whiskers do not cover each other."""
    return (list(arms).index(arm) - (len(arms) - 1) / 2) * GROUP_WIDTH / max(1, len(arms))


def percent_axis(axes: Axes, quantity: str) -> None:
    """Shares as percent; a difference gets its line at 0."""
    axes.set_ylabel(Y_LABELS[quantity])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g}"))
    if quantity.endswith("difference"):
        axes.axhline(0, color=INK, linewidth=scaled(0.9))


def k_axis(axes: Axes, ks: Sequence[int]) -> None:
    """The values of K at equal distances."""
    axes.set_xticks(range(len(ks)), [str(k) for k in ks])
    axes.set_xlabel("K (samples a problem)")


def draw_line(axes: Axes, x, y, style: ArmStyle, every: int = 1) -> Artist:
    """A line in an arm's style, a marker at every so many points."""
    (line,) = axes.plot(
        x,
        y,
        color=style.color,
        linestyle=style.dashes,
        linewidth=scaled(1.7),
        marker=style.marker,
        markersize=scaled(7 if style.marker == "*" else 5),
        markeredgecolor="white",
        markeredgewidth=scaled(0.5),
        markevery=every,
        zorder=3,
    )
    return line


def draw_shade(axes: Axes, x, curve: Curve, style: ArmStyle, num_curves: int) -> None:
    """The band as a shade that stays light where many arms overlap."""
    shade = min(0.15, 0.3 / num_curves)
    axes.fill_between(x, curve.band.low, curve.band.high, color=style.color, alpha=shade, linewidth=0, zorder=1)
