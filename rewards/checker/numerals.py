r"""Numerals that are no plain numbers: in a base (``1101_2``, ``0b1101``) and times of day (``3:30 PM``)."""

from __future__ import annotations

import re

from rewards.checker.values import Clock, Words

__all__ = ["read_based", "read_clock"]

_BASES = {
    name: str(base)
    for base, name in enumerate(
        ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"), start=2
    )
} | {"binary": "2", "octal": "8", "hex": "16", "sixteen": "16"}
_BASE = r"(\d{1,2}|" + "|".join(_BASES) + ")"
_DIGITS = r"([-+]?[0-9A-Za-z., ]*?[0-9A-Za-z])"
_SUBSCRIPTED = re.compile(rf"[({{]?{_DIGITS}[)}}]? ?_ ?\{{? ?(?:{_BASE}|\( ?{_BASE} ?\)) ?\}}?")
_IN_WORDS = re.compile(rf"{_DIGITS} ?(?:,? in)? (?:base[- _]?{_BASE}|\( ?base[- _]?{_BASE} ?\))")
_PREFIXED = re.compile(r"([-+]?)0([bBoOxX])([0-9A-Fa-f]+)")
_PREFIXES = {"b": "2", "o": "8", "x": "16"}
_BOX = re.compile(r"\\text\s*\{([^{}]*)\}")
_CLOCK = re.compile(r"(\d{1,2})(?: ?: ?([0-5]\d))?(?: ?: ?([0-5]\d))? ?([AaPp])\.?[Mm]\.?")


def read_based(text: str) -> Words | None:
    """A numeral in a base other than ten, letter by letter; ``None`` for anything else."""
    if "_" not in text and "base" not in text:
        prefixed = _PREFIXED.fullmatch(text) if text[:3].lstrip("+-")[:1] == "0" else None
        if prefixed is None:
            return None
        return _words(prefixed.group(1) + prefixed.group(3), _PREFIXES[prefixed.group(2).lower()])
    plain = _BOX.sub(r"\1", text)
    match = _SUBSCRIPTED.fullmatch(plain) or _IN_WORDS.fullmatch(re.sub(r"\s+", " ", _BOX.sub(r" \1 ", text)).strip())
    if match is None:
        return None
    digits, named = match.group(1).replace(" ", "").replace(",", ""), match.group(2) or match.group(3)
    base = _BASES.get(named, named)
    if base == "10" or not (any(map(str.isdigit, digits)) or len(digits) > 1) or int(base) < 2:
        return None
    values = [int(digit, 36) for digit in digits.lower() if digit.isalnum()]
    letters = [digit for digit in digits if digit.isalpha()]
    if letters and max(values) >= int(base):
        return None  # a variable with an index
    return _words(digits, base)


def read_clock(text: str) -> Clock | None:
    """A time with its half of the day; ``None`` for anything else."""
    if text[-1:] not in ("m", "M", ".", "}") or not text[:1].isdigit():
        return None
    match = _CLOCK.fullmatch(re.sub(r"\s+", " ", _BOX.sub(r" \1 ", text)).strip())
    if match is None or not 1 <= int(match.group(1)) <= 12:
        return None
    hour = int(match.group(1)) % 12 + (12 if match.group(4) in "pP" else 0)
    return Clock(hour * 3600 + int(match.group(2) or 0) * 60 + int(match.group(3) or 0))


def _words(digits: str, base: str) -> Words:
    sign = "-" if digits.startswith("-") else ""
    whole, point, rest = digits.lower().lstrip("+-").partition(".")
    return Words(f"{sign}{whole.lstrip('0') or '0'}{point}{rest} in base {base}")
