r"""Unions, intersections and differences of sets, carried out where every membership is decided.

Finite sets of any expressions that are known to be equal or different, and sets of real numbers whose ends are
rational: intervals, points and the whole line.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from fractions import Fraction

from rewards.algebra.bounds import OverBoundError
from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.quotients import forms_equal
from rewards.checker.relations import as_interval, end_of, joined_intervals
from rewards.checker.values import Collection, Scalar, Value, Words

__all__ = ["combined", "half_line", "rest_of_line"]

Part = tuple[Fraction | float, bool, Fraction | float, bool]  # low, whether it is in, high, whether it is in
_EMPTY = Words("empty set")
_HALF_LINE = re.compile(r"\\mathbb\{R\}\s*(?:\^\s*\{?\s*([-+])\s*\}?|_\s*\{\s*(<|>|\\le|\\ge)\s*0\s*\})")
_HALF_LINES = {
    "+": "(0,\\infty)",
    ">": "(0,\\infty)",
    "\\ge": "[0,\\infty)",
    "-": "(-\\infty,0)",
    "<": "(-\\infty,0)",
    "\\le": "(-\\infty,0]",
}


def half_line(text: str) -> str | None:
    """The interval that a normalised ``\\mathbb{R}^+`` or ``\\mathbb{R}_{\\ge 0}`` is; ``None`` for any other text."""
    half = _HALF_LINE.fullmatch(text)
    return None if half is None else _HALF_LINES[half.group(1) or half.group(2)]


def combined(operator: str, left: Value, right: Value) -> Value | None:
    """The union ``\\cup``, intersection ``\\cap`` or difference ``\\setminus`` of two sets; ``None`` where a membership
    is open.
    """
    if _is_finite(left) and (operator == "\\setminus" or _is_finite(right)):
        finite = _of_finite(operator, left, right)
        if finite is not None:
            return finite
    first, second = _parts(left), _parts(right)
    if first is None or second is None:
        return None
    if operator == "\\cup":
        return _as_value([*first, *second])
    if operator == "\\setminus":
        second = _complement(second)
    return _as_value([part for one in first for other in second if (part := _common(one, other)) is not None])


def rest_of_line(values: Sequence[Value]) -> Value | None:
    """The real numbers for which no condition of a list holds; ``None`` where an end is open."""
    parts: list[Part] = []
    for value in values:
        own = _parts(value)
        if own is None:
            return None
        parts += own
    return _as_value(_complement(parts))


def _is_finite(value: Value) -> bool:
    return value == _EMPTY or (isinstance(value, Collection) and value.kind == "set")


def _items(value: Value) -> tuple[Value, ...]:
    return value.items if isinstance(value, Collection) else ()


def _of_finite(operator: str, left: Value, right: Value) -> Value | None:
    if not _is_finite(right):
        return None
    inside = [_holds(right, item) for item in _items(left)]
    if None in inside:
        return None
    if operator == "\\cup":
        kept = [item for item, held in zip(_items(left), inside, strict=True) if not held] + list(_items(right))
    else:
        wanted = operator == "\\cap"
        kept = [item for item, held in zip(_items(left), inside, strict=True) if held is wanted]
    return Collection("set", tuple(kept)) if kept else _EMPTY


def _holds(collection: Value, item: Value) -> bool | None:
    """Whether a set holds an expression; ``None`` where an equality is open."""
    answers = [_equal(item, other) for other in _items(collection)]
    return True if True in answers else None if None in answers else False


def _equal(left: Value, right: Value) -> bool | None:
    if left == right:
        return True
    if not (isinstance(left, Scalar) and isinstance(right, Scalar)) or left.form is None or right.form is None:
        return None
    try:
        return None if left.unit or right.unit else forms_equal(left.form, right.form)
    except OverBoundError:
        return None


def _parts(value: Value) -> list[Part] | None:
    """A set of real numbers as intervals and points; ``None`` where an end is not rational."""
    if value == _EMPTY:
        return []
    interval = as_interval(value)
    if interval is not None:
        low, high = (end_of(item) for item in interval.items)
        if low is None or high is None or low >= high:
            return None
        return [(low, interval.kind[0] == "[", high, interval.kind[1] == "]")]
    if isinstance(value, Collection) and value.kind == "set":
        points = [end_of(item) for item in value.items]
        finite = [point for point in points if isinstance(point, Fraction)]
        return [(point, True, point, True) for point in finite] if len(finite) == len(points) else None
    if isinstance(value, Collection) and value.kind == "union":
        parts = [_parts(item) for item in value.items]
        return None if None in parts else [part for some in parts if some for part in some]
    return None


def _common(first: Part, second: Part) -> Part | None:
    low, low_in = max(first[:2], second[:2], key=lambda end: (end[0], not end[1]))
    high, high_in = min(first[2:], second[2:], key=lambda end: (end[0], end[1]))
    return (low, low_in, high, high_in) if low < high or (low == high and low_in and high_in) else None


def _complement(parts: list[Part]) -> list[Part]:
    rest: list[Part] = [(-math.inf, False, math.inf, False)]
    for low, low_in, high, high_in in parts:
        outside: list[Part] = [(-math.inf, False, low, not low_in), (high, not high_in, math.inf, False)]
        rest = [part for one in rest for other in outside if (part := _common(one, other)) is not None]
    return rest


def _as_value(parts: list[Part]) -> Value:
    joined = joined_intervals(parts)
    points = tuple(_number(part[0]) for part in joined if part[0] == part[2])
    pieces: list[Value] = [Collection("set", points)] if points else []
    pieces += [
        Collection(("[" if part[1] else "(") + ("]" if part[3] else ")"), (_number(part[0]), _number(part[2])))
        for part in joined
        if part[0] < part[2]
    ]
    return _EMPTY if not pieces else pieces[0] if len(pieces) == 1 else Collection("union", tuple(pieces))


def _number(value: Fraction | float) -> Scalar:
    infinity = Symbol("infinity")
    if isinstance(value, Fraction):
        node: Node = Number(value)
        text = str(value)
    else:
        node = infinity if value > 0 else Apply("neg", (infinity,))
        text = "\\infty" if value > 0 else "-\\infty"
    return Scalar(text=text, node=node, form=canonical_form(node))
