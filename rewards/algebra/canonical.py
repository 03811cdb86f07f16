"""Canonical forms: an expression tree as a quotient of polynomials over the rationals, exact.

The generators ("atoms") are variables, π, e, i, prime numbers under fractional exponents (so that √8 = 2·√2 and √2·∛2 =
2^(5/6)), and whatever has no rule here (√(x+1), arcsin x), kept whole under its own canonical form. Two forms whose
cross difference vanishes are equal. Where it does not vanish and the atoms are algebraically independent, they differ;
with other atoms the question stays open.
"""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.arithmetic import bounded, bounded_power, evaluate
from rewards.algebra.bounds import MAX_ATOM_CHARS, MAX_EXPANSION, MAX_TERMS, OverBoundError, UnreadableError
from rewards.algebra.elementary import exponential, hyperbolic, inverse_angle, logarithm, trigonometric
from rewards.algebra.nodes import Apply, Node, Number, Symbol
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
    rational_power,
    restart_work,
    scale,
    single_term,
    written,
)
from rewards.algebra.radicals import square_root
from rewards.algebra.series import is_series, series_terms

__all__ = ["Quotient", "canonical_form", "cleared", "forms_equal", "form_key", "proportional"]

Quotient = tuple[Polynomial, Polynomial]  # numerator, denominator; never a zero denominator
_HALF = Fraction(1, 2)
_EULER: Quotient = (atom_power(("constant", "e"), Fraction(1)), ONE)


def canonical_form(node: Node) -> Quotient:
    """The quotient of polynomials that `node` stands for.

    Raises:
        UnreadableError: a division by zero, or an operation outside its domain.
        OverBoundError: a bound of `rewards.algebra.bounds` is passed.
    """
    restart_work()
    return _form(node)


def _form(node: Node) -> Quotient:
    if isinstance(node, Number):
        return constant(bounded(node.value)), ONE
    if isinstance(node, Symbol):
        return atom_power(_symbol_atom(node.name), Fraction(1)), ONE
    arguments = node.arguments
    if node.name in ("floor", "ceil", "factorial", "binom", "abs") and all(_is_arithmetic(item) for item in arguments):
        return constant(evaluate(node)), ONE
    if node.name in ("sum", "prod") and is_series(node):
        return _series(node)
    forms = [_form(argument) for argument in arguments]
    match node.name:
        case "add":
            total = forms[0]
            for form in forms[1:]:
                total = _sum(total, form)
            return total
        case "neg":
            return scale(forms[0][0], Fraction(-1)), forms[0][1]
        case "mul":
            return _product(forms[0], forms[1])
        case "div":
            return _quotient(multiply(forms[0][0], forms[1][1]), multiply(forms[0][1], forms[1][0]))
        case "pow":
            return _power(forms[0], forms[1])
        case "root":
            return _root(forms[0], forms[1])
        case "sqrt":
            return _root(forms[0], (constant(Fraction(2)), ONE))
        case "exp":
            return _power(_EULER, forms[0])
        case "cis" if forms[0][1] == ONE:
            return _power(_EULER, (multiply(forms[0][0], atom_power(("constant", "i"), Fraction(1))), ONE))
        case "cbrt":
            return _root(forms[0], (constant(Fraction(3)), ONE))
        case "degree":
            radians = multiply(forms[0][0], atom_power(("constant", "pi"), Fraction(1, 1)))
            return _quotient(scale(radians, Fraction(1, 180)), forms[0][1])
        case "binom" if (count := _small(forms[1])) is not None:
            return _falling_product(forms[0], count)
    return _function(node.name, forms)


def _small(form: Quotient) -> int | None:
    """The whole number from 0 to 20 that a form stands for."""
    value = constant_value(form[0]) if form[1] == ONE else None
    return int(value) if value is not None and value.denominator == 1 and 0 <= value <= 20 else None


def _falling_product(top: Quotient, count: int) -> Quotient:
    """n (n − 1) … (n − count + 1) / count!"""
    result: Quotient = (ONE, ONE)
    for step in range(count):
        factor = _sum(top, (constant(Fraction(-step)), ONE))
        result = _product(result, (scale(factor[0], Fraction(1, step + 1)), factor[1]))
    return result


def _series(node: Apply) -> Quotient:
    total: Quotient = ({} if node.name == "sum" else ONE, ONE)
    for term in series_terms(node):
        form = _form(term)
        total = _sum(total, form) if node.name == "sum" else _product(total, form)
    return total


def _product(left: Quotient, right: Quotient) -> Quotient:
    return _quotient(multiply(left[0], right[0]), multiply(left[1], right[1]))


def _function(name: str, forms: list[Quotient]) -> Quotient:
    """A function by its exact rule where there is one, else as an atom of its own."""
    whole = [form[0] for form in forms if form[1] == ONE]
    if len(whole) == len(forms):
        if name in ("sin", "cos", "tan", "cot", "sec", "csc") and (ratio := trigonometric(name, whole[0])) is not None:
            return _quotient(*ratio)
        if name in ("sinh", "cosh", "tanh") and (ratio := hyperbolic(name, whole[0])) is not None:
            return _quotient(*ratio)
        if name in ("arcsin", "arccos", "arctan") and (angle := inverse_angle(name, whole[0])) is not None:
            return angle, ONE
        if name == "ln" and (value := logarithm(whole[0])) is not None:
            return value, ONE
        if name in ("log", "lg"):
            ten = constant(Fraction(10))
            top, bottom = logarithm(whole[0]), logarithm(whole[1] if len(whole) == 2 else ten)
            if top is not None and bottom is not None:
                return _quotient(top, bottom)
    return _named_atom(f"{name}({';'.join(form_key(form) for form in forms)})")


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


def form_key(form: Quotient) -> str:
    """A text that is the same for the same form."""
    top, bottom = form
    return polynomial_key(top) if bottom == ONE else f"({polynomial_key(top)})/({polynomial_key(bottom)})"


def _symbol_atom(name: str) -> Atom:
    return ("constant", name) if name in ("pi", "e", "i") else ("variable", name)


def _is_arithmetic(node: Node) -> bool:
    if isinstance(node, Apply):
        return all(_is_arithmetic(argument) for argument in node.arguments)
    return isinstance(node, Number)


def _independent(polynomial: Polynomial) -> bool:
    """Whether its atoms are algebraically independent, so that it vanishes only if it has no terms."""
    atoms = {atom for monomial in polynomial for atom, _ in monomial}
    if ("constant", "pi") in atoms and ("constant", "e") in atoms:
        return False
    return all(kind in ("variable", "constant", "prime", "angle") for kind, _ in atoms)


def _sum(left: Quotient, right: Quotient) -> Quotient:
    if left[1] == right[1]:
        return _quotient(add(left[0], right[0]), left[1])
    return _quotient(add(multiply(left[0], right[1]), multiply(right[0], left[1])), multiply(left[1], right[1]))


def _quotient(top: Polynomial, bottom: Polynomial) -> Quotient:
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


def _power(base: Quotient, exponent: Quotient) -> Quotient:
    power = constant_value(exponent[0]) if exponent[1] == ONE else None
    number = constant_value(base[0]) if base[1] == ONE else None
    if power is None:
        if exponent[1] == ONE and (base == _EULER or (number is not None and number > 0)):
            value = exponential(None if base == _EULER else number, exponent[0])
            if value is not None:
                return value, ONE
        return _opaque_power(base, form_key(exponent))
    if number is not None and power.denominator == 1:
        return constant(bounded_power(number, int(power))), ONE
    if number is not None and number > 0:
        return rational_power(number, power), ONE
    if power.denominator != 1:
        return (
            _root(base, (constant(Fraction(2)), ONE))
            if power == _HALF
            else _opaque_power(base, written(Fraction(power)))
        )
    return _whole_power(base, int(power))


def _whole_power(base: Quotient, power: int) -> Quotient:
    if power < 0:
        base, power = _quotient(base[1], base[0]), -power
    if base[1] == ONE and (term := single_term(base[0])) is not None:
        monomial, coefficient = term
        product = constant(bounded_power(coefficient, power))
        for atom, exponent in monomial:
            product = multiply(product, atom_power(atom, exponent * power))
        return product, ONE
    if power > MAX_EXPANSION or len(base[0]) ** min(power, 8) > MAX_TERMS**2:
        return _opaque_power(base, written(Fraction(power)))
    result: Quotient = (ONE, ONE)
    for _ in range(power):
        result = (multiply(result[0], base[0]), multiply(result[1], base[1]))
    return _quotient(*result)


def _root(radicand: Quotient, index: Quotient) -> Quotient:
    order = constant_value(index[0]) if index[1] == ONE else None
    if order is None or order.denominator != 1 or order < 1:
        return _opaque_power(radicand, f"1/({form_key(index)})")
    number = constant_value(radicand[0]) if radicand[1] == ONE else None
    if number is not None and number >= 0:
        return rational_power(number, 1 / order), ONE
    if number is not None and (order == 2 or order % 2):
        sign = atom_power(("constant", "i"), Fraction(1)) if order == 2 else constant(Fraction(-1))
        return multiply(sign, rational_power(-number, 1 / order)), ONE
    if order == 2 and radicand[1] == ONE and (closed := square_root(radicand[0])) is not None:
        return closed, ONE
    term = single_term(radicand[0]) if radicand[1] == ONE else None
    if term is not None and term[1] > 0 and len(term[0]) == 1:
        (atom, exponent), coefficient = term[0][0], term[1]
        if exponent == 1 and atom != ("constant", "i"):
            return multiply(rational_power(coefficient, 1 / order), atom_power(atom, 1 / order)), ONE
    return _opaque_power(radicand, written(Fraction(1) / order))


def _opaque_power(base: Quotient, exponent: str) -> Quotient:
    """A power without a rule, as one atom."""
    return _named_atom(f"power({form_key(base)};{exponent})")


def _named_atom(name: str) -> Quotient:
    """An atom that stands for itself.

    Raises:
        OverBoundError: its name is too long to be compared.
    """
    if len(name) > MAX_ATOM_CHARS:
        raise OverBoundError("an expression past the bound")
    return atom_power(("function", name), Fraction(1)), ONE
