r"""Answers with a free parameter: ``\frac{\pi}{4} + k\pi, k \in \mathbb{Z}``, and a constant of integration.

The parameter's name says nothing, and neither does which whole number it starts from. The free constants of a solution
of a differential equation keep their names: only a lone ``+ C`` is known to be any number.
"""

from __future__ import annotations

import re
from fractions import Fraction

from rewards.algebra.arithmetic import substituted
from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Number, Symbol
from rewards.algebra.polynomials import ONE, Polynomial, add, scale
from rewards.algebra.quotients import form_key
from rewards.calculus.derivatives import as_tree, holds
from rewards.checker.values import Collection, Relation, Scalar, Value, Words

__all__ = ["family_of", "split_family", "without_constant"]

_PARAMETER = Symbol("its parameter")
_FAMILY = re.compile(
    r"(?P<body>.*?[^\s,;(])\s*(?P<mark>[,;:|(]|\\text\s*\{|\s(?=for\b|where\b|with\b|[a-zA-Z]\s*\\in\b))[\s,;(]*"
    r"(?:\\text\s*\{)?\s*,?\s*(?:for|where|with)?\s*(?:all|any|every"
    r"|some)?\s*(?P<kind>integers?)?\s*\}?\s*(?P<name>[a-zA-Z])"
    r"\s*(?:\\in\s*(?:\\mathbb\s*\{\s*(?P<set>[ZN])\s*\}|(?P<bare>Z))(?P<sign>\^\s*\{?[+*]\}?|_\s*\{?[\d+*]+\}?)?"
    r"|(?:\\text\s*\{)?\s*(?:is|are|be|being)?\s*(?P<an>(?:an |any |some |arbitrary )*integers?)\s*\}?)?\s*\}?\s*\)?"
)
_INTEGRATED = frozenset({"x", "y", "z", "t", "u", "v", "w", "s", "r", "theta", "phi"})
_CONSTANTS = ("C", "c", "K", "C_1", "c_1", "C_0")


def split_family(text: str) -> tuple[str, str, str] | None:
    r"""The expression, the parameter and the set it runs through; ``None`` for a text that is no family.

    ``f(n) = n + 1, n \in \mathbb{N}`` is a function with its domain and no family.
    """
    if "Z" not in text and "N" not in text and "integer" not in text:
        return None
    inner = text[2:-2].strip() if text.startswith("\\{") and text.endswith("\\}") else text
    match = _FAMILY.fullmatch(inner)
    if match is None or not (match["set"] or match["bare"] or match["kind"] or match["an"]):
        return None
    body, name = match["body"].strip().rstrip(",;:|").strip(), match["name"]
    letter = re.compile(rf"(?<![A-Za-z\\]){name}(?![A-Za-z])|(?<=\d){name}(?![a-z])|(?<![A-Za-z\\]){name}(?=\\)")
    left, equals, _ = body.partition("=")
    if not letter.search(body) or (equals and letter.search(left)):
        return None
    return body, name, (match["set"] or "Z") + re.sub(r"[\s{}]", "", match["sign"] or "")


def family_of(body: Value, name: str, numbers: str) -> Value | None:
    """The family, its parameter under a name of its own; ``None`` where the expression cannot be read or does not hold
    the parameter.
    """
    renamed = _renamed(body, Symbol(name), whole=numbers == "Z")
    return None if renamed is None else Collection("family", (renamed, Words(f"all of {numbers}")))


def _renamed(value: Value, parameter: Symbol, *, whole: bool) -> Value | None:
    match value:
        case Scalar(node=node) if node is not None and not value.unit:
            if not holds(node, parameter):
                return None
            try:
                renamed = substituted(node, parameter, _PARAMETER)
                form = canonical_form(renamed)
            except (OverBoundError, UnreadableError):
                return None
            if whole and form[1] == ONE and (least := _from_the_least(form[0])) is not None:
                renamed, form = as_tree(least), (least, ONE)
            return Scalar(text=f"family {form_key(form)}", node=renamed, form=form)
        case Relation(operators=("=",), sides=(left, right)):
            inner = _renamed(right, parameter, whole=whole)
            return None if inner is None else Relation(("=",), (left, inner))
        case Collection(kind=("list" | "set" | "()") as kind, items=items):
            parts = [_renamed(item, parameter, whole=whole and kind != "()") for item in items]
            kept = tuple(part for part in parts if part is not None)
            return Collection("list" if kind == "set" else kind, kept) if len(kept) == len(parts) else None
    return None


def _from_the_least(polynomial: Polynomial) -> Polynomial | None:
    """a + bk for whole numbers k with b positive and what a shares with b below b; ``None`` where it is not linear."""
    parameter = (("variable", _PARAMETER.name), Fraction(1))
    steps = [monomial for monomial in polynomial if any(atom[1] == _PARAMETER.name for atom, _ in monomial)]
    if len(steps) != 1 or parameter not in steps[0]:
        return None
    if any(kind not in ("variable", "constant", "prime") for monomial in polynomial for (kind, _), _ in monomial):
        return None
    [step] = steps
    size = polynomial[step]
    alike = tuple(item for item in step if item != parameter)
    start = polynomial.get(alike, Fraction(0)) % abs(size)
    rest = {key: value for key, value in polynomial.items() if key not in (step, alike)}
    return rest | {step: abs(size)} | ({alike: start} if start else {})


def without_constant(left: Scalar, right: Scalar) -> tuple[Scalar, Scalar] | None:
    """Two antiderivatives without their constants of integration; ``None`` where one has none.

    A constant of integration is a lone ``+ C`` or ``+ c`` that occurs nowhere else, in a sum that holds a variable of
    integration. Two that differ by a number, as x² + C and x² + 1 + C, are the same family.
    """
    bodies = [_body(left), _body(right)]
    first, second = bodies
    if first is None or second is None or left.unit or right.unit:
        return None
    difference = add(first, scale(second, Fraction(-1)))
    if all(kind in ("constant", "prime", "logarithm") for monomial in difference for (kind, _), _ in monomial):
        return left, left
    scalars = []
    for side in (left, right):
        assert side.node is not None
        name = next(name for name in _CONSTANTS if holds(side.node, Symbol(name)))
        node = substituted(side.node, Symbol(name), Number(Fraction(0)))
        try:
            scalars.append(Scalar(text=f"({side.text}) without {name}", node=node, form=canonical_form(node)))
        except (OverBoundError, UnreadableError):
            return None
    return scalars[0], scalars[1]


def _is_free(kind: str, name: str) -> bool:
    """Whether an atom can be what was integrated over, or a function of it: ``a + C`` is a sum of two names."""
    return kind in ("angle", "function") or (kind == "variable" and name in _INTEGRATED)


def _body(scalar: Scalar) -> Polynomial | None:
    if not isinstance(scalar.node, Apply) or scalar.form is None or scalar.form[1] != ONE:
        return None
    polynomial = scalar.form[0]
    for name in _CONSTANTS:
        lone = ((("variable", name), Fraction(1)),)
        if polynomial.get(lone) != 1:
            continue
        rest = {key: value for key, value in polynomial.items() if key != lone}
        others = [atom for monomial in rest for atom, _ in monomial]
        named = re.compile(rf"(?<![A-Za-z_]){re.escape(name)}(?![A-Za-z_])")
        if any(named.search(text) for _, text in others):
            return None
        named_otherwise = any(kind == "variable" and text not in _INTEGRATED for kind, text in others)
        return rest if any(_is_free(*atom) for atom in others) and not named_otherwise else None
    return None
