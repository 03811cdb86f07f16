"""The section's figures: reliability at the start and at the end, reward beside accuracy, accuracy by iteration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import pandas as pd

from analysis.figures.learned import draw_iterations, draw_reliability, draw_reward_and_accuracy
from analysis.figures.marks import Mark, curve_marks
from analysis.records.evaluations import BUDGETS
from analysis.records.record import ComparisonRecord
from analysis.records.showing import number_of
from analysis.report.pictures import BAND, Picture, picture, slug
from analysis.report.trust.facts import LearnedFacts
from analysis.report.trust.searches import search_pictures
from analysis.statistics.curves import Curve, curve_table
from analysis.verification.calibration import ReliabilityCurve

__all__ = ["trust_pictures"]

RELIABILITY = "A point a tenth of the scale, as large as it has labels; on the diagonal probabilities are true. "


def trust_pictures(comparison: ComparisonRecord, facts: LearnedFacts) -> tuple[Picture, ...]:
    """The figures, benchmark by benchmark where they have one; none where there is nothing to draw."""
    pictures = []
    if facts.traces:
        pictures.append(_traces(facts))
    for benchmark, of_arms in facts.iterations.items():
        pictures.append(_iterations(benchmark, of_arms))
    if facts.first_curves:
        about = "After the first fit, on problems that it did not see, solved by the start policy; seeds together."
        name, title = "reliability-first_fit", "Reliability after the first fit"
        pictures.append(_reliability(comparison, facts.first_curves, name, title, about))
    for benchmark in dict.fromkeys(each.benchmark for each in facts.last):
        curves = {each.arm.arm: each.curve for each in facts.last if each.benchmark == benchmark}
        about = "The model of the last iteration on the samples of its last policy; seeds together."
        name, title = f"reliability-last-{slug(benchmark)}", f"Reliability on the last policy, {benchmark}"
        pictures.append(_reliability(comparison, curves, name, title, about))
    return (*pictures, *search_pictures(facts.searches))


def _reliability(
    comparison: ComparisonRecord, curves: Mapping[str, ReliabilityCurve], name: str, title: str, about: str
) -> Picture:
    figure = draw_reliability(curves, comparison.arms, title)
    values = pd.DataFrame(
        {"arm": arm, "x": x, "point": y, "count": count}
        for arm, curve in curves.items()
        for x, y, count in zip(curve.probability, curve.frequency, curve.count, strict=True)
    )
    marks = [
        Mark(axes=figure.axes[0], x=x, y=y, text=f"{arm}\nsaid {100 * x:.1f}, right {100 * y:.1f} %\n{count:,} labels")
        for arm, curve in curves.items()
        for x, y, count in zip(curve.probability, curve.frequency, curve.count, strict=True)
    ]
    return picture(
        figure,
        name=name,
        alt=f"{title}, {number_of(len(curves), 'arm')}",
        caption=RELIABILITY + about,
        values=values,
        labels=("lines", "the model's probability of being right", "right by the rule (%)", 100.0),
        marks=marks,
    )


def _traces(facts: LearnedFacts) -> Picture:
    title = "What the model says, and what is right, of each step's completions"
    figure = draw_reward_and_accuracy(facts.traces, title)
    rows: Iterable[dict[str, object]] = (
        {
            "arm": f"{trace.arm.arm}, {name}",
            "x": int(step),
            "point": float(mean),
            "seed_points": ";".join(f"{y:.6g}" for y in own),
        }
        for trace in facts.traces
        for name, values_ST in (("reward", trace.reward_ST), ("accuracy", trace.accuracy_ST))
        for step, mean, own in zip(trace.step_T, values_ST.mean(axis=0), values_ST.T, strict=True)
    )
    marks = [
        Mark(axes=axes, x=float(step), y=float(y), text=f"{trace.arm.arm}\nstep {step}: {name} {100 * y:.1f} %")
        for axes, trace in zip(figure.axes, facts.traces, strict=True)
        for name, values_ST in (("reward", trace.reward_ST), ("accuracy", trace.accuracy_ST))
        for step, y in zip(trace.step_T, values_ST.mean(axis=0), strict=True)
    ]
    return picture(
        figure,
        name="reward_and_accuracy",
        alt=f"{title}, {number_of(len(facts.traces), 'arm')}",
        caption="Mean over seeds, thin lines are seeds. Red: reward rose and accuracy fell, beyond its band.",
        values=pd.DataFrame(rows),
        labels=("lines", BUDGETS["step"], "%", 100.0),
        marks=marks,
    )


def _iterations(benchmark: str, of_arms: Mapping[str, Mapping[str, Curve]]) -> Picture:
    title = f"Accuracy by step on {benchmark}, a line an iteration (the paper's Figure 6)"
    figure = draw_iterations(of_arms, title)
    curves = [(arm, name, curve) for arm, pieces in of_arms.items() for name, curve in pieces.items()]
    values = pd.concat([curve_table([curve]).assign(arm=f"{arm}, {name}") for arm, name, curve in curves])
    panel = dict(zip(of_arms, figure.axes, strict=True))
    marks = [
        mark for arm, _, curve in curves for mark in curve_marks(panel[arm], [curve], lambda step: f"step {step:g}")
    ]
    return picture(
        figure,
        name=f"iterations-{slug(benchmark)}",
        alt=f"{title}, {number_of(len(of_arms), 'arm')}",
        caption=f"Each line begins where the last one ended. Thick: mean over seeds; thin: each seed; {BAND}.",
        values=values.reset_index(drop=True),
        labels=("lines", BUDGETS["step"], "Pass@1 (%)", 100.0),
        marks=marks,
    )
