"""The report's page of coefficients: the same completions under each method, token by token.

Tokens are coloured on one scale for all methods, purple for positive and orange for negative, which colour-blind
readers tell apart. The scale is a symmetric logarithm that ends at the largest coefficient: DPO's are ten times those
of the others, so that a linear one shows either them all in one colour or the others in white. Only completions that
the record holds are shown; everything is computed from coefficients.json.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure

from analysis.figures.coefficients import draw_by_length, draw_by_position, draw_histograms
from analysis.figures.marks import Mark
from analysis.records.coefficient_record import CoefficientRecord, MethodRecord, read_coefficients
from analysis.records.frames import records_of
from analysis.records.reading import RecordError
from analysis.records.record import ComparisonRecord
from analysis.report import page
from analysis.report.pictures import Picture, picture
from analysis.statistics.coefficients import coefficient_histograms, coefficients_by_length, coefficients_by_position

__all__ = ["coefficient_pictures", "coefficient_section"]

COLORS = colormaps["PuOr"]  # orange to purple through white: no red against green, and dark at both ends
SHOWN_PER_VERDICT = 2
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


def coefficient_section(comparison: ComparisonRecord, pictures: Sequence[Picture] = ()) -> str:
    """The section's HTML with these pictures in it; nothing where the comparison keeps no coefficients, a note where
    they cannot be read."""
    try:
        record = read_coefficients(comparison.path)
    except RecordError as error:
        return page.paragraph(f"Left out: {str(error).replace(f'{comparison.path}/', '')}.", "note")
    if record is None or not record.methods:
        return ""
    scale = color_scale(record.methods)
    parts = [page.paragraph(f"Completions of {record.policy}. {NOTE}", "note"), _legend(scale)]
    parts += [_sequence(record, index, scale) for index in shown_sequences(record)]
    cosines = page.heading("Directions") + page.paragraph(COSINE_NOTE, "note") + _cosines(record)
    return "".join(parts) + page.figures([each.html() for each in pictures]) + cosines


def coefficient_pictures(comparison: ComparisonRecord) -> tuple[Picture, ...]:
    """Coefficients by value, by position and by length; none where the comparison keeps none that can be read."""
    try:
        record = read_coefficients(comparison.path)
    except RecordError:
        return ()
    if record is None or not record.methods:
        return ()
    values, positions, lengths = (
        coefficient_histograms(record),
        coefficients_by_position(record),
        coefficients_by_length(record),
    )
    by_position, by_length = draw_by_position(positions), draw_by_length(lengths)
    return (
        picture(
            draw_histograms(values),
            name="coefficients-values",
            alt="histograms of coefficients",
            caption="Coefficients of all tokens, by the verdict.",
            values=values,
            labels=("stairs", "coefficient", "tokens", 1.0),
            marks=(),
        ),
        picture(
            by_position,
            name="coefficients-by_position",
            alt="mean absolute coefficient against the position in the completion",
            caption="Mean absolute coefficient in each tenth of the completions; a flat line credits all tokens alike.",
            values=positions,
            labels=("lines", "tenth of the completion", "mean |coefficient|", 1.0),
            marks=_marks(by_position, positions, "x", "tenth", 1.0),
        ),
        picture(
            by_length,
            name="coefficients-by_length",
            alt="mean absolute coefficient times weight against the length of the completion",
            caption="What a completion's tokens weigh together: the sum of weight times |coefficient|, by quarters of "
            "length, as a share of the method's total.",
            values=lengths,
            labels=("lines", "tokens of the completion", "share of the method's total (%)", 100.0),
            marks=_marks(by_length, lengths, "place", "quarter of lengths", 100.0),
        ),
    )


def _marks(figure: Figure, rows: pd.DataFrame, place: str, name: str, scale: float) -> list[Mark]:
    [axes] = figure.axes
    return [
        Mark(
            axes=axes,
            x=row[place],
            y=row["point"],
            text=f"{row['arm']}\n{name} {row.get('group', row[place])}: {scale * row['point']:.4g}",
        )
        for row in records_of(rows)
    ]


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
        right = int(record.right_B[rows].sum())
        return min(right, len(rows) - right)

    rows = max(by_problem.values(), key=minority)
    right = [row for row in rows if record.right_B[row]][:SHOWN_PER_VERDICT]
    wrong = [row for row in rows if not record.right_B[row]][:SHOWN_PER_VERDICT]
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
