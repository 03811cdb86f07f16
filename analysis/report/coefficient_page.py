"""The report's page of coefficients: the same completions under each method, token by token.

Tokens are coloured on one scale for all methods, purple for positive and orange for negative, which colour-blind
readers tell apart. The scale is a symmetric logarithm that ends at the largest coefficient: DPO's are ten times those
of the others, so that a linear one shows either them all in one colour or the others in white. Only completions that
the record holds are shown; everything is computed from coefficients.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from analysis.figures.plots import INK, blank_figure, figure_svg, legend_below, number_axis, plain_axes
from analysis.figures.styles import arm_styles
from analysis.records.coefficient_record import CoefficientRecord, MethodRecord, read_coefficients
from analysis.records.reading import RecordError
from analysis.records.record import ComparisonRecord
from analysis.report import page

__all__ = ["coefficient_section"]

COLORS = colormaps["PuOr"]  # orange to purple through white: no red against green, and dark at both ends
SHOWN_PER_VERDICT = 2
RIGHT, WRONG = "#5e3c99", "#e66101"
POSITIONS = 10
PANEL_CHARACTERS = 24  # of a title above half a figure
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
NOTE = (
    "Each line is the same completion under one method; the background of a token is its gradient coefficient, on one "
    "scale for all methods (a symmetric logarithm), and pointing at a token shows the number. The aggregation weight "
    "is apart from it. A method that leaves a completion out (no pair, say) has no line."
)
COSINE_NOTE = (
    "Cosine of the gradients that the methods imply on these completions, over all parameters of the policy: 1 is the "
    "same direction, whatever the step's size. Methods that are not arms have their defaults; sft takes every "
    "completion for a demonstration."
)


def coefficient_section(comparison: ComparisonRecord) -> str:
    """The section's HTML; nothing where the comparison keeps no coefficients, a note where they cannot be read."""
    try:
        record = read_coefficients(comparison.path)
    except RecordError as error:
        return page.paragraph(f"Left out: {str(error).replace(f'{comparison.path}/', '')}.", "note")
    if record is None or not record.methods:
        return ""
    scale = color_scale(record.methods)
    parts = [page.paragraph(f"Completions of {record.policy}. {NOTE}", "note"), _legend(scale)]
    parts += [_sequence(record, index, scale) for index in shown_sequences(record)]
    names = [method.name for method in record.methods]
    pictures = [
        (_histograms(record), "histograms of coefficients", "Coefficients of all tokens, by the verdict."),
        (
            _by_position(record, names),
            "mean absolute coefficient against the position in the completion",
            "Mean absolute coefficient in each tenth of the completions; a flat line credits all tokens alike.",
        ),
        (
            _by_length(record, names),
            "mean absolute coefficient times weight against the length of the completion",
            "What a completion's tokens weigh together: the sum of weight times |coefficient|, by quarters of length, "
            "as a share of the method's total.",
        ),
    ]
    drawn = [page.figure(figure_svg(figure), alt, caption) for figure, alt, caption in pictures]
    cosines = page.heading("Directions") + page.paragraph(COSINE_NOTE, "note") + _cosines(record)
    return "".join(parts) + page.figures(drawn) + cosines


@dataclass(frozen=True, kw_only=True)
class ColorScale:
    """A symmetric logarithm: about linear below `linear`, full colour at `end`, the largest |coefficient| of all."""

    linear: float
    end: float

    def shade(self, value: float) -> float:
        """Where a coefficient stands in -1..1."""
        return float(np.sign(value) * np.log1p(abs(value) / self.linear) / np.log1p(self.end / self.linear))


def color_scale(methods: Sequence[MethodRecord]) -> ColorScale:
    """Linear below a tenth of the median over methods of their largest |coefficient|; ends at 1 where all are 0."""
    tops = [max((float(np.abs(row).max()) for row in _rows(method)), default=0.0) for method in methods]
    tops = [top for top in tops if top > 0] or [1.0]
    return ColorScale(linear=float(np.median(tops)) / 10, end=max(tops))


def _rows(method: MethodRecord) -> list[np.ndarray]:
    """The method's finite coefficients, completion by completion; only those that have any."""
    rows = [row[np.isfinite(row)] for row in method.coefficients if row is not None]
    return [row for row in rows if len(row)]


def shown_sequences(record: CoefficientRecord) -> tuple[int, ...]:
    """Two right and two wrong completions of the problem whose verdicts are most mixed, the first of each."""
    by_problem: dict[str, list[int]] = {}
    for index, sequence in enumerate(record.sequences):
        by_problem.setdefault(str(sequence["problem_id"]), []).append(index)

    def minority(rows: list[int]) -> int:
        right = sum(record.sequences[row]["reward"] > 0 for row in rows)
        return min(right, len(rows) - right)

    rows = max(by_problem.values(), key=minority)
    right = [row for row in rows if record.sequences[row]["reward"] > 0][:SHOWN_PER_VERDICT]
    wrong = [row for row in rows if record.sequences[row]["reward"] <= 0][:SHOWN_PER_VERDICT]
    return tuple(sorted(right + wrong))


def _legend(scale: ColorScale) -> str:
    middle = (scale.linear * scale.end) ** 0.5
    stops = [-scale.end, -middle, -scale.linear, 0.0, scale.linear, middle, scale.end]
    swatches = "".join(
        f'<span style="{_paint(scale.shade(value))}">&nbsp;{page.shown(f"{value:.3g}")}&nbsp;</span>' for value in stops
    )
    words = (
        f" symmetric logarithm, about linear below {scale.linear:.3g}; the ends are the largest |coefficient| of any "
        "method"
    )
    return f'<p class="tokens legend">coefficient: {swatches}{page.shown(words)}</p>'


def _sequence(record: CoefficientRecord, index: int, scale: ColorScale) -> str:
    sequence = record.sequences[index]
    verdict = str(sequence["verdict"]).lower().replace("_", " ")
    title = f"{sequence['question']} · gold answer {sequence['gold_answer']} · {verdict}, reward {sequence['reward']:g}"
    lines = []
    for method in record.methods:
        row = method.coefficients[index]
        if row is not None:
            lines.append(f"<dt>{page.shown(method.name)}</dt><dd>{_tokens(sequence, row, scale)}</dd>")
    return f'{page.heading(title)}<dl class="tokens">{"".join(lines)}</dl>'


def _tokens(sequence: dict[str, Any], row: np.ndarray, scale: ColorScale) -> str:
    spans = []
    for text, value in zip(sequence["tokens"], row, strict=True):
        label = page.shown(str(text)).replace("\n", "↵") or "⟨end⟩"
        spans.append(f'<span style="{_paint(scale.shade(float(value)))}" title="{value:.4g}">{label}</span>')
    return "".join(spans)


def _paint(shade: float) -> str:
    """The style of a cell; `shade` in -1..1, orange to purple."""
    red, green, blue, _ = COLORS(0.5 + 0.5 * max(-1.0, min(1.0, shade)))
    channels = [round(255 * channel) for channel in (red, green, blue)]
    dark = 0.299 * channels[0] + 0.587 * channels[1] + 0.114 * channels[2] < 140
    return f"background:rgb({channels[0]},{channels[1]},{channels[2]});color:{'#fff' if dark else '#111'}"


def _histograms(record: CoefficientRecord) -> Figure:
    columns = 2
    rows = -(-len(record.methods) // columns)
    lines = max(-(-len(method.name) // PANEL_CHARACTERS) for method in record.methods)
    figure = blank_figure((5.6, 1.0 + (1.35 + 0.17 * (lines - 1)) * rows))
    panels = np.atleast_2d(figure.subplots(rows, columns)).ravel()
    right = np.array([sequence["reward"] > 0 for sequence in record.sequences])
    handles = {}
    for panel, method in zip(panels, record.methods, strict=False):
        kept = [row for row in method.coefficients if row is not None]
        edges = np.histogram_bin_edges(np.concatenate(kept), bins=31) if kept else np.linspace(-1, 1, 32)
        for label, color, wanted, fill in (("right", RIGHT, True, True), ("wrong", WRONG, False, False)):
            values = [
                row
                for row, is_right in zip(method.coefficients, right, strict=True)
                if row is not None and is_right == wanted
            ]
            counts, _ = np.histogram(np.concatenate(values) if values else np.empty(0), bins=edges)
            handles[label] = panel.stairs(
                counts, edges, color=color, fill=fill, alpha=0.55 if fill else 1.0, linewidth=1.4
            )
        plain_axes(panel, method.name, PANEL_CHARACTERS)
        panel.set_yscale("symlog", linthresh=1)
        panel.yaxis.set_major_formatter(PLAIN)
        panel.tick_params(labelsize=7)
    for panel in panels[len(record.methods) :]:
        panel.set_visible(False)
    legend_below(figure, handles)
    return figure


def _by_position(record: CoefficientRecord, names: Sequence[str]) -> Figure:
    figure, styles = blank_figure((5.6, 4.7)), arm_styles(names)
    axes = figure.subplots()
    plain_axes(axes, "by position")
    lines = {}
    for method in record.methods:
        sums, counts = np.zeros(POSITIONS), np.zeros(POSITIONS)
        for row in method.coefficients:
            if row is not None:
                tenth = np.arange(len(row)) * POSITIONS // len(row)
                np.add.at(sums, tenth, np.abs(row))
                np.add.at(counts, tenth, 1)
        style = styles[method.name]
        [lines[method.name]] = axes.plot(
            np.arange(1, POSITIONS + 1),
            sums / np.maximum(counts, 1),
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=5,
        )
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(PLAIN)
    axes.set_xticks(range(1, POSITIONS + 1))
    number_axis(axes, "tenth of the completion")
    axes.set_ylabel("mean |coefficient|", color=INK)
    legend_below(figure, lines)
    return figure


def _by_length(record: CoefficientRecord, names: Sequence[str]) -> Figure:
    figure, styles = blank_figure((5.6, 4.7)), arm_styles(names)
    axes = figure.subplots()
    plain_axes(axes, "by length")
    lengths = np.array([len(sequence["tokens"]) for sequence in record.sequences])
    edges = np.quantile(lengths, [0.25, 0.5, 0.75])
    quarter = np.searchsorted(edges, lengths, side="left")
    lines = {}
    for method in record.methods:
        mass = np.zeros(4)
        for index, (row, weight) in enumerate(zip(method.coefficients, method.weights, strict=True)):
            if row is not None and weight is not None:
                mass[quarter[index]] += weight * np.abs(row).sum()
        style = styles[method.name]
        [lines[method.name]] = axes.plot(
            range(4),
            100 * mass / mass.sum() if mass.sum() > 0 else mass,
            color=style.color,
            linestyle=style.dashes,
            marker=style.marker,
            markersize=5,
        )
    bounds = [int(lengths.min()), *map(int, edges), int(lengths.max())]
    axes.set_xticks(range(4), [f"{low}–{high}" for low, high in pairwise(bounds)])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("tokens of the completion", color=INK)
    axes.set_ylabel("share of the method's total (%)", color=INK)
    legend_below(figure, lines)
    return figure


def _cosines(record: CoefficientRecord) -> str:
    """The matrix as a table: rows are named and numbered, columns numbered."""
    numbers = "".join(f'<th scope="col">{number}</th>' for number in range(1, len(record.gradient_names) + 1))
    rows = []
    for number, (name, cosines) in enumerate(zip(record.gradient_names, record.cosines_NN, strict=True), start=1):
        cells = "".join(f'<td style="{_paint(float(value))}">{_short(value)}</td>' for value in cosines)
        rows.append(f'<tr><th scope="row">{page.shown(name)} {number}</th>{cells}</tr>')
    head = f"<thead><tr><td></td>{numbers}</tr></thead>"
    return f'<div class="scroll"><table class="matrix">{head}<tbody>{"".join(rows)}</tbody></table></div>'


def _short(cosine: float) -> str:
    """Two digits without the leading zero."""
    text = f"{cosine:.2f}".replace("-", "−")
    return text.replace("0.", ".") if abs(cosine) < 0.995 else text.replace(".00", "")
