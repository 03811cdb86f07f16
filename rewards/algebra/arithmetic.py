"""Exact arithmetic: the value of an expression tree as a `Fraction`, never a float."""

from __future__ import annotations

import math
from collections.abc import Iterator
from fractions import Fraction

from rewards.algebra.bounds import MAX_BITS, MAX_FACTORIAL, OverBoundError, UnreadableError
from rewards.algebra.expressions import parse_expression
from rewards.algebra.nodes import Apply, Node, Number, Symbol

__all__ = [
    "MAX_RANGE",
    "bounded",
    "bounded_power",
    "evaluate",
    "factorial_of",
    "is_series",
    "read_number",
    "series_terms",
    "substituted",
]

MAX_RANGE = 1_000  # terms of a sum or product


def read_number(text: str) -> Fraction:
    """The exact value of a normalised arithmetic expression such as ``2 \\frac{1}{4} * 3``.

    Raises:
        UnreadableError: `text` is no arithmetic, divides by zero or has an irrational value.
        OverBoundError: a bound of `rewards.algebra.bounds` is passed.
    """
    return evaluate(parse_expression(text))


def evaluate(node: Node) -> Fraction:
    """The exact value of a tree without symbols.

    Raises:
        UnreadableError: the tree holds a symbol, a division by zero or an operation with an irrational value.
        OverBoundError: a bound of `rewards.algebra.bounds` is passed.
    """
    if isinstance(node, Number):
        return node.value
    if not isinstance(node, Apply):
        raise UnreadableError(f"{node.name} is no number")
    values = [evaluate(argument) for argument in node.arguments]
    match node.name, values:
        case "add", _:
            return bounded(sum(values, Fraction(0)))
        case "neg", [value]:
            return -value
        case "mul", [left, right]:
            return bounded(left * right)
        case "div", [left, right]:
            if right == 0:
                raise UnreadableError("division by zero")
            return bounded(left / right)
        case "pow", [base, exponent] if exponent.denominator == 1:
            return bounded_power(base, int(exponent))
        case "abs", [value]:
            return abs(value)
        case "floor", [value]:
            return Fraction(math.floor(value))
        case "ceil", [value]:
            return Fraction(math.ceil(value))
        case "factorial", [value]:
            return factorial_of(value)
        case "binom", [top, bottom]:
            return _binomial(top, bottom)
        case (("gcd" | "lcm" | "max" | "min" | "mod"), _):
            return _of_whole_numbers(node.name, values)
        case "root" | "sqrt", [value, *index]:
            return _exact_root(value, index[0] if index else Fraction(2))
    raise UnreadableError(f"no exact rule for {node.name}")


def bounded(value: Fraction) -> Fraction:
    """`value`, checked against `MAX_BITS`.

    Raises:
        OverBoundError: it is longer.
    """
    if max(value.numerator.bit_length(), value.denominator.bit_length()) > MAX_BITS:
        raise OverBoundError(f"a number of more than {MAX_BITS} bits")
    return value


def bounded_power(base: Fraction, exponent: int) -> Fraction:
    """``base ** exponent``, its size bounded before it is computed.

    Raises:
        UnreadableError: zero to a power that is not positive.
        OverBoundError: the result would be longer than `MAX_BITS`.
    """
    if base == 0 and exponent <= 0:
        raise UnreadableError("zero to a power that is not positive")
    if abs(base) == 1 or base == 0:
        return base if exponent % 2 else abs(base)
    bits = max(base.numerator.bit_length(), base.denominator.bit_length())
    if abs(exponent) > MAX_BITS or bits * abs(exponent) > MAX_BITS + bits:
        raise OverBoundError("a power past the bound")
    return base**exponent


def factorial_of(value: Fraction) -> Fraction:
    """``value!`` for whole numbers up to `MAX_FACTORIAL`.

    Raises:
        UnreadableError: the argument is negative or not whole.
        OverBoundError: the argument is past the bound.
    """
    if value.denominator != 1 or value < 0:
        raise UnreadableError("a factorial of something other than a whole number")
    if value > MAX_FACTORIAL:
        raise OverBoundError("a factorial past the bound")
    return Fraction(math.factorial(int(value)))


def _of_whole_numbers(name: str, values: list[Fraction]) -> Fraction:
    """The greatest or least of some numbers; their gcd or lcm; the remainder between 0 and a positive divisor."""
    if name in ("max", "min"):
        return max(values) if name == "max" else min(values)
    if any(value.denominator != 1 for value in values):
        raise UnreadableError(f"{name} of something other than whole numbers")
    whole = [int(value) for value in values]
    if name == "mod":
        if len(whole) != 2 or whole[1] <= 0:
            raise UnreadableError("a remainder by something other than a positive number")
        return Fraction(whole[0] % whole[1])
    return bounded(Fraction(math.gcd(*whole) if name == "gcd" else math.lcm(*whole)))


def _binomial(top: Fraction, bottom: Fraction) -> Fraction:
    if top.denominator != 1 or bottom.denominator != 1 or top < 0 or bottom < 0:
        raise UnreadableError("a binomial coefficient of something other than whole numbers")
    if top > MAX_FACTORIAL:
        raise OverBoundError("a binomial coefficient past the bound")
    return Fraction(math.comb(int(top), int(bottom)))


def _exact_root(value: Fraction, index: Fraction) -> Fraction:
    if index != 2 or value < 0:
        raise UnreadableError("a root other than the square root of a positive number")
    root = Fraction(math.isqrt(value.numerator), math.isqrt(value.denominator))
    if root * root != value:
        raise UnreadableError("an irrational root")
    return root


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
        yield substituted(body, index, Number(Fraction(value)))


def substituted(node: Node, symbol: Node, value: Node) -> Node:
    """`node` with `value` for a variable, but not where a sum, product or integral inside runs over that variable."""
    if node == symbol and isinstance(node, Symbol):
        return value
    if not isinstance(node, Apply):
        return node
    if node.name in ("sum", "prod", "int") and node.arguments[0] == symbol:
        index, low, high, body = node.arguments
        return Apply(node.name, (index, substituted(low, symbol, value), substituted(high, symbol, value), body))
    return Apply(node.name, tuple(substituted(argument, symbol, value) for argument in node.arguments))
