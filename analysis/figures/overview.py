"""The figures that stand first: arms with intervals, sharpening and more; declared contrasts; decoding."""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import fill

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import blended_transform_factory

from analysis.figures.canvas import INK, ROW_INCHES, blank_figure, legend_below, plain_axes, scaled
from analysis.figures.plots import PANEL_INCHES, draw_line, draw_shade, percent_axis
from analysis.figures.styles import arm_styles
from analysis.noise.intervals import Interval
from analysis.statistics.curves import Curve
from analysis.statistics.differences import Difference

FOREST_CHARACTERS = 24  # of a name in a line
ARMS_TITLE, FOREST_TITLE = 42, 30  # characters of a title's line: the names beside leave the axes less than the figure
ROW = 0.33  # inches
VERDICT_COLORS = {"better": "#0072b2", "worse": "#d55e00", "undecided": "#7a7a7a", "none": "#b0b0b0"}
VERDICT_WORDS = {"better": "higher", "worse": "lower", "undecided": "undecided", "none": "no verdict"}
SHARPENING, MORE = "#f3ecd8", "#e3f0e6"  # washes behind the two kinds of gain
NARROW = 0.09  # of the axis: a wash that is narrower has no name in it


@dataclass(frozen=True, kw_only=True)
class ArmRow:
    """One arm as the first figure shows it: Pass@1 at the evaluation's temperature, each seed's, and decoded greedily
    (at the lowest temperature that there is) where it was."""

    arm: str
    accuracy: Interval
    seeds: tuple[float, ...]
    greedy: Interval | None


def draw_arms(
    rows: Sequence[ArmRow], arms: Sequence[str], title: str, *, start: float | None, tuned: Interval | None, at: str
) -> Figure:
    """A row an arm, filled its Pass@1 and open the same policy decoded greedily, each with its interval.

    Args:
        rows: from the top.
        arms: all arms of the comparison.
        title: of the figure.
        start: Pass@1 of the start policy at the same temperature: where gains begin.
        tuned: of the start policy at its best temperature: gains up to it are sharpening, gains beyond it are more.
        at: the temperature of the filled points, in words.
    """
    names = [fill(row.arm, FOREST_CHARACTERS, break_on_hyphens=False) for row in rows]
    figure = blank_figure((PANEL_INCHES[0], 1.55 + _row_inches(names) * len(rows)))
    axes = figure.subplots()
    plain_axes(axes, title, ARMS_TITLE)
    styles = arm_styles(arms)
    marks: dict[str, Artist] = {}
    for place, row in enumerate(rows):
        color = styles[row.arm].color
        _whisker(axes, place, row.accuracy, color, 1.8)
        _seed_ticks(axes, place, row.seeds, color)
        (filled,) = axes.plot(
            100 * row.accuracy.point, place, "o", color=color, markersize=scaled(6.5), markeredgecolor="white", zorder=4
        )
        marks.setdefault(f"Pass@1 {at}", filled)
        if row.greedy is not None:
            _whisker(axes, place + 0.2, row.greedy, color, 0.9)
            (hollow,) = axes.plot(
                100 * row.greedy.point,
                place + 0.2,
                "D",
                color=color,
                markersize=scaled(4.5),
                markerfacecolor="white",
                zorder=4,
            )
            marks.setdefault("decoded greedily", hollow)
    axes.set_yticks(range(len(rows)), names)
    axes.set_ylim(len(rows) - 0.4, -1.0 if tuned is not None else -0.6)
    axes.set_xlabel("Pass@1 (%)")
    _regions(axes, start, tuned)
    legend_below(figure, marks)
    for handle in figure.legends[0].legend_handles:
        handle.set_color(INK)  # pyright: ignore[reportOptionalMemberAccess, reportAttributeAccessIssue]
    return figure


def draw_forest(differences: Sequence[Difference], title: str) -> Figure:
    """A row a contrast: its point and interval in points, blue or orange where it is decided, a tick a seed, and the
    verdict in words to the right."""
    names = [fill(name, FOREST_CHARACTERS, break_on_hyphens=False) for name in _forest_names(differences)]
    figure = blank_figure((PANEL_INCHES[0], 1.3 + _row_inches(names) * len(differences)))
    axes = figure.subplots()
    plain_axes(axes, title, FOREST_TITLE)
    axes.axvline(0, color=INK, linewidth=scaled(0.9))
    beside = blended_transform_factory(axes.transAxes, axes.transData)
    for row, each in enumerate(differences):
        color = VERDICT_COLORS[each.verdict]
        _whisker(axes, row, each.interval, color, 1.8)
        axes.plot(100 * each.point, row, color=color, marker="s", markersize=scaled(5), linestyle="none")
        _seed_ticks(axes, row, each.seed_points, color)
        axes.text(
            1.02, row, VERDICT_WORDS[each.verdict], transform=beside, color=color, fontsize=scaled(9), va="center"
        )
    axes.set_yticks(range(len(differences)), names)
    axes.set_ylim(len(differences) - 0.5, -0.5)
    axes.set_xlabel("Pass@1, in points")
    return figure


def _forest_names(differences: Sequence[Difference]) -> list[str]:
    """The contrasts' names, with how the arms were decoded where that is not alike in all."""
    alike = len({each.temperature for each in differences}) == 1
    return [each.name if alike else f"{each.name}, {_decoded(each.temperature)}" for each in differences]


def _decoded(temperature: float | None) -> str:
    return "" if temperature is None else "greedily" if temperature == 0 else f"at {temperature:g}"


def draw_temperatures(curves: Sequence[Curve], arms: Sequence[str], title: str) -> Figure:
    """Pass@1 of every arm against the sampling temperature, greedy at 0."""
    figure = blank_figure(PANEL_INCHES)
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


def _regions(axes: Axes, start: float | None, tuned: Interval | None) -> None:
    """Washes where a gain over the start is sharpening, and where it is more; a line for the start and its best."""
    low, high = axes.get_xlim()
    if start is not None:
        axes.axvline(100 * start, color=INK, linestyle=(0, (1.2, 1.4)), linewidth=scaled(1.1), zorder=1)
    if tuned is None or start is None:
        return
    best = 100 * tuned.point
    high = max(high, best + 0.18 * (high - low))
    axes.set_xlim(low, high)
    axes.axvline(best, color=INK, linestyle=(0, (5, 2)), linewidth=scaled(1.1), zorder=1)
    for left, right, color, word in ((100 * start, best, SHARPENING, "sharpening"), (best, high, MORE, "more")):
        if right <= left:
            continue
        axes.axvspan(left, right, color=color, linewidth=0, zorder=0)
        if right - left > NARROW * (high - low):
            axes.text(
                (left + right) / 2, -0.68, word, ha="center", va="center", fontsize=scaled(9), style="italic", color=INK
            )


def _seed_ticks(axes: Axes, place: float, values: Sequence[float], color: str) -> None:
    """A tick a seed, values in [0, 1] or differences of such, drawn in points."""
    points = [100 * value for value in values]
    axes.plot(points, [place] * len(points), color=color, marker="|", markersize=scaled(9), linestyle="none", alpha=0.7)


def _whisker(axes: Axes, y: float, interval: Interval, color: str, width: float) -> None:
    axes.plot([100 * interval.low, 100 * interval.high], [y, y], color=color, linewidth=scaled(width), zorder=2)


def _row_inches(names: Sequence[str]) -> float:
    return max(ROW, ROW_INCHES * max((name.count("\n") + 1 for name in names), default=1))
