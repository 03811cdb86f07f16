"""Exact rules for trigonometric functions and logarithms, as quotients of polynomials.

sin and cos go through Euler's formula: e^(iu) splits over the terms of u into atoms that multiply like powers, so that
every identity between sums, products and multiples of angles becomes an identity of polynomials. Multiples of π/12
become surds. Logarithms of positive rationals and of products of powers split over their factors, powers of e and of
positive rationals over the terms of their exponent. The inverse functions know the multiples of π/12.
"""

from __future__ import annotations

import functools
from fractions import Fraction

from rewards.algebra.bounds import UnreadableError
from rewards.algebra.polynomials import (
    ONE,
    Atom,
    Monomial,
    Polynomial,
    add,
    atom_power,
    constant,
    constant_value,
    multiply,
    polynomial_key,
    rational_factors,
    rational_power,
    scale,
    single_term,
)

__all__ = ["exponential", "hyperbolic", "inverse_angle", "logarithm", "trigonometric"]

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


def hyperbolic(name: str, argument: Polynomial) -> tuple[Polynomial, Polynomial] | None:
    """Numerator and denominator of ``name(argument)`` for sinh, cosh, tanh; ``None`` where no rule applies."""
    forward, backward = exponential(None, argument), exponential(None, scale(argument, Fraction(-1)))
    if forward is None or backward is None:
        return None
    sine, cosine = scale(add(forward, scale(backward, Fraction(-1))), _HALF), scale(add(forward, backward), _HALF)
    return {"sinh": (sine, ONE), "cosh": (cosine, ONE), "tanh": (sine, cosine)}.get(name)


def exponential(base: Fraction | None, exponent: Polynomial) -> Polynomial | None:
    """``base ** exponent`` for a positive rational base, ``None`` meaning e; ``None`` where no rule applies."""
    bases: dict[Atom, int] = {("constant", "e"): 1} if base is None else rational_factors(base)
    if any(kind == "cofactor" for kind, _ in bases):
        return None
    if not bases:
        return ONE
    result = ONE
    for monomial, coefficient in exponent.items():
        atoms = dict(monomial)
        if base is None and atoms.pop(("constant", "i"), None):
            rest = tuple(item for item in monomial if item[0] != ("constant", "i"))
            turn = _unit_power({rest: coefficient})
            if turn is None:
                return None
            result = multiply(result, turn)
            continue
        if any(
            atom == ("constant", "i") or atom[0] not in ("variable", "constant", "prime", "logarithm") for atom in atoms
        ):
            return None
        known = _logarithm_in_exponent(bases, monomial, coefficient)
        if known is not None:
            result = multiply(result, known)
            continue
        if any(kind == "logarithm" for kind, _ in atoms):
            return None
        free = any(kind == "variable" for kind, _ in atoms)
        for atom, count in bases.items():
            name = f"{atom[1]}^({polynomial_key({monomial: Fraction(1)})})"
            factor = atom if not monomial else ("angle" if free else "function", name)
            result = multiply(result, atom_power(factor, coefficient * count))
    return result


def _logarithm_in_exponent(bases: dict[Atom, int], monomial: Monomial, coefficient: Fraction) -> Polynomial | None:
    """``e^(c ln q)`` as ``q^c`` and ``(p^n)^(c log_p q)`` as ``q^(cn)``, for primes p and q; ``None`` for any other
    exponent.
    """
    powers = {name: power for (kind, name), power in monomial if kind == "logarithm"}
    if len(powers) < len(monomial) or Fraction(1) not in powers.values():
        return None
    prime = next(name for name, power in powers.items() if power == 1)
    rest = {name: power for name, power in powers.items() if name != prime}
    [((_, base), count), *others] = bases.items()
    if others or rest != ({} if base == "e" else {base: Fraction(-1)}):
        return None
    return rational_power(Fraction(int(prime)), coefficient * count)


def inverse_angle(name: str, argument: Polynomial) -> Polynomial | None:
    """arcsin, arccos or arctan of a value at a multiple of π/12; ``None`` for anything else."""
    steps = _inverse_table(name).get(polynomial_key(argument))
    return None if steps is None else {_PI: Fraction(steps, 12)} if steps else {}


@functools.cache
def _inverse_table(name: str) -> dict[str, int]:
    """The principal angle, in twelfths of π, of each value whose key is known."""
    table: dict[str, int] = {}
    for steps in range(13) if name == "arccos" else range(-6, 7):
        angle: Polynomial = {_PI: Fraction(steps, 12)} if steps else {}
        ratio = trigonometric(name.removeprefix("arc"), angle)
        if ratio is None or not ratio[1]:
            continue
        sine, cosine = ratio
        if name == "arctan":  # tan u = sin 2u / (1 + cos 2u), whose denominator has one conjugate
            doubled = {key: 2 * value for key, value in angle.items()}
            sine, cosine = (part[0] for part in (trigonometric("sin", doubled), trigonometric("cos", doubled)) if part)
            cosine = add(ONE, cosine)
            if not cosine:
                continue
            root = {key: value if not key else -value for key, value in cosine.items()}
            sine, cosine = multiply(sine, root), multiply(cosine, root)
        value = constant_value(cosine)
        if value:
            table[polynomial_key(scale(sine, 1 / value))] = steps
    return table


def logarithm(argument: Polynomial) -> Polynomial | None:
    """The natural logarithm of a product of powers: of a positive rational, e and variables; ``None`` for anything
    else.

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
        elif kind == "variable" and (len(monomial) == 1 or exponent.denominator == 1):
            total = add(total, scale(atom_power(("function", f"ln({name})"), Fraction(1)), exponent))
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
