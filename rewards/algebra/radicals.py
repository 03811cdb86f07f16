r"""Square roots with a closed form: of even powers (√x² = |x|) and of a + b√c (√(3 + 2√2) = 1 + √2)."""

from __future__ import annotations

import math
from fractions import Fraction

from rewards.algebra.polynomials import (
    Monomial,
    Polynomial,
    add,
    atom_power,
    multiply,
    polynomial_key,
    rational_power,
    scale,
)

__all__ = ["square_root"]

_HALF = Fraction(1, 2)


def square_root(radicand: Polynomial) -> Polynomial | None:
    """The principal square root for real variables; ``None`` where no rule here gives one."""
    if len(radicand) == 1:
        [(monomial, coefficient)] = radicand.items()
        return _of_even_powers(monomial, coefficient)
    return _denested(radicand) if len(radicand) == 2 else None


def _of_even_powers(monomial: Monomial, coefficient: Fraction) -> Polynomial | None:
    if coefficient <= 0 or not all(kind == "variable" and power % 2 == 0 for (kind, _), power in monomial):
        return None
    result = rational_power(coefficient, _HALF)
    for atom, power in monomial:
        half = power / 2
        result = multiply(result, atom_power(atom, half - half % 2))
        if half % 2:
            magnitude = ("function", f"abs({polynomial_key(atom_power(atom, Fraction(1)))})")
            result = multiply(result, atom_power(magnitude, Fraction(1)))
    return result


def _denested(radicand: Polynomial) -> Polynomial | None:
    """√(a + r) with r² rational: √((a + d)/2) ± √((a − d)/2) where d = √(a² − r²) is rational (r² < a², a > 0)."""
    whole = radicand.get((), Fraction(0))
    if whole <= 0:
        return None
    [(monomial, coefficient)] = [item for item in radicand.items() if item[0]]
    if not all(kind == "prime" and power == _HALF for (kind, _), power in monomial):
        return None
    square = coefficient**2 * math.prod(int(name) for (_, name), _ in monomial)
    rest = whole**2 - square
    if rest < 0:
        return None
    root = Fraction(math.isqrt(rest.numerator), math.isqrt(rest.denominator))
    if root**2 != rest:
        return None
    larger, smaller = (rational_power((whole + part) / 2, _HALF) for part in (root, -root))
    return add(larger, scale(smaller, Fraction(1 if coefficient > 0 else -1)))
