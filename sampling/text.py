"""Where each token ends in the decoded text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sampling.sampler import TextTokenizer

__all__ = ["token_ends"]

_MAX_TOKENS_OF_A_CHARACTER = 8  # UTF-8 has four bytes; tokens without text may stand between them


def token_ends(tokenizer: TextTokenizer, token_ids: Sequence[int]) -> list[int]:
    """Character offset just past each token in ``tokenizer.decode(token_ids, skip_special_tokens=True)``.

    Tokens are decoded one by one; a character that is spread over several tokens is decoded with all of them, and a
    token that completes no character ends where the last one did. Where these pieces do not make up the text (a
    tokenizer whose text depends on what stands before), every prefix is decoded, in quadratic time.

    Args:
        tokenizer: decodes.
        token_ids: T token ids.

    Returns:
        T offsets, never decreasing, the last one the length of the text.
    """
    ids = list(token_ids)
    text = tokenizer.decode(ids, skip_special_tokens=True)
    ends = _ends_by_character(tokenizer, ids, text)
    if ends is None:
        ends = []
        for length in range(1, len(ids) + 1):
            prefix = tokenizer.decode(ids[:length], skip_special_tokens=True).rstrip("\ufffd")
            ends.append(max(ends[-1] if ends else 0, min(len(prefix), len(text))))
    ends[-1:] = [len(text)] if ends else []
    return ends


def _ends_by_character(tokenizer: TextTokenizer, ids: list[int], text: str) -> list[int] | None:
    """The ends, decoding as few tokens at a time as make whole characters; ``None`` where that gives another text."""
    ends: list[int] = []
    pieces: list[str] = []
    done = start = 0
    for index in range(len(ids)):
        piece = tokenizer.decode(ids[start : index + 1], skip_special_tokens=True)
        whole = not piece.endswith("\ufffd") or index + 1 - start >= _MAX_TOKENS_OF_A_CHARACTER
        ends.append(done + len(piece if whole else piece.rstrip("\ufffd")))
        if whole:
            pieces.append(piece)
            done, start = done + len(piece), index + 1
    pieces.append(tokenizer.decode(ids[start:], skip_special_tokens=True) if start < len(ids) else "")
    return ends if "".join(pieces) == text else None
