r"""Operations that an answer may leave to be done, carried out: ``\gcd(12, 18)``, ``17 \bmod 5``, ``\int_0^1 x\,dx``.

A tree goes in and a tree without them comes out, so that whatever compares expressions needs no rule for them. What has
no rule here stays as it is, and is compared as written.
"""

from __future__ import annotations

from fractions import Fraction

from rewards.algebra.arithmetic import evaluate, is_series
from rewards.algebra.bounds import UnreadableError
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.numeric import sign_of, value_of
from rewards.calculus.derivatives import derivative, minus
from rewards.calculus.integrals import definite_integral
from rewards.calculus.sums import closed_sum

__all__ = ["carry_out"]

_OPERATIONS = frozenset({"derivative", "int", "sum", "gcd", "lcm", "max", "min", "mod", "floor", "ceil"})


def carry_out(node: Node) -> Node:
    """The tree with every operation carried out that has a rule; the same tree where there is nothing to do.

    Raises:
        OverBoundError: the result would be too long.
        UnreadableError: a greatest common divisor, a remainder or a derivative that does not exist.
    """
    if not isinstance(node, Apply):
        return node
    parts = tuple(carry_out(part) for part in node.arguments)
    if any(after is not before for after, before in zip(parts, node.arguments, strict=True)):
        node = Apply(node.name, parts)
    if node.name not in _OPERATIONS:
        return node
    match node.name, parts:
        case "derivative", (body, Symbol() as variable, Number(value=order)):
            return derivative(body, variable, int(order))
        case "int", (Symbol() as variable, low, high, body):
            return definite_integral(body, variable, low, high) or node
        case "sum", (Symbol() as index, low, high, body) if not is_series(node):
            return closed_sum(body, index, low, high) or node
        case "mod", (Number() | Apply(), _) if _is_residue(*map(_number, parts)):
            raise UnreadableError("3 mod 7 is a residue class as often as a remainder")
        case (("gcd" | "lcm" | "mod"), _) if all(isinstance(part, Number) for part in map(_number, parts)):
            return Number(evaluate(node))
        case (("max" | "min"), _):
            return _extreme(node.name, parts) or node
        case (("floor" | "ceil"), (part,)):
            return _rounded(node.name, part) or node
    return node


def _is_residue(number: Node, divisor: Node) -> bool:
    """Whether a number is its own remainder, so that ``mod`` says what it is counted by."""
    return isinstance(number, Number) and isinstance(divisor, Number) and 0 <= number.value < divisor.value


def _number(node: Node) -> Node:
    try:
        return Number(evaluate(node))
    except UnreadableError:
        return node


def _extreme(name: str, parts: tuple[Node, ...]) -> Node | None:
    """The greatest or least of constants; ``None`` where two are too close to tell, or some are no constants."""
    best = parts[0]
    for part in parts[1:]:
        sign = 1 if part == best else sign_of(Apply("add", (part, minus(best))))
        if sign is None:
            if _number(part) == _number(best) and isinstance(_number(part), Number):
                continue
            return None
        if (sign == 1) == (name == "max"):
            best = part
    return best


def _rounded(name: str, part: Node) -> Node | None:
    """The whole number below or above a constant; ``None`` where it may be whole itself and no arithmetic says so."""
    if isinstance(_number(part), Number):
        return Number(evaluate(Apply(name, (part,))))
    try:
        value = value_of(part)
        nearest = int(value)
        below = nearest if nearest <= value else nearest - 1
    except (ArithmeticError, ValueError, TypeError):
        return None
    gaps = [sign_of(Apply("add", (part, Number(Fraction(-whole))))) for whole in (below, below + 1)]
    if gaps != [1, -1]:
        return None
    return Number(Fraction(below if name == "floor" else below + 1))
