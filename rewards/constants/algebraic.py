r"""Trees without variables as algebraic numbers: roots, cosines of multiples of π, angles between them.

What is not algebraic (π, e, a logarithm) has no value here; `rewards.constants.equality` deals with sums of those.
"""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.arithmetic import evaluate, is_series, series_terms
from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.constants.separation import MOST_POWER, Algebraic, BallError, Field, NotAlgebraicError

__all__ = ["angle_vector", "linear_terms", "turns_of", "value_in"]

_INVERSE = ("arcsin", "arccos", "arctan")
_TRIGONOMETRIC = ("sin", "cos", "tan", "cot", "sec", "csc")


def value_in(field: Field, node: Node) -> Algebraic:
    """The algebraic number that a tree without variables stands for.

    Raises:
        NotAlgebraicError: no rule here makes it one.
        OverBoundError, BallError: it is past a bound, or this precision leaves a step open.
    """
    if isinstance(node, Number):
        return field.number(node.value)
    if isinstance(node, Symbol):
        if node.name == "i":
            return field.imaginary()
        raise NotAlgebraicError(node.name)
    if node.name in ("sum", "prod") and is_series(node):
        return _series(field, node)
    if node.name in ("floor", "ceil", "factorial", "binom"):
        return field.number(_rational(node))
    if node.name in _TRIGONOMETRIC:
        return _ratio_of_angle(field, node.name, node.arguments[0])
    if node.name in ("pow", "root", "sqrt", "cbrt", "exp"):
        return _power(field, node)
    values = [value_in(field, argument) for argument in node.arguments]
    match node.name, values:
        case "add", [first, *others]:
            for other in others:
                first = field.add(first, other)
            return first
        case "neg", [value]:
            return field.negative(value)
        case "mul", [first, second]:
            return field.multiply(first, second)
        case "div", [first, second]:
            return field.divide(first, second)
        case "abs", [value] if value.ball.is_real:
            if not value.ball.is_nonzero:
                raise BallError("the sign of a number that may be zero")
            return field.negative(value) if value.ball.middle < 0 else value
    raise NotAlgebraicError(node.name)


def _series(field: Field, node: Apply) -> Algebraic:
    total = field.number(Fraction(0 if node.name == "sum" else 1))
    for term in series_terms(node):
        total = (field.add if node.name == "sum" else field.multiply)(total, value_in(field, term))
    return total


def _power(field: Field, node: Apply) -> Algebraic:
    match node.name, node.arguments:
        case "pow", (Symbol(name="e"), exponent):
            return _exponential(field, exponent)
        case "exp", (exponent,):
            return _exponential(field, exponent)
        case "root", (radicand, order):
            index = _rational(order)
            if index.denominator != 1:
                raise NotAlgebraicError("a root without a whole index")
            return field.root(value_in(field, radicand), int(index), radicand)
        case (("sqrt" | "cbrt"), (radicand,)):
            return field.root(value_in(field, radicand), 2 if node.name == "sqrt" else 3, radicand)
        case "pow", (base, exponent):
            power = _rational(exponent)
            value = value_in(field, base)
            if power.denominator == 1:
                return field.power(value, int(power))
            return _positive_power(field, value, power, base)
    raise NotAlgebraicError(node.name)


def _positive_power(field: Field, base: Algebraic, power: Fraction, key: object) -> Algebraic:
    """A fractional power of a positive number, on which all readers agree."""
    if not (base.ball.is_real and base.ball.middle > 0 and base.ball.is_nonzero):
        raise NotAlgebraicError("a fractional power of something other than a positive number")
    return field.power(field.root(base, power.denominator, key), power.numerator)


def _exponential(field: Field, exponent: Node) -> Algebraic:
    """e to a combination of logarithms of positive numbers."""
    result = field.number(Fraction(1))
    for coefficient, atom in linear_terms(exponent):
        if not (isinstance(atom, Apply) and atom.name == "ln"):
            raise NotAlgebraicError("a power of e")
        base = value_in(field, atom.arguments[0])
        result = field.multiply(result, _positive_power(field, base, coefficient, atom.arguments[0]))
    return result


def _ratio_of_angle(field: Field, name: str, angle: Node) -> Algebraic:
    cosine, sine = angle_vector(field, linear_terms(angle), unit=True)
    one = field.number(Fraction(1))
    match name:
        case "sin":
            return sine
        case "cos":
            return cosine
        case "tan":
            return field.divide(sine, cosine)
        case "cot":
            return field.divide(cosine, sine)
        case "sec":
            return field.divide(one, cosine)
    return field.divide(one, sine)


def angle_vector(field: Field, terms: list[tuple[Fraction, Node]], *, unit: bool) -> tuple[Algebraic, Algebraic]:
    """A vector in the direction of an angle: its cosine and sine, both times the same positive number.

    Args:
        field: where the numbers are made.
        terms: multiples of π and of inverse trigonometric functions of real algebraic numbers.
        unit: whether the vector's length must be one.

    Raises:
        NotAlgebraicError: the terms hold anything else.
    """
    vector = (field.number(Fraction(1)), field.number(Fraction(0)))
    for coefficient, atom in terms:
        if atom == Symbol("pi"):
            turned = (field.cosine(coefficient), field.cosine(coefficient - Fraction(1, 2)))
        elif isinstance(atom, Apply) and atom.name in _INVERSE and coefficient.denominator <= 2:
            turned = _inverse_vector(field, atom, unit=unit or coefficient.denominator == 2)
            if coefficient.denominator == 2:
                turned = _halved(field, turned, atom)
            turned = _multiple(field, turned, coefficient.numerator)
        else:
            raise NotAlgebraicError("an angle without an algebraic sine")
        vector = _turned(field, vector, turned)
    return vector


def _inverse_vector(field: Field, atom: Apply, *, unit: bool) -> tuple[Algebraic, Algebraic]:
    one, value = field.number(Fraction(1)), value_in(field, atom.arguments[0])
    if not value.ball.is_real:
        raise NotAlgebraicError("an inverse function of a complex number")
    square = field.multiply(value, value)
    if atom.name == "arctan":
        if not unit:
            return one, value
        length = field.root(field.add(one, square), 2, ("length", atom))
        return field.divide(one, length), field.divide(value, length)
    if abs(value.ball.middle) > 1:
        raise NotAlgebraicError("outside the domain")
    other = field.root(field.add(one, field.negative(square)), 2, ("leg", atom.arguments[0]))
    return (other, value) if atom.name == "arcsin" else (value, other)


def _halved(field: Field, vector: tuple[Algebraic, Algebraic], key: Node) -> tuple[Algebraic, Algebraic]:
    """The unit vector at half an angle between −π and π, from the one at the angle."""
    half = field.number(Fraction(1, 2))
    square = field.multiply(half, field.add(field.number(Fraction(1)), vector[0]))
    cosine = field.root(square, 2, ("half", key))
    return cosine, field.divide(field.multiply(half, vector[1]), cosine)


def _multiple(field: Field, vector: tuple[Algebraic, Algebraic], count: int) -> tuple[Algebraic, Algebraic]:
    if abs(count) > MOST_POWER:
        raise OverBoundError("a multiple of an angle past the bound")
    result = (field.number(Fraction(1)), field.number(Fraction(0)))
    for _ in range(abs(count)):
        result = _turned(field, result, vector)
    return result if count >= 0 else (result[0], field.negative(result[1]))


def _turned(
    field: Field, first: tuple[Algebraic, Algebraic], second: tuple[Algebraic, Algebraic]
) -> tuple[Algebraic, Algebraic]:
    """The vector at the sum of two angles."""
    return (
        field.add(field.multiply(first[0], second[0]), field.negative(field.multiply(first[1], second[1]))),
        field.add(field.multiply(first[0], second[1]), field.multiply(first[1], second[0])),
    )


def linear_terms(node: Node) -> list[tuple[Fraction, Node]]:
    """A sum of rational multiples: each coefficient with what it multiplies; a rational number multiplies 1."""
    match node:
        case Number(value=value):
            return [(value, Number(Fraction(1)))] if value else []
        case Apply(name="add", arguments=arguments):
            return [term for argument in arguments for term in linear_terms(argument)]
        case Apply(name="neg", arguments=(argument,)):
            return [(-coefficient, atom) for coefficient, atom in linear_terms(argument)]
        case Apply(name="degree", arguments=(argument,)):
            return [(_rational(argument) / 180, Symbol("pi"))]
        case Apply(name="mul", arguments=(first, second)):
            for number, other in ((first, second), (second, first)):
                if (factor := _rational_or_none(number)) is not None:
                    return [(factor * coefficient, atom) for coefficient, atom in linear_terms(other)]
        case Apply(name="div", arguments=(top, bottom)):
            if (factor := _rational_or_none(bottom)) is not None and factor:
                return [(coefficient / factor, atom) for coefficient, atom in linear_terms(top)]
        case Apply(name="ln", arguments=(Symbol(name="e"),)):
            return [(Fraction(1), Number(Fraction(1)))]
    return [(Fraction(1), node)]


def turns_of(terms: list[tuple[Fraction, Node]]) -> list[tuple[Fraction, Node]]:
    """Those of the terms that are angles: multiples of π and of inverse trigonometric functions."""
    return [
        (coefficient, atom)
        for coefficient, atom in terms
        if atom == Symbol("pi") or (isinstance(atom, Apply) and atom.name in _INVERSE)
    ]


def _rational(node: Node) -> Fraction:
    try:
        return evaluate(node)
    except UnreadableError as error:
        raise NotAlgebraicError(str(error)) from error


def _rational_or_none(node: Node) -> Fraction | None:
    try:
        return evaluate(node)
    except UnreadableError:
        return None
