"""High-precision evaluation that refutes: values that differ are different, values that agree prove nothing.

Two exceptions: `values_within`, for benchmarks that define a tolerance, and `agree`, the last resort for closed
constants of bounded size.
"""

from __future__ import annotations

import functools
import zlib
from fractions import Fraction
from typing import Any

from rewards.algebra.bounds import MAX_BITS
from rewards.algebra.nodes import Apply, Node, Number, Symbol

__all__ = ["AGREEMENT_DIGITS", "agree", "sign_of", "surely_different", "value_of", "values_within"]

_DIGITS = 50
_LARGEST_ARGUMENT = 10**6
AGREEMENT_DIGITS = 500
_MOST_CONTENT = 400  # bits of the numbers in two constants, and four for each operation
_MOST_MAGNITUDE = 64  # every step of a constant lies between 2 ** -64 and 2 ** 64
_MOST_EXPONENT = 44  # of e, which is a step of tanh too
_SAME_NAME = ("sin", "cos", "tan", "cot", "sec", "csc", "sinh", "cosh", "tanh", "ln", "exp", "sqrt")
_FUNCTIONS = {name: name for name in _SAME_NAME} | {
    "log": "log10",
    "lg": "log10",
    "abs": "fabs",
    "arcsin": "asin",
    "arccos": "acos",
    "arctan": "atan",
}


class _NoNumberError(ValueError):
    """A part of an expression that has no number here."""


def surely_different(left: Node, right: Node) -> bool:
    """Whether two expressions differ by far more than rounding at a fixed value of each variable: all positive, or with
    some negative where both are real throughout, so that ``|x|`` is not ``x``.

    Of the negative points one has no positive variable, and any two variables have different signs in two others, so
    that ``|x| + |y|`` is not ``|x + y|``.
    """
    names = sorted(_variables(left) | _variables(right))
    bits = range(max(0, len(names) - 1).bit_length())  # of a variable's place in the alphabet
    halves = [frozenset(name for place, name in enumerate(names) if place >> bit & 1) for bit in bits]
    points = [frozenset[str](), frozenset(names), *halves, *(frozenset(names) - half for half in halves)]
    return any(_differ(left, right, _Point(negative=negative)) for negative in dict.fromkeys(points))


def values_within(gold: Node, value: Node, absolute: Fraction, relative: Fraction) -> bool:
    """Whether two real constants lie within ``absolute + relative · |gold|`` of each other."""
    if _has_variable(gold) or _has_variable(value):
        return False
    context = _context()
    try:
        first, second = (_Point(negative=frozenset()).value(node) for node in (gold, value))
        if context.im(first) or context.im(second):
            return False
        allowed = abs(first) * relative.numerator / relative.denominator
        allowed += context.mpf(absolute.numerator) / absolute.denominator
        return bool(abs(first - second) <= allowed * (1 + context.mpf(10) ** (-_DIGITS // 2)))
    except (ArithmeticError, ValueError, TypeError):
        return False


def value_of(node: Node) -> Any:
    """The value of a constant with 50 digits.

    Raises:
        ArithmeticError, ValueError, TypeError: it has none, or none that is known here.
    """
    return _Point(negative=frozenset()).value(node)


def sign_of(node: Node) -> int | None:
    """1 or −1, the sign of a real constant that is surely not zero; ``None`` for anything else."""
    if _variables(node):
        return None
    try:
        value = value_of(node)
        if hasattr(value, "_mpf_") and abs(value) > _context().mpf(10) ** (-_DIGITS // 2):
            return 1 if value > 0 else -1
    except (ArithmeticError, ValueError, TypeError):
        pass
    return None


def agree(left: Node, right: Node) -> bool:
    """Whether two real constants are taken as equal because all of `AGREEMENT_DIGITS` digits agree.

    It is no proof. A false agreement takes about as many digits in the two expressions as agree, or a step so large or
    so small that something drowns in it (``tanh 600`` and 1). So there is a verdict only where the numbers and
    operations that are written hold at most `_MOST_CONTENT` bits, a quarter of what agrees, and every step is real and
    no farther than `_MOST_MAGNITUDE` powers of two from one.
    """
    if _variables(left) or _variables(right) or _content(left) + _content(right) > _MOST_CONTENT:
        return False
    context = _context(AGREEMENT_DIGITS + 60)
    try:
        difference = _plain_value(left, context, last=True) - _plain_value(right, context, last=True)
        return bool(abs(difference) < context.mpf(10) ** -AGREEMENT_DIGITS)
    except (ArithmeticError, ValueError, TypeError):
        return False


def _content(node: Node) -> int:
    if isinstance(node, Number):
        return node.value.numerator.bit_length() + node.value.denominator.bit_length()
    return 4 + sum(map(_content, node.arguments)) if isinstance(node, Apply) else 4


def _plain_value(node: Node, context: Any, *, last: bool = False) -> Any:
    """The value of a constant whose every step is real and neither large nor small; the last sum may be small."""
    if isinstance(node, Apply):
        sums = last and node.name in ("add", "neg")
        values = [_plain_value(item, context, last=last and node.name == "neg") for item in node.arguments]
        if node.name in ("exp", "sinh", "cosh", "tanh") and abs(values[0]) > _MOST_EXPONENT:
            raise _NoNumberError("an exponent past the bound")
        value = _applied(node.name, values, context)
    else:
        sums, value = False, _Point(negative=frozenset(), context=context).value(node)
    magnitude = context.mag(value) if value else 0
    if not hasattr(value, "_mpf_") or magnitude > _MOST_MAGNITUDE or (magnitude < -_MOST_MAGNITUDE and not sums):
        raise _NoNumberError("a step past the bound")
    if not value and isinstance(node, Apply) and not sums:
        raise _NoNumberError("a step that vanishes")
    return value


def _has_variable(node: Node) -> bool:
    return bool(_variables(node))


def _variables(node: Node) -> frozenset[str]:
    """Names of the symbols that are no number; ``i`` and ``infinity`` among them."""
    if isinstance(node, Apply):
        return frozenset[str]().union(*map(_variables, node.arguments))
    return frozenset({node.name}) if isinstance(node, Symbol) and node.name not in ("pi", "e") else frozenset()


def _differ(left: Node, right: Node, point: _Point) -> bool:
    context = _context()
    try:
        first, second = point.value(left), point.value(right)
        size = max(abs(first), abs(second), 1)
        return bool(abs(first - second) > size * context.mpf(10) ** (-_DIGITS // 2))
    except (ArithmeticError, ValueError, TypeError):
        return False


@functools.cache
def _context(digits: int = _DIGITS) -> Any:
    import mpmath

    context = mpmath.mp.clone()
    context.dps = digits
    return context


class _Point:
    """The values of all variables: each in (1, 2) by its name, those in `negative` times −1.

    With any of these only real steps are taken.
    """

    def __init__(self, *, negative: frozenset[str], context: Any = None) -> None:
        self._negative = negative
        self._context = context or _context()

    def value(self, node: Node) -> Any:
        """The value of an expression here.

        Raises:
            ArithmeticError, ValueError: it has none, or none that is known here.
        """
        context = self._context
        if isinstance(node, Number):
            return context.mpf(node.value.numerator) / node.value.denominator
        if isinstance(node, Symbol):
            return self._symbol(node.name, context)
        values = [self.value(argument) for argument in node.arguments]
        if self._negative and not _is_real_step(node.name, values):
            raise _NoNumberError(node.name)
        return _applied(node.name, values, context)

    def _symbol(self, name: str, context: Any) -> Any:
        if name == "pi":
            return +context.pi
        if name == "e":
            return +context.e
        if name == "i" and not self._negative:
            return context.mpc(0, 1)
        if name in ("i", "infinity"):
            raise _NoNumberError(name)
        return (-1 if name in self._negative else 1) * (1 + context.mpf(zlib.crc32(name.encode()) % 9_973) / 9_973)


def _is_real_step(name: str, values: list[Any]) -> bool:
    """Whether an operation takes real numbers to one, and is the same function for every reader."""
    match name, values:
        case "pow", [base, exponent]:
            return base > 0 or exponent == int(exponent)
        case "root", [value, index]:
            return value > 0 or index % 2 == 1
        case (("sqrt" | "ln" | "log" | "lg"), [value, *_]):
            return value > 0
        case (("arcsin" | "arccos"), [value]):
            return abs(value) <= 1
    return True


def _root(radicand: Any, index: Any, context: Any) -> Any:
    """The real root where there is one, else the principal one."""
    if context.im(radicand) == 0 and context.re(radicand) < 0 and index % 2 == 1:
        return -((-radicand) ** (1 / index))
    return radicand ** (1 / index)


def _applied(name: str, values: list[Any], context: Any) -> Any:
    match name, values:
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
            return _root(radicand, index, context)
        case "cbrt", [radicand]:
            return _root(radicand, context.mpf(3), context)
        case "degree", [value]:
            return value * context.pi / 180
        case "log", [value, base]:
            return context.log(value) / context.log(base)
        case "cis", [value]:
            return context.expj(value)
    function = _FUNCTIONS.get(name)
    if function is None or len(values) != 1 or abs(values[0]) > _LARGEST_ARGUMENT:
        raise _NoNumberError(name)
    return getattr(context, function)(values[0])
