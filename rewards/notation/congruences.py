r"""The modulus of a congruence in one spelling: ``x \\equiv 3 \\bmod 5`` says what ``x \\equiv 3 \\pmod 5`` does."""

from __future__ import annotations

import re

__all__ = ["with_modulus"]

_MODULUS = re.compile(
    r"\(?\s*(?:\\[bp]?mod(?![A-Za-z])|\\text\s*\{\s*mod\s*\}|\bmod\b)"
    r"\s*(?:\{\s*(?P<braced>\w+)\s*\}|(?P<bare>\w+))\s*\)?"
)


def with_modulus(text: str) -> str:
    """A congruence with its modulus as ``(mod 5)``, so that it is no remainder; any other text as it is."""
    if "\\equiv" not in text or "mod" not in text:
        return text
    return _MODULUS.sub(lambda match: f"(mod {match['braced'] or match['bare']})", text)
