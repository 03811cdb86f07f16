"""Figures 5, 6 and 7 of DeepSeekMath (arXiv 2402.03300): ours beside the paper's values.

Figure 5: accuracy against training steps of RFT, online RFT, GRPO with outcome supervision (GRPO+OS) and with process
supervision (GRPO+PS). Figure 6: iterative GRPO, a line an iteration. Figure 7: Maj@K and Pass@K of the policy before
(Instruct) and after GRPO (RL). The paper's values are `paper_curves.json`, with their source.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.figures.canvas import blank_figure, headline, legend_below, number_axis, plain_axes
from analysis.figures.paper_values import PaperCurve, paper_curves, value_table
from analysis.figures.plots import draw_k_curve, draw_learning_curve, draw_line, k_axis, percent_axis
from analysis.figures.styles import DASHED, DOTTED, KNOWN_STYLES, SOLID, ArmStyle
from analysis.noise.intervals import Band, Resampling
from analysis.records.evaluations import BUDGETS
from analysis.records.reading import RecordError
from analysis.records.record import ComparisonRecord
from analysis.records.schema import START_ARM
from analysis.statistics.curves import Curve, learning_curves, majority_curves, pass_curves
from analysis.statistics.scores import score_comparison

PANEL_INCHES = (4.6, 4.1)
FIGURE_5 = {"RFT": "rft", "Online RFT": "online_rft", "GRPO+OS": "grpo", "GRPO+PS": "grpo_process"}  # its line: our arm
ITERATION_DASHES = (DOTTED, DASHED, SOLID)
ITERATION_MARKERS = ("o", "s", "X", "^", "D", "v", "P", "*")  # with the dashes: no two of 24 iterations look alike
BEFORE, AFTER = START_ARM, ("grpo", "grpo_process")  # figure 7: Instruct, and RL (the first that was run)
MAJORITY, PASS = "Maj@K", "Pass@K"
RESAMPLING = Resampling()


class LacksArmError(RecordError):
    """The comparison has no run of an arm that the figure shows."""


@dataclass(frozen=True, kw_only=True)
class PaperFigure:
    """A drawn figure and its numbers: columns source ("ours" or "paper"), benchmark, line, x, point, low, high."""

    figure: Figure
    values: pd.DataFrame


def draw_figure_5(comparison: ComparisonRecord) -> PaperFigure:
    """Accuracy against optimiser steps for the four methods of Figure 5.

    Raises:
        LacksArmError: one of the four is missing, or was evaluated at one step only.
    """
    arms = {line: _arm_of(comparison, "figure5", method) for line, method in FIGURE_5.items()}
    curves = {(curve.arm, curve.benchmark): curve for curve in learning_curves(comparison, "step", RESAMPLING)}
    _need_steps("figure5", [curve for curve in curves.values() if curve.arm in arms.values()])
    styles = {line: KNOWN_STYLES[method] for line, method in FIGURE_5.items()}

    def draw(axes: Axes, benchmark: str) -> None:
        for line, arm in arms.items():
            draw_learning_curve(axes, curves[arm, benchmark], styles[line], len(arms))
        number_axis(axes, BUDGETS["step"])
        percent_axis(axes, "pass")
        axes.set_ylabel("Pass@1 (%)")

    ours = pd.concat(
        _curve_values(curves[arm, name], line) for name in comparison.benchmarks for line, arm in arms.items()
    )
    return _beside(comparison, "figure5", tuple(arms.values()), draw, styles, ours)


def draw_figure_6(comparison: ComparisonRecord) -> PaperFigure:
    """Accuracy against optimiser steps of iterative GRPO, a line an iteration; each begins where the last one ended.

    The iterative arm is the first whose `training.iteration_steps` makes its steps two iterations or more.

    Raises:
        LacksArmError: there is no such arm, or it was evaluated at one step only.
    """
    arm, iteration_steps = next(iter(_needed_iterations(comparison).items()))
    curves = {curve.benchmark: curve for curve in learning_curves(comparison, "step", RESAMPLING) if curve.arm == arm}
    _need_steps("figure6", list(curves.values()))
    pieces = {name: by_iteration(curve, iteration_steps) for name, curve in curves.items()}
    most = max(3, *(len(piece) for piece in pieces.values()))
    base = KNOWN_STYLES["grpo"]
    styles = {
        f"Iteration-{number}": replace(
            base,
            dashes=ITERATION_DASHES[number % len(ITERATION_DASHES)],
            marker=ITERATION_MARKERS[number % len(ITERATION_MARKERS)],
        )
        for number in range(most)
    }

    def draw(axes: Axes, benchmark: str) -> None:
        for line, curve in pieces[benchmark].items():
            draw_learning_curve(axes, curve, styles[line], 1)
        number_axis(axes, BUDGETS["step"])
        percent_axis(axes, "pass")
        axes.set_ylabel("Pass@1 (%)")

    ours = pd.concat(_curve_values(curve, line) for name in pieces for line, curve in pieces[name].items())
    return _beside(comparison, "figure6", (arm,), draw, styles, ours, note=f"Ours: {arm}.")


def draw_figure_7(comparison: ComparisonRecord) -> PaperFigure:
    """Maj@K and Pass@K against K of the start policy (Instruct) and of GRPO (RL).

    Raises:
        LacksArmError: the start policy or the trained one is missing.
    """
    before = _arm_of(comparison, "figure7", BEFORE)
    wanted = next((method for method in AFTER if _arms_of(comparison, method)), AFTER[0])
    after = _arm_of(comparison, "figure7", wanted)
    scores = [arm for arm in score_comparison(comparison) if arm.arm in (before, after)]
    curves = {
        (f"{name}-{'Instruct' if curve.arm == before else 'RL'}", curve.benchmark): curve
        for name, group in ((MAJORITY, majority_curves(scores, RESAMPLING)), (PASS, pass_curves(scores, RESAMPLING)))
        for curve in group
    }
    start, trained = KNOWN_STYLES[BEFORE], KNOWN_STYLES[wanted]
    styles = {
        f"{MAJORITY}-Instruct": replace(start, dashes=DASHED, marker="o"),
        f"{MAJORITY}-RL": replace(trained, dashes=DASHED, marker="X"),
        f"{PASS}-Instruct": replace(start, dashes=SOLID, marker="s"),
        f"{PASS}-RL": replace(trained, dashes=SOLID, marker="^"),
    }

    def draw(axes: Axes, benchmark: str) -> None:
        here = {line: curve for (line, name), curve in curves.items() if name == benchmark}
        ks = sorted({int(k) for curve in here.values() for k in curve.x_X})
        for line, curve in here.items():
            draw_k_curve(axes, curve, ks, styles[line], len(here))
        k_axis(axes, ks)
        percent_axis(axes, "pass")
        axes.set_ylabel("accuracy (%)")

    ours = pd.concat(_curve_values(curve, line) for (line, _), curve in curves.items())
    return _beside(
        comparison, "figure7", (before, after), draw, styles, ours, note=f"Ours: Instruct is {before}, RL is {after}."
    )


FIGURES = {"figure5": draw_figure_5, "figure6": draw_figure_6, "figure7": draw_figure_7}


def _beside(
    comparison: ComparisonRecord,
    name: str,
    arms: Sequence[str],
    draw: Callable[[Axes, str], None],
    styles: Mapping[str, ArmStyle],
    ours: pd.DataFrame,
    note: str = "",
) -> PaperFigure:
    """Our panels, then the paper's, in one row below one legend."""
    theirs = paper_curves(name)
    papers = tuple(dict.fromkeys(curve.benchmark for curve in theirs))
    panels = [*comparison.benchmarks, *papers]
    figure = blank_figure((PANEL_INCHES[0] * len(panels), PANEL_INCHES[1]))
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, benchmark in zip(grid, comparison.benchmarks, strict=False):
        plain_axes(axes, f"ours: {benchmark}")
        draw(axes, benchmark)
    lines: dict[str, Artist] = {}
    for axes, benchmark in zip(grid[len(comparison.benchmarks) :], papers, strict=True):
        plain_axes(axes, f"paper: {benchmark}, Figure {name[-1]}")
        here = [curve for curve in theirs if curve.benchmark == benchmark]
        lines |= _draw_paper(axes, here, styles, against_k=name == "figure7")
    # iterations that only ours have are named too
    lines = {line: lines.get(line) or draw_line(grid[0], [], [], style) for line, style in styles.items()}
    legend_below(figure, lines)
    seeds = "/".join(str(count) for count in sorted({len(comparison.runs_of(arm)) for arm in arms}))
    seen = "dots: seeds; edges: the whole curve" if name == "figure7" else "thin lines: seeds"
    about = f"Shades: 95 % bands over problems and seeds; {seen} ({seeds} an arm). The paper's values are one run."
    headline(figure, f"{about} {note}".strip(), points=9, color="#57626e")
    values = pd.concat([ours, *(value_table(curve) for curve in theirs)], ignore_index=True)
    return PaperFigure(figure=figure, values=values)


def _draw_paper(
    axes: Axes, curves: Sequence[PaperCurve], styles: Mapping[str, ArmStyle], *, against_k: bool
) -> dict[str, Artist]:
    """The paper's lines of one panel."""
    ks = sorted({x for curve in curves for x in curve.x})
    lines = {}
    for curve in curves:
        x = [ks.index(k) for k in curve.x] if against_k else curve.x
        lines[curve.line] = draw_line(axes, x, curve.y, styles[curve.line], 1 if against_k else max(1, len(x) // 8))
    if against_k:
        k_axis(axes, ks)
    else:
        number_axis(axes, BUDGETS["step"])
    percent_axis(axes, "pass")
    axes.set_ylabel("accuracy (%)")
    return lines


def _curve_values(curve: Curve, line: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": "ours",
            "benchmark": curve.benchmark,
            "line": line,
            "x": curve.x_X,
            "point": curve.band.point,
            "low": curve.band.low,
            "high": curve.band.high,
        }
    )


def _arms_of(comparison: ComparisonRecord, method: str) -> list[str]:
    """The arm of that name, else the arms of that algorithm that are no control."""
    if method in comparison.arms:
        return [method]
    firsts = [comparison.runs_of(arm)[0] for arm in comparison.arms]
    return [run.arm for run in firsts if run.algorithm == method and run.config.get("control") is None]


def _arm_of(comparison: ComparisonRecord, figure: str, method: str) -> str:
    """The one arm of a method.

    Raises:
        LacksArmError: there is none, or more than one.
    """
    found = _arms_of(comparison, method)
    if len(found) == 1:
        return found[0]
    if found:
        remedy = f"name one of them {method!r}, or plot a comparison that holds only one"
    elif method == BEFORE:
        remedy = "`coeflab compare` evaluates it, `coeflab train` does not"
    else:
        remedy = f"compare again with --algorithm {method} among the methods"
    got = f"got {len(found)} of that algorithm: {found}" if found else f"finished are {list(comparison.arms)}"
    if comparison.unfinished:
        got += f", not finished {[run.name for run in comparison.unfinished]}"
    raise LacksArmError(f"{figure} needs the arm {method!r} in {comparison.path}; {got}; {remedy}")


def _needed_iterations(comparison: ComparisonRecord) -> dict[str, int]:
    """`iterative_arms`, at least one."""
    found = iterative_arms(comparison)
    if not found:
        raise LacksArmError(
            f"figure6 needs an arm of iterative GRPO in {comparison.path}: algorithm grpo with "
            f"training.iteration_steps below its number of steps; none of {list(comparison.arms)} is; add one to the "
            "comparison"
        )
    return found


def iterative_arms(comparison: ComparisonRecord) -> dict[str, int]:
    """Every arm of GRPO in several iterations, in order, and the optimiser steps of one."""
    found = {}
    for arm in comparison.arms:
        run = comparison.runs_of(arm)[0]
        training = run.config.get("training")
        steps = training.get("iteration_steps") if isinstance(training, Mapping) else None
        if isinstance(steps, int) and 0 < steps < run.final_step and run.algorithm.startswith("grpo"):
            found[arm] = steps
    return found


def by_iteration(curve: Curve, iteration_steps: int) -> dict[str, Curve]:
    """The curve cut where the iterations meet; the last evaluation before an iteration is where its line begins."""
    pieces = {}
    for number in range(int(np.ceil(curve.x_X.max() / iteration_steps))):
        begin = curve.x_X[curve.x_X <= number * iteration_steps].max(initial=0)
        inside = (curve.x_X >= begin) & (curve.x_X <= (number + 1) * iteration_steps)
        if inside.any():
            bands = {name: value for name, value in vars(curve).items() if isinstance(value, Band)}
            pieces[f"Iteration-{number}"] = replace(
                curve,
                x_X=curve.x_X[inside],
                seed_x_SX=curve.seed_x_SX[:, inside],
                seed_y_SX=curve.seed_y_SX[:, inside],
                **{name: _cut(band, inside) for name, band in bands.items()},
            )
    return pieces


def _cut(band: Band, inside: np.ndarray) -> Band:
    return Band(point=band.point[inside], low=band.low[inside], high=band.high[inside])


def _need_steps(figure: str, curves: Sequence[Curve]) -> None:
    """Raises LacksArmError where an arm has a single evaluation."""
    for curve in curves:
        if len(curve.x_X) < 2:
            raise LacksArmError(
                f"{figure} needs {curve.arm!r} evaluated during training; it was evaluated at step {int(curve.x_X[0])} "
                "only; train it with evaluation.every below its number of steps"
            )
