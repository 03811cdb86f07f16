r"""LaTeX environments that lay an answer out in rows: ``aligned``, ``gathered``, ``array`` and ``cases``.

Rows of equations are a list of them, a row that begins with a relation goes on with the row before, and a row of a
piecewise function is a value with its condition.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["Piecewise", "in_one_line", "read_piecewise"]

_ENVIRONMENT = re.compile(
    r"(?P<before>[^{}]*?)(?P<brace>\\\{)?\s*\\begin\s*\{(?P<name>aligned|align|alignat|gathered|gather|split|eqnarray|"
    r"equation|multline|array|cases|dcases|rcases)\*?\}(?:\s*\{[clr| ]*\})?(?P<body>.*)"
    r"\\end\s*\{(?P=name)\*?\}(?:\s*\\\})?",
    re.DOTALL,
)
_ROW_END = re.compile(r"\\cr(?![A-Za-z])|\\newline(?![A-Za-z])")
_RELATION = re.compile(r"\s*(?:[=<>]|\\(?:le|ge|ne|in|approx|equiv)(?![A-Za-z]))")
_ANY_RELATION = re.compile(r"[=<>]|\\(?:le|ge|ne|in|approx|equiv)(?![A-Za-z])")
_CONDITION_WORD = re.compile(
    r"^[\s,;]*(?:\\text\s*\{\s*,?\s*(?:if|for|when|where|wenn|für|si|当)\s*\}|(?:if|for|when|where|wenn|für|si|当)\b)\s*",
    re.IGNORECASE,
)
_OTHERWISE = re.compile(
    r"^[\s,;]*(?:\\text\s*\{)?\s*,?\s*(?:otherwise|else|elsewhere|sonst|其他|其它)\s*\.?\s*\}?[\s.]*$", re.IGNORECASE
)
_MOST_ROWS = 40


@dataclass(frozen=True, slots=True)
class Piecewise:
    """A piecewise function as text: its label, and (value, condition) of each row, ``""`` for otherwise."""

    label: str
    pieces: tuple[tuple[str, str], ...]


def in_one_line(text: str) -> str:
    r"""Rows of equations as a list between commas; any other text as it is."""
    parts = _parts(text)
    if parts is None or _pieces(parts) is not None:
        return text
    before, brace, name, body = parts
    if before.strip() or (name in ("array", "cases", "dcases", "rcases") and not _is_system(body, brace, name)):
        return text
    rows: list[str] = []
    for row in _rows(body):
        row = row.replace("&", " ").strip().rstrip(",;.").strip()
        if rows and _RELATION.match(row):
            rows[-1] = f"{rows[-1]} {row}"
        else:
            rows.append(row)
    return " , ".join(rows)


def read_piecewise(text: str) -> Piecewise | None:
    """A piecewise function, ``None`` for anything else."""
    parts = _parts(text)
    if parts is None or (pieces := _pieces(parts)) is None:
        return None
    return Piecewise(parts[0].strip().removesuffix("=").strip(), pieces)


def _parts(text: str) -> tuple[str, str, str, str] | None:
    """What stands before the environment, its brace, its name and what it holds; ``None`` for any other text."""
    if "\\begin" not in text or text.count("\\begin") != 1:
        return None
    match = _ENVIRONMENT.fullmatch(text.strip())
    if match is None:
        return None
    return match["before"], match["brace"] or "", match["name"], match["body"]


def _rows(body: str) -> list[str]:
    return [row for row in _ROW_END.split(body) if row.strip(" &")]


def _is_system(body: str, brace: str, name: str) -> bool:
    """Whether every row is an equation or inequality of its own, under one brace."""
    rows = _rows(body)
    return bool(brace or name != "array") and bool(rows) and all(_ANY_RELATION.search(row) for row in rows)


def _pieces(parts: tuple[str, str, str, str]) -> tuple[tuple[str, str], ...] | None:
    before, brace, name, body = parts
    if name not in ("array", "cases", "dcases") or (name == "array" and not brace):
        return None
    if before.strip() and not before.rstrip().endswith("="):
        return None
    pieces: list[tuple[str, str]] = []
    for row in _rows(body):
        value, mark, condition = row.partition("&")
        if not mark:
            value, mark, condition = _at_its_word(row)
        value = value.strip().rstrip(",;").strip()
        if not mark or "&" in condition or not value or _ANY_RELATION.search(value):
            return None
        condition = condition.strip().rstrip(".,;").strip()
        otherwise = _OTHERWISE.match(condition) is not None
        condition = "" if otherwise else _CONDITION_WORD.sub("", condition).strip()
        if not otherwise and not _ANY_RELATION.search(condition):
            return None
        pieces.append((value, condition))
    return tuple(pieces) if 1 < len(pieces) <= _MOST_ROWS else None


def _at_its_word(row: str) -> tuple[str, str, str]:
    """A row that is divided by its "if", or by a comma, instead of an ampersand."""
    match = re.search(r"\\text\s*\{\s*,?\s*(?:if|for|when|otherwise)|,", row)
    return (row[: match.start()], "&", row[match.start() :].lstrip(",")) if match is not None else (row, "", "")
