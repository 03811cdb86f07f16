r"""Separators inside and outside of brackets: pieces of a text, and thousands."""

from __future__ import annotations

import re

from rewards.algebra.bounds import MAX_ITEMS, MAX_NESTING, OverBoundError

__all__ = ["encloses", "split_at", "without_thousands"]

_THOUSANDS = re.compile(r"(?<![\d.,])\d{1,3}(?:,\d{3})+(?![\d,])")
_SPACED_THOUSANDS = re.compile(r"(?<![\d.,/] )(?<![\d.,])\d{1,3}(?: \d{3})+(?![\d,/ ])")
_SCAN = re.compile(
    r"\\begin\s*\{\w+\*?\}|\\end\s*\{\w+\*?\}|\\[{}]|[(){}\[\]]|\\(?:le|ge|ne|in|approx|equiv|cup|cap|setminus|backslash|pm"
    r"|mp)(?![A-Za-z])|\\[A-Za-z]+|[,;:=<>]"
)


def split_at(text: str, separators: str) -> list[tuple[str, str]]:
    """Pieces between top-level separators, each with the separator before it; empty where there is none.

    Raises:
        OverBoundError: brackets are nested deeper than `MAX_NESTING`, or there are more than `MAX_ITEMS` pieces.
    """
    wanted = separators.split(" ")
    openings = text.count("(") + text.count("[") + text.count("{") + text.count("\\begin")
    if openings <= MAX_NESTING and not any(mark in text for mark in wanted):
        return []
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


def encloses(text: str) -> bool:
    """Whether the first bracket closes at the last character."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character in "([{") - (character in ")]}")
        if depth == 0:
            return index == len(text) - 1
    return False


def without_thousands(text: str) -> str:
    """Numbers without their thousands separators: ``1,234,567`` and ``1 234 567``; between brackets as they are."""
    return _SPACED_THOUSANDS.sub(_without_separators, _THOUSANDS.sub(_without_separators, text))


def _without_separators(match: re.Match[str]) -> str:
    """The number without its separators; between brackets a comma separates entries, so there nothing changes."""
    before = match.string[: match.start()]
    if any(
        before.count(opening) > before.count(closing) for opening, closing in (("(", ")"), ("[", "]"), ("\\{", "\\}"))
    ):
        return match.group()
    return match.group().replace(",", "").replace(" ", "")
