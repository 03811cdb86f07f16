"""Names that are not there: the nearest ones that are, for the message."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["did_you_mean"]


def did_you_mean(name: str, known: Iterable[str], *, cutoff: float = 0.4) -> str:
    """``did you mean 'gsm8k' or 'gsm_hard'?``, or nothing where no name is near.

    Args:
        name: what was asked for.
        known: what there is.
        cutoff: least similarity in [0, 1] of a name that is proposed (`difflib.SequenceMatcher`).
    """
    close = get_close_matches(name, list(known), n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(map(repr, close))}?" if close else ""
