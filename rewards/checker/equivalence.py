"""Whether two read answers are equal, in three-valued logic: ``True``, ``False``, or ``None`` where it stays open.

Shapes are compared here; two scalars are decided by a function that is handed in, so that the same walk serves the
exact rules (`decide_exactly`) and, where they leave something open, the symbolic worker.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from benchmarks.problem import Tolerance
from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.canonical import canonical_form
from rewards.algebra.nodes import Apply, Symbol
from rewards.algebra.numeric import surely_different, values_within
from rewards.algebra.polynomials import ONE, constant_value
from rewards.algebra.quotients import cleared, forms_equal, proportional
from rewards.checker.families import without_constant
from rewards.checker.relations import (
    are_letters,
    as_interval,
    assigned_names,
    is_at,
    is_name,
    mirror,
    name_of,
    name_stem,
    real_set,
    same_name,
)
from rewards.checker.structure import read_quantity
from rewards.checker.units import split_letter_unit, units_agree
from rewards.checker.values import (
    Clock,
    Collection,
    Relation,
    Scalar,
    Value,
    Words,
    quotient_of,
    ratio_quotients,
    value_key,
)
from rewards.constants.equality import proved_equal

__all__ = ["Decide", "decide_exactly", "values_equal", "within_tolerance"]

Decide = Callable[[Scalar, Scalar], bool | None]

_CONSECUTIVE = "abcdefghijklmnopqrstuvwxyz ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_UNORDERED = frozenset({"list", "set", "union", "intersection", "cases"})
_NEGATABLE = frozenset({"=", "\\ne"})
_SCALABLE = frozenset({"=", "\\ne", "<", ">", "\\le", "\\ge"})


def values_equal(left: Value, right: Value, decide: Decide) -> bool | None:
    """Whether two values are equal. Symmetric in its arguments where `decide` is."""
    if isinstance(left, Scalar) and isinstance(right, Scalar):
        return _scalars_equal(left, right, decide)
    equal = _shapes_equal(left, right, decide)
    if equal is not True and not isinstance(left, Scalar | Words) and not isinstance(right, Scalar | Words):
        first, second = real_set(left), real_set(right)
        if first is not None and second is not None and same_name(left, right):
            return first == second
    return equal


def _shapes_equal(left: Value, right: Value, decide: Decide) -> bool | None:
    if isinstance(left, Relation) or isinstance(right, Relation):
        return _relations_equal(left, right, decide)
    if (
        isinstance(left, Collection)
        and isinstance(right, Collection)
        and (left.kind == right.kind or not _is_choice(left, right))
    ):
        return _collections_equal(left, right, decide)
    if isinstance(left, Words) and isinstance(right, Words):
        return left.text == right.text
    for value, other in ((left, right), (right, left)):
        if isinstance(value, Collection) and value.kind == "choice":
            letter, content = value.items
            by_letter = isinstance(other, Scalar) and isinstance(other.node, Symbol) and len(other.text) == 1
            return values_equal(letter if by_letter else content, other, decide)
        if isinstance(value, Clock):
            return is_at(value, other)
        if isinstance(value, Collection) and value.kind == "list" and isinstance(other, Words):
            return are_letters(value, other)
        if isinstance(value, Collection) and value.kind == "ratio" and isinstance(other, Scalar):
            quotients = ratio_quotients(value)
            return values_equal(quotients[0], other, decide) if quotients and len(quotients) == 1 else False
    return False


def _scalars_equal(left: Scalar, right: Scalar, decide: Decide) -> bool | None:
    if units_agree(left.unit, right.unit) and (equal := decide(left, right)) is not False:
        return equal
    if (bodies := without_constant(left, right)) is not None:
        return decide(*bodies)
    if left.text.endswith("%") != right.text.endswith("%"):
        return _percentage_equals(left, right, decide)
    for value, other in ((left, right), (right, left)):
        split = None if value.unit else split_letter_unit(value.text, bare=not other.unit)
        if split is not None and units_agree(split[1], other.unit) and (other.unit or _is_constant(other)):
            return other.text == split[0] or decide(read_quantity(split[0]), other)
    return False


def _percentage_equals(left: Scalar, right: Scalar, decide: Decide) -> bool | None:
    """Whether a percent sign on one side only stands for a unit, as ``60 %`` does where 60 was asked in percent: the
    bare number is above one, and no other unit is written.
    """
    percentage, bare = (left, right) if left.text.endswith("%") else (right, left)
    number = None if bare.form is None or bare.unit else constant_value(bare.form[0])
    if bare.form is None or number is None or bare.form[1] != ONE or abs(number) <= 1:
        return False
    return decide(read_quantity(percentage.text.removesuffix("%").strip()), bare)


def _is_constant(value: Scalar) -> bool:
    """Whether it holds no variable."""
    return value.form is not None and all(
        kind not in ("variable", "angle", "function")
        for part in value.form
        for monomial in part
        for (kind, _), _ in monomial
    )


def decide_exactly(left: Scalar, right: Scalar) -> bool | None:
    """Equality of two scalars by exact rules and proofs; numbers of high precision only refute."""
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
    return proved_equal(left.node, right.node) if equal is None else equal


def within_tolerance(gold: Value, value: Value, tolerance: Tolerance) -> bool:
    """Whether two values are equal where each number may lie ``absolute + relative · |gold|`` from the gold answer's.

    The one place where evaluated numbers accept, because the benchmark says so.
    """

    def decide(left: Scalar, right: Scalar) -> bool | None:
        equal = decide_exactly(left, right)
        if equal or left.node is None or right.node is None:
            return equal
        return values_within(left.node, right.node, tolerance.absolute, tolerance.relative)

    return values_equal(gold, value, decide) is True


def _is_choice(left: Collection, right: Collection) -> bool:
    return "choice" in (left.kind, right.kind)


def _all(verdicts: Sequence[bool | None]) -> bool | None:
    if any(verdict is False for verdict in verdicts):
        return False
    return None if any(verdict is None for verdict in verdicts) else True


def _collections_equal(left: Collection, right: Collection, decide: Decide) -> bool | None:
    kinds = {left.kind, right.kind}
    if "all" in kinds and kinds & {"list", "union"}:
        return False
    kinds = {"list" if kind == "all" else kind for kind in kinds}
    if kinds == {"list", "union"} and (rays := [as_interval(item) for item in (*left.items, *right.items)]):
        if all(ray is not None for ray in rays):
            middle = len(left.items)
            return _matched([ray for ray in rays[:middle] if ray], [ray for ray in rays[middle:] if ray], decide)
        return False
    if "parts" in kinds and kinds <= {"parts", "list"}:  # numbered values keep their order
        return len(left.items) == len(right.items) and _all(
            [values_equal(first, second, decide) for first, second in zip(left.items, right.items, strict=True)]
        )
    if kinds == {"list", "()"}:
        assigned, point = (left, right) if left.kind == "list" else (right, left)
        names = assigned_names(assigned)
        alphabetical = all(len(name) == 1 for name in names) and "".join(names) in _CONSECUTIVE
        if len(names) < 2 or len(names) != len(point.items) or not alphabetical:
            return False
        values = dict(zip(names, point.items, strict=True))
        return _all([values_equal(_bare(item), values[name_stem(item)], decide) for item in assigned.items])
    if len(kinds) > 1 and kinds != {"list", "set"}:
        return False
    if kinds <= {"list", "set"} and len({bool(assigned_names(left)), bool(assigned_names(right))}) > 1:
        return False
    if kinds == {"ratio"}:
        first_terms, second_terms = ratio_quotients(left), ratio_quotients(right)
        if first_terms is not None or second_terms is not None:
            terms = [[quotient_of(item, ratio.items[-1]) for item in ratio.items[:-1]] for ratio in (left, right)]
            if len(terms[0]) != len(terms[1]) or any(term is None for side in terms for term in side):
                return False
            return _all([values_equal(a, b, decide) for a, b in zip(*terms, strict=True) if a and b])
    if not kinds <= _UNORDERED:
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
    open_ends = [right[index] for index in remaining]
    table = [[values_equal(item, other, decide) for other in open_ends] for item in unmatched]
    if any(all(verdict is False for verdict in line) for line in (*table, *zip(*table, strict=True))):
        return False
    free = set(range(len(open_ends)))
    for row in table:
        free.discard(next((index for index in sorted(free) if row[index]), -1))
    return None if free else True


def _relations_equal(left: Value, right: Value, decide: Decide) -> bool | None:
    if isinstance(left, Relation) and isinstance(right, Relation):
        first, second = as_interval(left), as_interval(right)
        if first is not None and second is not None and _interval_name(left) == _interval_name(right):
            return values_equal(first, second, decide)
        if len(left.sides) == 2 and len(right.sides) == 2:
            return _two_sided(left, right, decide)
        for mirrored in (False, True):
            other = mirror(right) if mirrored else right
            if other is not None and other.operators == left.operators:
                verdict = _all([values_equal(a, b, decide) for a, b in zip(left.sides, other.sides, strict=True)])
                if verdict is not False:
                    return verdict
        bare_left, bare_right = _bare(left), _bare(right)
        if bare_left is not left and bare_right is not right and name_of(left) == name_of(right):
            return values_equal(bare_left, bare_right, decide)
        return False
    relation, other = (left, right) if isinstance(left, Relation) else (right, left)
    assert isinstance(relation, Relation)
    interval = as_interval(relation)
    if interval is not None and isinstance(other, Collection):
        return values_equal(interval, other, decide)
    bare = _bare(relation)
    return False if isinstance(bare, Relation) else values_equal(bare, other, decide)


def _two_sided(left: Relation, right: Relation, decide: Decide) -> bool | None:
    for other in (right, mirror(right)):
        if other is not None and other.operators == left.operators:
            if _all([values_equal(a, b, decide) for a, b in zip(left.sides, other.sides, strict=True)]):
                return True
            factor = _multiple(left, other) if left.operators[0] in _SCALABLE else None
            if factor is not None and (factor > 0 or left.operators[0] in _NEGATABLE):
                return True
    if left.operators != right.operators or name_of(left) != name_of(right) or not name_of(left):
        return False
    bare_left, bare_right = _bare(left), _bare(right)
    if isinstance(bare_left, Relation) or isinstance(bare_right, Relation):
        return False
    return values_equal(bare_left, bare_right, decide)


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
        return proportional(*map(cleared, forms) if left.operators[0] in _NEGATABLE else forms)
    except (OverBoundError, UnreadableError):
        return None


def _interval_name(relation: Relation) -> str:
    return value_key(relation.sides[1]) if len(relation.sides) == 3 else name_of(relation)


def _bare(value: Value) -> Value:
    """``x = 5`` and ``x \\in S`` without the name; a true chain ``1/2 = 0.5`` as its value; else unchanged."""
    if not isinstance(value, Relation):
        return value
    sides = list(value.sides)
    if value.operators in (("=",), ("\\in",), ("\\equiv",)) and is_name(sides[0]):
        return sides[1]
    if set(value.operators) != {"="}:
        return value
    named = is_name(sides[0])
    if not named and is_name(sides[-1]):
        sides.pop()
    elif named:
        sides.pop(0)
    first = sides[0]
    same = all(isinstance(side, Scalar) and isinstance(first, Scalar) and decide_exactly(first, side) for side in sides)
    return sides[-1] if same else value
