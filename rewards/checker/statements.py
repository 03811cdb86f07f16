r"""Answers that are statements: a label with its value, an exact value with its rounding, one value said twice.

Only an answer is read so, and only after its plain reading differs from the gold answer. What a policy cannot gain by
this: every value that such a statement holds must be the same one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction

from rewards.algebra.bounds import OverBoundError
from rewards.algebra.nodes import Apply, Node, Number, Symbol
from rewards.algebra.numeric import values_within
from rewards.algebra.polynomials import constant_value
from rewards.algebra.quotients import forms_equal
from rewards.checker.closed_words import has_negation
from rewards.checker.relations import is_name
from rewards.checker.values import Collection, Relation, Scalar, Value, Words

__all__ = ["gold_reading", "other_readings"]

_CONSTANTS = frozenset({"pi", "e", "i", "infinity"})
_DECIMAL = re.compile(r"-?\d*(?:\.(\d+))?")
_LETTER = re.compile(
    r"(?<![\\A-Za-z])[A-Za-z]|\\(?:text|mathbb|lim|angle|triangle|odot|gcd|max|min|operatorname|int)(?![a-z])"
)
_DENIED = re.compile(r"\\(?:neg|lnot|not|ne)(?![A-Za-z])|[?\u2260]")
_LIMIT = re.compile(r"\\(?:lim|int|sum|prod)(?![A-Za-z])")
_CALL = re.compile(
    r"(?:[fghFGHPpEVuvTSNRQrqAC]|\\text\s*\{\w+\})(?:_?\{?\w{1,3}\}?)?'{0,3}\((?P<argument>[^=]{1,60})\)"
)
_INVERSE_CALL = re.compile(r"[fghFGH](?:_\{?\w{1,3}\}?)?\s*\^\s*\{?\s*-\s*1\s*\}?\s*\([^()=]{1,60}\)")


def other_readings(value: Value, gold: Value) -> Iterator[Value]:
    """What else an answer may say, most literal first; nothing for an answer that is no statement.

    Args:
        value: the answer as it was read.
        gold: the gold answer; a label counts where the gold answer has none.
    """
    if isinstance(value, Collection) and value.kind == "list" and _same(value.items):
        yield value.items[0]
    if not isinstance(value, Relation):
        return
    exact, rounded = _without_rounding(value)
    if exact is not value:
        yield exact
        if _is_decimal(gold) and rounded is not None:
            yield rounded
    if not isinstance(exact, Relation) or set(exact.operators) != {"="}:
        return
    if (asked := _asked_value(exact, gold)) is not None:
        yield asked


def gold_reading(gold: Value) -> Value | None:
    """The value of a gold answer whose label can be nothing but a label: ``P(A|B) = 1/3``, ``V_1 : V_2 = 11 : 21``,
    ``\\cos A = 1/2``; ``None`` for anything else. A sum or product with a value is an equation, as ``x + y = 5``.
    """
    if not isinstance(gold, Relation) or gold.operators != ("=",) or not is_label(gold.sides[0]):
        return None
    label, value = gold.sides
    return value if _is_surely_label(label) and not is_label(value) else None


def is_label(value: Value) -> bool:
    """Whether it can stand before the value it names: it holds a letter, is not denied, and is no value itself."""
    match value:
        case Words(text=text):
            return not has_negation(text)
        case Scalar(node=None, text=text, opaque=opaque):
            return (
                not opaque and not _DENIED.search(text) and not has_negation(text) and _LETTER.search(text) is not None
            )
        case Scalar(node=node) if node is not None:
            return bool(_variables(node))
        case Collection(items=items):
            return bool(items) and all(is_label(item) for item in items)
    return False


def _is_surely_label(label: Value) -> bool:
    match label:
        case Words():
            return True
        case Scalar(text=text) if _INVERSE_CALL.fullmatch(text):
            return True
        case Scalar(node=None, text=text):
            return not re.search(r"[-+*/^]", re.sub(r"[\\(\[{].*", "", text))
        case Scalar(node=Apply(name="mul"), text=text):
            return _CALL.fullmatch(text) is not None and _call_is_closed(text)
        case Scalar(node=Apply(name="abs" | "sin" | "cos" | "tan" | "cot" | "arccos" | "arcsin" | "arctan")):
            return True
        case Collection(kind="ratio" | "union", items=items):
            return all(is_name(item) for item in items)
    return is_name(label)


def _call_is_closed(text: str) -> bool:
    """Whether the bracket that opens first closes last: ``f(f(2))`` and not ``f(2)(x - 1)``."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "(") - (character == ")")
        if character == ")" and depth == 0:
            return index == len(text) - 1
    return False


def _asked_value(relation: Relation, gold: Value) -> Value | None:
    """The last side of ``label = … = value`` where each link between values is true."""
    label, *others = relation.sides
    if len(others) == 1 and not is_label(label) and is_label(others[0]):
        label, others = others[0], [label]  # 7 = a + b
    value = others[-1]
    if not is_label(label):
        return value if _same(relation.sides) else None
    if _is_unsolved(label):
        return None
    if is_label(value) and not _may_name(label, value):
        return None
    between = [side for side in others[:-1] if not is_label(side)]
    if not all(_same([side, value]) for side in between):
        return None
    if isinstance(gold, Relation):
        return Relation(("=",), (label, value)) if len(others) > 1 else None
    return value


def _may_name(label: Value, value: Value) -> bool:
    """Whether a label may stand before an expression with variables: a name or a call, no sum or product."""
    if isinstance(label, Scalar) and label.node is not None:
        return is_name(label) or (_CALL.fullmatch(label.text) is not None and _call_is_closed(label.text))
    return not isinstance(value, Scalar) or not isinstance(label, Scalar) or _LIMIT.search(label.text) is None


def _is_unsolved(label: Value) -> bool:
    """Whether a label is an expression in one variable, so that ``2x = 7`` is an equation to be solved and not the
    value of 2x; a name, a call, the sine of an angle and ``x + 1/x`` are labels.
    """
    if not isinstance(label, Scalar) or label.node is None or label.form is None or _is_surely_label(label):
        return False
    if len(_variables(label.node)) > 1:
        return False
    numerator, denominator = label.form
    inverse = any(exponent < 0 for monomial in numerator for _, exponent in monomial)
    return len(numerator) < 2 or not (inverse or constant_value(denominator) is None)


def _without_rounding(relation: Relation) -> tuple[Value, Value | None]:
    """What stands before ``\\approx`` where all that follows is its rounding, and the last rounding; a name may stand
    before ``\\approx`` as before ``=``. The relation itself where that is not so.
    """
    if "\\approx" not in relation.operators:
        return relation, None
    first = relation.operators.index("\\approx")
    operators, sides = relation.operators[:first], relation.sides[: first + 1]
    rest = relation.sides[first + 1 :]
    if set(relation.operators) - {"=", "\\approx"}:
        return relation, None
    if is_label(sides[0]) and len(sides) == 1:
        tail = rest[0] if len(rest) == 1 else Relation(relation.operators[1:], rest)
        inner, rounded = (tail, None) if not isinstance(tail, Relation) else _without_rounding(tail)
        return (Relation(("=",), (sides[0], inner)), rounded) if not isinstance(inner, Relation) else (relation, None)
    if not all(_is_rounding(side, sides[-1]) for side in rest):
        return relation, None
    return (Relation(operators, sides) if operators else sides[0]), rest[-1]


def _is_decimal(value: Value) -> bool:
    return isinstance(value, Scalar) and "." in value.text and _DECIMAL.fullmatch(value.text) is not None


def _is_rounding(decimal: Value, exact: Value) -> bool:
    """Whether a decimal is the exact value, rounded or cut off at its last digit; units must not differ."""
    if not (isinstance(decimal, Scalar) and isinstance(exact, Scalar)) or decimal.node is None or exact.node is None:
        return False
    match = _DECIMAL.fullmatch(decimal.text)
    if match is None or not (decimal.unit == exact.unit or not exact.unit or not decimal.unit):
        return False
    places = len(match.group(1) or "")
    return values_within(exact.node, decimal.node, Fraction(1, 10**places) if places else Fraction(1, 2), Fraction(0))


def _same(values: list[Value] | tuple[Value, ...]) -> bool:
    """Whether they are quantities that are exactly equal, unit and all."""
    first = values[0]
    if not isinstance(first, Scalar) or first.form is None:
        return False
    try:
        return all(
            isinstance(value, Scalar)
            and value.form is not None
            and (value.unit == first.unit or not value.unit or not first.unit)
            and forms_equal(first.form, value.form) is True
            for value in values[1:]
        )
    except OverBoundError:
        return False


def _variables(node: Node) -> frozenset[str]:
    """Names that stand for something unknown; the index of a sum is none."""
    match node:
        case Symbol(name=name):
            return frozenset({name} - _CONSTANTS)
        case Number():
            return frozenset()
    bound = node.arguments[0] if node.name in ("sum", "prod") else None
    found = frozenset[str]().union(*map(_variables, node.arguments))
    return found - {bound.name} if isinstance(bound, Symbol) else found
