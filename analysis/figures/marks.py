"""What the pointer finds in a figure: where each value was drawn, and the value in words."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.statistics.curves import Curve, Trace

MOST_MARKS = 60  # of one line; a longer one is thinned


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A value at x, y of the axes' own coordinates."""

    axes: Axes
    x: float
    y: float
    text: str


def curve_marks(
    axes: Axes, curves: Sequence[Curve], x_text: Callable[[float], str], place: Callable[[float], float] = float
) -> list[Mark]:
    """A mark a point of every curve: arm, x, the value and its band, in % or points.

    Args:
        axes: that the curves were drawn in.
        curves: shares.
        x_text: x in words, such as "K = 4".
        place: where an x was drawn, where that is not x itself.
    """
    marks = []
    for curve in curves:
        band = curve.band
        for x, point, low, high in zip(curve.x_X, band.point, band.low, band.high, strict=True):
            text = f"{curve.arm}\n{x_text(float(x))}: {100 * point:.1f}{range_text(low, high)}"
            marks.append(Mark(axes=axes, x=place(float(x)), y=float(point), text=text))
    return marks


def trace_marks(axes: Axes, traces: Sequence[Trace]) -> list[Mark]:
    """A mark a step of every trace, thinned to `MOST_MARKS` a line."""
    marks = []
    for trace in traces:
        every = max(1, -(-len(trace.step_X) // MOST_MARKS))
        for step, value in zip(trace.step_X[::every], trace.mean_X[::every], strict=True):
            marks.append(Mark(axes=axes, x=float(step), y=float(value), text=f"{trace.arm}\nstep {step}: {value:.4g}"))
    return marks


def range_text(low: float, high: float) -> str:
    """As " [62.0, 68.3]", in %; nothing where there is no band."""
    return f" [{100 * low:.1f}, {100 * high:.1f}]" if np.isfinite(low) else ""


def placed_marks(figure: Figure, marks: Sequence[Mark]) -> list[tuple[float, float, str]]:
    """Each mark as shares of the figure's width from the left and of its height from the top, and its text.

    The figure must have been laid out (written to a file) before. Marks outside their axes are left out.
    """
    placed = []
    for mark in marks:
        if not (np.isfinite(mark.x) and np.isfinite(mark.y)):
            continue
        pixel = mark.axes.transData.transform((mark.x, mark.y))
        if not mark.axes.bbox.contains(*pixel):
            continue
        across, up = figure.transFigure.inverted().transform(pixel)
        placed.append((round(float(across), 4), round(1 - float(up), 4), mark.text))
    return placed
