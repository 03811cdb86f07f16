r"""The shape of an answer: a scalar, a text, a list, set, tuple, interval, union or matrix, an equation or an
inequality.

The shape is read off the brackets and separators of the normalised text; only the scalars inside reach the expression
parser.
"""

from __future__ import annotations

import re
from fractions import Fraction

from rewards.algebra.bounds import MAX_ANSWER_CHARS, MAX_ITEMS, MAX_NESTING, OverBoundError, UnreadableError
from rewards.algebra.canonical import canonical_form
from rewards.algebra.expressions import parse_expression
from rewards.algebra.nodes import Apply, Node, Number
from rewards.algebra.polynomials import ONE
from rewards.calculus.evaluation import carry_out
from rewards.checker.families import family_of, split_family
from rewards.checker.normalization import normalize, squeeze
from rewards.checker.numerals import read_based, read_clock
from rewards.checker.printed import rewrite_printed
from rewards.checker.relations import assigned_names, between, name_of, same_name
from rewards.checker.sets import combined, half_line, rest_of_line
from rewards.checker.units import LEADING_CURRENCY, split_unit
from rewards.checker.values import LISTS, Collection, Relation, Scalar, Value, Words
from rewards.checker.wording import (
    SIGNS_AND_WORDS,
    canonical_words,
    is_wording,
    split_label,
    split_parts,
    without_wording,
)
from rewards.notation.brackets import encloses, split_at, without_thousands
from rewards.notation.congruences import with_modulus
from rewards.notation.environments import Piecewise, in_one_line, read_piecewise

__all__ = ["read_answer", "read_quantity"]

_CONJUNCTION = re.compile(
    r"\s*,?\s*\\text\s*\{\s*,?\s*(?:and|or|und|oder|et|ou|y|e|o|u|og|och|eller|и|или)\s*\}\s*,?\s*"
    r"|\s*,?\s+(?:and|or|und|oder|et|ou|или|и)\s+|(?<=[)\]\d])(?:and|or)(?=[(\[\d])"
    r"|\s*\\(?:lor|vee|land|wedge)(?![A-Za-z])\s*"
    r"|\s*(?:\\text\s*\{\s*[或和]\s*\}|[或和])\s*"
)
_RELATIONS = "= < > \\le \\ge \\ne \\in \\approx \\equiv"
_MATRIX = re.compile(
    r"(.*?)([(\[|]?)\s*\\begin\s*\{([pbvB]?(?:small)?matrix|array)\}(?:\s*\{[clr| ]*\})?(.*)\\end\s*\{\3\}\s*([)\]|]?)",
    re.DOTALL,
)
_CHOICE = re.compile(r"\(?\s*\\text\s*\{\s*\(?([A-Za-z])\)?\s*\}\s*\)?|\(([A-Z])\)|([A-Z])[.)]")
_OPTION = re.compile(r"(?:(?:[Oo]ption|[Cc]hoice)\s|选项?|故选|应选)\s*[:：]?\s*(?=\(?[A-Z]\)?[.)]?$)")
_REAL_LINE = re.compile(
    r"\\mathbb\{R\}|\\mathbb R|(?:the set of )?(?:all|any) (?:the )?real(?: number)?s?|the real(?: number)?s"
)
_PUNCTURED_LINE = re.compile(r"\\mathbb\{R\}\s*(?:\\setminus|\\backslash|\\|-)\s*\\\{([^{}]*)\\\}")
_SET_BUILDER = re.compile(r"\s*[a-zA-Z]\s*(?:\\in\s*\\mathbb\{R\}\s*)?(?:\||:)\s*(\S.*)", re.DOTALL)
_ALTERNATIVE = re.compile(r"\bor\b|\\(?:lor|vee)(?![A-Za-z])|或")
_TOGETHER = re.compile(r"\band\b|和")
_LOGICAL = re.compile(r"\\(?:land|wedge)(?![A-Za-z])")
_BOUNDS = frozenset({"<", ">", "\\le", "\\ge"})
_TO = re.compile(r"(?<=\d) ?(?:\\text\s*\{\s*to\s*\}|\bto\b) ?(?=\d)")
_SIGNS = re.compile(r"\\(?:pm|mp)(?![A-Za-z])")
_MATRIX_BRACKETS = (("", ""), ("(", ")"), ("[", "]"), ("|", "|"))
_UNION_LETTER = re.compile(r"(?<=[)\]])\s*U\s*(?=[(\[])")
_BOX = re.compile(r"\\text\s*\{([^{}]*)\}")
_PLAIN_NUMBER = re.compile(r"-?\d{1,15}")
_PERCENT_HINT = re.compile(r"[PpП](?:e?r|ct|our|or)|п|asilimia|[パเশశ퍼]", re.IGNORECASE)
_PERCENT_WORD = re.compile(
    r"(?<=[\d)}])\s*\\?(?:\b|text\s*\{\s*)(?:per ?cents?|pct|percentage|prozent|pour ?cent|por ?ciento"
    r"|asilimia|процент\w*)\b\.?(?:\s*\})?"
    r"|(?<=[\d)}])\s*(?:\\text\s*\{\s*)?(?:パーセント|เปอร์เซ็นต์|শতাংশ|శాతం|퍼센트)(?:\s*\})?",
    re.IGNORECASE,
)
_LETTER_AND_CONTENT = re.compile(
    r"(?:[Oo]ption\s+)?(?:\\text\s*\{\s*(?:[Oo]ption\s+)?\(?([A-J])\s*[).:]\s*\}"
    r"|\(\s*(?:\\text\s*\{)?\s*([A-J])\s*\}?\s*\)"
    r"|([A-J])[.):](?=\s))\s*(?P<content>\S.*)"
)


def read_answer(text: str) -> Value:
    """The value that an answer's text stands for; never raises.

    Args:
        text: the answer as written. Whatever cannot be read becomes a `Scalar` without a node.
    """
    if _PLAIN_NUMBER.fullmatch(text):
        return _whole_number(text)
    normal = normalize(rewrite_printed(text) if len(text) <= MAX_ANSWER_CHARS else text)
    if len(normal) > MAX_ANSWER_CHARS or normal.count("{") > MAX_ITEMS:
        return Scalar(text=normal, opaque=True)
    whole = _BOX.fullmatch(normal)
    if whole is not None and not _CHOICE.fullmatch(normal):
        normal = whole.group(1).strip()
    choice = _LETTER_AND_CONTENT.fullmatch(normal)
    if choice is not None:
        letter = next(filter(None, choice.groups()))
        return Collection("choice", (_scalar(letter), read_answer(choice.group("content"))))
    if (piecewise := read_piecewise(normal)) is not None:
        return _read_piecewise(piecewise)
    normal = in_one_line(normal)
    if (split := split_family(normal)) is not None:
        family = family_of(read_answer(split[0]), *split[1:])
        if family is not None:
            return family
    normal = without_wording(re.sub(r"^\\approx(?![A-Za-z])\s*", "", normal))
    if whole is not None and not re.search(r"[,:;]|\b(?:and|or|to)\b|\\approx", normal):
        return _scalar(_without_percent_words(normal))
    if parts := split_parts(normal):
        return Collection("parts", tuple(read_answer(part) for part in parts))
    if (label := split_label(normal)) is not None:
        value = read_answer(label[1])
        named = isinstance(value, Scalar | Words)
        return Relation(("=",), (Words(canonical_words(label[0].lower())), value)) if named else value
    normal = _without_percent_words(normal)
    if "U" in normal:
        normal = _UNION_LETTER.sub(r"\\cup ", normal)
    try:
        return _read_list(without_thousands(normal), 0)
    except (OverBoundError, RecursionError):
        return Scalar(text=squeeze(normal), opaque=True)


def _without_percent_words(text: str) -> str:
    """Percentages in words as hundredths: ``5 percent``, ``5 Prozent``."""
    return _PERCENT_WORD.sub(r"*\\frac{1}{100}", text) if _PERCENT_HINT.search(text) else text


def _whole_number(text: str) -> Scalar:
    """What `read_quantity` reads in digits with or without a minus: half of all gold answers."""
    magnitude = Fraction(int(text.removeprefix("-")))
    node: Node = Number(magnitude)
    if text.startswith("-"):
        magnitude, node = -magnitude, Apply("neg", (node,))
    return Scalar(text=text, node=node, form=({(): magnitude} if magnitude else {}, ONE))


def _read_piecewise(piecewise: Piecewise) -> Value:
    """The pieces in any order, each with its condition."""
    conditions = [read_answer(condition) if condition else None for _, condition in piecewise.pieces]
    said = [condition for condition in conditions if condition is not None]
    rest = None
    if said and len(said) == len(conditions) - 1 and all(same_name(said[0], condition) for condition in said):
        rest = rest_of_line(said)  # what "otherwise" stands for
    pieces = [
        Collection("piece", (read_answer(value), condition or rest or Words("otherwise")))
        for (value, _), condition in zip(piecewise.pieces, conditions, strict=True)
    ]
    function = Collection("cases", tuple(pieces))
    return Relation(("=",), (read_answer(piecewise.label), function)) if piecewise.label else function


def _read_list(text: str, depth: int) -> Value:
    """A value that may be a list: pieces between commas, semicolons, "and", "or", or the two signs of ±."""
    if depth > MAX_NESTING:
        raise OverBoundError(f"nesting deeper than {MAX_NESTING}")
    if ";" in text and (groups := _assignments(text, depth)):
        return Collection("list", groups)
    joined = _CONJUNCTION.sub(" , ", text if "\\begin" in text else text.replace(" & ", " , "))
    pieces = [piece.strip() for _, piece in split_at(joined, ", ;")] or [joined]
    items = _shared_variable([_read_relation(signed, depth) for piece in pieces if piece for signed in _signs(piece)])
    if joined != text and any(isinstance(item, Words) for item in items) and not all(_is_short(item) for item in items):
        return _scalar(text)
    if len(items) == 1 and not (len(pieces) > 1 and all(pieces)):
        return items[0]
    if len(items) == 2 and not _ALTERNATIVE.search(text) and (both := between(*items)) is not None:
        return both
    return Collection(_list_kind(items, text), tuple(items)) if items else Scalar(text="")


def _assignments(text: str, depth: int) -> tuple[Value, ...]:
    """The groups of ``p = 5, q = 2; p = 7, q = 2``; none where the text is no such list."""
    groups = tuple(_read_list(piece.strip(), depth + 1) for _, piece in split_at(text, ";") if piece.strip())
    names = [assigned_names(group) if isinstance(group, Collection) else [] for group in groups]
    return groups if len(groups) > 1 and names[0] and all(other == names[0] for other in names) else ()


def _list_kind(items: list[Value], text: str) -> str:
    """``all`` for bounds, or statements under a logical sign, that hold together; solutions are a list either way."""
    bounds = [item for item in items if isinstance(item, Relation) and _BOUNDS.issuperset(item.operators)]
    logical = _LOGICAL.search(text) is not None
    if _ALTERNATIVE.search(text) or not (logical or len(bounds) == len(items)):
        return "list"
    together = logical or _TOGETHER.search(text) or len({name_of(bound) for bound in bounds}) > 1
    return "all" if together else "list"


def _is_short(item: Value) -> bool:
    return not isinstance(item, Words) or " " not in item.text


def _signs(piece: str) -> list[str]:
    if not _SIGNS.search(piece) or "\\{" in piece:
        return [piece]
    upper = re.sub(r"\\pm(?![A-Za-z])", "+", re.sub(r"\\mp(?![A-Za-z])", "-", piece))
    lower = re.sub(r"\\pm(?![A-Za-z])", "-", re.sub(r"\\mp(?![A-Za-z])", "+", piece))
    return [upper, lower]


def _shared_variable(items: list[Value]) -> list[Value]:
    """``x = 1, 2`` means ``x = 1, x = 2``."""
    first = items[0] if items else None
    if not (isinstance(first, Relation) and isinstance(first.sides[0], Scalar)):
        return items
    if first.operators not in (("=",), ("\\ne",)) or not all(isinstance(item, Scalar) for item in items[1:]):
        return items
    return [first, *(Relation(first.operators, (first.sides[0], item)) for item in items[1:])]


def _read_relation(text: str, depth: int) -> Value:
    text = with_modulus(text)
    pieces = split_at(text, _RELATIONS)
    if pieces and all(piece.strip() for _, piece in pieces):
        sides = tuple(_read_union(piece.strip(), depth) for _, piece in pieces)
        return Relation(tuple(mark for mark, _ in pieces[1:]), sides)
    return _read_union(text, depth)


def _read_union(text: str, depth: int) -> Value:
    pieces = split_at(text, "\\cup \\cap \\setminus \\backslash") if not _PUNCTURED_LINE.fullmatch(text) else []
    if pieces:
        return _combined(pieces, depth)
    if ":" in text and (clock := read_clock(text)) is not None:
        return clock
    pieces = split_at(_TO.sub(":", text) if "to" in text else text, ":")
    if pieces and all(piece.strip() for _, piece in pieces):
        return Collection("ratio", tuple(_read_bracketed(piece.strip(), depth) for _, piece in pieces))
    return _read_bracketed(text, depth)


def _combined(pieces: list[tuple[str, str]], depth: int) -> Value:
    """Sets between operators of one kind, or a difference of two, carried out where that can be decided."""
    operators = {operator.replace("backslash", "setminus") for operator, _ in pieces[1:]}
    sets = [_read_set(piece.strip(), depth + 1) for _, piece in pieces]
    if len(operators) > 1 or (operators == {"\\setminus"} and len(sets) > 2):
        return Collection("mixed", (*sets, *(Words(operator) for operator, _ in pieces[1:])))
    [operator] = operators
    total = sets[0]
    for other in sets[1:]:
        done = combined(operator, total, other)
        if done is None:
            kinds = {"\\cup": "union", "\\cap": "intersection"}
            return Collection(kinds.get(operator, "difference"), tuple(sets))
        total = done
    return total


def _read_set(text: str, depth: int) -> Value:
    """A set between operators, its braces perhaps without their backslashes."""
    bare = text.startswith("{") and text.endswith("}") and encloses(text)
    return _read_union(f"\\{text[:-1]}\\}}" if bare else text, depth)


def _read_bracketed(text: str, depth: int) -> Value:
    if "\\begin" in text and (matrix := _read_matrix(text, depth)) is not None:
        return matrix
    if text.startswith("\\{") and text.endswith("\\}"):
        condition = _SET_BUILDER.fullmatch(text[2:-2])
        inner = _read_list((condition.group(1) if condition else text[2:-2]).strip(), depth + 1)
        if condition is not None:
            return inner
        if isinstance(inner, Scalar) and not inner.text:
            return Words("empty set")
        items = inner.items if isinstance(inner, Collection) and inner.kind in LISTS else (inner,)
        return Collection("set", items)
    if len(text) > 2 and text[0] in "([]" and text[-1] in ")][":
        inner = text[1:-1]
        outward = text[0] == "]" or text[-1] == "["
        pieces = split_at(inner, ",") or split_at(inner, ";")
        if pieces and (encloses(text) or (outward and len(pieces) == 2)):
            kind = text[0].replace("]", "(") + text[-1].replace("[", ")")
            return _rows(Collection(kind, tuple(_read_relation(piece.strip(), depth + 1) for _, piece in pieces)))
    return _scalar(text)


def _rows(collection: Collection) -> Collection:
    """``[[1, 2], [3, 4]]`` as a matrix, anything else as itself."""
    rows = [item for item in collection.items if isinstance(item, Collection) and item.kind == "[]"]
    if collection.kind != "[]" or len(rows) < len(collection.items) or len({len(row.items) for row in rows}) > 1:
        return collection
    return Collection("matrix", tuple(Collection("row", row.items) for row in rows))


def _read_matrix(text: str, depth: int) -> Collection | None:
    """A matrix or a multiple of one; ``None`` where the text is more than that."""
    match = _MATRIX.fullmatch(text)
    if match is None or text.count("\\begin") != 1:
        return None
    factor, opening, name, body, closing = match.groups()
    if (opening, closing) not in _MATRIX_BRACKETS:
        return None
    rows = [row for row in re.split(r"\\cr(?![A-Za-z])", body) if row.strip()]
    entries = [[_read_list(entry.strip(), depth + 1) for entry in row.split("&")] for row in rows]
    if sum(len(row) for row in entries) > MAX_ITEMS:
        raise OverBoundError(f"a matrix of more than {MAX_ITEMS} entries")
    if factor.strip():
        scalar = read_quantity(factor.strip().removesuffix("*").strip() if factor.strip() != "-" else "-1")
        entries = [[_multiple(scalar, entry) for entry in row] for row in entries]
    kind = "vmatrix" if opening == "|" or name == "vmatrix" else "matrix"
    return Collection(kind, tuple(Collection("row", tuple(row)) for row in entries))


def _multiple(factor: Scalar, entry: Value) -> Value:
    if factor.node is None or not isinstance(entry, Scalar) or entry.node is None:
        return Scalar(text=f"({factor.text})({entry.text if isinstance(entry, Scalar) else ''})")
    node = Apply("mul", (factor.node, entry.node))
    return Scalar(text=f"({factor.text})({entry.text})", node=node, form=canonical_form(node))


def _scalar(text: str) -> Value:
    text = text.strip()
    text = text if text.endswith("..") else text.rstrip(".")
    if _OPTION.match(text):
        text = _OPTION.sub("", text)
    choice = _CHOICE.fullmatch(text)
    if choice is not None:
        text = choice.group(1) or choice.group(2) or choice.group(3)
    numeral = read_based(text) or read_clock(text)
    if numeral is not None:
        return numeral
    if LEADING_CURRENCY.match(text):
        return read_quantity(text)
    if (meaning := SIGNS_AND_WORDS.get(text)) is not None:
        return Words(meaning)
    if _REAL_LINE.fullmatch(text):
        return _read_bracketed("(-\\infty,\\infty)", 0)
    if (half := half_line(text)) is not None:
        return _read_bracketed(half, 0)
    if (punctured := _PUNCTURED_LINE.fullmatch(text)) is not None:
        points = _read_list(punctured.group(1), 0)
        if not isinstance(points, Collection) or points.kind != "list":
            return Relation(("\\ne",), (read_quantity("x"), points))
        return Collection("list", tuple(Relation(("\\ne",), (read_quantity("x"), point)) for point in points.items))
    if is_wording(text):
        return Words(canonical_words(re.sub(r"[^a-z0-9]+", " ", _BOX.sub(r" \1 ", text).lower()).strip()))
    return read_quantity(text)


def read_quantity(text: str) -> Scalar:
    """One quantity with its unit; never raises."""
    quantity, unit = split_unit(text)
    if quantity.endswith(("10", "10}", "ten}")):
        quantity = re.sub(r"(?<=[\d)]) ?_ ?(?:\{ ?)?(?:10|ten|\\text ?\{ ?ten ?\})(?: ?\})?$", "", quantity)
    try:
        node = carry_out(parse_expression(quantity))
        return Scalar(text=quantity, unit=unit, node=node, form=canonical_form(node))
    except UnreadableError:
        return Scalar(text=quantity, unit=unit)
    except (OverBoundError, RecursionError):
        return Scalar(text=squeeze(quantity), unit=unit, opaque=True)
