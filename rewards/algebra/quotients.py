"""Quotients of polynomials: their arithmetic, and what can be said of two of them.

A denominator is one where it can be: single terms move to the top, square roots and i are made rational.
"""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.bounds import MAX_ATOM_CHARS, OverBoundError, UnreadableError
from rewards.algebra.polynomials import (
    ONE,
    Atom,
    Polynomial,
    add,
    atom_power,
    constant,
    constant_value,
    multiply,
    polynomial_key,
    restart_work,
    scale,
    single_term,
)

__all__ = [
    "Quotient",
    "cleared",
    "falling_product",
    "form_key",
    "forms_equal",
    "named_atom",
    "opaque_power",
    "product_of",
    "proportional",
    "quotient",
    "small_count",
    "sum_of",
]

Quotient = tuple[Polynomial, Polynomial]  # numerator, denominator; never a zero denominator
_HALF = Fraction(1, 2)


def sum_of(left: Quotient, right: Quotient) -> Quotient:
    """``left + right``."""
    if left[1] == right[1]:
        return quotient(add(left[0], right[0]), left[1])
    return quotient(add(multiply(left[0], right[1]), multiply(right[0], left[1])), multiply(left[1], right[1]))


def product_of(left: Quotient, right: Quotient) -> Quotient:
    """``left · right``."""
    return quotient(multiply(left[0], right[0]), multiply(left[1], right[1]))


def quotient(top: Polynomial, bottom: Polynomial) -> Quotient:
    """Moves a one-term denominator to the top and makes a denominator of square roots and i rational."""
    if not bottom:
        raise UnreadableError("division by zero")
    for _ in range(8):
        term = single_term(bottom)
        if term is not None:
            monomial, coefficient = term
            inverse = constant(1 / coefficient)
            for atom, exponent in monomial:
                inverse = multiply(inverse, atom_power(atom, -exponent))
            return multiply(top, inverse), ONE
        conjugate = _conjugate(bottom)
        if conjugate is None:
            break
        top, bottom = multiply(top, conjugate), multiply(bottom, conjugate)
        if not bottom:
            raise UnreadableError("division by zero")
    leading = bottom[min(bottom)]
    return scale(top, 1 / leading), scale(bottom, 1 / leading)


def _conjugate(polynomial: Polynomial) -> Polynomial | None:
    """`polynomial` with the sign of one of its square roots (or i) flipped; ``None`` where it has none."""
    for monomial in polynomial:
        for atom, exponent in monomial:
            if atom == ("constant", "i") or (atom[0] == "prime" and exponent == _HALF):
                kept = {key: -value if (atom, exponent) in key else value for key, value in polynomial.items()}
                others = any(name == atom and power != exponent for key in polynomial for name, power in key)
                return None if others else kept
    return None


def falling_product(top: Quotient, count: int) -> Quotient:
    """n (n − 1) … (n − count + 1) / count!"""
    result: Quotient = (ONE, ONE)
    for step in range(count):
        factor = sum_of(top, (constant(Fraction(-step)), ONE))
        result = product_of(result, (scale(factor[0], Fraction(1, step + 1)), factor[1]))
    return result


def small_count(form: Quotient) -> int | None:
    """The whole number from 0 to 20 that a form stands for."""
    value = constant_value(form[0]) if form[1] == ONE else None
    return int(value) if value is not None and value.denominator == 1 and 0 <= value <= 20 else None


def forms_equal(left: Quotient, right: Quotient) -> bool | None:
    """Whether two forms are the same function; ``None`` where this module cannot tell."""
    restart_work()
    difference = add(multiply(left[0], right[1]), scale(multiply(right[0], left[1]), Fraction(-1)))
    if not difference:
        return True
    return False if _independent(difference) and _independent(left[1]) and _independent(right[1]) else None


def proportional(left: Quotient, right: Quotient) -> Fraction | None:
    """The rational number c with ``numerator(left) = c · numerator(right)``, or ``None`` where there is none."""
    first, second = left[0], right[0]
    if not first or not second or first.keys() != second.keys():
        return None
    monomial = next(iter(first))
    ratio = first[monomial] / second[monomial]
    return ratio if all(first[key] == ratio * second[key] for key in first) else None


def cleared(form: Quotient) -> Quotient:
    """The form times the powers of variables that stand in denominators of its terms: ``1/x − 2`` as ``1 − 2x``."""
    lowest: dict[Atom, Fraction] = {}
    for monomial in form[0]:
        for atom, exponent in monomial:
            if exponent < min(lowest.get(atom, Fraction(0)), 0) and atom[0] == "variable":
                lowest[atom] = exponent
    top = form[0]
    for atom, exponent in lowest.items():
        top = multiply(top, atom_power(atom, -exponent))
    return top, form[1]


def _independent(polynomial: Polynomial) -> bool:
    """Whether its atoms are algebraically independent, so that it vanishes only if it has no terms."""
    atoms = {atom for monomial in polynomial for atom, _ in monomial}
    if ("constant", "pi") in atoms and ("constant", "e") in atoms:
        return False
    return all(kind in ("variable", "constant", "prime", "angle") for kind, _ in atoms)


def opaque_power(base: Quotient, exponent: str) -> Quotient:
    """A power without a rule, as one atom."""
    return named_atom(f"power({form_key(base)};{exponent})")


def named_atom(name: str) -> Quotient:
    """An atom that stands for itself.

    Raises:
        OverBoundError: its name is too long to be compared.
    """
    if len(name) > MAX_ATOM_CHARS:
        raise OverBoundError("an expression past the bound")
    return atom_power(("function", name), Fraction(1)), ONE


def form_key(form: Quotient) -> str:
    """A text that is the same for the same form."""
    top, bottom = form
    return polynomial_key(top) if bottom == ONE else f"({polynomial_key(top)})/({polynomial_key(bottom)})"
