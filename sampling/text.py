"""Where each token ends in the decoded text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sampling.sampler import TextTokenizer

__all__ = ["token_ends"]


def token_ends(tokenizer: TextTokenizer, token_ids: Sequence[int]) -> list[int]:
    """Character offset just past each token in ``tokenizer.decode(token_ids, skip_special_tokens=True)``.

    Tokens are decoded one by one where that gives the text of the whole; where it does not (a character spread over
    several tokens, say), every prefix is decoded, and a token that completes no character ends where the last one did.

    Args:
        tokenizer: decodes.
        token_ids: T token ids.

    Returns:
        T offsets, never decreasing, the last one the length of the text.
    """
    ids = list(token_ids)
    text = tokenizer.decode(ids, skip_special_tokens=True)
    pieces = [tokenizer.decode([token], skip_special_tokens=True) for token in ids]
    if "".join(pieces) == text:
        ends, end = [], 0
        for piece in pieces:
            end += len(piece)
            ends.append(end)
        return ends
    ends = []
    for length in range(1, len(ids) + 1):
        prefix = tokenizer.decode(ids[:length], skip_special_tokens=True).rstrip("\ufffd")
        ends.append(max(ends[-1] if ends else 0, min(len(prefix), len(text))))
    ends[-1:] = [len(text)] if ends else []
    return ends
