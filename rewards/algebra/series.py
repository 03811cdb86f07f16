r"""Sums and products over a range of whole numbers: ``\sum_{k=1}^{10} k``, ``\prod_{k=1}^{5} k``."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rewards.algebra.arithmetic import evaluate
from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.nodes import Apply, Node, Number, Symbol

__all__ = ["MAX_RANGE", "is_series", "series_terms"]

MAX_RANGE = 1_000  # terms of a sum or product


def is_series(node: Apply) -> bool:
    """Whether it is a sum or product whose ends are whole numbers."""
    if node.name not in ("sum", "prod"):
        return False
    try:
        return all(evaluate(end).denominator == 1 for end in node.arguments[1:3])
    except UnreadableError:
        return False


def series_terms(node: Apply) -> Iterator[Node]:
    """The terms, one for each value of the index; none where the range is empty.

    Raises:
        OverBoundError: there are more than `MAX_RANGE`.
    """
    index, low, high, body = node.arguments
    first, last = int(evaluate(low)), int(evaluate(high))
    if last - first >= MAX_RANGE:
        raise OverBoundError(f"a range of more than {MAX_RANGE} terms")
    for value in range(first, last + 1):
        yield _substituted(body, index, Number(Fraction(value)))


def _substituted(node: Node, symbol: Node, value: Number) -> Node:
    if node == symbol and isinstance(node, Symbol):
        return value
    if isinstance(node, Apply):
        return Apply(node.name, tuple(_substituted(argument, symbol, value) for argument in node.arguments))
    return node
