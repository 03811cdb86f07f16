r"""Algebraic numbers, proved to be zero or not: a bound from below, and enough digits to pass it.

An algebraic number E of a number field of degree D is a quotient U/L of two algebraic integers. Let every conjugate of
U be at most u and every conjugate of L at most l. U's norm is a whole number, so that where E is not zero

    |E| ≥ 1 / (u^(D−1) · l)

u and l follow from those of the operands by the rules of Burnikel, Funke, Mehlhorn, Schirra and Schmitt (A separation
bound for real algebraic expressions, Algorithmica 55, 2009), and D is at most the product of the indices of the roots
and of φ(N) for the N-th roots of unity that occur. E is computed to more digits than the bound has: a value below the
bound is zero, a value that is surely not zero is not. Both are proofs; neither nested roots nor cosines of multiples
of π need to be simplified.

The digits come with their own proof: a `Ball` is a midpoint and the power of two that it is off by at most. Every
operation takes the errors of its operands and the rounding of its result into account, so that a ball always holds the
true value. A real midpoint means a real number.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from rewards.algebra.bounds import OverBoundError

__all__ = ["MOST_POWER", "Algebraic", "Ball", "BallError", "Field", "NotAlgebraicError", "vanishes"]

_MOST_BITS = 20_000  # of the bound, and so of the numbers
_MOST_STEPS = 4_000  # operations of one value
_FIRST_BITS = 64
MOST_POWER = 64  # integer powers, indices of roots, and multiples of angles
_EXACT = -math.inf


class BallError(ArithmeticError):
    """The operation has no value at this precision: a divisor or a branch that the error leaves open."""


@dataclass(frozen=True, slots=True)
class Ball:
    """``|value − middle| ≤ 2 ** error``; `middle` is a number of `context(bits)`."""

    middle: Any
    error: float
    bits: int

    @property
    def magnitude(self) -> float:
        """An exponent of two that the midpoint's absolute value does not pass; within a factor of four of it."""
        return _magnitude(self.middle, self.bits)

    @property
    def is_real(self) -> bool:
        """Whether the value is known to be real."""
        return hasattr(self.middle, "_mpf_")

    @property
    def is_nonzero(self) -> bool:
        """Whether zero lies outside."""
        return self.magnitude - 2 > self.error


@functools.lru_cache(maxsize=8)
def _context(bits: int) -> Any:
    """mpmath's arithmetic at a precision of so many bits; nothing else in the process shares it."""
    import mpmath

    made = mpmath.mp.clone()
    made.prec = bits
    return made


def _magnitude(middle: Any, bits: int) -> float:
    return float(_context(bits).mag(middle)) if middle else _EXACT


def _rounded(middle: Any, error: float, bits: int) -> Ball:
    return Ball(middle, max(error, _magnitude(middle, bits) - bits + 2) + 1, bits)


def _rational(value: Fraction, bits: int) -> Ball:
    """A rational number."""
    middle = _context(bits).mpf(value.numerator) / value.denominator
    return _rounded(middle, _EXACT, bits) if middle else Ball(middle, _EXACT, bits)


def _imaginary_unit(bits: int) -> Ball:
    """i, exact."""
    return Ball(_context(bits).mpc(0, 1), _EXACT, bits)


def _cosine_of_turn(turn: Fraction, bits: int) -> Ball:
    """cos(π · turn)."""
    here = _context(bits)
    turn %= 2
    middle = here.cos(here.pi * turn.numerator / turn.denominator)
    return _rounded(middle, 6.0 - bits, bits)


def _added(first: Ball, second: Ball) -> Ball:
    """``first + second``."""
    return _rounded(first.middle + second.middle, max(first.error, second.error) + 1, first.bits)


def _multiplied(first: Ball, second: Ball) -> Ball:
    """``first · second``."""
    error = max(first.magnitude + second.error, second.magnitude + first.error, first.error + second.error) + 2
    return _rounded(first.middle * second.middle, error, first.bits)


def _divided(first: Ball, second: Ball) -> Ball:
    """``first / second``.

    Raises:
        BallError: the divisor may be zero.
    """
    if second.error > second.magnitude - 4:
        raise BallError("a divisor that may be zero")
    quotient = first.middle / second.middle
    error = max(first.error, _magnitude(quotient, first.bits) + second.error) + 1 - (second.magnitude - 3)
    return _rounded(quotient, error, first.bits)


def _rooted(radicand: Ball, index: int) -> Ball:
    """The real root where there is one, else the principal one.

    Raises:
        BallError: the radicand may lie on either side of the negative axis.
    """
    here, middle = _context(radicand.bits), radicand.middle
    if radicand.error > radicand.magnitude - 4:  # it may be zero
        largest = max(radicand.magnitude, radicand.error) + 1
        if largest == _EXACT:
            return Ball(here.mpf(0), _EXACT, radicand.bits)
        return Ball(here.mpc(0), float(math.ceil(largest / index) + 1), radicand.bits)  # of a negative one, not real
    if radicand.is_real and middle < 0 and index % 2:
        rooted = -here.root(-middle, index)
    elif radicand.is_real or here.re(middle) > 0 or _magnitude(here.im(middle), radicand.bits) - 2 > radicand.error:
        rooted = here.root(middle, index)
    else:
        raise BallError("a root on the negative axis")
    error = _magnitude(rooted, radicand.bits) + radicand.error - (radicand.magnitude - 3) + 1
    return _rounded(rooted, error, radicand.bits)


class NotAlgebraicError(ValueError):
    """No rule here makes it an algebraic number."""


@dataclass(frozen=True, slots=True)
class Algebraic:
    """An algebraic number U/L: its value, and the logarithms to base two of bounds on all conjugates of U and of L."""

    ball: Ball
    top: float
    bottom: float


class Field:
    """The number field that one expression lives in, as it comes to light, and the precision of its numbers."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self._roots: dict[object, int] = {}
        self._unity = 1
        self._steps = 0

    @property
    def degree(self) -> int:
        """At least the degree of the field over the rationals."""
        return math.prod(self._roots.values()) * (1 if self._unity == 1 else _totient(math.lcm(self._unity, 4)))

    def number(self, value: Fraction) -> Algebraic:
        """A rational number as an algebraic one."""
        top = math.log2(abs(value.numerator)) if value else 0.0
        return Algebraic(_rational(value, self.bits), top, math.log2(value.denominator))

    def imaginary(self) -> Algebraic:
        """The imaginary unit i as an algebraic number."""
        self._unity = math.lcm(self._unity, 4)
        return Algebraic(_imaginary_unit(self.bits), 0.0, 0.0)

    def cosine(self, turn: Fraction) -> Algebraic:
        """cos(π · turn), which is (ζ + 1/ζ)/2."""
        self._unity = math.lcm(self._unity, 2 * turn.denominator)
        return Algebraic(_cosine_of_turn(turn, self.bits), 1.0, 1.0)

    def add(self, first: Algebraic, second: Algebraic) -> Algebraic:
        """``first + second``."""
        self._count()
        higher, lower = sorted((first.top + second.bottom, second.top + first.bottom), reverse=True)
        top = higher + math.log2(1 + 2.0 ** (lower - higher))
        return Algebraic(_added(first.ball, second.ball), top, first.bottom + second.bottom)

    def negative(self, value: Algebraic) -> Algebraic:
        """``−value``."""
        return Algebraic(Ball(-value.ball.middle, value.ball.error, self.bits), value.top, value.bottom)

    def multiply(self, first: Algebraic, second: Algebraic) -> Algebraic:
        """``first · second``."""
        self._count()
        return Algebraic(_multiplied(first.ball, second.ball), first.top + second.top, first.bottom + second.bottom)

    def divide(self, first: Algebraic, second: Algebraic) -> Algebraic:
        """``first / second``."""
        self._count()
        return Algebraic(_divided(first.ball, second.ball), first.top + second.bottom, first.bottom + second.top)

    def power(self, base: Algebraic, exponent: int) -> Algebraic:
        """A whole power, up to `MOST_POWER` in size."""
        if abs(exponent) > MOST_POWER:
            raise OverBoundError("a power past the bound")
        result = self.number(Fraction(1))
        for _ in range(abs(exponent)):
            result = self.multiply(result, base)
        return result if exponent >= 0 else self.divide(self.number(Fraction(1)), result)

    def root(self, radicand: Algebraic, index: int, key: object) -> Algebraic:
        """The real root where there is one, else the principal one; `key` tells one root from another."""
        self._count()
        if not 1 <= index <= MOST_POWER:
            raise OverBoundError("a root past the bound")
        self._roots[key, index] = index
        top, bottom = radicand.top, radicand.bottom
        if top >= bottom:
            top = (top + (index - 1) * bottom) / index
        else:
            bottom = ((index - 1) * top + bottom) / index
        return Algebraic(_rooted(radicand.ball, index), top, bottom)

    def _count(self) -> None:
        self._steps += 1
        if self._steps > _MOST_STEPS:
            raise OverBoundError(f"more than {_MOST_STEPS} steps")


def vanishes(made: Callable[[Field], Algebraic]) -> bool | None:
    """Whether a number is zero; ``None`` where it is past a bound.

    Args:
        made: a function of a `Field` that makes the number in it, always by the same steps.

    Raises:
        NotAlgebraicError: `made` finds no algebraic number.
    """
    bits = _FIRST_BITS
    for _ in range(6):
        field = Field(bits)
        try:
            value = made(field)
        except (OverBoundError, OverflowError):
            return None
        except BallError:
            if bits > 1_000:
                return None
            bits *= 4
            continue
        if value.ball.is_nonzero:
            return False
        needed = (field.degree - 1) * max(value.top, 0.0) + max(value.bottom, 0.0) + 8
        if needed > _MOST_BITS:
            return None
        if max(value.ball.magnitude, value.ball.error) + 1 < -needed:
            return True
        bits = int(max(needed, bits) + max(0.0, value.ball.error + bits)) + 32
    return None


def _totient(number: int) -> int:
    """φ(number), by trial division."""
    if number > 10**6:
        raise OverBoundError("roots of unity past the bound")
    result, rest, divisor = number, number, 2
    while divisor * divisor <= rest:
        if rest % divisor == 0:
            result -= result // divisor
            while rest % divisor == 0:
                rest //= divisor
        divisor += 1
    return result - result // rest if rest > 1 else result
