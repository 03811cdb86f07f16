r"""Equations and inequalities as what they say: the value of a named quantity, or a set of real numbers."""

from __future__ import annotations

import functools
import itertools
import math
import re
from fractions import Fraction

from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Symbol
from rewards.algebra.polynomials import ONE, constant_value
from rewards.checker.closed_words import has_negation
from rewards.checker.values import LISTS, Clock, Collection, Relation, Scalar, Value, Words, value_key

__all__ = [
    "are_letters",
    "as_interval",
    "assigned_names",
    "between",
    "end_of",
    "is_at",
    "is_name",
    "mirror",
    "name_of",
    "name_stem",
    "real_set",
    "same_name",
    "without_points",
]

Interval = tuple[
    Fraction | float, bool, Fraction | float, bool
]  # low, whether closed there, high, whether closed there

_MIRRORED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "=": "=", "\\ne": "\\ne"}
_LESS = {"<": (")", "("), "\\le": ("]", "[")}
_BRACKETS = frozenset({"()", "[]", "(]", "[)"})
_CALL = re.compile(r"(?P<name>[fghFGHPpEVuvTSNRQrqAC])(?:_?\{?\w{1,3}\}?)?'{0,3}\((?P<argument>[^()=]{1,40})\)")
_FIGURE = re.compile(r"m?\s*\\(?:angle|triangle|overline|widehat|hat|arc)(?![A-Za-z])[A-Z\d_'{} ]{1,20}")
_INFINITY = Scalar(text="\\infty", node=Symbol("infinity"), form=canonical_form(Symbol("infinity")))
_NEGATIVE = Apply("neg", (Symbol("infinity"),))
_MINUS_INFINITY = Scalar(text="-\\infty", node=_NEGATIVE, form=canonical_form(_NEGATIVE))


def mirror(relation: Relation) -> Relation | None:
    """The relation read from right to left; ``None`` where one of its signs has no mirror image."""
    if any(operator not in _MIRRORED for operator in relation.operators):
        return None
    return Relation(
        tuple(_MIRRORED[operator] for operator in reversed(relation.operators)), tuple(reversed(relation.sides))
    )


def is_name(value: Value) -> bool:
    """Whether it names a quantity: a variable, ``f(x)``, ``|AB|``, an angle, a point ``(x, y)``, or words."""
    match value:
        case Words(text=text):
            return not has_negation(text)
        case Scalar(node=None, text=text):
            return _FIGURE.fullmatch(text) is not None
        case Scalar(node=Symbol(name=name)):
            return name not in ("pi", "e", "i", "infinity")
        case Scalar(node=Apply(name="abs", arguments=(Symbol() | Apply(name="mul", arguments=(Symbol(), Symbol())),))):
            return True
        case Scalar(node=Apply(name="mul"), text=text):
            call = _CALL.fullmatch(text)
            return call is not None and call["name"] not in call["argument"]
        case Collection(kind="()", items=items):
            return all(is_name(item) for item in items)
    return False


def name_of(relation: Relation) -> str:
    """The name that a relation gives a value to; ``""`` where it gives none."""
    ends = (relation.sides[0], relation.sides[-1])
    return next((value_key(side) for side in ends if is_name(side)), "")


def as_interval(value: Value) -> Collection | None:
    """``1 < x \\le 2`` as ``(1, 2]`` and ``x > 3`` as ``(3, \\infty)``; an interval as itself; ``None`` for anything
    else.
    """
    if isinstance(value, Collection):
        return value if value.kind in _BRACKETS and len(value.items) == 2 else None
    if not isinstance(value, Relation):
        return None
    if value.operators == ("\\in",) and is_name(value.sides[0]):
        return as_interval(value.sides[1])
    if value.operators[0] in (">", "\\ge"):
        mirrored = mirror(value)
        return None if mirrored is None or mirrored.operators[0] not in _LESS else as_interval(mirrored)
    if any(operator not in _LESS for operator in value.operators):
        return None
    match value.sides:
        case (low, name, high) if is_name(name):
            return Collection(_LESS[value.operators[0]][1] + _LESS[value.operators[1]][0], (low, high))
        case (low, name) if is_name(name):
            return Collection(_LESS[value.operators[0]][1] + ")", (low, _INFINITY))
        case (name, high) if is_name(name):
            return Collection("(" + _LESS[value.operators[0]][0], (_MINUS_INFINITY, high))
    return None


def between(first: Value, second: Value) -> Relation | None:
    """``x > 1`` and ``x < 2`` as ``1 < x < 2``; ``None`` where they are no two bounds on one name with rational numbers
    that leave something between.
    """
    if not (isinstance(first, Relation) and isinstance(second, Relation)):
        return None
    if len(first.sides) != 2 or len(second.sides) != 2 or name_of(first) != name_of(second):
        return None
    sets = (real_set(first), real_set(second))
    if sets[0] is None or sets[1] is None or len(sets[0]) != 1 or len(sets[1]) != 1:
        return None
    (low, _, _, _), (_, _, high, _) = lower, upper = max(sets[0][0], sets[1][0]), min(sets[0][0], sets[1][0])
    if lower[2] != math.inf or upper[0] != -math.inf or not -math.inf < low < high < math.inf:
        return None
    bottom, top = (first, second) if real_set(first) == [lower] else (second, first)
    low_side, name = (bottom.sides[0], bottom.sides[1]) if is_name(bottom.sides[1]) else reversed(bottom.sides)
    high_side = top.sides[1] if is_name(top.sides[0]) else top.sides[0]
    return Relation(("\\le" if lower[1] else "<", "\\le" if upper[3] else "<"), (low_side, name, high_side))


def same_name(left: Value, right: Value) -> bool:
    """Whether two sets of numbers are not said of two different variables."""
    names = {_set_name(value) for value in (left, right)} - {""}
    return len(names) <= 1


def _set_name(value: Value) -> str:
    if isinstance(value, Relation):
        return value_key(value.sides[1]) if len(value.sides) == 3 else name_of(value)
    return _set_name(value.items[0]) if isinstance(value, Collection) and value.kind in LISTS else ""


def is_at(clock: Clock, other: Value) -> bool:
    """Whether a time of day is another one, or is written as the ``3:30`` or ``15:30`` of a clock without its half."""
    if isinstance(other, Clock):
        return clock == other
    parts = other.items if isinstance(other, Collection) and other.kind == "ratio" else (other,)
    numbers = [item.text for item in parts if isinstance(item, Scalar) and not item.unit and item.text.isdigit()]
    if len(numbers) < len(parts) or len(parts) > 3 or any(len(number) > 2 for number in numbers):
        return False
    hour, minute, second = [*map(int, numbers), 0, 0][:3]
    day, half = 24 * 3600, 12 * 3600
    seconds = hour * 3600 + minute * 60 + second
    return minute < 60 and (clock.seconds == seconds % day or (hour <= 12 and clock.seconds % half == seconds % half))


def are_letters(letters: Collection, word: Words) -> bool:
    """``A, C`` and ``AC``: several choices."""
    texts = [item.text if isinstance(item, Scalar) else "" for item in letters.items]
    return all(text in tuple("ABCDEFGHIJ") for text in texts) and "".join(sorted(texts)).lower() == word.text


def name_stem(item: Value) -> str:
    """The name that an equation gives a value to, without its index; ``""`` for anything else."""
    if not isinstance(item, Relation) or item.operators != ("=",):
        return ""
    name = item.sides[0]
    if isinstance(name, Words):
        return name.text
    return name.text.split("_")[0] if isinstance(name, Scalar) and is_name(name) else ""


def assigned_names(collection: Collection) -> list[str]:
    """The names of ``x = 1, y = 2`` in order; none for values of one variable, as in ``x = 1, x = 2``."""
    names = sorted(name_stem(item) for item in collection.items)
    return names if all(names) and len(set(names)) > 1 else []


def real_set(value: Value) -> list[Interval] | None:
    """The set of real numbers that a union, a list of inequalities or ``x \\ne 2`` stands for, as disjoint intervals in
    order; ``None`` for what is no such set, or where an end is not rational.
    """
    interval = as_interval(value)
    if interval is not None:
        low, high = (end_of(item) for item in interval.items)
        if low is None or high is None or low >= high:
            return None
        return [(low, interval.kind[0] == "[", high, interval.kind[1] == "]")]
    if isinstance(value, Relation) and value.operators == ("\\in",) and is_name(value.sides[0]):
        return real_set(value.sides[1])
    if isinstance(value, Relation) and value.operators == ("\\ne",):
        points = [end_of(side) for side in value.sides if not is_name(side)]
        return without_points(points) if len(points) == 1 else None
    if isinstance(value, Collection) and value.kind in ("union", *LISTS):
        relations = [item for item in value.items if isinstance(item, Relation)]
        names = {name_of(item) for item in relations}
        if value.kind in LISTS and (len(relations) < len(value.items) or len(names) > 1):
            return None
        if value.kind == "list" and all(item.operators == ("\\ne",) for item in relations):
            return without_points([end_of(side) for item in relations for side in item.sides if not is_name(side)])
        parts = [part for item in value.items if (part := real_set(item)) is not None]
        if len(parts) < len(value.items):
            return None
        return functools.reduce(_common, parts) if value.kind == "all" else joined_intervals([*itertools.chain(*parts)])
    return None


def without_points(points: list[Fraction | float | None]) -> list[Interval] | None:
    """The real line without some rational points."""
    finite = [point for point in points if isinstance(point, Fraction)]
    if not finite or len(finite) != len(points):
        return None
    ends = [-math.inf, *sorted(set(finite)), math.inf]
    return [(low, False, high, False) for low, high in itertools.pairwise(ends)]


def _common(left: list[Interval], right: list[Interval]) -> list[Interval]:
    """What lies in both."""
    both: list[Interval] = []
    for first, second in itertools.product(left, right):
        low, low_closed = max(first[:2], second[:2], key=lambda end: (end[0], not end[1]))
        high, high_closed = min(first[2:], second[2:], key=lambda end: (end[0], end[1]))
        if low < high:
            both.append((low, low_closed, high, high_closed))
    return sorted(both)


def joined_intervals(intervals: list[Interval]) -> list[Interval]:
    """Overlapping intervals, and those that meet in a point that one of them holds, made one."""
    joined: list[Interval] = []
    for low, low_closed, high, high_closed in sorted(intervals, key=lambda interval: (interval[0], not interval[1])):
        if joined:
            start, start_closed, end, end_closed = joined[-1]
            if low < end or (low == end and (low_closed or end_closed)):
                closed = high_closed if high > end else end_closed or (high == end and high_closed)
                joined[-1] = (start, start_closed, max(high, end), closed)
                continue
        joined.append((low, low_closed, high, high_closed))
    return joined


def end_of(value: Value) -> Fraction | float | None:
    """A rational number, or infinity with its sign; ``None`` for anything else."""
    if not isinstance(value, Scalar) or value.form is None or value.unit:
        return None
    if value.form == _INFINITY.form or value.form == _MINUS_INFINITY.form:
        return math.inf if value.form == _INFINITY.form else -math.inf
    return constant_value(value.form[0]) if value.form[1] == ONE else None
