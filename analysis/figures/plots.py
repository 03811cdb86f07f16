"""Figures. They draw the curves that they are given and compute nothing; `styles` says how an arm looks."""

import io
from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import fill

from matplotlib import rc_context
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from analysis.figures.styles import ArmStyle, arm_styles
from analysis.records.evaluations import BUDGETS
from analysis.statistics.curves import DIAGNOSTICS, Curve, Trace
from analysis.statistics.differences import Difference

PANEL_INCHES = (5.6, 4.7)
DOTS_PER_INCH = 160
INK, GRID = "#333333", "#e4e4e4"
LEGEND_CHARACTERS = 70  # a longer name takes two lines
LETTER_POINTS, HANDLE_POINTS, ROW_INCHES = 4.6, 40, 0.19  # of a legend in 9 points
TITLE_CHARACTERS = 58  # of a panel as wide as PANEL_INCHES; a longer title takes two lines
FOREST_CHARACTERS = 38  # of a contrast's name in a line
NUMBERED_TICKS = 7
VERDICT_COLORS = {"better": "#0072b2", "worse": "#d55e00", "undecided": "#7a7a7a", "none": "#b0b0b0"}
FOREST_ROW_INCHES = 0.32
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
    for edge in (curve.simultaneous.low, curve.simultaneous.high):
        axes.plot(positions, edge, color=style.color, linestyle=style.dashes, linewidth=0.6, alpha=0.5)
    for seed_y_X in curve.seed_y_SX:
        axes.scatter(positions, seed_y_X, s=5, color=style.color, alpha=0.55, linewidths=0, zorder=2)
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
        return axes.axhline(curve.band.point[0], color=style.color, linestyle=style.dashes, linewidth=1.4)
    draw_shade(axes, curve.x_X, curve, style, num_curves)
    for seed_x_X, seed_y_X in zip(curve.seed_x_SX, curve.seed_y_SX, strict=True):
        axes.plot(seed_x_X, seed_y_X, color=style.color, linewidth=0.6, alpha=0.45)
    return draw_line(axes, curve.x_X, curve.band.point, style)


def draw_forest(differences: Sequence[Difference], title: str) -> Figure:
    """A row a contrast: its point and interval in points, blue or orange where it is decided, a tick a seed."""
    names = [fill(each.name, FOREST_CHARACTERS) for each in differences]
    lines = max((name.count("\n") + 1 for name in names), default=1)
    row_inches = max(FOREST_ROW_INCHES, ROW_INCHES * lines)
    figure = blank_figure((7.6, 1.3 + row_inches * len(differences)))
    axes = figure.subplots()
    plain_axes(axes, title)
    axes.axvline(0, color=INK, linewidth=0.9)
    for row, each in enumerate(differences):
        color = VERDICT_COLORS[each.verdict]
        axes.plot([100 * each.interval.low, 100 * each.interval.high], [row, row], color=color, linewidth=1.8)
        axes.plot([100 * each.point], [row], color=color, marker="s", markersize=5, linestyle="none")
        axes.plot(
            [100 * value for value in each.seed_points],
            [row] * len(each.seed_points),
            color=color,
            marker="|",
            markersize=9,
            linestyle="none",
            alpha=0.7,
        )
    axes.set_yticks(range(len(differences)), names)
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.set_xlabel("Pass@1, in points")
    return figure


def draw_temperatures(curves: Sequence[Curve], arms: Sequence[str], title: str) -> Figure:
    """Pass@1 of every arm against the sampling temperature, greedy at 0."""
    figure = blank_figure((5.6, 4.7))
    axes = figure.subplots()
    plain_axes(axes, title)
    styles = arm_styles(arms)
    lines = {}
    for curve in curves:
        draw_shade(axes, curve.x_X, curve, styles[curve.arm], len(curves))
        lines[curve.arm] = draw_line(axes, curve.x_X, curve.band.point, styles[curve.arm])
    ticks = sorted({float(x) for curve in curves for x in curve.x_X})
    axes.set_xticks(ticks, ["greedy" if tick == 0 else f"{tick:g}" for tick in ticks])
    axes.set_xlabel("temperature")
    percent_axis(axes, "pass")
    axes.set_ylabel("Pass@1 (%)")
    legend_below(figure, lines)
    return figure


def draw_diagnostics(traces: Sequence[Trace], arms: Sequence[str]) -> Figure:
    """Training metrics as small multiples, a panel a metric, against the step; legend in the order of `arms`."""
    quantities = [quantity for quantity in DIAGNOSTICS if any(trace.quantity == quantity for trace in traces)]
    rows = (len(quantities) + 1) // 2
    figure = blank_figure((2 * PANEL_INCHES[0], 2.9 * rows + 0.8))
    styles = arm_styles(arms)
    grid = figure.subplots(rows, 2, squeeze=False)
    lines: dict[str, Artist] = {}
    for axes, quantity in zip(grid.flat, quantities, strict=False):
        plain_axes(axes, DIAGNOSTICS[quantity])
        for trace in (trace for trace in traces if trace.quantity == quantity):
            style = styles[trace.arm]
            for seed_y_X in trace.seed_y_SX:
                axes.plot(trace.step_X, seed_y_X, color=style.color, linewidth=0.6, alpha=0.4)
            every = max(1, len(trace.step_X) // 8)
            lines.setdefault(trace.arm, draw_line(axes, trace.step_X, trace.mean_X, style, every))
        number_axis(axes, BUDGETS["step"])
    for axes in grid.flat[len(quantities) :]:
        axes.set_visible(False)
    legend_below(figure, {arm: lines[arm] for arm in styles if arm in lines})
    return figure


def figure_png(figure: Figure) -> bytes:
    """The figure as a PNG file; the same figure gives the same bytes."""
    return _saved(figure, "png", {"Software": None})


def figure_svg(figure: Figure) -> bytes:
    """The figure as an SVG file, letters as outlines; the same figure gives the same bytes."""
    return _saved(figure, "svg", {"Date": None, "Creator": None})


def figure_pdf(figure: Figure) -> bytes:
    """The figure as a PDF file with embedded fonts; the same figure gives the same bytes."""
    return _saved(figure, "pdf", {"CreationDate": None, "Creator": None, "Producer": None})


def short_number(value: float) -> str:
    """A count in at most five characters, three digits: 950, 12.3k, 4.56M, 7.1G, 3.2e+15."""
    for size, suffix in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if size <= abs(value) < 1000 * size:
            return f"{value / size:.3g}{suffix}"
    return f"{value:.3g}"


def blank_figure(inches: tuple[float, float]) -> Figure:
    """A white figure whose parts keep out of each other's way."""
    layout = ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.1)
    return Figure(figsize=inches, dpi=DOTS_PER_INCH, layout=layout, facecolor="white")


def plain_axes(axes: Axes, title: str, characters: int = TITLE_CHARACTERS) -> None:
    """A light grid, no box, the title to the left in lines of so many characters."""
    axes.set_title(fill(title, characters), loc="left", fontsize=11, color=INK)
    axes.grid(color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#999999")
    axes.tick_params(colors=INK, labelsize=9.5)


def percent_axis(axes: Axes, quantity: str) -> None:
    """Shares as percent; a difference gets its line at 0."""
    axes.set_ylabel(Y_LABELS[quantity])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g}"))
    if quantity.endswith("difference"):
        axes.axhline(0, color=INK, linewidth=0.9)


def number_axis(axes: Axes, label: str) -> None:
    """A few short numbers below the axes."""
    axes.set_xlabel(label)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))


def evaluation_axis(axes: Axes, curves: Sequence[Curve], label: str) -> None:
    """A tick at every evaluation of a curve that has more than one; numbers at those that stand far enough apart."""
    number_axis(axes, label)
    places = sorted({float(x) for curve in curves if len(curve.x_X) > 1 for x in curve.x_X})
    if places:
        axes.xaxis.set_major_locator(FixedLocator(spaced(places)))
        axes.xaxis.set_minor_locator(FixedLocator(places))
        axes.tick_params(axis="x", which="minor", length=3, color=INK)


def spaced(places: Sequence[float]) -> list[float]:
    """Of sorted places the last, and from the first on each that is 1/7 of the span from those taken."""
    least = (places[-1] - places[0]) / NUMBERED_TICKS
    taken: list[float] = []
    for place in places[:-1]:
        if (not taken or place - taken[-1] >= least) and places[-1] - place >= least:
            taken.append(place)
    return [*taken, places[-1]]


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
        linewidth=1.7,
        marker=style.marker,
        markersize=7 if style.marker == "*" else 5,
        markeredgecolor="white",
        markeredgewidth=0.5,
        markevery=every,
        zorder=3,
    )
    return line


def draw_shade(axes: Axes, x, curve: Curve, style: ArmStyle, num_curves: int) -> None:
    """The band as a shade that stays light where many arms overlap."""
    shade = min(0.15, 0.3 / num_curves)
    axes.fill_between(x, curve.band.low, curve.band.high, color=style.color, alpha=shade, linewidth=0, zorder=1)


def legend_below(figure: Figure, lines: Mapping[str, Artist]) -> None:
    """The lines by name, below the figure, which grows by what the names need beyond two rows."""
    room = 72 * figure.get_figwidth()  # points
    names = [fill(name, LEGEND_CHARACTERS) for name in lines]
    longest = max((len(part) for name in names for part in name.splitlines()), default=0)
    columns = max(1, min(6, len(names), int(room / (LETTER_POINTS * longest + HANDLE_POINTS))))
    rows = ceil(sum(name.count("\n") + 1 for name in names) / columns)
    figure.set_figheight(figure.get_figheight() + ROW_INCHES * max(0, rows - 2))
    figure.legend(
        list(lines.values()),
        names,
        loc="outside lower center",
        ncols=columns,
        frameon=False,
        fontsize=9,
        handlelength=3.2,
        columnspacing=1.2,
    )


def _saved(figure: Figure, kind: str, metadata: dict[str, None]) -> bytes:
    """The file, every text drawn as it is written: a name with two dollar signs is no formula."""
    for text in figure.findobj(Text):
        text.set_parse_math(False)  # pyright: ignore[reportAttributeAccessIssue]
    if figure.get_layout_engine() is not None:  # once, not for each file
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    buffer = io.BytesIO()
    with rc_context({"svg.hashsalt": "coeflab", "svg.fonttype": "path", "pdf.fonttype": 42}):
        figure.savefig(buffer, format=kind, dpi=DOTS_PER_INCH, metadata=metadata)
    return buffer.getvalue()
