r"""Closed constants, proved equal: algebraic numbers, and combinations of angles and logarithms of algebraic numbers.

Let E be the difference. Where E is algebraic, `rewards.constants.separation` decides. Else E is a sum of rational
multiples of angles (π, arcsin, arccos, arctan), of logarithms and of algebraic numbers, and each of the three sums is
proved to be zero by itself: an angle θ where sin(nθ) is zero and |nθ| < π, a logarithm where the product of the powers
inside is one.
"""

from __future__ import annotations

import math
from fractions import Fraction

from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.numeric import value_of
from rewards.constants.algebraic import angle_vector, linear_terms, turns_of, value_in
from rewards.constants.separation import Algebraic, BallError, Field, NotAlgebraicError, vanishes

__all__ = ["proved_equal"]

_DEEPEST = 4  # functions inside functions whose arguments are compared
_NAMES = frozenset({"pi", "e", "i"})

Terms = list[tuple[Fraction, Node]]


def proved_equal(left: Node, right: Node, *, depth: int = 0) -> bool | None:
    """Whether two constants are the same number, with a proof either way; ``None`` where there is none here.

    Args:
        left: a tree.
        right: another; both without variables, or there is no proof.
        depth: how many functions both stand in.
    """
    if not (_is_closed(left) and _is_closed(right)):
        return None
    try:
        return _algebraic(left, right)
    except NotAlgebraicError:
        pass
    except (BallError, OverBoundError, UnreadableError, RecursionError):
        return None
    for pair in ((left, right), (right, left)):
        try:
            if _sums_vanish(_difference(*pair)):
                return True
        except (ArithmeticError, ValueError, TypeError):
            continue
    return True if depth < _DEEPEST and _same_function(left, right, depth) else None


def _is_closed(node: Node, bound: frozenset[str] = _NAMES) -> bool:
    """Whether it holds no variable but those that its sums run over."""
    if not isinstance(node, Apply):
        return isinstance(node, Number) or node.name in bound
    if node.name in ("sum", "prod") and isinstance(node.arguments[0], Symbol):
        bound |= {node.arguments[0].name}
    return all(_is_closed(argument, bound) for argument in node.arguments)


def _algebraic(left: Node, right: Node) -> bool | None:
    return vanishes(lambda field: field.add(value_in(field, left), field.negative(value_in(field, right))))


def _difference(left: Node, right: Node) -> Node:
    """``left − right``, or ``top − right · bottom`` where `left` is a quotient, ``log`` to a base among them."""
    left = _natural(left)
    if isinstance(left, Apply) and left.name == "div" and any(map(_is_logarithm, left.arguments)):
        top, bottom = left.arguments
        return Apply("add", (top, Apply("neg", (Apply("mul", (right, bottom)),))))
    return Apply("add", (left, Apply("neg", (_natural(right),))))


def _is_logarithm(node: Node) -> bool:
    return isinstance(node, Apply) and node.name == "ln"


def _natural(node: Node) -> Node:
    """``log_b a`` as ``ln a / ln b``."""
    match node:
        case Apply(name="log", arguments=(argument, base)):
            return Apply("div", (Apply("ln", (argument,)), Apply("ln", (base,))))
        case Apply(name=("log" | "lg"), arguments=(argument,)):
            return Apply("div", (Apply("ln", (argument,)), Apply("ln", (Number(Fraction(10)),))))
    return node


def _sums_vanish(difference: Node) -> bool:
    terms = linear_terms(difference)
    angles, logarithms = turns_of(terms), [term for term in terms if _is_logarithm(term[1])]
    others = [term for term in terms if term not in angles and term not in logarithms]
    return (
        (not others or vanishes(lambda field: _combination(field, others)) is True)
        and (not angles or _angle_vanishes(angles))
        and (not logarithms or _logarithm_vanishes(logarithms))
    )


def _combination(field: Field, terms: Terms) -> Algebraic:
    total = field.number(Fraction(0))
    for coefficient, atom in terms:
        total = field.add(total, field.multiply(field.number(coefficient), value_in(field, atom)))
    return total


def _angle_vanishes(terms: Terms) -> bool:
    multiple = math.lcm(*(coefficient.denominator for coefficient, atom in terms if atom != Symbol("pi")))
    turned = [(coefficient * multiple, atom) for coefficient, atom in terms]
    size = abs(sum(value_of(atom) * coefficient.numerator / coefficient.denominator for coefficient, atom in turned))
    return bool(size < 1) and vanishes(lambda field: angle_vector(field, turned, unit=False)[1]) is True


def _logarithm_vanishes(terms: Terms) -> bool:
    multiple = math.lcm(*(coefficient.denominator for coefficient, _ in terms))

    def excess(field: Field) -> Algebraic:
        """What the arguments with positive exponents have over those with negative ones."""
        products = [field.number(Fraction(1)), field.number(Fraction(1))]
        for coefficient, atom in terms:
            assert isinstance(atom, Apply)
            argument = value_in(field, atom.arguments[0])
            if not (argument.ball.is_real and argument.ball.middle > 0 and argument.ball.is_nonzero):
                raise NotAlgebraicError("the logarithm of something other than a positive number")
            side = int(coefficient < 0)
            products[side] = field.multiply(products[side], field.power(argument, abs(int(coefficient * multiple))))
        return field.add(products[0], field.negative(products[1]))

    return vanishes(excess) is True


def _same_function(left: Node, right: Node, depth: int) -> bool:
    """Whether both are one function of arguments that are proved equal."""
    if not (isinstance(left, Apply) and isinstance(right, Apply)) or left.name != right.name:
        return False
    if len(left.arguments) != len(right.arguments):
        return False
    return all(
        first == second or proved_equal(first, second, depth=depth + 1) is True
        for first, second in zip(left.arguments, right.arguments, strict=True)
    )
