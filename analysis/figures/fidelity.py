"""The verifier-fidelity curve: what a method still gains when its verifier errs."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.artist import Artist

from analysis.figures.paper_figures import PaperFigure
from analysis.figures.plots import blank_figure, draw_line, legend_below, percent_axis, plain_axes
from analysis.figures.styles import arm_styles
from analysis.noise.intervals import Resampling
from analysis.records.reading import RecordError
from analysis.records.record import ComparisonRecord
from analysis.verification.fidelity import FidelityCurve, fidelity_curves

__all__ = ["draw_fidelity", "fidelity_sentences"]

PANEL_INCHES = (5.2, 4.4)
TITLE_CHARACTERS = 52  # of a panel's title


class LacksNoiseError(RecordError):
    """No method of the comparison was trained at two rates of noise."""


def draw_fidelity(comparison: ComparisonRecord) -> PaperFigure:
    """Gain in Pass@1 over the start policy against false_positive + false_negative, a line a method.

    The band is the 95 % interval over problems and seeds, a dot is a seed. The values have columns source, benchmark,
    line, x, point, low, high and stops, the rate at which the method stops beating its start.

    Raises:
        LacksNoiseError: no method was trained at two rates.
    """
    curves = fidelity_curves(comparison, Resampling())
    if not curves:
        raise LacksNoiseError(
            f"the fidelity curve needs a method at two rates of noise in {comparison.path}; finished are "
            f"{list(comparison.arms)}; `coeflab sweep --algorithm grpo --vary reward_noise.false_negative=0,0.2,0.4` "
            "trains some"
        )
    benchmarks = list(dict.fromkeys(curve.benchmark for curve in curves))
    methods = list(dict.fromkeys(curve.method for curve in curves))
    styles = arm_styles(methods)
    figure = blank_figure((PANEL_INCHES[0] * len(benchmarks), PANEL_INCHES[1]))
    lines: dict[str, Artist] = {}
    for number, benchmark in enumerate(benchmarks, start=1):
        axes = figure.add_subplot(1, len(benchmarks), number)
        plain_axes(axes, f"{benchmark}: what is gained under a verifier that errs", TITLE_CHARACTERS)
        for curve in (each for each in curves if each.benchmark == benchmark):
            style = styles[curve.method]
            axes.fill_between(
                curve.noise_X, curve.gain.low, curve.gain.high, color=style.color, alpha=0.12, linewidth=0, zorder=1
            )
            lines[curve.method] = draw_line(axes, curve.noise_X, curve.gain.point, style)
            for x, seeds in zip(curve.noise_X, curve.seed_gains_X, strict=True):
                axes.scatter([x] * len(seeds), seeds, s=9, color=style.color, alpha=0.5, linewidths=0, zorder=2)
        percent_axis(axes, "pass_difference")
        axes.set_ylabel("Pass@1 minus the start policy's (points)")
        axes.set_xlabel("false positives + false negatives (1: the reward says nothing)")
    legend_below(figure, lines)
    return PaperFigure(figure=figure, values=pd.concat([_values(curve) for curve in curves], ignore_index=True))


def fidelity_sentences(comparison: ComparisonRecord) -> list[str]:
    """At which rate each method stops beating its start policy, in words."""
    return [_sentence(curve) for curve in fidelity_curves(comparison, Resampling())]


def _sentence(curve: FidelityCurve) -> str:
    who = f"{curve.method} on {curve.benchmark}"
    seeds = "one seed, so the interval is over problems alone" if curve.num_seeds == 1 else f"{curve.num_seeds} seeds"
    if curve.stops is None:
        return f"{who} beats its start at every rate up to {curve.noise_X[-1]:g} ({seeds})."
    if curve.stops == curve.noise_X[0]:
        return f"{who} does not beat its start even at noise {curve.noise_X[0]:g} ({seeds})."
    return f"{who} stops beating its start at noise {curve.stops:.2f} ({seeds}; straight lines between the rates)."


def _values(curve: FidelityCurve) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "source": "ours",
            "benchmark": curve.benchmark,
            "line": curve.method,
            "x": curve.noise_X,
            "point": curve.gain.point,
            "low": curve.gain.low,
            "high": curve.gain.high,
            "stops": np.nan if curve.stops is None else curve.stops,
        }
    )
