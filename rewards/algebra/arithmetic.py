"""Exact arithmetic: the value of an expression tree as a `Fraction`, never a float."""

from __future__ import annotations

import math
from fractions import Fraction

from rewards.algebra.bounds import MAX_BITS, MAX_FACTORIAL, OverBoundError, UnreadableError
from rewards.algebra.expressions import parse_expression
from rewards.algebra.nodes import Apply, Node, Number

__all__ = ["bounded", "bounded_power", "evaluate", "factorial_of", "read_number"]


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
