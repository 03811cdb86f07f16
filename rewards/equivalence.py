"""Whether two read answers are equal, in three-valued logic: ``True``, ``False``, or ``None`` where it stays open.

Shapes are compared here; two scalars are decided by a function that is handed in, so that the same walk serves the
exact rules (`decide_exactly`) and, where they leave something open, the symbolic worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from rewards.algebra import canonical_form, forms_equal, proportional
from rewards.bounds import OverBoundError, UnreadableError
from rewards.nodes import Apply, Number, Symbol
from rewards.numeric import surely_different
from rewards.polynomials import constant_value
from rewards.structure import Collection, Relation, Scalar, Value, Words, value_key
from rewards.units import units_agree

__all__ = ["Decide", "decide_exactly", "values_equal"]

Decide = Callable[[Scalar, Scalar], bool | None]

_UNORDERED = frozenset({"list", "set", "union"})
_MIRRORED = {"<": ">", ">": "<", "\\le": "\\ge", "\\ge": "\\le", "=": "=", "\\ne": "\\ne"}
_LESS = {"<": (")", "("), "\\le": ("]", "[")}


def values_equal(left: Value, right: Value, decide: Decide) -> bool | None:
    """Whether two values are equal. Symmetric in its arguments where `decide` is."""
    if isinstance(left, Relation) or isinstance(right, Relation):
        return _relations_equal(left, right, decide)
    if (
        isinstance(left, Collection)
        and isinstance(right, Collection)
        and (left.kind == right.kind or not _is_choice(left, right))
    ):
        return _collections_equal(left, right, decide)
    for choice, other in ((left, right), (right, left)):
        if isinstance(choice, Collection) and choice.kind == "choice":
            letter, content = choice.items
            by_letter = isinstance(other, Scalar) and isinstance(other.node, Symbol) and len(other.text) == 1
            return values_equal(letter if by_letter else content, other, decide)
    if isinstance(left, Words) and isinstance(right, Words):
        return left.text == right.text
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return units_agree(left.unit, right.unit) and decide(left, right)
    return False


def decide_exactly(left: Scalar, right: Scalar) -> bool | None:
    """Equality of two scalars by exact rules; numbers of high precision only refute."""
    if left.text == right.text:
        return True
    if left.opaque or right.opaque:
        return False
    if left.form is None or right.form is None or left.node is None or right.node is None:
        return None
    try:
        equal = forms_equal(left.form, right.form)
    except OverBoundError:
        equal = None
    if equal is None and surely_different(left.node, right.node):
        return False
    return equal


def _is_choice(left: Collection, right: Collection) -> bool:
    return "choice" in (left.kind, right.kind)


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    if any(verdict is False for verdict in verdicts):
        return False
    return None if any(verdict is None for verdict in verdicts) else True


def _collections_equal(left: Collection, right: Collection, decide: Decide) -> bool | None:
    kinds = {left.kind, right.kind}
    if kinds == {"list", "union"} and (rays := [_as_interval(item) for item in (*left.items, *right.items)]):
        if all(ray is not None for ray in rays):
            middle = len(left.items)
            return _matched([ray for ray in rays[:middle] if ray], [ray for ray in rays[middle:] if ray], decide)
        return False
    if len(kinds) > 1 and kinds != {"list", "set"}:
        return False
    if left.kind not in _UNORDERED:
        if len(left.items) != len(right.items):
            return False
        return _all(
            [values_equal(first, second, decide) for first, second in zip(left.items, right.items, strict=True)]
        )
    first, second = list(left.items), list(right.items)
    if "set" in kinds:
        first, second = (_distinct([_bare(item) for item in items]) for items in (first, second))
    return _matched(first, second, decide)


def _distinct(items: list[Value]) -> list[Value]:
    kept: dict[str, Value] = {}
    for item in items:
        kept.setdefault(value_key(item), item)
    return list(kept.values())


def _matched(left: Sequence[Value], right: Sequence[Value], decide: Decide) -> bool | None:
    """Whether there is a one-to-one match of equal items."""
    if len(left) != len(right):
        return False
    remaining = {index: value_key(item) for index, item in enumerate(right)}
    unmatched: list[Value] = []
    for item in left:
        key = value_key(item)
        index = next((index for index, other in remaining.items() if other == key), None)
        if index is None:
            unmatched.append(item)
        else:
            del remaining[index]
    if len(unmatched) > 20:
        return False
    undecided = False
    for item in unmatched:
        verdicts = {index: values_equal(item, right[index], decide) for index in remaining}
        index = next((index for index, verdict in verdicts.items() if verdict), None)
        if index is not None:
            del remaining[index]
        elif all(verdict is False for verdict in verdicts.values()):
            return False
        else:
            undecided = True
    return None if undecided else True


def _relations_equal(left: Value, right: Value, decide: Decide) -> bool | None:
    if isinstance(left, Relation) and isinstance(right, Relation):
        first, second = _as_interval(left), _as_interval(right)
        if first is not None and second is not None and _interval_name(left) == _interval_name(right):
            return values_equal(first, second, decide)
        if len(left.sides) == 2 and len(right.sides) == 2:
            return _two_sided(left, right, decide)
        for mirrored in (False, True):
            other = _mirror(right) if mirrored else right
            if other is not None and other.operators == left.operators:
                verdict = _all([values_equal(a, b, decide) for a, b in zip(left.sides, other.sides, strict=True)])
                if verdict is not False:
                    return verdict
        bare_left, bare_right = _bare(left), _bare(right)
        if bare_left is not left and bare_right is not right and _name(left) == _name(right):
            return values_equal(bare_left, bare_right, decide)
        return False
    relation, other = (left, right) if isinstance(left, Relation) else (right, left)
    assert isinstance(relation, Relation)
    interval = _as_interval(relation)
    if interval is not None and isinstance(other, Collection):
        return values_equal(interval, other, decide)
    bare = _bare(relation)
    return False if isinstance(bare, Relation) else values_equal(bare, other, decide)


def _two_sided(left: Relation, right: Relation, decide: Decide) -> bool | None:
    for other in (right, _mirror(right)):
        if other is not None and other.operators == left.operators:
            if _all([values_equal(a, b, decide) for a, b in zip(left.sides, other.sides, strict=True)]):
                return True
            factor = _multiple(left, other) if left.operators[0] in _MIRRORED else None
            if factor is not None and (factor > 0 or left.operators[0] in ("=", "\\ne")):
                return True
    if left.operators != right.operators or _name(left) != _name(right) or not _name(left):
        return False
    return values_equal(_bare(left), _bare(right), decide)


def _multiple(left: Relation, right: Relation) -> Fraction | None:
    """The number c with ``left[0] − left[1] = c · (right[0] − right[1])``, denominators cleared."""
    try:
        forms = []
        for relation in (left, right):
            nodes = [side.node for side in relation.sides if isinstance(side, Scalar) and side.node is not None]
            if len(nodes) < 2:
                return None
            forms.append(canonical_form(Apply("add", (nodes[0], Apply("neg", (nodes[1],))))))
        if any(constant_value(numerator) is not None for numerator, _ in forms):
            return None  # an equation without variables is true or false: its multiples say nothing
        return proportional(*forms)
    except (OverBoundError, UnreadableError):
        return None


def _mirror(relation: Relation) -> Relation | None:
    if any(operator not in _MIRRORED for operator in relation.operators):
        return None
    return Relation(
        tuple(_MIRRORED[operator] for operator in reversed(relation.operators)), tuple(reversed(relation.sides))
    )


def _is_name(value: Value) -> bool:
    """Whether it names a quantity: a variable, ``f(x)``, a point ``(x, y)``, or a word in a text box."""
    match value:
        case Words():
            return True
        case Scalar(node=Symbol(name=name)):
            return name not in ("pi", "e", "i", "infinity")
        case Scalar(node=Apply(name="mul", arguments=(Symbol(), Symbol() | Number())), text=text):
            return text.endswith(")")
        case Collection(kind="()", items=items):
            return all(_is_name(item) for item in items)
    return False


def _name(relation: Relation) -> str:
    """The name that a relation gives a value to; ``""`` where it gives none."""
    ends = (relation.sides[0], relation.sides[-1])
    return next((value_key(side) for side in ends if _is_name(side)), "")


def _interval_name(relation: Relation) -> str:
    return value_key(relation.sides[1]) if len(relation.sides) == 3 else _name(relation)


def _bare(value: Value) -> Value:
    """``x = 5`` and ``x \\in S`` without the name; a true chain ``1/2 = 0.5`` as its value; else unchanged."""
    if not isinstance(value, Relation):
        return value
    sides = list(value.sides)
    if value.operators in (("=",), ("\\in",)) and _is_name(sides[0]):
        return sides[1]
    if set(value.operators) != {"="}:
        return value
    named = _is_name(sides[0])
    if not named and _is_name(sides[-1]):
        sides.pop()
    elif named:
        sides.pop(0)
    first = sides[0]
    same = all(isinstance(side, Scalar) and isinstance(first, Scalar) and decide_exactly(first, side) for side in sides)
    return sides[-1] if same else value


def _as_interval(value: Value) -> Collection | None:
    """``1 < x \\le 2`` as ``(1, 2]`` and ``x > 3`` as ``(3, \\infty)``; an interval as itself; ``None`` for anything
    else.
    """
    if isinstance(value, Collection):
        return value if value.kind in ("()", "[]", "(]", "[)") else None
    if not isinstance(value, Relation):
        return None
    if value.operators == ("\\in",) and _is_name(value.sides[0]):
        return _as_interval(value.sides[1])
    if value.operators[0] in (">", "\\ge"):
        mirrored = _mirror(value)
        return None if mirrored is None or mirrored.operators[0] not in _LESS else _as_interval(mirrored)
    if any(operator not in _LESS for operator in value.operators):
        return None
    infinity = Scalar(text="\\infty", node=Symbol("infinity"), form=canonical_form(Symbol("infinity")))
    negative = Apply("neg", (Symbol("infinity"),))
    match value.sides:
        case (low, name, high) if _is_name(name):
            return Collection(_LESS[value.operators[0]][1] + _LESS[value.operators[1]][0], (low, high))
        case (low, name) if _is_name(name):
            return Collection(_LESS[value.operators[0]][1] + ")", (low, infinity))
        case (name, high) if _is_name(name):
            below = Scalar(text="-\\infty", node=negative, form=canonical_form(negative))
            return Collection("(" + _LESS[value.operators[0]][0], (below, high))
    return None
