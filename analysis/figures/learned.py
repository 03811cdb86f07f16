"""Figures of reward models: are probabilities true, does accuracy follow the reward, what does an iteration add?

They draw what `analysis.verification.learned` computed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures.canvas import INK, blank_figure, headline, legend_below, number_axis, plain_axes, scaled
from analysis.figures.paper_figures import ITERATION_DASHES, ITERATION_MARKERS
from analysis.figures.plots import PANEL_INCHES, draw_learning_curve, draw_line, percent_axis
from analysis.figures.styles import DASHED, KNOWN_STYLES, SOLID, ArmStyle, arm_styles
from analysis.records.evaluations import BUDGETS
from analysis.statistics.curves import Curve
from analysis.verification.calibration import ReliabilityCurve
from analysis.verification.learned import RewardTrace

SMALL_INCHES = (2.8, 2.4)  # of a panel among several
SMALL_TITLE = 28  # characters
ACROSS = 2  # as wide together as another figure
MARKER_POINTS, LARGEST_SHARE = 40.0, 0.02  # area of the marker of all labels; the smallest that is drawn, of that


def draw_reliability(curves: Mapping[str, ReliabilityCurve], arms: Sequence[str], title: str) -> Figure:
    """Share of right ones against the probability given, a line an arm; the larger a dot, the more labels it has."""
    figure = blank_figure(PANEL_INCHES)
    axes = figure.subplots()
    plain_axes(axes, title)
    axes.plot([0, 1], [0, 1], color=INK, linewidth=scaled(0.9), zorder=1)
    styles, lines = arm_styles(arms), dict[str, Artist]()
    for arm, curve in curves.items():
        style = styles[arm]
        lines[arm] = draw_line(axes, curve.probability, curve.frequency, style)
        sizes = MARKER_POINTS * (LARGEST_SHARE + curve.count / curve.count.sum())
        axes.scatter(
            curve.probability, curve.frequency, s=scaled(1) * sizes, color=style.color, alpha=0.35, linewidths=0
        )
    _share_axis(axes)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g}"))
    axes.set_xlabel("the model's probability of being right (%)")
    axes.set_ylabel("right by the rule (%)")
    legend_below(figure, lines)
    return figure


def draw_reward_and_accuracy(traces: Sequence[RewardTrace], title: str) -> Figure:
    """The model's mean word and the share that is right, by training step: a panel an arm; thin lines are seeds.

    Where the reward rose while accuracy fell, the steps from the peak on are shaded.
    """
    base = KNOWN_STYLES["grpo"]
    styles = {
        "the model's mean probability": replace(base, dashes=DASHED, marker="s"),
        "right by the rule": replace(base, color=INK, dashes=SOLID, marker="o"),
    }
    figure, grid = _panels(len(traces), title)
    lines: dict[str, Artist] = {}
    for axes, trace in zip(grid, traces, strict=False):
        plain_axes(axes, trace.arm.arm, SMALL_TITLE)
        for (name, style), values_ST in zip(styles.items(), (trace.reward_ST, trace.accuracy_ST), strict=True):
            for values_T in values_ST:
                axes.plot(trace.step_T, values_T, color=style.color, linewidth=scaled(0.6), alpha=0.4)
            every = max(1, len(trace.step_T) // 6)
            lines[name] = draw_line(axes, trace.step_T, values_ST.mean(axis=0), style, every)
        if trace.found.found:
            axes.axvspan(trace.step_T[trace.found.step - 1], trace.step_T[-1], color="#c44e52", alpha=0.12, linewidth=0)
        _share_axis(axes)
        number_axis(axes, BUDGETS["step"])
    legend_below(figure, lines)
    return figure


def draw_iterations(pieces: Mapping[str, Mapping[str, Curve]], title: str) -> Figure:
    """Accuracy by step, a line an iteration as in the paper's Figure 6: a panel an arm.

    Args:
        pieces: of each arm, its learning curve cut into iterations, by their names.
        title: above all panels.
    """
    figure, grid = _panels(len(pieces), title)
    lines: dict[str, Artist] = {}
    for axes, (arm, of_arm) in zip(grid, pieces.items(), strict=False):
        plain_axes(axes, arm, SMALL_TITLE)
        for number, (name, curve) in enumerate(of_arm.items()):
            lines[name] = draw_learning_curve(axes, curve, _iteration_style(number), 1)
        percent_axis(axes, "pass")
        axes.set_ylabel("Pass@1 (%)")
        number_axis(axes, BUDGETS["step"])
    legend_below(figure, lines)
    return figure


def _iteration_style(number: int) -> ArmStyle:
    dashes, markers = ITERATION_DASHES, ITERATION_MARKERS
    marker = markers[number % len(markers)]
    return replace(KNOWN_STYLES["grpo"], dashes=dashes[number % len(dashes)], marker=marker)


def _panels(number: int, title: str) -> tuple[Figure, list[Axes]]:
    """A figure of so many panels, `ACROSS` in a row."""
    across = min(ACROSS, number)
    rows = ceil(number / across)
    figure = blank_figure((max(PANEL_INCHES[0], SMALL_INCHES[0] * across), SMALL_INCHES[1] * rows + 0.5))
    grid = figure.subplots(rows, across, squeeze=False).flatten().tolist()
    for axes in grid[number:]:
        axes.remove()
    headline(figure, title, points=11)
    return figure, grid[:number]


def _share_axis(axes: Axes) -> None:
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.6g}"))
    axes.set_ylabel("%")
