r"""Sums over a range with symbolic ends or without an end, as trees: polynomials in the index and geometric sums.

The ends are whole numbers, as whoever writes ``\sum_{k=1}^n`` means them.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction

from rewards.algebra.arithmetic import substituted
from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.numeric import sign_of
from rewards.algebra.quotients import forms_equal
from rewards.calculus.derivatives import ONE_NODE, ZERO, holds, minus, over, polynomial_in, power_of, product_of

__all__ = ["closed_sum"]

_MOST_DEGREE = 20
_INFINITY = Symbol("infinity")
_MINUS_ONE = Number(Fraction(-1))


def closed_sum(body: Node, index: Symbol, low: Node, high: Node) -> Node | None:
    """The sum of `body` for each whole number from `low` to `high`; ``None`` where no rule gives it."""
    if any(holds(end, index) for end in (low, high)) or holds(low, _INFINITY) or holds(body, _INFINITY):
        return None
    if high == _INFINITY:
        return _geometric(body, index, low, None)
    if holds(high, _INFINITY):
        return None
    terms = polynomial_in(body, index)
    if terms is not None and max(power for power, _ in terms) <= _MOST_DEGREE:
        before = Apply("add", (low, _MINUS_ONE))
        return Apply(
            "add",
            (ZERO, *(
                product_of(factor, Apply("add", (_power_sum(power, high), minus(_power_sum(power, before)))))
                for power, factor in terms
            )),
        )  # fmt: skip
    return _geometric(body, index, low, high)


def _power_sum(power: int, last: Node) -> Node:
    """1^p + … + n^p (Faulhaber): Σ_j C(p+1, j) B_j n^(p+1−j) / (p+1), with B₁ = ½."""
    factors = [math.comb(power + 1, j) * _bernoulli(j) / (power + 1) for j in range(power + 1)]
    terms = (product_of(Number(factor), power_of(last, Fraction(power + 1 - j))) for j, factor in enumerate(factors))
    return Apply("add", (ZERO, *terms))


@functools.cache
def _bernoulli(index: int) -> Fraction:
    if index == 0:
        return Fraction(1)
    if index == 1:
        return Fraction(1, 2)
    total = sum((math.comb(index + 1, j) * (-1 if j == 1 else 1) * _bernoulli(j) for j in range(index)), Fraction(0))
    return -total / (index + 1)


def _geometric(body: Node, index: Symbol, low: Node, high: Node | None) -> Node | None:
    """A sum whose terms have one quotient q: (next − first)/(q − 1), or first/(1 − q) without an end where |q| < 1."""
    following = substituted(body, index, Apply("add", (index, ONE_NODE)))
    ratio = over(following, body)
    if not forms_equal(
        canonical_form(ratio), canonical_form(substituted(ratio, index, Apply("add", (index, ONE_NODE))))
    ):
        return None
    first = substituted(body, index, low)
    quotient = over(substituted(body, index, Apply("add", (low, ONE_NODE))), first)
    one_less = Apply("add", (quotient, _MINUS_ONE))
    if high is None:
        shrinks = sign_of(Apply("add", (ONE_NODE, minus(Apply("abs", (quotient,))))))
        return over(first, minus(one_less)) if shrinks == 1 else None
    if not canonical_form(one_less)[0]:
        return None
    following = substituted(body, index, Apply("add", (high, ONE_NODE)))
    return over(Apply("add", (following, minus(first))), one_less)
