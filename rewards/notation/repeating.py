r"""Repeating decimals, rewritten as the fractions that they are: ``0.1\overline{6}``, ``0.\dot{3}``, ``0.(3)``,
``0.333...``.

An ellipsis counts only where the digits before it show what repeats: one digit three times, or a longer block twice.
"""

from __future__ import annotations

import re

__all__ = ["rewrite_repeating_decimals"]

_BARE_OPERAND = re.compile(r"\\(overline|bar|dot)\s*(\d)")
_MARKED = re.compile(
    r"(\d{0,30})\.(\d{0,30})(?:\\(?:overline|bar)\s*\{(\d{1,30})\}|\\dot\s*\{(\d)\}(?:(\d{0,30})\\dot\s*\{(\d)\})?)"
)
_BRACKETED = re.compile(r"(?<![\d.])(\d{0,30})\.(\d{0,30})\((\d{1,30})\)(?![\d(])")
_ELLIPSIS = re.compile(r"(?<![\d.])(\d{0,30})\.(\d{3,60})\s?(?:\.\.\.+|\\[lc]?dots(?![A-Za-z]))")


def rewrite_repeating_decimals(text: str) -> str:
    """`text` with each repeating decimal as a fraction."""
    if "\\" in text:
        text = _MARKED.sub(_from_marks, _BARE_OPERAND.sub(r"\\\1{\2}", text))
    text = _BRACKETED.sub(lambda match: _fraction(*match.groups()), text)
    return _ELLIPSIS.sub(_from_ellipsis, text) if ".." in text or "dots" in text else text


def _from_marks(match: re.Match[str]) -> str:
    whole, fixed, bar, first, middle, last = (group or "" for group in match.groups())
    return _fraction(whole, fixed, bar or first + middle + last)


def _from_ellipsis(match: re.Match[str]) -> str:
    """The digits are a fixed part, then a period at least twice (one digit: three times), then a part of it."""
    whole, digits = match.groups()
    for length in range(1, len(digits) // 2 + 1):
        repeated = max(2 * length, 3)
        start = len(digits) - repeated
        while start >= 0 and all(digits[k] == digits[k + length] for k in range(start, len(digits) - length)):
            start -= 1
        start += 1
        if len(digits) - start >= repeated:
            return _fraction(whole, digits[:start], digits[start : start + length])
    return match.group()


def _fraction(whole: str, fixed: str, period: str) -> str:
    top = int(whole + fixed + period) - int(whole + fixed or "0")
    return rf"\frac{{{top}}}{{{'9' * len(period)}{'0' * len(fixed)}}}"
