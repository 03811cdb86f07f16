r"""What an answer can be: a quantity, a text, a time of day, several values, an equation or an inequality."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Node
from rewards.algebra.quotients import Quotient, form_key
from rewards.checker.normalization import squeeze

__all__ = [
    "LISTS",
    "Clock",
    "Collection",
    "Relation",
    "Scalar",
    "Value",
    "Words",
    "quotient_of",
    "ratio_quotients",
    "value_key",
]

LISTS = ("list", "all")
"""Kinds of `Collection` written one after the other: alternatives, and what holds together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One quantity or expression.

    Attributes:
        text: its normalised text without the unit.
        unit: canonical unit, ``""`` where there is none.
        node: its tree; ``None`` where the exact parser cannot read it, or where it is past a bound.
        form: its canonical form; ``None`` as for `node`.
        opaque: whether a bound was passed: the value equals its own text and nothing else.
    """

    text: str
    unit: str = ""
    node: Node | None = None
    form: Quotient | None = None
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """An answer in words, or a numeral in a base (``1101_2``), compared letter by letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Clock:
    """A time of day, in seconds after midnight."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Collection:
    """Several values.

    `kind` is list, all, set, union, intersection, difference, mixed (sets, then the operators between them), ratio,
    family (an expression, what its parameter runs through), cases of piece (value, condition), choice (letter,
    content), parts, matrix, vmatrix, row, or the two brackets: ``()``, ``[]``, ``(]``, ``[)``."""

    kind: str
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """An equation, inequality or chain of them: ``sides[0] operators[0] sides[1] …``."""

    operators: tuple[str, ...]
    sides: tuple[Value, ...]


Value = Scalar | Words | Clock | Collection | Relation

_MINUTES = re.compile(r"[0-5]\d")


def value_key(value: Value) -> str:
    """A text that is the same for equal values as far as the exact rules reach: unit, variable and shape are kept."""
    match value:
        case Scalar(text=text, unit=unit, form=form):
            key = squeeze(text) if form is None else form_key(form)
            return f"{key} {unit}".strip()
        case Words(text=text):
            return f"text:{text}"
        case Clock(seconds=seconds):
            return f"clock:{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        case Collection(kind="ratio", items=items):
            quotients = ratio_quotients(value)
            return f"ratio<{' ; '.join(value_key(item) for item in (items if quotients is None else quotients))}>"
        case Collection(kind=kind, items=items):
            keys = [value_key(item) for item in items]
            if kind in (*LISTS, "set", "union"):
                keys.sort()
            return f"{kind}<{' ; '.join(dict.fromkeys(keys) if kind == 'set' else keys)}>"
        case Relation(operators=operators, sides=sides):
            return value_key(sides[0]) + "".join(
                f" {op} {value_key(side)}" for op, side in zip(operators, sides[1:], strict=True)
            )


def ratio_quotients(ratio: Collection) -> list[Scalar] | None:
    """The terms of a ratio over its last one, so that 3:4 and 6:8 agree; ``None`` where it may be a time (``4:20``)
    or a term cannot be divided by the last.
    """
    first, last = ratio.items[0], ratio.items[-1]
    is_hour = isinstance(first, Scalar) and first.text.isdigit() and int(first.text[:4]) <= 24
    if is_hour and all(isinstance(item, Scalar) and _MINUTES.fullmatch(item.text) for item in ratio.items[1:]):
        return None
    quotients = [quotient_of(item, last) for item in ratio.items[:-1]]
    kept = [quotient for quotient in quotients if quotient is not None]
    return kept if len(kept) == len(quotients) else None


def quotient_of(top: Value, bottom: Value) -> Scalar | None:
    """``top / bottom`` of two numbers or expressions without units."""
    if not (isinstance(top, Scalar) and isinstance(bottom, Scalar)) or top.unit or bottom.unit:
        return None
    if top.node is None or bottom.node is None:
        return None
    node = Apply("div", (top.node, bottom.node))
    try:
        return Scalar(text=f"({top.text})/({bottom.text})", node=node, form=canonical_form(node))
    except (OverBoundError, UnreadableError):
        return None
