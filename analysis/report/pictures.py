"""The report's figures: which curves stand in which panel, under what name and caption."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from analysis.figures.plots import (
    draw_diagnostics,
    draw_forest,
    draw_k_curves,
    draw_learning_curves,
    draw_temperatures,
    figure_pdf,
    figure_png,
    figure_svg,
)
from analysis.records.evaluations import BUDGETS
from analysis.records.record import ComparisonRecord
from analysis.report import page
from analysis.statistics.curves import Curve, diagnostic_traces
from analysis.statistics.differences import Difference

BAND = "the shade is its 95 % band over problems and seeds"
K_BAND = f"{BAND} at each K, the thin edges hold the whole curve at once (sup-t)"
LINE = f"The line is the mean over seeds, {K_BAND}; the dots are seeds."
PAIRED = f"on the same problems (paired); {K_BAND}; the dots are seeds."
K_CAPTIONS = {
    "pass": f"The chance that at least one of K samples is right. {LINE}",
    "majority": f"The chance that the most frequent answer of K samples is right. {LINE}",
    "pass_difference": f"Pass@K minus that of the baseline {PAIRED}",
    "majority_difference": f"Maj@K minus that of the baseline {PAIRED}",
}
K_NAMES = {
    "pass": "Pass@K",
    "majority": "Maj@K",
    "pass_difference": "Pass@K, difference to {baseline},",
    "majority_difference": "Maj@K, difference to {baseline},",
}
LEARNING_CAPTION = (
    f"Each on the problems evaluated at every step. Thick: mean over seeds; thin: each seed; {BAND}. An arm evaluated "
    "once is a horizontal line. An arm that spends none of a budget, or whose run did not record it, is not in that "
    "figure. KL is the last estimate on training completions; it may fall again."
)
FOREST_CAPTION = (
    "95 % over problems and seeds, the ticks are seeds; blue is decided higher, orange lower, dark grey undecided "
    "after Holm's correction, light grey without a verdict."
)
TEMPERATURE_CAPTION = (
    f"The last policy of each arm, decoded at several temperatures; {BAND}. Where the start reaches an arm's line "
    "at a lower temperature, that arm's gain is sharpening."
)
DIAGNOSTICS_CAPTION = (
    "Training metrics where an arm has them, as a running mean over 1/20 of the steps. Thick: mean over seeds; thin: "
    "each seed. Rewards and losses of different methods are not on one scale."
)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn figure: file name without ending, its bytes as SVG, PNG and PDF, what it shows, and the caption."""

    name: str
    svg: bytes
    png: bytes
    pdf: bytes
    alt: str
    caption: str
    table: str  # of the tables beside the page, the one that it is drawn from

    def html(self, wide: bool = False) -> str:
        """The figure as the page shows it."""
        files = [f"{self.name}.{ending}" for ending in ("svg", "png", "pdf")] + [f"{self.table}.csv"]
        return page.figure(self.svg, self.alt, self.caption, files, wide)


def k_pictures(comparison: ComparisonRecord, curves: Sequence[Curve], baseline: str | None) -> tuple[Picture, ...]:
    """Accuracy, and differences to the baseline, against K: a figure a quantity, benchmark by benchmark."""
    pictures = []
    for benchmark in dict.fromkeys(curve.benchmark for curve in curves):
        here = [curve for curve in curves if curve.benchmark == benchmark]
        for quantity in dict.fromkeys(curve.quantity for curve in here):
            group = [curve for curve in here if curve.quantity == quantity]
            title = f"{K_NAMES[quantity].format(baseline=baseline)} on {benchmark}"
            pictures.append(
                _picture(
                    draw_k_curves(group, comparison.arms, title),
                    name=f"{quantity}_at_k-{_slug(benchmark)}",
                    alt=f"{title}, {len(group)} arms",
                    caption=K_CAPTIONS[quantity],
                    table="curves",
                )
            )
    return tuple(pictures)


def learning_pictures(comparison: ComparisonRecord, curves: Mapping[str, Sequence[Curve]]) -> tuple[Picture, ...]:
    """Learning curves against each budget, benchmark by benchmark; none where no arm was evaluated more than once."""
    pictures = []
    for benchmark in comparison.benchmarks:
        for x, group in curves.items():
            here = [curve for curve in group if curve.benchmark == benchmark]
            if not any(len(curve.x_X) > 1 for curve in here):
                continue
            title = f"Pass@1 on {benchmark} by {BUDGETS[x].split(' (')[0]}"
            absent = [arm for arm in comparison.arms if arm not in {curve.arm for curve in here}]
            pictures.append(
                _picture(
                    draw_learning_curves(here, comparison.arms, x, title),
                    name=f"learning_by_{x}-{_slug(benchmark)}",
                    alt=f"{title} against {BUDGETS[x]}, {len(here)} arms",
                    caption=f"Against {BUDGETS[x]}." + (f" Not here: {', '.join(absent)}." if absent else ""),
                    table="learning",
                )
            )
    return tuple(pictures)


def first_pictures(
    comparison: ComparisonRecord, contrasts: Sequence[Difference], decoded: Sequence[Curve]
) -> tuple[Picture, ...]:
    """Benchmark by benchmark: the declared contrasts with their intervals, and accuracy against the temperature."""
    pictures = []
    for benchmark in comparison.benchmarks:
        here = [each for each in contrasts if each.benchmark == benchmark]
        if here:
            title = f"Declared contrasts on {benchmark}"
            pictures.append(
                _picture(
                    draw_forest(here, title),
                    name=f"contrasts-{_slug(benchmark)}",
                    alt=f"{title}, {len(here)} of them",
                    caption=FOREST_CAPTION,
                    table="contrasts",
                )
            )
        curves = [curve for curve in decoded if curve.benchmark == benchmark]
        if curves:
            title = f"Pass@1 against temperature on {benchmark}"
            pictures.append(
                _picture(
                    draw_temperatures(curves, comparison.arms, title),
                    name=f"temperature-{_slug(benchmark)}",
                    alt=f"{title}, {len(curves)} arms",
                    caption=TEMPERATURE_CAPTION,
                    table="decoding",
                )
            )
    return tuple(pictures)


def diagnostics_picture(comparison: ComparisonRecord) -> Picture | None:
    """Training metrics against the step; None where no run has any."""
    traces = diagnostic_traces(comparison)
    if not traces:
        return None
    return _picture(
        draw_diagnostics(traces, comparison.arms),
        name="diagnostics",
        alt="training metrics against the optimiser step",
        caption=DIAGNOSTICS_CAPTION,
        table="metrics",
    )


def _picture(figure: Figure, *, name: str, alt: str, caption: str, table: str) -> Picture:
    return Picture(
        name=name,
        svg=figure_svg(figure),
        png=figure_png(figure),
        pdf=figure_pdf(figure),
        alt=alt,
        caption=caption,
        table=table,
    )


def _slug(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)
