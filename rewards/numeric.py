"""High-precision evaluation that only refutes: values that differ are different, values that agree prove nothing."""

from __future__ import annotations

import functools
import zlib
from typing import Any

from rewards.bounds import MAX_BITS
from rewards.nodes import Node, Number, Symbol

__all__ = ["surely_different"]

_DIGITS = 50
_LARGEST_ARGUMENT = 10**6


class _NoNumberError(ValueError):
    """A part of an expression that has no number here."""


def surely_different(left: Node, right: Node) -> bool:
    """Whether two expressions differ by far more than rounding at a fixed positive value of each variable."""
    context = _context()
    try:
        first, second = _value(left, context), _value(right, context)
        size = max(abs(first), abs(second), 1)
        return bool(abs(first - second) > size * context.mpf(10) ** (-_DIGITS // 2))
    except (ArithmeticError, ValueError, TypeError):
        return False


@functools.cache
def _context() -> Any:
    import mpmath

    context = mpmath.mp.clone()
    context.dps = _DIGITS
    return context


def _value(node: Node, context: Any) -> Any:
    if isinstance(node, Number):
        return context.mpf(node.value.numerator) / node.value.denominator
    if isinstance(node, Symbol):
        return _symbol_value(node.name, context)
    values = [_value(argument, context) for argument in node.arguments]
    match node.name, values:
        case "add", _:
            return context.fsum(values)
        case "neg", [value]:
            return -value
        case "mul", [first, second]:
            return first * second
        case "div", [first, second]:
            return first / second
        case "pow", [base, exponent]:
            if abs(exponent) > MAX_BITS:
                raise OverflowError("exponent past the bound")
            return base**exponent
        case "root", [radicand, index]:
            if context.im(radicand) == 0 and context.re(radicand) < 0 and index % 2 == 1:
                return -((-radicand) ** (1 / index))
            return radicand ** (1 / index)
        case "degree", [value]:
            return value * context.pi / 180
        case "log", [value, base]:
            return context.log(value) / context.log(base)
    functions = {
        "log": None,
        "ln": "ln",
        "exp": "exp",
        "sqrt": "sqrt",
        "abs": "fabs",
        "arcsin": "asin",
        "arccos": "acos",
        "arctan": "atan",
    }
    trigonometric = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh")
    name = node.name if node.name in trigonometric else functions.get(node.name)
    if name is None or len(values) != 1 or abs(values[0]) > _LARGEST_ARGUMENT:
        raise _NoNumberError(node.name)
    return getattr(context, name)(values[0])


def _symbol_value(name: str, context: Any) -> Any:
    if name == "pi":
        return +context.pi
    if name == "e":
        return +context.e
    if name == "i":
        return context.mpc(0, 1)
    if name == "infinity":
        raise _NoNumberError(name)
    return 1 + context.mpf(zlib.crc32(name.encode()) % 9_973) / 9_973
