"""Names that are not there: the nearest ones that are, for the message.

Free of everything else, so that every room may import it (`tests/test_rooms.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

__all__ = ["did_you_mean", "nearest_names"]

LEAST = 0.6  # likeness of a name that is proposed
SPREAD = 0.1  # from the nearest name to the last that is proposed beside it
MOST = 3  # names proposed


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """``; did you mean 'gsm8k' or 'gsm_hard'? ``, with a space behind it, or a full stop where no name is near.

    Args:
        name: what was asked for.
        known: what there is.
    """
    near = nearest_names(name, known)
    return f"; did you mean {' or '.join(map(repr, near))}? " if near else ". "


def nearest_names(name: str, known: Iterable[str], *, least: float = LEAST) -> list[str]:
    """At most three names of `known`, the nearest first; none where all are far.

    Near are a name of the same letters in another order, in another case or with other dashes, one that holds what was
    asked for, and one that a few letters part (`difflib.SequenceMatcher`). A name that is much farther than the
    nearest is left out.

    Args:
        name: what was asked for.
        known: what there is.
        least: likeness of a name that is proposed, in [0, 1]; 1 is the same name.
    """
    likeness = {each: _likeness(_plain(name), _plain(each)) for each in known}
    least = max(least, max(likeness.values(), default=0.0) - SPREAD)
    return sorted((each for each in likeness if likeness[each] >= least), key=lambda each: -likeness[each])[:MOST]


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_").replace("+", "_plus")


def _likeness(asked: str, name: str) -> float:
    """1 for the same name, 0 for nothing in common."""
    if asked == name:
        return 1.0
    if len(asked) > 2 and sorted(asked) == sorted(name):
        return 0.95
    alike = SequenceMatcher(None, asked, name, autojunk=False).ratio()
    if len(asked) > 2 and name.startswith(asked):
        return max(alike, 0.85)
    is_word = len(asked) > 1 and asked in re.split(r"[^a-z0-9]+", name)
    return max(alike, 0.7) if is_word or (len(asked) > 3 and asked in name) else alike
