r"""Square roots with a closed form, for real variables, and absolute values.

Even powers (√x² = |x|), squares of sums (√(x² − 6x + 9) = |x − 3|), and a + b√c (√(3 + 2√2) = 1 + √2).
"""

from __future__ import annotations

import math
from fractions import Fraction

from rewards.algebra.polynomials import (
    ONE,
    Monomial,
    Polynomial,
    add,
    atom_power,
    multiply,
    polynomial_key,
    rational_power,
    scale,
)

__all__ = ["absolute_value", "square_root"]

_HALF = Fraction(1, 2)


_MOST_TERMS = 12  # of a sum whose square is looked for


def square_root(radicand: Polynomial) -> Polynomial | None:
    """The principal square root for real variables; ``None`` where no rule here gives one."""
    if not radicand or radicand == ONE:  # 0 and 1 are their own roots
        return radicand
    if len(radicand) == 1:
        [(monomial, coefficient)] = radicand.items()
        return _of_even_powers(monomial, coefficient)
    if len(radicand) == 2 and (closed := _denested(radicand)) is not None:
        return closed
    root = _root_of_square(radicand)
    return None if root is None else absolute_value(root)


def absolute_value(polynomial: Polynomial) -> Polynomial | None:
    """``|p|`` for real variables: |−2x²y| as 2x²·|y|, |6 − 2x| as 2·|x − 3|; ``None`` where a part may not be real."""
    if not polynomial:
        return {}
    if any(not _is_real(kind, name) for monomial in polynomial for (kind, name), _ in monomial):
        return None
    leading = polynomial[max(polynomial)]
    if len(polynomial) == 1:
        [(monomial, _)] = polynomial.items()
        return scale(_magnitude_of(monomial), abs(leading))
    content = Fraction(
        math.gcd(*(value.numerator for value in polynomial.values())),
        math.lcm(*(value.denominator for value in polynomial.values())),
    )
    factor = content if leading > 0 else -content
    primitive = scale(polynomial, 1 / factor)
    if all(value > 0 and _is_square(monomial) for monomial, value in primitive.items()):
        return scale(primitive, abs(factor))
    return scale(_named_magnitude(primitive), abs(factor))


def _is_real(kind: str, name: str) -> bool:
    return kind in ("variable", "prime", "logarithm") or (kind == "constant" and name != "i")


def _is_square(monomial: Monomial) -> bool:
    """Whether it cannot be negative: even powers of variables, any powers of positive constants."""
    return all(
        kind in ("prime", "constant") or (kind == "variable" and power % 2 == 0) for (kind, _), power in monomial
    )


def _named_magnitude(polynomial: Polynomial) -> Polynomial:
    return atom_power(("function", f"abs({polynomial_key(polynomial)})"), Fraction(1))


def _magnitude_of(monomial: Monomial) -> Polynomial:
    """The absolute value of a product of powers."""
    result = ONE
    for atom, power in monomial:
        if power.denominator > 1 or atom[0] != "variable":  # a root of a real number, a constant
            result = multiply(result, atom_power(atom, power))
            continue
        result = multiply(result, atom_power(atom, power - power % 2))
        if power % 2:
            result = multiply(result, _named_magnitude(atom_power(atom, Fraction(1))))
    return result


def _root_of_square(polynomial: Polynomial) -> Polynomial | None:
    """A polynomial whose square is `polynomial`, found term by term from the leading one; ``None`` without one."""
    atoms = sorted({atom for monomial in polynomial for atom, _ in monomial})
    if any(kind != "variable" for kind, _ in atoms) or len(polynomial) > _MOST_TERMS**2:
        return None

    def degrees(monomial: Monomial) -> list[Fraction]:
        return [dict(monomial).get(atom, Fraction(0)) for atom in atoms]

    first = max(polynomial, key=degrees)
    if polynomial[first] <= 0 or any(power % 2 for _, power in first):
        return None
    leading = polynomial[first]
    head = tuple((atom, power / 2) for atom, power in first)
    root: Polynomial = {head: Fraction(1)}  # of the polynomial over its leading coefficient
    for _ in range(_MOST_TERMS):
        rest = add(scale(polynomial, 1 / leading), scale(multiply(root, root), Fraction(-1)))
        if not rest:
            return multiply(rational_power(leading, _HALF), root)
        top = max(rest, key=degrees)
        powers = {atom: power - half for atom, power, half in zip(atoms, degrees(top), degrees(head), strict=True)}
        if any(power < 0 or power.denominator > 1 for power in powers.values()):
            return None
        monomial = tuple((atom, power) for atom, power in powers.items() if power)
        if monomial in root:
            return None
        root = add(root, {monomial: rest[top] / 2})
    return None


def _of_even_powers(monomial: Monomial, coefficient: Fraction) -> Polynomial | None:
    if coefficient <= 0 or not all(kind == "variable" and power % 2 == 0 for (kind, _), power in monomial):
        return None
    halved = tuple((atom, power / 2) for atom, power in monomial)
    return multiply(rational_power(coefficient, _HALF), _magnitude_of(halved))


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
