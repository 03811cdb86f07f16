"""The three node types of an expression tree."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

__all__ = ["Apply", "Node", "Number", "Symbol"]


@dataclass(frozen=True, slots=True)
class Number:
    """A written number, exact."""

    value: Fraction


@dataclass(frozen=True, slots=True)
class Symbol:
    """A variable or a constant: ``x``, ``x_1``, ``alpha``, ``pi``, ``e``, ``i``, ``infinity``."""

    name: str


@dataclass(frozen=True, slots=True)
class Apply:
    """An operation: add, mul, div, pow, neg, root (argument, index), abs, factorial, binom, degree, log (argument,
    base), sin …
    """

    name: str
    arguments: tuple[Node, ...]


Node = Number | Symbol | Apply

_OPERAND_COMMANDS = frozenset({"frac", "sqrt", "binom", "lfloor", "lceil"})
_CLOSING = {"(": ")", "[": "]", "{": "}"}
