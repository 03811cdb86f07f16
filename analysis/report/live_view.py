"""A comparison that is still running, for a terminal: live curves of all arms in panels, and a legend."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from analysis.figures.styles import arm_styles
from analysis.figures.terminal_curves import Span, text_panel
from analysis.records.live import LiveCurves, live_curves
from benchmarks.naming import did_you_mean

ACCURACY = "accuracy"
METRICS = {
    "pass@1": ACCURACY,
    "reward": "reward_mean",
    "entropy": "entropy",
    "kl": "kl",
    "length": "completion_tokens_mean",
    "gradient": "grad_norm",
    "clip": "clip_fraction",
    "loss": "loss",
}  # by the name on the command line
DEFAULT = ("pass@1", "reward", "entropy", "length")
TITLES = {"pass@1": "Pass@1 of the evaluations", "length": "tokens a completion", "kl": "KL from the reference"}
NARROW = 60  # characters below which panels stand one below the other
DARK = {"#000000": "#bbbbbb"}  # a terminal is dark as often as not: black would not be seen
SMOOTH = 30  # the running mean of a metric spans 1/30 of its steps


def live_lines(folder: str | Path, *, width: int, height: int, metrics: Sequence[str] = DEFAULT) -> list[list[Span]]:
    """The panels side by side, two a row where the terminal is wide enough, and the legend below.

    A curve is the mean over the seeds of an arm that have reached a step.

    Args:
        folder: of a comparison or a run, finished or not.
        width: of the terminal, in characters.
        height: of one panel's curves, in rows.
        metrics: names of `METRICS`.

    Raises:
        ValueError: the folder does not exist, or a metric is not known.
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        near = did_you_mean(unknown[0], METRICS)
        raise ValueError(f"unknown metric {unknown[0]!r}{near}Known: {', '.join(METRICS)}")
    runs = live_curves(folder)
    arms = list(dict.fromkeys(run.arm for run in runs))
    colors = {arm: DARK.get(style.color, style.color) for arm, style in arm_styles(arms).items()}
    columns = 1 if width < 2 * NARROW or len(metrics) == 1 else 2
    panels = [
        text_panel(
            TITLES.get(name, name),
            {arm: arm_curve([run for run in runs if run.arm == arm], METRICS[name]) for arm in arms},
            colors,
            width=width // columns - 1,
            height=height,
        )
        for name in metrics
    ]
    lines: list[list[Span]] = []
    for first in range(0, len(panels), columns):
        lines += _beside(panels[first : first + columns], width // columns)
    return [*lines, *_legend(runs, colors, width)]


def arm_curve(runs: Sequence[LiveCurves], metric: str) -> tuple[np.ndarray, np.ndarray]:
    """Steps and the mean over seeds; a training metric as a running mean."""
    parts = [run.accuracy if metric == ACCURACY else run.metrics.get(metric) for run in runs]
    values: dict[int, list[float]] = {}
    for part in parts:
        for step, value in zip(*part, strict=True) if part is not None else ():
            values.setdefault(int(step), []).append(float(value))
    steps = sorted(values)
    means = np.array([np.mean(values[step]) for step in steps])
    span = max(1, len(steps) // SMOOTH)
    if metric != ACCURACY and span > 1:
        size = np.convolve(np.ones(len(means)), np.ones(span), mode="same")
        means = np.convolve(means, np.ones(span), mode="same") / size
    return np.array(steps, dtype=float), means


def _beside(panels: Sequence[list[list[Span]]], width: int) -> list[list[Span]]:
    lines = []
    for row in range(max(map(len, panels))):
        line: list[Span] = []
        for panel in panels:
            spans = panel[row] if row < len(panel) else []
            room = width - sum(len(span.text) for span in spans)
            line += [*spans, Span(text=" " * max(0, room))]
        lines.append(line)
    return lines


def _legend(runs: Sequence[LiveCurves], colors: dict[str, str], width: int) -> list[list[Span]]:
    lines: list[list[Span]] = [[]]
    room = width
    for arm, color in colors.items():
        steps = [_reached(run) for run in runs if run.arm == arm]
        text = f"━ {arm} (step {min(steps)}" + (f" to {max(steps)})  " if max(steps) > min(steps) else ")  ")
        if len(text) > room and lines[-1]:
            lines.append([])
            room = width
        lines[-1].append(Span(text=text, color=color))
        room -= len(text)
    return lines if lines[-1] else []


def _reached(run: LiveCurves) -> int:
    return int(run.metrics["step"][0][-1]) if "step" in run.metrics else 0
