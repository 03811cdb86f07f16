"""Differences as text columns: one form for the page, the terminal and the README."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.report.sentences import minus, signed
from analysis.statistics.differences import Difference, reverse

DASH = "–"
VERDICT_WORDS = {"better": "higher", "worse": "lower", "undecided": "undecided", "none": "no verdict"}


@dataclass(frozen=True, kw_only=True)
class TextColumn:
    """A column of the printed table; text stands to the left, numbers to the right, `shortens` may lose its middle."""

    heading: str
    cells: tuple[str, ...]
    is_text: bool = False
    shortens: bool = False


def contrast_columns(differences: Sequence[Difference]) -> list[TextColumn]:
    """Declared contrasts as text columns, in points; the page, the terminal and the README show these."""
    several = len({difference.benchmark for difference in differences}) > 1
    columns = {
        "contrast": [each.name for each in differences],
        "verdict": [VERDICT_WORDS[each.verdict] for each in differences],
        "difference": [interval_cell(each) for each in differences],
        "benchmark": [each.benchmark for each in differences],
        "decoded": [decoded_text(each.temperature) for each in differences],
        "p (Holm)": [_p_text(each.p_holm) for each in differences],
        "by seed": [" ".join(signed(value) for value in each.seed_points) or DASH for each in differences],
        "found 4 in 5": [
            minus(100 * each.detectable) if np.isfinite(each.detectable) else DASH for each in differences
        ],
    }
    return [
        TextColumn(
            heading=name,
            cells=tuple(cells),
            is_text=name in ("contrast", "verdict", "benchmark", "decoded"),
            shortens=name == "contrast",
        )
        for name, cells in columns.items()
        if several or name != "benchmark"
    ]


def pair_columns(differences: Sequence[Difference]) -> list[TextColumn]:
    """Every pair of arms of one benchmark as a square: the row's arm minus the column's, in points."""
    arms = tuple(dict.fromkeys(arm for each in differences for arm in (each.baseline, each.arm)))
    cells = {(each.arm, each.baseline): interval_cell(each) for each in differences}
    cells |= {(each.baseline, each.arm): interval_cell(reverse(each)) for each in differences}
    columns = [TextColumn(heading="arm", cells=arms, is_text=True)]
    return columns + [
        TextColumn(heading=f"− {other}", cells=tuple(cells.get((arm, other), DASH) for arm in arms)) for other in arms
    ]


def interval_cell(difference: Difference) -> str:
    """As "+4.1 [2.0, 6.2]", in points."""
    low, high = difference.interval.low, difference.interval.high
    ends = f"{minus(100 * low)}, {minus(100 * high)}" if np.isfinite(low) else DASH
    return f"{signed(difference.point)} [{ends}]"


def decoded_text(temperature: float | None) -> str:
    """At which temperature a contrast is asked, as a cell: "greedily", "at 1"."""
    return DASH if temperature is None else "greedily" if temperature == 0 else f"at {temperature:g}"


def _p_text(p: float) -> str:
    return DASH if np.isnan(p) else "< 0.001" if p < 0.001 else f"{p:.3f}"
