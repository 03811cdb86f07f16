"""Canonical forms: an expression tree as a quotient of polynomials over the rationals, exact.

The generators ("atoms") are variables, π, e, i, prime numbers under fractional exponents (so that √8 = 2·√2 and √2·∛2 =
2^(5/6)), and whatever has no rule here (√(x+1), arcsin x), kept whole under its own canonical form. Two forms whose
cross difference vanishes are equal. Where it does not vanish and the atoms are algebraically independent, they differ;
with other atoms the question stays open.
"""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.arithmetic import bounded, bounded_power, evaluate, is_series, series_terms, substituted
from rewards.algebra.bounds import MAX_EXPANSION, MAX_TERMS, OverBoundError, UnreadableError
from rewards.algebra.elementary import exponential, hyperbolic, inverse_angle, logarithm, trigonometric
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.numeric import sign_of
from rewards.algebra.polynomials import (
    ONE,
    Atom,
    Polynomial,
    atom_power,
    constant,
    constant_value,
    multiply,
    rational_power,
    restart_work,
    scale,
    single_term,
    spend,
    written,
)
from rewards.algebra.quotients import (
    Quotient,
    falling_product,
    form_key,
    named_atom,
    opaque_power,
    product_of,
    quotient,
    small_count,
    sum_of,
)
from rewards.algebra.radicals import absolute_value, square_root

__all__ = ["canonical_form"]

_HALF = Fraction(1, 2)
_WORK_OF_A_TERM = 20
_INFINITY = Symbol("infinity")
_INFINITIES = (_INFINITY, Apply("neg", (_INFINITY,)))
_EULER: Quotient = (atom_power(("constant", "e"), Fraction(1)), ONE)


def canonical_form(node: Node) -> Quotient:
    """The quotient of polynomials that `node` stands for.

    Raises:
        UnreadableError: a division by zero, or an operation outside its domain.
        OverBoundError: a bound of `rewards.algebra.bounds` is passed.
    """
    restart_work()
    if node in _INFINITIES:
        return {((("variable", "infinity"), Fraction(1)),): Fraction(1 if node == _INFINITY else -1)}, ONE
    return _form(node)


def _form(node: Node) -> Quotient:
    if isinstance(node, Number):
        return constant(bounded(node.value)), ONE
    if isinstance(node, Symbol):
        if node == _INFINITY:
            raise OverBoundError("infinity is no number: nothing is computed with it")
        return atom_power(_symbol_atom(node.name), Fraction(1)), ONE
    arguments = node.arguments
    if (number := _rational_value(node)) is not None:
        return constant(number), ONE
    if node.name in ("sum", "prod") and is_series(node):
        return _series(node)
    if node.name in ("sum", "prod", "int"):
        return _over_an_index(node)
    forms = [_form(argument) for argument in arguments]
    match node.name:
        case "add":
            total = forms[0]
            for form in forms[1:]:
                total = sum_of(total, form)
            return total
        case "neg":
            return scale(forms[0][0], Fraction(-1)), forms[0][1]
        case "mul":
            return product_of(forms[0], forms[1])
        case "div":
            return quotient(multiply(forms[0][0], forms[1][1]), multiply(forms[0][1], forms[1][0]))
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
            return quotient(scale(radians, Fraction(1, 180)), forms[0][1])
        case "abs" if (sign := sign_of(arguments[0])) is not None:
            return scale(forms[0][0], Fraction(sign)), forms[0][1]
        case "abs":
            return _absolute(forms[0])
        case "binom" if (count := small_count(forms[1])) is not None:
            return falling_product(forms[0], count)
    return _function(node.name, forms)


def _series(node: Apply) -> Quotient:
    total: Quotient = ({} if node.name == "sum" else ONE, ONE)
    for term in series_terms(node):
        spend(_WORK_OF_A_TERM)
        form = _form(term)
        total = sum_of(total, form) if node.name == "sum" else product_of(total, form)
    return total


def _over_an_index(node: Apply) -> Quotient:
    """A sum, product or integral that is not carried out, as an atom; the name of its index does not matter."""
    index, low, high, body = node.arguments
    renamed = substituted(body, index, Symbol("its index"))
    keys = ["infinity" if item == _INFINITY else form_key(_form(item)) for item in (low, high, renamed)]
    return named_atom(f"{node.name}({';'.join(keys)})")


def _absolute(form: Quotient) -> Quotient:
    if form[1] == ONE and (square := _square_of_complex(form[0])) is not None:
        return _root((square, ONE), (constant(Fraction(2)), ONE))
    top, bottom = (absolute_value(part) for part in form)
    if top is not None and bottom is not None:
        return quotient(top, bottom)
    return named_atom(f"abs({form_key(form)})")


def _square_of_complex(number: Polynomial) -> Polynomial | None:
    """``|a + bi|²`` for numbers a and b made of rational powers and π; ``None`` for anything else."""
    imaginary = (("constant", "i"), Fraction(1))
    if not any(imaginary in monomial for monomial in number):
        return None
    if any(kind not in ("constant", "prime") for monomial in number for (kind, _), _ in monomial):
        return None
    conjugate = {monomial: -value if imaginary in monomial else value for monomial, value in number.items()}
    return multiply(number, conjugate)


def _function(name: str, forms: list[Quotient]) -> Quotient:
    """A function by its exact rule where there is one, else as an atom of its own."""
    whole = [form[0] for form in forms if form[1] == ONE]
    if len(whole) == len(forms):
        if name in ("sin", "cos", "tan", "cot", "sec", "csc") and (ratio := trigonometric(name, whole[0])) is not None:
            return quotient(*ratio)
        if name in ("sinh", "cosh", "tanh") and (ratio := hyperbolic(name, whole[0])) is not None:
            return quotient(*ratio)
        if name in ("arcsin", "arccos", "arctan") and (angle := inverse_angle(name, whole[0])) is not None:
            return angle, ONE
        if name == "ln" and (value := logarithm(whole[0])) is not None:
            return value, ONE
        if name in ("log", "lg"):
            ten = constant(Fraction(10))
            top, bottom = logarithm(whole[0]), logarithm(whole[1] if len(whole) == 2 else ten)
            if top is not None and bottom is not None:
                return quotient(top, bottom)
    return named_atom(f"{name}({';'.join(form_key(form) for form in forms)})")


def _symbol_atom(name: str) -> Atom:
    return ("constant", name) if name in ("pi", "e", "i") else ("variable", name)


def _is_arithmetic(node: Node) -> bool:
    if isinstance(node, Apply):
        return all(_is_arithmetic(argument) for argument in node.arguments)
    return isinstance(node, Number)


def _rational_value(node: Apply) -> Fraction | None:
    """The value of a rounding, magnitude or count of rational numbers; ``None`` for anything else.

    Raises:
        UnreadableError: a factorial or binomial coefficient of something other than whole numbers.
    """
    if node.name not in ("floor", "ceil", "factorial", "binom", "abs") or not _is_arithmetic(node):
        return None
    try:
        return evaluate(node)
    except UnreadableError:
        if node.name in ("factorial", "binom"):
            raise
        return None


def _power(base: Quotient, exponent: Quotient) -> Quotient:
    power = constant_value(exponent[0]) if exponent[1] == ONE else None
    number = constant_value(base[0]) if base[1] == ONE else None
    if power is None:
        if exponent[1] == ONE and (base == _EULER or (number is not None and number > 0)):
            value = exponential(None if base == _EULER else number, exponent[0])
            if value is not None:
                return value, ONE
        return _symbolic_power(base, exponent)
    if number is not None and power.denominator == 1:
        return constant(bounded_power(number, int(power))), ONE
    if number is not None and (number > 0 or (number == 0 and power > 0)):
        return rational_power(number, power), ONE
    if power.denominator != 1:
        return (
            _root(base, (constant(Fraction(2)), ONE))
            if power == _HALF
            else opaque_power(base, written(Fraction(power)))
        )
    return _whole_power(base, int(power))


def _symbolic_power(base: Quotient, exponent: Quotient) -> Quotient:
    """x^(2n+m+3) as (x^n)²·x^m·x³, which holds for every branch; else as one atom."""
    terms = exponent[0].items()
    if exponent[1] != ONE or any(value.denominator > 1 or abs(value) > MAX_EXPANSION for _, value in terms):
        return opaque_power(base, form_key(exponent))
    result: Quotient = (ONE, ONE)
    for monomial, value in terms:
        atom = base if not monomial else opaque_power(base, form_key(({monomial: Fraction(1)}, ONE)))
        result = product_of(result, _whole_power(atom, int(value)))
    return result


def _whole_power(base: Quotient, power: int) -> Quotient:
    if power < 0:
        base, power = quotient(base[1], base[0]), -power
    if base[1] == ONE and (term := single_term(base[0])) is not None:
        monomial, coefficient = term
        product = constant(bounded_power(coefficient, power))
        for atom, exponent in monomial:
            product = multiply(product, atom_power(atom, exponent * power))
        return product, ONE
    if power > MAX_EXPANSION or len(base[0]) ** min(power, 8) > MAX_TERMS**2:
        return opaque_power(base, written(Fraction(power)))
    result: Quotient = (ONE, ONE)
    for _ in range(power):
        result = (multiply(result[0], base[0]), multiply(result[1], base[1]))
    return quotient(*result)


def _root(radicand: Quotient, index: Quotient) -> Quotient:
    order = constant_value(index[0]) if index[1] == ONE else None
    if order is None or order.denominator != 1 or order < 1:
        return opaque_power(radicand, f"1/({form_key(index)})")
    number = constant_value(radicand[0]) if radicand[1] == ONE else None
    if number is not None and number >= 0:
        return rational_power(number, 1 / order), ONE
    if number is not None and (order == 2 or order % 2):
        sign = atom_power(("constant", "i"), Fraction(1)) if order == 2 else constant(Fraction(-1))
        return multiply(sign, rational_power(-number, 1 / order)), ONE
    if (
        order == 2
        and (top := square_root(radicand[0])) is not None
        and (bottom := square_root(radicand[1])) is not None
    ):
        return quotient(top, bottom)
    term = single_term(radicand[0]) if radicand[1] == ONE else None
    if term is not None and term[1] > 0 and len(term[0]) == 1:
        (atom, exponent), coefficient = term[0][0], term[1]
        if exponent == 1 and atom != ("constant", "i"):
            return multiply(rational_power(coefficient, 1 / order), atom_power(atom, 1 / order)), ONE
    return opaque_power(radicand, written(Fraction(1) / order))
