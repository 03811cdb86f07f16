"""The section on reward models: over-optimisation in sentences, the models' own accuracy, best of K; as HTML."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.noise.intervals import Band
from analysis.records.frames import column
from analysis.report import page
from analysis.report.contrast_tables import DASH, TextColumn
from analysis.report.pictures import Picture
from analysis.report.sentences import minus, signed
from analysis.report.trust.facts import LearnedFacts
from analysis.report.trust.searches import searches_html
from analysis.verification.learned import LastPolicy, RewardTrace
from analysis.verification.selection import Selection

__all__ = ["over_optimisation_sentence", "trust_section"]

TRACE_NOTE = (
    "From the step at which the share of right training completions, a mean over three steps and the seeds, was "
    "highest to the last step; the band is 95 % over seeds (Student's t: very wide with two). A peak that is chosen "
    "for being highest is too high by chance, and what follows too low: a fall without a rising reward says nothing. "
    "Where a model is fitted anew in an iteration its rewards change their level."
)
FIT_NOTE = (
    "On problems that no fit saw, solved by the policy of that step. Before: the model of the iteration before, on "
    "today's policy; after: as fitted. AUC: how often a right one has more than a wrong one, 0.5 by chance; Brier "
    "score: mean squared error of the probability, 0.25 for one that always says 1/2, share · (1 − share) for one that "
    "always says the share. A number a seed, between dots."
)
LAST_NOTE = (
    "The model of the last iteration on the samples of the last evaluation: what the policy became under it. A model "
    "of steps says the least that it says of a step. Brier score with 95 % over problems and seeds."
)
SELECTION_NOTE = (
    "K samples a problem of the last policy, scored by the arm's own model, no gold answer read: the sample with the "
    "highest score, and the vote weighted by the scores, beside the plain vote; Pass@K is what no choice exceeds. In "
    "%, 95 % over problems and seeds; differences on the same samples. No verdict is drawn: they were not declared."
)


def trust_section(facts: LearnedFacts, pictures: Sequence[Picture]) -> str:
    """The section's HTML; empty where no arm has a reward model or several iterations, and nothing was searched."""
    if not facts.arms and not pictures:
        return ""
    parts = [page.bullets([over_optimisation_sentence(each) for each in facts.traces])]
    if facts.traces:
        parts.append(page.paragraph(TRACE_NOTE, "note"))
    parts.append(page.figures([each.html() for each in pictures]))
    if len(facts.fits):
        parts += [page.heading("The model's own accuracy on today's policy"), page.table(_fit_columns(facts.fits))]
        parts.append(page.paragraph(FIT_NOTE, "note"))
    if facts.last:
        parts += [page.heading("On the last policy"), page.table(_last_columns(facts.last))]
        parts.append(page.paragraph(LAST_NOTE, "note"))
    if facts.selections:
        parts += [page.heading("Best of K, and votes weighted by the scores"), _selection_html(facts.selections)]
        parts.append(page.paragraph(SELECTION_NOTE, "note"))
    return "".join([*parts, searches_html(facts.searches)])


def over_optimisation_sentence(trace: RewardTrace) -> str:
    """Whether the arm's reward rose while accuracy fell, from which step, by how much, and how sure that is."""
    found, arm, seeds = trace.found, trace.arm.arm, len(trace.reward_ST)
    start, end = int(trace.step_T[found.step - 1]), int(trace.step_T[-1])
    if start == end:
        return f"{arm}: accuracy was highest at the end; no over-optimisation."
    band = found.accuracy_band
    sure = (
        "one seed, no band" if band is None else f"95 % {minus(100 * band[0])} to {minus(100 * band[1])}, {seeds} seeds"
    )
    moved = (
        f"the model's mean reward went by {signed(found.reward_change)} and accuracy by "
        f"{signed(found.accuracy_change)} points ({sure})"
    )
    if found.found and band is not None:
        return f"{arm} is over-optimised from step {start} on: to step {end} {moved}."
    if found.found:
        return f"{arm} looks over-optimised from step {start} on: to step {end} {moved}."
    if found.reward_change > 0 > found.accuracy_change:
        return f"{arm}: over-optimisation is not shown: from step {start} to {end} {moved}: the band holds 0."
    return f"{arm}: no over-optimisation: from step {start} to {end} {moved}."


def _fit_columns(fits: pd.DataFrame) -> list[TextColumn]:
    """A row an arm, iteration and measurement; seeds and members of an ensemble side by side."""
    keys = ["arm", "model", "step", "measured"]
    rows = [(tuple(rows[name].iloc[0] for name in keys), rows) for _, rows in fits.groupby(keys, sort=False)]

    def numbers(name: str, digits: int) -> tuple[str, ...]:
        return tuple(
            " · ".join(DASH if np.isnan(value) else f"{value:.{digits}f}" for value in column(own, name).astype(float))
            for _, own in rows
        )

    texts = [
        TextColumn(heading=heading, cells=tuple(str(key[place]) for key, _ in rows), is_text=place != 2)
        for place, heading in enumerate(("arm", "model", "policy of step", "fit"))
    ]
    labels = tuple(f"{int(column(own, 'labels').sum()):,}" for _, own in rows)
    return [
        *texts,
        TextColumn(heading="labels", cells=labels),
        TextColumn(heading="share right", cells=numbers("share_right", 2)),
        TextColumn(heading="AUC", cells=numbers("auc", 3)),
        TextColumn(heading="Brier score", cells=numbers("brier", 3)),
        TextColumn(heading="calibration error", cells=numbers("expected_calibration_error", 3)),
        TextColumn(heading="temperature", cells=numbers("temperature", 2)),
    ]


def _last_columns(last: Sequence[LastPolicy]) -> list[TextColumn]:
    several = len({each.benchmark for each in last}) > 1
    cells = {
        "arm": [each.arm.arm for each in last],
        "model": [each.arm.model for each in last],
        "benchmark": [each.benchmark for each in last],
        "samples": [f"{each.num_samples:,}" for each in last],
        "share right": [f"{each.share_right:.2f}" for each in last],
        "AUC by seed": [" · ".join(DASH if auc is None else f"{auc:.3f}" for auc in each.auc_S) for each in last],
        "Brier score": [_plain(each.brier) for each in last],
        "calibration error": [f"{each.curve.expected_error:.3f}" for each in last],
    }
    return [
        TextColumn(heading=name, cells=tuple(values), is_text=name in ("arm", "model", "benchmark"))
        for name, values in cells.items()
        if several or name != "benchmark"
    ]


def _selection_html(found: Sequence[Selection]) -> str:
    parts = []
    for benchmark in dict.fromkeys(each.benchmark for each in found):
        here = [each for each in found if each.benchmark == benchmark]
        k = here[0].k
        bands = {
            "Pass@1": [each.one for each in here],
            f"Maj@{k}": [each.majority for each in here],
            f"weighted vote of {k}": [each.weighted for each in here],
            f"best of {k}": [each.best for each in here],
            f"Pass@{k}": [each.any_right for each in here],
            f"weighted − Maj@{k}": [each.weighted_gain for each in here],
            f"best − Maj@{k}": [each.best_gain for each in here],
        }
        columns = [
            TextColumn(heading="arm", cells=tuple(each.arm.arm for each in here), is_text=True),
            TextColumn(heading="model", cells=tuple(each.arm.model for each in here), is_text=True),
        ]
        columns += [
            TextColumn(heading=name, cells=tuple(_percent(band, sign="−" in name) for band in of_rows))
            for name, of_rows in bands.items()
        ]
        parts += [page.paragraph(benchmark), page.table(columns, "dense")]
    return "".join(parts)


def _percent(band: Band, *, sign: bool) -> str:
    """As "12.5 [10.1, 15.2]"; a difference with its sign."""
    point = float(band.point[0])
    ends = f"[{minus(100 * float(band.low[0]))}, {minus(100 * float(band.high[0]))}]"
    return f"{signed(point) if sign else f'{100 * point:.1f}'} {ends}"


def _plain(band: Band) -> str:
    return f"{band.point[0]:.3f} [{band.low[0]:.3f}, {band.high[0]:.3f}]"
