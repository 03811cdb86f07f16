r"""Definite integrals by rule, as trees.

An integral is taken only where the integrand is continuous between its ends, which must show: no pole or branch point
of what stands in a denominator, under a root or in a logarithm lies there.
"""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.arithmetic import evaluate, substituted
from rewards.algebra.bounds import UnreadableError
from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.numeric import sign_of
from rewards.algebra.polynomials import ONE, constant_value
from rewards.calculus.derivatives import (
    ONE_NODE,
    TWO,
    ZERO,
    check_size,
    derivative,
    holds,
    minus,
    over,
    polynomial_in,
    power_of,
    product_of,
)

__all__ = ["definite_integral"]

_MOST_DEGREE = 8  # of the polynomial in an integration by parts
_E = Symbol("e")
_INFINITY = Symbol("infinity")


def definite_integral(body: Node, variable: Symbol, low: Node, high: Node) -> Node | None:
    """The integral from `low` to `high`; ``None`` where no rule gives it, or the integrand may not be continuous."""
    if any(holds(end, item) for end in (low, high) for item in (_INFINITY, variable)):
        return None
    check_size(body)
    conditions: list[tuple[str, Node]] = []
    primitive = _primitive(body, variable, conditions)
    if primitive is None or not all(_is_met(*condition, variable, low, high) for condition in conditions):
        return None
    ends = [substituted(primitive, variable, end) for end in (high, low)]
    return Apply("add", (ends[0], minus(ends[1])))


def _is_met(condition: str, part: Node, variable: Symbol, low: Node, high: Node) -> bool:
    """Whether a linear part keeps its sign between the ends: positive, not zero, or at least zero."""
    signs = []
    for end in (low, high):
        value = substituted(part, variable, end)
        top, bottom = canonical_form(value)
        signs.append(0 if bottom == ONE and constant_value(top) == 0 else sign_of(value))
    if condition == "nonzero":
        return signs in ([1, 1], [-1, -1])
    return all(sign in ((1,) if condition == "positive" else (0, 1)) for sign in signs)


def _primitive(node: Node, variable: Symbol, conditions: list[tuple[str, Node]]) -> Node | None:
    """An antiderivative; adds what must hold between the ends for it to be one there."""
    if not holds(node, variable):
        return product_of(node, variable)
    if node == variable:
        return over(power_of(variable, Fraction(2)), TWO)
    assert isinstance(node, Apply)
    match node.name, node.arguments:
        case "add", parts:
            terms = [_primitive(part, variable, conditions) for part in parts]
            kept = [term for term in terms if term is not None]
            return Apply("add", tuple(kept)) if len(kept) == len(terms) else None
        case "neg", (part,):
            inner = _primitive(part, variable, conditions)
            return None if inner is None else minus(inner)
        case "mul", (first, second) if not (holds(first, variable) and holds(second, variable)):
            factor, other = (second, first) if holds(first, variable) else (first, second)
            inner = _primitive(other, variable, conditions)
            return None if inner is None else product_of(factor, inner)
        case "div", (top, bottom) if not holds(bottom, variable):
            inner = _primitive(top, variable, conditions)
            return None if inner is None else over(inner, bottom)
        case "div", (top, bottom) if top != ONE_NODE and not holds(top, variable):
            inner = _primitive(over(ONE_NODE, bottom), variable, conditions)
            return None if inner is None else product_of(top, inner)
    linear = _of_linear(node, variable, conditions)
    if linear is not None:
        return linear
    terms = polynomial_in(node, variable)
    if terms is not None:
        return Apply("add", (ZERO, *(_integrated_term(power, factor, variable) for power, factor in terms)))
    return _by_parts(node, variable)


def _integrated_term(power: int, factor: Node, variable: Symbol) -> Node:
    return over(product_of(factor, power_of(variable, Fraction(power + 1))), Number(Fraction(power + 1)))


def _slope(part: Node, variable: Symbol) -> Node | None:
    """The slope of a linear function, ``None`` where it is none."""
    terms = polynomial_in(part, variable)
    if terms is None or not terms or max(power for power, _ in terms) != 1:
        return None
    factors = [factor for power, factor in terms if power == 1]
    return Apply("add", (ZERO, *factors))


def _of_linear(node: Apply, variable: Symbol, conditions: list[tuple[str, Node]]) -> Node | None:
    """The antiderivative of a function of ``ax + b``."""
    name, parts = node.name, node.arguments
    if name == "exp":
        name, parts = "pow", (_E, parts[0])
    if name == "pow" and not holds(parts[0], variable):
        slope = _slope(parts[1], variable)
        scale = Apply("ln", (parts[0],))
        positive = parts[0] == _E or sign_of(parts[0]) == 1
        return over(Apply("pow", parts), product_of(slope, scale)) if slope is not None and positive else None
    power = _as_power(name, parts)
    if power is not None:
        return _of_linear_power(*power, variable, conditions)
    if len(parts) != 1 or (slope := _slope(parts[0], variable)) is None:
        return None
    match name:
        case "sin":
            return minus(over(Apply("cos", parts), slope))
        case "cos":
            return over(Apply("sin", parts), slope)
        case "sinh" | "cosh":
            return over(Apply("cosh" if name == "sinh" else "sinh", parts), slope)
        case "ln":
            conditions.append(("positive", parts[0]))
            return over(Apply("add", (product_of(parts[0], node), minus(parts[0]))), slope)
    return None


def _as_power(name: str, parts: tuple[Node, ...]) -> tuple[Node, Fraction] | None:
    """A root, a reciprocal or a power with a rational exponent, as base and exponent."""
    try:
        match name, parts:
            case "pow", (base, exponent):
                return base, evaluate(exponent)
            case "root", (radicand, index):
                return radicand, 1 / evaluate(index)
            case (("sqrt" | "cbrt"), (radicand,)):
                return radicand, Fraction(1, 2 if name == "sqrt" else 3)
            case "div", (top, bottom) if top == ONE_NODE:
                inner = _as_power(bottom.name, bottom.arguments) if isinstance(bottom, Apply) else None
                return (bottom, Fraction(-1)) if inner is None else (inner[0], -inner[1])
    except (UnreadableError, ZeroDivisionError):
        return None
    return None


def _of_linear_power(base: Node, power: Fraction, variable: Symbol, conditions: list[tuple[str, Node]]) -> Node | None:
    slope = _slope(base, variable)
    if slope is None:
        if isinstance(base, Apply) and base.name in ("sin", "cos") and power == 2:
            return _of_square(base, variable)
        return _of_quadratic(base, variable) if power == -1 else None
    if power.denominator > 1:
        conditions.append(("positive" if power < 0 else "nonnegative", base))
    elif power < 0:
        conditions.append(("nonzero", base))
    if power == -1:
        return over(Apply("ln", (Apply("abs", (base,)),)), slope)
    return over(power_of(base, power + 1), product_of(slope, Number(power + 1)))


def _of_square(base: Apply, variable: Symbol) -> Node | None:
    """sin² and cos² of a linear function, as (1 ∓ cos 2u)/2."""
    slope = _slope(base.arguments[0], variable)
    if slope is None:
        return None
    wave = over(Apply("sin", (product_of(TWO, base.arguments[0]),)), product_of(Number(Fraction(4)), slope))
    return Apply("add", (over(variable, TWO), wave if base.name == "cos" else minus(wave)))


def _of_quadratic(base: Node, variable: Symbol) -> Node | None:
    """1/(px² + q) with positive p and q: arctan(x√(p/q))/√(pq)."""
    terms = dict(polynomial_in(base, variable) or [])
    if terms.keys() != {0, 2} or sign_of(terms[0]) != 1 or sign_of(terms[2]) != 1:
        return None
    scale = Apply("sqrt", (over(terms[2], terms[0]),))
    return over(Apply("arctan", (product_of(variable, scale),)), Apply("sqrt", (product_of(terms[2], terms[0]),)))


def _by_parts(node: Node, variable: Symbol) -> Node | None:
    """A polynomial times sin, cos or a power of a constant: ∫ p f = p F − ∫ p′ F, F being a multiple of such an f."""
    if not (isinstance(node, Apply) and node.name == "mul"):
        return None
    for polynomial, other in (node.arguments, node.arguments[::-1]):
        terms = polynomial_in(polynomial, variable)
        if terms is None or not isinstance(other, Apply) or max(power for power, _ in terms) > _MOST_DEGREE:
            continue
        pieces: list[Node] = []
        factor, inner = polynomial, other
        for turn in range(_MOST_DEGREE + 2):
            smooth = inner.name in ("sin", "cos", "exp") or (
                inner.name == "pow" and not holds(inner.arguments[0], variable)
            )
            primitive = _of_linear(inner, variable, []) if smooth else None
            if primitive is None:
                break
            pieces.append(product_of(factor, primitive) if turn % 2 == 0 else minus(product_of(factor, primitive)))
            factor = derivative(factor, variable)
            if constant_value(canonical_form(factor)[0]) == 0:
                return Apply("add", (ZERO, *pieces))
            constant, function = _split_constant(primitive, variable)
            if not isinstance(function, Apply):
                break
            factor, inner = product_of(factor, constant), function
    return None


def _split_constant(node: Node, variable: Symbol) -> tuple[Node, Node]:
    """A multiple of a function as the factor and the function."""
    match node:
        case Apply(name="neg", arguments=(part,)):
            constant, function = _split_constant(part, variable)
            return minus(constant), function
        case Apply(name="div", arguments=(top, bottom)) if not holds(bottom, variable):
            constant, function = _split_constant(top, variable)
            return over(constant, bottom), function
    return ONE_NODE, node
