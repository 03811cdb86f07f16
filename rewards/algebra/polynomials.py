"""Sparse polynomials over the rationals in named atoms, with fractional exponents.

A polynomial maps a monomial to its coefficient, and never holds a zero coefficient. A monomial is a sorted tuple of
(atom, exponent). i² is reduced to −1, and a prime's exponent to [0, 1), the whole part moving into the coefficient.
"""

from __future__ import annotations

import math
import threading
from fractions import Fraction

from rewards.algebra.arithmetic import bounded, bounded_power
from rewards.algebra.bounds import MAX_TERMS, MAX_WORK, OverBoundError

__all__ = [
    "ONE",
    "Atom",
    "Monomial",
    "Polynomial",
    "add",
    "atom_power",
    "constant",
    "constant_value",
    "multiply",
    "polynomial_key",
    "rational_factors",
    "rational_power",
    "restart_work",
    "scale",
    "single_term",
    "spend",
]

Atom = tuple[str, str]  # kind (variable, constant, prime, cofactor, angle, logarithm, function), name
Monomial = tuple[tuple[Atom, Fraction], ...]
Polynomial = dict[Monomial, Fraction]

ONE: Polynomial = {(): Fraction(1)}
_IMAGINARY: Atom = ("constant", "i")
_TRIAL_LIMIT = 5_000
_WORK = threading.local()  # the only state: a counter that bounds the work on one expression


def restart_work() -> None:
    """Starts the count of `MAX_WORK` anew, at the start of an expression."""
    _WORK.spent = 0


def spend(amount: int) -> None:
    """Counts work on the expression.

    Raises:
        OverBoundError: it is past `MAX_WORK`.
    """
    _WORK.spent = getattr(_WORK, "spent", 0) + amount
    if _WORK.spent > MAX_WORK:
        raise OverBoundError(f"more than {MAX_WORK} products of terms")


def constant(value: Fraction) -> Polynomial:
    """The polynomial without atoms."""
    return {(): value} if value else {}


def constant_value(polynomial: Polynomial) -> Fraction | None:
    """The value of a polynomial without atoms, ``None`` for any other."""
    if not polynomial:
        return Fraction(0)
    return polynomial.get(()) if len(polynomial) == 1 else None


def single_term(polynomial: Polynomial) -> tuple[Monomial, Fraction] | None:
    """The only term, ``None`` where there are none or several."""
    return next(iter(polynomial.items())) if len(polynomial) == 1 else None


def add(left: Polynomial, right: Polynomial) -> Polynomial:
    """``left + right``."""
    result = dict(left)
    for monomial, coefficient in right.items():
        total = result.get(monomial, Fraction(0)) + coefficient
        if total:
            result[monomial] = bounded(total)
        else:
            result.pop(monomial, None)
    return result


def scale(polynomial: Polynomial, factor: Fraction) -> Polynomial:
    """``factor · polynomial``."""
    return {key: bounded(value * factor) for key, value in polynomial.items()} if factor else {}


def multiply(left: Polynomial, right: Polynomial) -> Polynomial:
    """``left · right``.

    Raises:
        OverBoundError: there would be more than `MAX_TERMS` terms, or the work is past `MAX_WORK`.
    """
    if right == ONE:
        return left
    if left == ONE:
        return right
    spend(len(left) * len(right))
    if (left_term := single_term(left)) is not None and (right_term := single_term(right)) is not None:
        monomial, factor = _product(left_term[0], right_term[0])
        return {monomial: bounded(left_term[1] * right_term[1] * factor)}
    result: Polynomial = {}
    for first, left_coefficient in left.items():
        for second, right_coefficient in right.items():
            monomial, factor = _product(first, second)
            total = result.get(monomial, Fraction(0)) + left_coefficient * right_coefficient * factor
            result[monomial] = bounded(total)
        if len(result) > MAX_TERMS:
            raise OverBoundError(f"more than {MAX_TERMS} terms")
    return {key: value for key, value in result.items() if value}


def atom_power(atom: Atom, exponent: Fraction) -> Polynomial:
    """``atom ** exponent``."""
    monomial, factor = _reduced({atom: exponent})
    return {monomial: factor}


def rational_power(base: Fraction, exponent: Fraction) -> Polynomial:
    """``base ** exponent`` for a base that is not negative, as a product of prime powers.

    Raises:
        OverBoundError: the base is too large to be factored, or the result too long.
    """
    if base == 0:
        if exponent <= 0:
            raise OverBoundError("zero to a power that is not positive")
        return {}
    if exponent.denominator == 1:
        return constant(bounded_power(base, int(exponent)))
    monomial, factor = _reduced({atom: count * exponent for atom, count in rational_factors(base).items()})
    return {monomial: factor}


def rational_factors(value: Fraction) -> dict[Atom, int]:
    """The factors of a positive rational with their exponents, see `_factors`."""
    factors = dict(_factors(value.numerator))
    for atom, count in _factors(value.denominator).items():
        factors[atom] = factors.get(atom, 0) - count
    return factors


def polynomial_key(polynomial: Polynomial) -> str:
    """A text that is the same for the same polynomial, terms in sorted order."""
    terms = []
    for monomial, coefficient in sorted(polynomial.items()):
        factors = (name if power == 1 else f"{name}^({written(Fraction(power))})" for (_, name), power in monomial)
        atoms = "*".join(factors)
        number = written(coefficient)
        terms.append(f"{number}*{atoms}" if atoms else number)
    return " + ".join(terms) or "0"


def written(value: Fraction) -> str:
    """Decimal where it is short; hexadecimal beyond, where Python refuses to write decimals."""
    if max(value.numerator.bit_length(), value.denominator.bit_length()) < 10_000:
        return str(value)
    return f"{value.numerator:#x}/{value.denominator:#x}"


def _product(left: Monomial, right: Monomial) -> tuple[Monomial, Fraction]:
    if not left:
        return right, Fraction(1)
    if not right:
        return left, Fraction(1)
    powers = dict(left)
    for atom, exponent in right:
        powers[atom] = powers.get(atom, Fraction(0)) + exponent
    return _reduced(powers)


def _reduced(powers: dict[Atom, Fraction]) -> tuple[Monomial, Fraction]:
    """The monomial in normal form, and the rational factor that came out of it."""
    factor = Fraction(1)
    kept: list[tuple[Atom, Fraction]] = []
    for atom, exponent in powers.items():
        if atom == _IMAGINARY and exponent.denominator == 1:
            turns = int(exponent) % 4
            factor = -factor if turns >= 2 else factor
            exponent = Fraction(turns % 2)
        elif atom[0] in ("prime", "cofactor"):
            whole = math.floor(exponent)
            factor = bounded(factor * bounded_power(Fraction(int(atom[1])), whole)) if whole else factor
            exponent -= whole
        if exponent:
            kept.append((atom, exponent))
    return tuple(sorted(kept)), factor


def _factors(number: int) -> dict[Atom, int]:
    """The prime factors below a trial limit, with what is left over as one "cofactor" unless it is surely prime."""
    if number.bit_length() > 256:
        raise OverBoundError("a root of a number of more than 256 bits")
    factors: dict[Atom, int] = {}
    divisor = 2
    while divisor <= _TRIAL_LIMIT and divisor * divisor <= number:
        while number % divisor == 0:
            atom = ("prime", str(divisor))
            factors[atom] = factors.get(atom, 0) + 1
            number //= divisor
        divisor += 1 if divisor == 2 else 2
    if number > 1:
        surely_prime = number < _TRIAL_LIMIT**2
        root = math.isqrt(number)
        if not surely_prime and root * root == number:
            factors[("prime" if root < _TRIAL_LIMIT**2 else "cofactor", str(root))] = 2
        else:
            factors[("prime" if surely_prime else "cofactor", str(number))] = 1
    return factors
