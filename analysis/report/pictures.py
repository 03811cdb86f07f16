"""The report's figures: which curves stand in which panel, under what name and caption, with which values beside."""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from analysis.figures.canvas import figure_pdf, figure_png, figure_svg, short_number
from analysis.figures.marks import Mark, curve_marks, placed_marks, range_text, trace_marks
from analysis.figures.plots import MOST_EDGED, draw_groups, draw_k_curves, draw_learning_curves, draw_trace, offset
from analysis.records.evaluations import BUDGETS
from analysis.records.frames import column, records_of, rows_where
from analysis.records.record import ComparisonRecord
from analysis.records.showing import number_of
from analysis.report import page
from analysis.report.export import csv_text
from analysis.statistics.breakdown import COMPLETION, LEVEL, QUESTION
from analysis.statistics.curves import DIAGNOSTICS, Curve, Trace, curve_table, diagnostic_traces

BAND = "the shade is its 95 % band over problems and seeds"
K_BAND = f"{BAND} at each K (thin edges, up to {MOST_EDGED} arms: the whole curve at once, sup-t; always in the CSV)"
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
DIAGNOSTICS_CAPTION = (
    "Training metrics where an arm has them, as a running mean over 1/20 of the steps. Thick: mean over seeds; thin: "
    "each seed. Rewards and losses of different methods are not on one scale. Entropy is that of completions drawn "
    "from the policy itself; where an arm trains on others', the negative log-likelihood of those stands in its place. "
    "The KL from the start policy is that of completions of the evaluations, for every arm that trains."
)
GROUP_NAMES = {
    LEVEL: ("by level", "level of the problem, as its source gives it"),
    QUESTION: ("by length of the question", "characters of the question, in fourths of the problems"),
    COMPLETION: ("by length of the completion", "tokens of the completion, in fourths of all arms' completions"),
}
GROUP_CAPTIONS = {
    LEVEL: "Problems of one level at a time; whiskers are 95 % over these problems and the seeds.",
    QUESTION: "Problems of like length at a time; whiskers are 95 % over these problems and the seeds.",
    COMPLETION: "The share of right completions of like length. A policy chooses its lengths: this says which "
    "completions are right, not what a longer one would gain, and has no interval.",
}


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A drawn figure: file name without ending, its bytes as SVG, PNG and PDF, what it shows, and the caption.

    `values` is what is drawn, written as NAME.csv; `labels` says how `redraw.py` labels it; `marks` are what the
    pointer finds, as shares of width and height.
    """

    name: str
    svg: bytes
    png: bytes
    pdf: bytes
    alt: str
    caption: str
    values: pd.DataFrame
    labels: Mapping[str, str | float]
    marks: tuple[tuple[float, float, str], ...]

    def files(self) -> dict[str, bytes]:
        """The figure in three formats and its values, by file name."""
        values = csv_text(self.values).encode("utf-8")
        formats = {"svg": self.svg, "png": self.png, "pdf": self.pdf, "csv": values}
        return {f"{self.name}.{ending}": content for ending, content in formats.items()}

    def html(self) -> str:
        """The figure as the page shows it."""
        files = [f"{self.name}.{ending}" for ending in ("pdf", "svg", "png", "csv")]
        return page.figure(self.svg, self.alt, self.caption, files, self.marks)


def picture(
    figure: Figure,
    *,
    name: str,
    alt: str,
    caption: str,
    values: pd.DataFrame,
    labels: tuple[str, str, str, float],
    marks: Sequence[Mark],
) -> Picture:
    """The files of a figure.

    `labels` are the kind ("lines", "log" with logarithmic x, "rows"), x and y in words, and what a value is multiplied
    with.
    """
    files = {"svg": figure_svg(figure), "png": figure_png(figure), "pdf": figure_pdf(figure)}
    about: dict[str, str | float] = dict(zip(["kind", "x", "y", "scale"], labels, strict=True))
    return Picture(
        name=name,
        alt=alt,
        caption=caption,
        values=values,
        labels=about,
        marks=tuple(placed_marks(figure, marks)),
        **files,
    )


def k_pictures(comparison: ComparisonRecord, curves: Sequence[Curve], baseline: str | None) -> tuple[Picture, ...]:
    """Accuracy, and differences to the baseline, against K: a figure a quantity, benchmark by benchmark."""
    pictures = []
    for benchmark in dict.fromkeys(curve.benchmark for curve in curves):
        here = [curve for curve in curves if curve.benchmark == benchmark]
        for quantity in dict.fromkeys(curve.quantity for curve in here):
            group = [curve for curve in here if curve.quantity == quantity]
            name = K_NAMES[quantity].format(baseline=baseline)
            title = f"{name} on {benchmark}"
            figure = draw_k_curves(group, comparison.arms, title)
            place = _places({int(k) for curve in group for k in curve.x_X})
            pictures.append(
                picture(
                    figure,
                    name=f"{quantity}_at_k-{slug(benchmark)}",
                    alt=f"{title}, {number_of(len(group), 'arm')}",
                    caption=K_CAPTIONS[quantity],
                    values=curve_table(group),
                    labels=("log", "K (samples a problem)", f"{name.rstrip(',')} (%)", 100.0),
                    marks=curve_marks(figure.axes[0], group, lambda k: f"K = {k:g}", place),
                )
            )
    return tuple(pictures)


def learning_pictures(
    comparison: ComparisonRecord, curves: Mapping[str, Sequence[Curve]], controls: Collection[str] = ()
) -> tuple[Picture, ...]:
    """Learning curves against each budget, benchmark by benchmark; none where no arm was evaluated more than once.

    `controls` are drawn against steps alone: what they spend on nothing would stretch the other axes.
    """
    pictures = []
    for benchmark in comparison.benchmarks:
        for x, group in curves.items():
            outside = controls if x != "step" else ()
            here = [curve for curve in group if curve.benchmark == benchmark and curve.arm not in outside]
            if not any(len(curve.x_X) > 1 for curve in here):
                continue
            title = f"Pass@1 on {benchmark} by {BUDGETS[x].split(' (')[0]}"
            absent = [arm for arm in comparison.arms if arm not in {curve.arm for curve in here}]
            figure = draw_learning_curves(here, comparison.arms, x, title)
            moving = [curve for curve in here if len(curve.x_X) > 1]
            pictures.append(
                picture(
                    figure,
                    name=f"learning_by_{x}-{slug(benchmark)}",
                    alt=f"{title} against {BUDGETS[x]}, {number_of(len(here), 'arm')}",
                    caption=f"Against {BUDGETS[x]}." + (f" Not here: {', '.join(absent)}." if absent else ""),
                    values=curve_table(here),
                    labels=("lines", BUDGETS[x], "Pass@1 (%)", 100.0),
                    marks=curve_marks(figure.axes[0], moving, _amount(BUDGETS[x].split(" (")[0])),
                )
            )
    return tuple(pictures)


def group_pictures(comparison: ComparisonRecord, groups: pd.DataFrame) -> tuple[Picture, ...]:
    """Pass@1 by level, by length of the question and of the completion, benchmark by benchmark."""
    pictures = []
    keys = groups[["benchmark", "by"]].drop_duplicates().itertuples(index=False, name=None)
    for benchmark, by in keys:
        rows = rows_where(groups, (column(groups, "benchmark") == benchmark) & (column(groups, "by") == by))
        named, label = GROUP_NAMES[by]
        title = f"Pass@1 on {benchmark} {named}"
        figure = draw_groups(rows, comparison.arms, title, label)
        pictures.append(
            picture(
                figure,
                name=f"{slug(named.replace(' ', '_'))}-{slug(benchmark)}",
                alt=f"{title}, {number_of(len(set(column(rows, 'arm'))), 'arm')}",
                caption=GROUP_CAPTIONS[by],
                values=rows,
                labels=("lines", label, "Pass@1 (%)", 100.0),
                marks=_group_marks(figure, rows, by),
            )
        )
    return tuple(pictures)


def diagnostic_pictures(comparison: ComparisonRecord) -> tuple[Picture, ...]:
    """Training metrics against the step, a figure a metric."""
    traces = diagnostic_traces(comparison)
    pictures = []
    for quantity in dict.fromkeys(trace.quantity for trace in traces):
        here = [trace for trace in traces if trace.quantity == quantity]
        if not any(np.ptp(trace.mean_X) for trace in here):  # `constant_metrics` says so in words
            continue
        name = DIAGNOSTICS[quantity].split(" (")[0]
        figure = draw_trace(here, comparison.arms, name[0].upper() + name[1:])
        pictures.append(
            picture(
                figure,
                name=f"training-{quantity}",
                alt=f"{name} against the optimiser step, {number_of(len(here), 'arm')}",
                caption="",
                values=trace_table(here),
                labels=("lines", BUDGETS["step"], DIAGNOSTICS[quantity], 1.0),
                marks=trace_marks(figure.axes[0], here),
            )
        )
    return tuple(pictures)


def constant_metrics(comparison: ComparisonRecord) -> list[str]:
    """A sentence a training metric that never moves, in place of its figure."""
    traces = diagnostic_traces(comparison)
    found = []
    for quantity in dict.fromkeys(trace.quantity for trace in traces):
        here = [trace for trace in traces if trace.quantity == quantity]
        values = {f"{value:.4g}" for trace in here for value in trace.mean_X}
        if len(values) == 1:
            listed = ", ".join(trace.arm for trace in here)
            found.append(f"{DIAGNOSTICS[quantity]}: {values.pop()} at every step of {listed}.")
    return found


def trace_table(traces: Sequence[Trace]) -> pd.DataFrame:
    """Traces as tidy rows: quantity, arm, x (step), point (smoothed mean over seeds), each seed separated by ";"."""
    return pd.DataFrame(
        {
            "quantity": trace.quantity,
            "arm": trace.arm,
            "x": int(step),
            "point": float(mean),
            "seed_points": ";".join(f"{value:.6g}" for value in seeds_S),
        }
        for trace in traces
        for step, mean, seeds_S in zip(trace.step_X, trace.mean_X, trace.seed_y_SX.T, strict=True)
    )


def slug(name: str) -> str:
    """A file name for a benchmark's name."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name)


def _places(ks: set[int]) -> Callable[[float], float]:
    order = sorted(ks)
    return lambda k: float(order.index(int(k)))


def _amount(unit: str) -> Callable[[float], str]:
    return lambda x: f"{short_number(x)} {unit}"


def _group_marks(figure: Figure, rows: pd.DataFrame, by: str) -> list[Mark]:
    [axes] = figure.axes
    groups, arms = list(dict.fromkeys(rows["group"])), list(dict.fromkeys(rows["arm"]))
    marks = []
    for row in records_of(rows):
        size = number_of(row["problems"], "problem") if row["problems"] else number_of(row["samples"], "completion")
        value = f"{100 * row['point']:.1f}{range_text(row['low'], row['high'])}"
        x = groups.index(row["group"]) + offset(row["arm"], arms)
        text = f"{row['arm']}\n{by} {row['group']}: {value}\n{size}"
        marks.append(Mark(axes=axes, x=x, y=row["point"], text=text))
    return marks
