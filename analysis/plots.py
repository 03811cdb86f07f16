"""Figures. They draw the curves that they are given and compute nothing.

Every arm keeps its colour, marker and dashes in every figure: the colours are told apart by colour-blind readers (Okabe
and Ito 2008, yellow left out), the markers and dashes in grey.
"""

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FuncFormatter, MaxNLocator, PercentFormatter

from analysis.curves import DIAGNOSTICS, Curve, Trace

PANEL_INCHES = (5.6, 4.7)
DOTS_PER_INCH = 160
INK, GRID = "#333333", "#e4e4e4"
SOLID, DASHED, DOTTED, DASH_DOT = (0, ()), (0, (5, 2)), (0, (1.2, 1.4)), (0, (6, 1.6, 1.2, 1.6))
X_LABELS = {
    "step": "optimiser steps",
    "completions_sampled": "completions sampled",
    "tokens_generated": "tokens generated",
    "tokens_trained": "tokens trained on",
    "flops": "floating-point operations",
    "seconds": "wall-clock seconds",
}
Y_LABELS = {
    "pass": "Pass@K (%)",
    "majority": "Maj@K (%)",
    "pass_difference": "Pass@K minus baseline (points)",
    "majority_difference": "Maj@K minus baseline (points)",
}


@dataclass(frozen=True, kw_only=True)
class ArmStyle:
    """How an arm is drawn in every figure."""

    color: str
    marker: str
    dashes: tuple[float, tuple[float, ...]]


KNOWN_STYLES = {
    "sft_start": ArmStyle(color="#000000", marker="o", dashes=DOTTED),
    "continued_sft": ArmStyle(color="#7a7a7a", marker="s", dashes=DASHED),
    "rft": ArmStyle(color="#56b4e9", marker="^", dashes=DASHED),
    "online_rft": ArmStyle(color="#0072b2", marker="v", dashes=SOLID),
    "dpo": ArmStyle(color="#cc79a7", marker="D", dashes=DASH_DOT),
    "ppo": ArmStyle(color="#009e73", marker="P", dashes=SOLID),
    "grpo": ArmStyle(color="#e69f00", marker="X", dashes=SOLID),
    "grpo_process": ArmStyle(color="#d55e00", marker="*", dashes=DASH_DOT),
}
OTHER_COLORS = ("#332288", "#44aa99", "#882255", "#999933", "#117733", "#aa4499", "#88ccee")
OTHER_MARKERS = ("h", "<", ">", "p", "d", "8", "H", "o", "s", "^")
OTHER_DASHES = (SOLID, DASHED, DASH_DOT)


def arm_styles(arms: Iterable[str]) -> dict[str, ArmStyle]:
    """A style for each arm: its own where the method is known, else the next of a list of 7 colours and 10 markers."""
    styles: dict[str, ArmStyle] = {}
    others = 0
    for arm in dict.fromkeys(arms):
        if arm in KNOWN_STYLES:
            styles[arm] = KNOWN_STYLES[arm]
            continue
        styles[arm] = ArmStyle(
            color=OTHER_COLORS[others % len(OTHER_COLORS)],
            marker=OTHER_MARKERS[others % len(OTHER_MARKERS)],
            dashes=OTHER_DASHES[others % len(OTHER_DASHES)],
        )
        others += 1
    return styles


def draw_k_curves(curves: Sequence[Curve], arms: Sequence[str], title: str) -> Figure:
    """Accuracy, or a difference to the baseline, against K: equal distances from K to K, as in the paper's Figure 7.

    Seeds are dots at each K, the line is their mean, the shade its band. `arms` are all arms of the comparison: an arm
    looks the same in each of its figures, whichever arms are left out of one.
    """
    figure, axes = _panel(title)
    styles = arm_styles(arms)
    ks = list(dict.fromkeys(int(k) for curve in curves for k in curve.x_X))
    for curve in curves:
        style = styles[curve.arm]
        positions = [ks.index(int(k)) for k in curve.x_X]
        _draw_shade(axes, positions, curve, style, len(curves))
        for edge in (curve.band.low, curve.band.high):
            axes.plot(positions, edge, color=style.color, linestyle=style.dashes, linewidth=0.6, alpha=0.5)
        _draw_line(axes, positions, curve.band.point, style, curve.arm)
        for seed_y_X in curve.seed_y_SX:
            axes.scatter(positions, seed_y_X, s=5, color=style.color, alpha=0.55, linewidths=0, zorder=2)
    axes.set_xticks(range(len(ks)), [str(k) for k in ks])
    axes.set_xlabel("K (samples a problem)")
    _percent_axis(axes, curves)
    _legend_below(figure, axes)
    return figure


def draw_learning_curves(curves: Sequence[Curve], arms: Sequence[str], x: str, title: str) -> Figure:
    """Pass@1 against what was spent; an arm evaluated once is a horizontal line with its band."""
    figure, axes = _panel(title)
    styles = arm_styles(arms)
    for curve in curves:
        style = styles[curve.arm]
        if len(curve.x_X) == 1:
            axes.axhspan(curve.band.low[0], curve.band.high[0], color=style.color, alpha=0.05, linewidth=0)
            axes.axhline(curve.band.point[0], color=style.color, linestyle=style.dashes, linewidth=1.4, label=curve.arm)
            continue
        _draw_shade(axes, curve.x_X, curve, style, len(curves))
        _draw_line(axes, curve.x_X, curve.band.point, style, curve.arm)
        for seed_x_X, seed_y_X in zip(curve.seed_x_SX, curve.seed_y_SX, strict=True):
            axes.plot(seed_x_X, seed_y_X, color=style.color, linewidth=0.6, alpha=0.45)
    axes.set_xlabel(X_LABELS.get(x, x))
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
    _percent_axis(axes, curves)
    axes.set_ylabel("Pass@1 (%)")
    _legend_below(figure, axes)
    return figure


def draw_diagnostics(traces: Sequence[Trace], arms: Sequence[str]) -> Figure:
    """Training metrics as small multiples, a panel a metric, against the step; legend in the order of `arms`."""
    quantities = [quantity for quantity in DIAGNOSTICS if any(trace.quantity == quantity for trace in traces)]
    rows = (len(quantities) + 1) // 2
    figure = _blank_figure((2 * PANEL_INCHES[0], 2.9 * rows + 0.8))
    styles = arm_styles(arms)
    grid = figure.subplots(rows, 2, squeeze=False)
    handles = {}
    for axes, quantity in zip(grid.flat, quantities, strict=False):
        _plain_axes(axes, DIAGNOSTICS[quantity])
        for trace in (trace for trace in traces if trace.quantity == quantity):
            style = styles[trace.arm]
            for seed_y_X in trace.seed_y_SX:
                axes.plot(trace.step_X, seed_y_X, color=style.color, linewidth=0.6, alpha=0.4)
            every = max(1, len(trace.step_X) // 8)
            line = _draw_line(axes, trace.step_X, trace.mean_X, style, trace.arm, every)
            handles.setdefault(trace.arm, line)
        axes.set_xlabel(X_LABELS["step"])
    for axes in grid.flat[len(quantities) :]:
        axes.set_visible(False)
    named = {arm: handles[arm] for arm in styles if arm in handles}
    figure.legend(named.values(), named.keys(), loc="outside lower center", ncols=4, frameon=False, handlelength=3)
    return figure


def figure_png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def short_number(value: float) -> str:
    """A count in at most five characters, three digits: 950, 12.3k, 4.56M, 7.1G, 3.2e+15."""
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1000 * size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def _draw_line(axes: Axes, x, y, style: ArmStyle, label: str, every: int = 1):
    (line,) = axes.plot(
        x,
        y,
        color=style.color,
        linestyle=style.dashes,
        linewidth=1.7,
        marker=style.marker,
        markersize=7 if style.marker == "*" else 5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        markevery=every,
        label=label,
        zorder=3,
    )
    return line


def _draw_shade(axes: Axes, x, curve: Curve, style: ArmStyle, num_arms: int) -> None:
    """The band as a shade that stays light where many arms overlap."""
    shade = min(0.15, 0.3 / num_arms)
    axes.fill_between(x, curve.band.low, curve.band.high, color=style.color, alpha=shade, linewidth=0, zorder=1)


def _percent_axis(axes: Axes, curves: Sequence[Curve]) -> None:
    quantity = curves[0].quantity
    axes.set_ylabel(Y_LABELS[quantity])
    axes.yaxis.set_major_formatter(PercentFormatter(xmax=1, decimals=None, symbol=""))
    if quantity.endswith("difference"):
        axes.axhline(0, color=INK, linewidth=0.9)


def _panel(title: str) -> tuple[Figure, Axes]:
    figure = _blank_figure(PANEL_INCHES)
    axes = figure.subplots()
    _plain_axes(axes, title)
    return figure, axes


def _blank_figure(inches: tuple[float, float]) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=inches, dpi=DOTS_PER_INCH, layout=layout, facecolor="white")


def _plain_axes(axes: Axes, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=11, color=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors=INK, labelsize=9.5)


def _legend_below(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    columns = 2 if max(map(len, labels), default=0) > 18 else min(4, len(labels))
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=3.2,
        columnspacing=1.2,
    )
