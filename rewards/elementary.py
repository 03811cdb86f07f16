"""Exact rules for trigonometric functions and logarithms, as quotients of polynomials.

sin and cos go through Euler's formula: e^(iu) splits over the terms of u into atoms that multiply like powers, so that
every identity between sums, products and multiples of angles becomes an identity of polynomials. Multiples of π/12
become surds. Logarithms of positive rationals split over their primes.
"""

from __future__ import annotations

from fractions import Fraction

from rewards.bounds import UnreadableError
from rewards.polynomials import (
    ONE,
    Monomial,
    Polynomial,
    add,
    atom_power,
    constant,
    multiply,
    polynomial_key,
    rational_factors,
    rational_power,
    scale,
    single_term,
)

__all__ = ["logarithm", "trigonometric"]

_PI: Monomial = ((("constant", "pi"), Fraction(1)),)
_HALF = Fraction(1, 2)


def trigonometric(name: str, angle: Polynomial) -> tuple[Polynomial, Polynomial] | None:
    """Numerator and denominator of ``name(angle)`` for sin, cos, tan, cot, sec, csc; ``None`` where no rule applies."""
    forward, backward = _unit_power(angle), _unit_power(scale(angle, Fraction(-1)))
    if forward is None or backward is None:
        return None
    cosine = scale(add(forward, backward), _HALF)
    sine = multiply(
        scale(add(forward, scale(backward, Fraction(-1))), -_HALF), atom_power(("constant", "i"), Fraction(1))
    )
    match name:
        case "sin":
            return sine, ONE
        case "cos":
            return cosine, ONE
        case "tan":
            return sine, cosine
        case "cot":
            return cosine, sine
        case "sec":
            return ONE, cosine
        case "csc":
            return ONE, sine
    return None


def logarithm(argument: Polynomial) -> Polynomial | None:
    """The natural logarithm of a positive rational times a power of e; ``None`` for anything else.

    Raises:
        UnreadableError: the argument is zero.
    """
    if not argument:
        raise UnreadableError("the logarithm of zero")
    term = single_term(argument)
    if term is None or term[1] <= 0:
        return None
    monomial, coefficient = term
    total: Polynomial = {}
    for (kind, name), exponent in monomial:
        if (kind, name) == ("constant", "e"):
            total = add(total, constant(exponent))
        elif kind == "prime":
            total = add(total, scale(atom_power(("logarithm", name), Fraction(1)), exponent))
        else:
            return None
    for (_, name), count in rational_factors(coefficient).items():
        total = add(total, scale(atom_power(("logarithm", name), Fraction(1)), Fraction(count)))
    return total


def _unit_power(angle: Polynomial) -> Polynomial | None:
    """e^(i·angle); ``None`` where the angle is complex, holds a function, or is a multiple of π outside the table."""
    result = ONE
    for monomial, coefficient in angle.items():
        if any(atom == ("constant", "i") or atom[0] not in ("variable", "constant", "prime") for atom, _ in monomial):
            return None
        if monomial == _PI:
            root = _root_of_unity(coefficient)
            if root is None:
                return None
            result = multiply(result, root)
            continue
        free = any(kind == "variable" for (kind, _), _ in monomial)
        atom = ("angle" if free else "function", f"exp(i*{polynomial_key({monomial: Fraction(1)})})")
        result = multiply(result, atom_power(atom, coefficient))
    return result


def _root_of_unity(turns: Fraction) -> Polynomial | None:
    """e^(iπ·turns) for multiples of 1/12."""
    steps = turns * 12
    if steps.denominator != 1:
        return None
    imaginary = atom_power(("constant", "i"), Fraction(1))
    eighth = multiply(rational_power(_HALF, _HALF), add(ONE, imaginary))  # e^(iπ/4) = (1 + i)/√2
    sixth = scale(add(ONE, multiply(rational_power(Fraction(3), _HALF), imaginary)), _HALF)  # e^(iπ/3) = (1 + √3·i)/2
    result = ONE
    count = int(steps) % 24  # e^(iπ/12) = e^(iπ/3) · e^(−iπ/4) = e^(iπ/3) · e^(iπ/4)^7
    for _ in range(count % 6):
        result = multiply(result, sixth)
    for _ in range(7 * count % 8):
        result = multiply(result, eighth)
    return result
