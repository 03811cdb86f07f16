r"""The shape of an answer: a scalar, a text, a list, set, tuple, interval, union or matrix, an equation or an
inequality.

The shape is read off the brackets and separators of the normalised text; only the scalars inside reach the expression
parser.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards.algebra import Quotient, canonical_form, form_key
from rewards.bounds import MAX_ANSWER_CHARS, MAX_ITEMS, MAX_NESTING, OverBoundError, UnreadableError
from rewards.expressions import parse_expression
from rewards.lexer import CONSTANTS, FUNCTIONS, GREEK
from rewards.nodes import Node
from rewards.normalization import normalize, squeeze
from rewards.units import split_unit

__all__ = ["Collection", "Relation", "Scalar", "Value", "Words", "read_answer", "value_key"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One quantity or expression.

    Attributes:
        text: its normalised text without the unit.
        unit: canonical unit, ``""`` where there is none.
        node: its tree; ``None`` where the exact parser cannot read it, or where it is past a bound.
        form: its canonical form; ``None`` as for `node`.
        opaque: whether a bound was passed: the value equals its own text and nothing else.
    """

    text: str
    unit: str = ""
    node: Node | None = None
    form: Quotient | None = None
    opaque: bool = False


@dataclass(frozen=True, slots=True)
class Words:
    """An answer in words, or a numeral in a base (``1101_2``), compared letter by letter."""

    text: str


@dataclass(frozen=True, slots=True)
class Collection:
    """Several values.

    `kind` is list, set, union, ratio, choice (letter, content), matrix, vmatrix, row, or the
    two brackets: ``()``, ``[]``, ``(]``, ``[)``."""

    kind: str
    items: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Relation:
    """An equation, inequality or chain of them: ``sides[0] operators[0] sides[1] …``."""

    operators: tuple[str, ...]
    sides: tuple[Value, ...]


Value = Scalar | Words | Collection | Relation

_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED_THOUSANDS = re.compile(r"(?<![\d.,/] )(?<![\d.,])\d{1,3}(?: \d{3})+(?![\d,/ ])")
_CONJUNCTION = re.compile(
    r"\s*,?\s*\\text\s*\{\s*,?\s*(?:and|or)\s*\}\s*,?\s*|\s*,?\s+(?:and|or)\s+|\s*\\(?:lor|vee)(?![A-Za-z])\s*"
)
_SCAN = re.compile(
    r"\\begin\s*\{\w+\*?\}|\\end\s*\{\w+\*?\}|\\[{}]|[(){}\[\]]|\\(?:le|ge|ne|in|approx|equiv|cup|pm|mp)(?![A-Za-z])|\\[A-Za-z]+|[,;:=<>]"
)
_RELATIONS = frozenset({"=", "<", ">", "\\le", "\\ge", "\\ne", "\\in", "\\approx", "\\equiv"})
_MATRIX = re.compile(r"\\begin\s*\{([pbvB]?matrix|array)\}(?:\s*\{[clr| ]*\})?(.*)\\end\s*\{\1\}", re.DOTALL)
_CHOICE = re.compile(r"\(?\s*\\text\s*\{\s*\(?([A-Za-z])\)?\s*\}\s*\)?|\(([A-Z])\)|([A-Z])[.)]")
_BASED = re.compile(r"([-+]?[0-9A-Fa-f.]+)_\{?(\d{1,2})\}?")
_BOX = re.compile(r"\\text\s*\{([^{}]*)\}")
_WORDS = re.compile(r"[A-Za-z]+(?:['-][A-Za-z]{2,}|'s?)*\.?(?: [A-Za-z0-9]+(?:['-][A-Za-z]{2,}|'s?)*\.?)*")
_LETTER_AND_CONTENT = re.compile(
    r"(?:\\text\s*\{\s*\(?([A-J])\s*\)\s*\}|\(\s*(?:\\text\s*\{)?\s*([A-J])\s*\}?\s*\)|([A-J])[.):](?=\s))\s*(\S.*)"
)


def read_answer(text: str) -> Value:
    """The value that an answer's text stands for; never raises.

    Args:
        text: the answer as written. Whatever cannot be read becomes a `Scalar` without a node.
    """
    normal = normalize(text)
    if len(normal) > MAX_ANSWER_CHARS or normal.count("{") > MAX_ITEMS:
        return Scalar(text=normal, opaque=True)
    whole = _BOX.fullmatch(normal)
    if whole is not None and not _CHOICE.fullmatch(normal):
        normal = whole.group(1).strip()
        if not re.search(r"[,:;]|\b(?:and|or)\b", normal):
            return _scalar(normal)
    choice = _LETTER_AND_CONTENT.fullmatch(normal)
    if choice is not None:
        letter = choice.group(1) or choice.group(2) or choice.group(3)
        return Collection("choice", (_scalar(letter), read_answer(choice.group(4))))
    normal = re.sub(r"^\\approx(?![A-Za-z])\s*", "", normal)
    normal = re.sub(r"\s*\bpercent\b|\s*\\text\s*\{\s*percent\s*\}", "%", normal)
    try:
        return _read_list(_SPACED_THOUSANDS.sub(_without_separators, _THOUSANDS.sub(_without_separators, normal)), 0)
    except (OverBoundError, RecursionError):
        return Scalar(text=squeeze(normal), opaque=True)


def value_key(value: Value) -> str:
    """A text that is the same for equal values as far as the exact rules reach: unit, variable and shape are kept."""
    match value:
        case Scalar(text=text, unit=unit, form=form):
            key = squeeze(text) if form is None else form_key(form)
            return f"{key} {unit}".strip()
        case Words(text=text):
            return f"text:{text}"
        case Collection(kind=kind, items=items):
            keys = [value_key(item) for item in items]
            if kind in ("list", "set", "union"):
                keys.sort()
            return f"{kind}<{' ; '.join(dict.fromkeys(keys) if kind == 'set' else keys)}>"
        case Relation(operators=operators, sides=sides):
            return value_key(sides[0]) + "".join(
                f" {op} {value_key(side)}" for op, side in zip(operators, sides[1:], strict=True)
            )


def _without_separators(match: re.Match[str]) -> str:
    """The number without its separators; between brackets a comma separates entries, so there nothing changes."""
    before = match.string[: match.start()]
    if any(
        before.count(opening) > before.count(closing) for opening, closing in (("(", ")"), ("[", "]"), ("\\{", "\\}"))
    ):
        return match.group()
    return match.group().replace(",", "").replace(" ", "")


def _split(text: str, separators: str) -> list[tuple[str, str]]:
    """Pieces between top-level separators, each with the separator before it; empty where there is none.

    Raises:
        OverBoundError: brackets are nested deeper than `MAX_NESTING`, or there are more than `MAX_ITEMS` pieces.
    """
    wanted = separators.split(" ")
    pieces: list[tuple[str, str]] = []
    depth = start = 0
    before = ""
    for match in _SCAN.finditer(text):
        mark = match.group()
        if mark in ("(", "[", "{", "\\{") or mark.startswith("\\begin"):
            depth += 1
            if depth > MAX_NESTING:
                raise OverBoundError(f"brackets nested deeper than {MAX_NESTING}")
        elif mark in (")", "]", "}", "\\}") or mark.startswith("\\end"):
            depth -= 1
        elif depth == 0 and mark in wanted:
            pieces.append((before, text[start : match.start()]))
            before, start = mark, match.end()
            if len(pieces) > MAX_ITEMS:
                raise OverBoundError(f"more than {MAX_ITEMS} pieces")
    return [*pieces, (before, text[start:])] if pieces else []


def _read_list(text: str, depth: int) -> Value:
    """A value that may be a list: pieces between commas, semicolons, "and", "or", or the two signs of ±."""
    if depth > MAX_NESTING:
        raise OverBoundError(f"nesting deeper than {MAX_NESTING}")
    joined = _CONJUNCTION.sub(" , ", text)
    pieces = [piece.strip() for _, piece in _split(joined, ", ;")] or [joined]
    items = _shared_variable([_read_relation(signed, depth) for piece in pieces if piece for signed in _signs(piece)])
    if joined != text and any(isinstance(item, Words) for item in items) and not all(_is_short(item) for item in items):
        return _scalar(text)
    if len(items) == 1 and not (len(pieces) > 1 and all(pieces)):
        return items[0]
    return Collection("list", tuple(items)) if items else Scalar(text="")


def _is_short(item: Value) -> bool:
    return not isinstance(item, Words) or " " not in item.text


def _signs(piece: str) -> list[str]:
    if ("\\pm" not in piece and "\\mp" not in piece) or "\\{" in piece:
        return [piece]
    upper = re.sub(r"\\pm(?![A-Za-z])", "+", re.sub(r"\\mp(?![A-Za-z])", "-", piece))
    lower = re.sub(r"\\pm(?![A-Za-z])", "-", re.sub(r"\\mp(?![A-Za-z])", "+", piece))
    return [upper, lower]


def _shared_variable(items: list[Value]) -> list[Value]:
    """``x = 1, 2`` means ``x = 1, x = 2``."""
    first = items[0] if items else None
    if not (isinstance(first, Relation) and first.operators == ("=",) and isinstance(first.sides[0], Scalar)):
        return items
    if not all(isinstance(item, Scalar) for item in items[1:]):
        return items
    return [first, *(Relation(("=",), (first.sides[0], item)) for item in items[1:])]


def _read_relation(text: str, depth: int) -> Value:
    pieces = _split(text, " ".join(sorted(_RELATIONS)))
    if pieces and all(piece.strip() for _, piece in pieces):
        sides = tuple(_read_union(piece.strip(), depth) for _, piece in pieces)
        return Relation(tuple(mark for mark, _ in pieces[1:]), sides)
    return _read_union(text, depth)


def _read_union(text: str, depth: int) -> Value:
    pieces = _split(text, "\\cup")
    if pieces:
        return Collection("union", tuple(_read_union(piece.strip(), depth + 1) for _, piece in pieces))
    pieces = _split(text, ":")
    if pieces and all(piece.strip() for _, piece in pieces):
        return Collection("ratio", tuple(_read_bracketed(piece.strip(), depth) for _, piece in pieces))
    return _read_bracketed(text, depth)


def _read_bracketed(text: str, depth: int) -> Value:
    matrix = _MATRIX.fullmatch(text)
    if matrix is not None and text.count("\\begin") == 1:
        rows = [row for row in re.split(r"\\cr(?![A-Za-z])", matrix.group(2)) if row.strip()]
        entries = [[_read_list(entry.strip(), depth + 1) for entry in row.split("&")] for row in rows]
        if sum(len(row) for row in entries) > MAX_ITEMS:
            raise OverBoundError(f"a matrix of more than {MAX_ITEMS} entries")
        kind = "vmatrix" if matrix.group(1) == "vmatrix" else "matrix"
        return Collection(kind, tuple(Collection("row", tuple(row)) for row in entries))
    if text.startswith("\\{") and text.endswith("\\}"):
        inner = _read_list(text[2:-2].strip(), depth + 1)
        if isinstance(inner, Scalar) and not inner.text:
            return Words("empty set")
        items = inner.items if isinstance(inner, Collection) and inner.kind == "list" else (inner,)
        return Collection("set", items)
    if len(text) > 2 and text[0] in "([" and text[-1] in ")]":
        pieces = _split(text[1:-1], ",")
        if pieces and _encloses(text):
            return Collection(
                text[0] + text[-1], tuple(_read_relation(piece.strip(), depth + 1) for _, piece in pieces)
            )
    return _scalar(text)


def _encloses(text: str) -> bool:
    """Whether the first bracket closes at the last character."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return index == len(text) - 1
    return False


def _scalar(text: str) -> Value:
    text = text.strip().rstrip(".")
    choice = _CHOICE.fullmatch(text)
    if choice is not None:
        text = choice.group(1) or choice.group(2) or choice.group(3)
    based = _BASED.fullmatch(_BOX.sub(r"\1", text).replace(" ", ""))
    if based is not None and based.group(2) != "10" and any(digit.isdigit() for digit in based.group(1)):
        return Words(f"{based.group(1).lower().lstrip('+')} in base {based.group(2)}")
    if text.startswith(("dollars ", "euros ", "pounds ", "yuan ")) and any(map(str.isdigit, text)):
        return _quantity(text)
    if text == "\\emptyset":
        return Words("empty set")
    if text in ("\\mathbb{R}", "\\mathbb R"):
        return _read_bracketed("(-\\infty,\\infty)", 0)
    if _is_wording(text):
        return Words(re.sub(r"[^a-z0-9]+", " ", _BOX.sub(r" \1 ", text).lower()).strip())
    return _quantity(text)


def _quantity(text: str) -> Scalar:
    quantity, unit = split_unit(text)
    quantity = re.sub(r"_\{?10\}?$", "", quantity)
    try:
        node = parse_expression(quantity)
        return Scalar(text=quantity, unit=unit, node=node, form=canonical_form(node))
    except UnreadableError:
        return Scalar(text=quantity, unit=unit)
    except (OverBoundError, RecursionError):
        return Scalar(text=squeeze(quantity), unit=unit, opaque=True)


def _is_wording(text: str) -> bool:
    """Whether it is words rather than a product of one-letter variables."""
    plain = _BOX.sub(r" \1 ", text).strip()
    boxed = plain != text.strip()
    if not _WORDS.fullmatch(re.sub(r"\s+", " ", plain)):
        return False
    words = plain.split()
    if any(word in FUNCTIONS or word in CONSTANTS or word in GREEK for word in words):
        return False
    return boxed or len(words) > 1 or len(plain) >= 3 or (len(plain) == 2 and plain.isupper())
