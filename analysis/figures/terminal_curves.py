"""Curves as letters: a panel of Braille dots, two by four to a character, for a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from analysis.figures.canvas import short_number

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a Braille character, by row and column
BLANK = 0x2800
LABEL = 7  # characters of the numbers at the left


@dataclass(frozen=True, kw_only=True)
class Span:
    """Letters of one colour ("" for the terminal's own)."""

    text: str
    color: str = ""


def text_panel(
    title: str,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]],
    colors: Mapping[str, str],
    *,
    width: int,
    height: int,
) -> list[list[Span]]:
    """A panel of lines: the title, `height` rows with the curves, and the range of x below.

    Args:
        title: above.
        curves: x and y by name; points are joined by straight lines; what is not finite is left out.
        colors: by name, as "#rrggbb"; where two curves share a character the later one colours it.
        width, height: in characters, the labels inside.
    """
    kept = {name: _finite(*points) for name, points in curves.items()}
    kept = {name: points for name, points in kept.items() if len(points[0])}
    columns = max(4, width - LABEL - 1)
    lines = [[Span(text=title[:width])]]
    if not kept:
        return [*lines, [Span(text="nothing yet".center(width))], *([Span(text="")] for _ in range(height))]
    x_low, x_high = _ends([x for x, _ in kept.values()])
    y_low, y_high = _ends([y for _, y in kept.values()])
    bits = np.zeros((height, columns), dtype=int)
    owner = np.full((height, columns), -1)
    for place, (x, y) in enumerate(kept.values()):
        across = (x - x_low) / (x_high - x_low) * (2 * columns - 1)
        down = (y_high - y) / (y_high - y_low) * (4 * height - 1)
        for column, row in _dots(across, down):
            bits[row // 4, column // 2] |= DOTS[row % 4][column % 2]
            owner[row // 4, column // 2] = place
    own = [colors[name] for name in kept]
    for row in range(height):
        value = y_high if row == 0 else y_low if row == height - 1 else None
        label = "" if value is None else short_number(value)
        lines.append([Span(text=f"{label:>{LABEL}}│"), *_spans(bits[row], owner[row], own)])
    ends = f"{short_number(x_low)}{short_number(x_high):>{columns - len(short_number(x_low))}}"
    return [*lines, [Span(text=f"{'':>{LABEL}} {ends}")]]


def _finite(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    known = np.isfinite(x) & np.isfinite(y)
    return np.asarray(x)[known].astype(float), np.asarray(y)[known].astype(float)


def _ends(values: Sequence[np.ndarray]) -> tuple[float, float]:
    low, high = min(float(each.min()) for each in values), max(float(each.max()) for each in values)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _dots(across: np.ndarray, down: np.ndarray) -> set[tuple[int, int]]:
    """The dots of a line through the points: column and row."""
    found = {(round(float(across[0])), round(float(down[0])))}
    for place in range(len(across) - 1):
        steps = int(np.ceil(max(abs(across[place + 1] - across[place]), abs(down[place + 1] - down[place]), 1)))
        for share in np.linspace(0, 1, steps + 1):
            column = across[place] + share * (across[place + 1] - across[place])
            found.add((round(float(column)), round(float(down[place] + share * (down[place + 1] - down[place])))))
    return found


def _spans(bits: np.ndarray, owner: np.ndarray, colors: Sequence[str]) -> list[Span]:
    spans: list[Span] = []
    for dots, place in zip(bits.tolist(), owner.tolist(), strict=True):
        text = chr(BLANK + dots) if dots else " "
        color = str(colors[place]) if dots else ""
        if spans and spans[-1].color == color:
            spans[-1] = Span(text=spans[-1].text + text, color=color)
        else:
            spans.append(Span(text=text, color=color))
    return spans
