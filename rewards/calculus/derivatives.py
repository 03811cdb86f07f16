"""Derivatives by rule, as trees; trees made of trees, and a tree as a polynomial in one variable."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.polynomials import ONE, Polynomial

__all__ = [
    "ONE_NODE",
    "TWO",
    "ZERO",
    "as_tree",
    "check_size",
    "derivative",
    "holds",
    "minus",
    "over",
    "polynomial_in",
    "power_of",
    "product_of",
]

_MOST_NODES = 300  # of what is derived or integrated
_MOST_ORDER = 5
ZERO, ONE_NODE, TWO = Number(Fraction(0)), Number(Fraction(1)), Number(Fraction(2))


def product_of(*factors: Node) -> Node:
    """The product of trees, without factors of one, and zero where a factor is."""
    node = factors[0]
    for factor in factors[1:]:
        node = factor if node == ONE_NODE else node if factor == ONE_NODE else Apply("mul", (node, factor))
    return ZERO if ZERO in factors else node


def over(top: Node, bottom: Node) -> Node:
    """The quotient of two trees."""
    return top if bottom == ONE_NODE else Apply("div", (top, bottom))


def power_of(base: Node, exponent: Fraction) -> Node:
    """A tree to a rational power."""
    return base if exponent == 1 else Apply("pow", (base, Number(exponent)))


def minus(node: Node) -> Node:
    """A tree with the other sign."""
    return Apply("neg", (node,))


def _nodes(node: Node) -> Iterator[Node]:
    """Every node of a tree, up to `_MOST_NODES` of them.

    Raises:
        OverBoundError: there are more.
    """
    waiting, seen = [node], 0
    while waiting:
        seen += 1
        if seen > _MOST_NODES:
            raise OverBoundError(f"a tree of more than {_MOST_NODES} nodes")
        yield (here := waiting.pop())
        waiting += here.arguments if isinstance(here, Apply) else ()


def check_size(node: Node) -> None:
    """Nothing for a tree that is small enough to be derived or integrated.

    Raises:
        OverBoundError: it has more than `_MOST_NODES` nodes.
    """
    for _ in _nodes(node):
        pass


def holds(node: Node, variable: Node) -> bool:
    """Whether a variable occurs in a tree."""
    return any(part == variable for part in _nodes(node))


def derivative(node: Node, variable: Symbol, order: int = 1) -> Node:
    """The derivative of some order, not simplified.

    Raises:
        UnreadableError: a part of it has no rule.
        OverBoundError: it is too long, or the order too high.
    """
    if order > _MOST_ORDER:
        raise OverBoundError(f"a derivative of order {order}")
    for _ in range(order):
        check_size(node)
        node = _derived(node, variable)
    return node


def _derived(node: Node, variable: Symbol) -> Node:
    if not isinstance(node, Apply) or not holds(node, variable):
        return ONE_NODE if node == variable else ZERO
    parts = node.arguments
    match node.name, parts:
        case "add", _:
            return Apply("add", tuple(_derived(part, variable) for part in parts))
        case "neg", (part,):
            return minus(_derived(part, variable))
        case "mul", (first, second):
            return Apply(
                "add", (product_of(_derived(first, variable), second), product_of(first, _derived(second, variable)))
            )
        case "div", (top, bottom):
            change = Apply("add", (product_of(_derived(top, variable), bottom),
                                   minus(product_of(top, _derived(bottom, variable)))))  # fmt: skip
            return over(change, power_of(bottom, Fraction(2)))
        case "pow", (base, Number(value=exponent)):
            lower = ONE_NODE if exponent == 1 else power_of(base, exponent - 1)
            return product_of(parts[1], lower, _derived(base, variable)) if exponent else ZERO
        case "pow", (base, exponent) if not holds(exponent, variable):
            lower = Apply("pow", (base, Apply("add", (exponent, Number(Fraction(-1))))))
            return product_of(exponent, lower, _derived(base, variable))
        case "pow", (base, exponent) if not holds(base, variable):
            return product_of(node, Apply("ln", (base,)), _derived(exponent, variable))
        case "pow", (base, exponent):
            change = Apply(
                "add",
                (
                    _product_rule_term(exponent, base, variable),
                    over(product_of(exponent, _derived(base, variable)), base),
                ),
            )
            return product_of(node, change)
        case "root", (radicand, index) if not holds(index, variable):
            return _derived(Apply("pow", (radicand, over(ONE_NODE, index))), variable)
        case (("sqrt" | "cbrt"), (radicand,)):
            return _derived(power_of(radicand, Fraction(1, 2 if node.name == "sqrt" else 3)), variable)
        case _, (part,) if (outer := _outer_derivative(node)) is not None:
            return product_of(outer, _derived(part, variable))
    raise UnreadableError(f"no rule for the derivative of {node.name}")


def _product_rule_term(exponent: Node, base: Node, variable: Symbol) -> Node:
    """v′ ln u, of (u^v)′ = u^v (v′ ln u + v u′/u)."""
    return product_of(_derived(exponent, variable), Apply("ln", (base,)))


def _outer_derivative(node: Apply) -> Node | None:
    part = node.arguments[0]

    def of(name: str) -> Node:
        return Apply(name, (part,))

    square = power_of(part, Fraction(2))
    match node.name:
        case "sin":
            return of("cos")
        case "cos":
            return minus(of("sin"))
        case "tan":
            return over(ONE_NODE, power_of(of("cos"), Fraction(2)))
        case "cot":
            return minus(over(ONE_NODE, power_of(of("sin"), Fraction(2))))
        case "sec":
            return product_of(of("sec"), of("tan"))
        case "csc":
            return minus(product_of(of("csc"), of("cot")))
        case "exp":
            return node
        case "ln":
            return over(ONE_NODE, part)
        case "log" | "lg":
            return over(ONE_NODE, product_of(part, Apply("ln", (Number(Fraction(10)),))))
        case "arctan":
            return over(ONE_NODE, Apply("add", (ONE_NODE, square)))
        case "arcsin" | "arccos":
            slope = over(ONE_NODE, Apply("sqrt", (Apply("add", (ONE_NODE, minus(square))),)))
            return slope if node.name == "arcsin" else minus(slope)
        case "sinh" | "cosh":
            return of("cosh" if node.name == "sinh" else "sinh")
        case "tanh":
            return over(ONE_NODE, power_of(of("cosh"), Fraction(2)))
    return None


def polynomial_in(node: Node, variable: Symbol) -> list[tuple[int, Node]] | None:
    """A polynomial in a variable as powers and coefficients, no power twice; ``None`` where it is none, or where its
    coefficients hold more than powers of numbers and other variables.
    """
    try:
        top, bottom = canonical_form(node)
    except (OverBoundError, UnreadableError):
        return None
    if bottom != ONE:
        return None
    powers: dict[int, Polynomial] = {}
    for monomial, coefficient in top.items():
        if any(kind not in ("variable", "constant", "prime") for (kind, _), _ in monomial):
            return None
        power = next((power for (_, name), power in monomial if name == variable.name), Fraction(0))
        if power < 0 or power.denominator > 1 or power > 40:
            return None
        rest = tuple(item for item in monomial if item[0][1] != variable.name)
        powers.setdefault(int(power), {})[rest] = coefficient
    return [(power, as_tree(polynomial)) for power, polynomial in powers.items()] or [(0, ZERO)]


def as_tree(polynomial: Polynomial) -> Node:
    """A polynomial in variables, constants and powers of primes as a tree."""
    terms = []
    for monomial, coefficient in polynomial.items():
        factors = [
            Apply("pow", (Number(Fraction(name)) if kind == "prime" else Symbol(name), Number(power)))
            for (kind, name), power in monomial
        ]
        terms.append(product_of(Number(coefficient), *factors))
    return terms[0] if len(terms) == 1 else Apply("add", tuple(terms))
