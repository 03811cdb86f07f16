"""The text of a completion, and where each token ends in it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol

__all__ = [
    "TextTokenizer",
    "TokenTexts",
    "completion_text",
    "completion_texts",
    "cut_at",
    "cut_text",
    "opening",
    "token_ends",
]

# What chat templates of reasoning models write at the end of the prompt.
_OPENINGS = ("<think>", "<thinking>", "<|begin_of_thought|>", "[THINK]", "◁think▷", "<seed:think>")
_CLEANS_UP_AFTER_BPE = "clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output"
_MAX_TOKENS_OF_AN_OPENING = 16
_MAX_TOKENS_OF_A_CHARACTER = 8  # UTF-8 has four bytes; tokens without text may stand between them


class TextTokenizer(Protocol):
    """The part of a Hugging Face tokenizer that sampling needs."""

    def decode(self, token_ids: Any, skip_special_tokens: bool = False) -> Any:
        """Text of the token ids."""
        ...


def completion_text(tokenizer: TextTokenizer, token_ids: Sequence[int], end_token_ids: Collection[int] = ()) -> str:
    """The text that is judged: without the tokens that begin, end and fill up sequences, with every other special one.

    Some tokenizers hold ``<think>`` and ``</think>`` as special tokens; without them the checker would take a draft for
    the answer, and no format reward could be earned.

    Args:
        tokenizer: decodes.
        token_ids: of the completion.
        end_token_ids: tokens that end a completion beside the tokenizer's own EOS.
    """
    bounds = _bounds(tokenizer, end_token_ids)
    return tokenizer.decode([token for token in token_ids if token not in bounds], skip_special_tokens=False)


def completion_texts(
    tokenizer: TextTokenizer, sequences: Sequence[Sequence[int]], end_token_ids: Sequence[Collection[int]]
) -> list[str]:
    """`completion_text` of many completions, decoded at once on all cores where the tokenizer can.

    Args:
        tokenizer: decodes.
        sequences: token ids of each completion.
        end_token_ids: of each, the tokens that end it beside the tokenizer's own EOS.

    Returns:
        One text a completion, in order.
    """
    bounds = _bounds(tokenizer, ())
    left_out = (bounds.union(ends) for ends in end_token_ids)
    kept = [[token for token in ids if token not in out] for ids, out in zip(sequences, left_out, strict=True)]
    if not _decodes_plainly(tokenizer):
        return [tokenizer.decode(ids, skip_special_tokens=False) for ids in kept]
    backend: Any = tokenizer.backend_tokenizer  # type: ignore[attr-defined]
    return backend.decode_batch(kept, skip_special_tokens=False)  # type: ignore[no-any-return]


def _decodes_plainly(tokenizer: TextTokenizer) -> bool:
    """Whether the text is what the Rust tokenizer behind it gives, with nothing done to it afterwards."""
    if getattr(tokenizer, "backend_tokenizer", None) is None:
        return False
    from transformers import PreTrainedTokenizerFast

    kind: Any = type(tokenizer)
    own = kind.decode is PreTrainedTokenizerFast.decode and kind._decode is PreTrainedTokenizerFast._decode
    return own and not _cleans_up(tokenizer)


def _cleans_up(tokenizer: Any) -> bool:
    """Whether blanks before punctuation are taken out of a decoded text; transformers 5 no longer does so after BPE."""
    wanted = bool(tokenizer.clean_up_tokenization_spaces)
    if type(tokenizer.backend_tokenizer.model).__name__ != "BPE":
        return wanted
    return wanted and getattr(tokenizer, _CLEANS_UP_AFTER_BPE, True)


def token_ends(tokenizer: TextTokenizer, token_ids: Sequence[int], end_token_ids: Collection[int] = ()) -> list[int]:
    """Character offset just past each token in `completion_text` of the same arguments.

    Tokens are decoded one by one; a character that is spread over several tokens is decoded with all of them, and a
    token that completes no character ends where the last one did. Where these pieces do not make up the text (a
    tokenizer whose text depends on what stands before), every prefix is decoded, in quadratic time.

    Args:
        tokenizer: decodes.
        token_ids: T token ids.
        end_token_ids: see `completion_text`.

    Returns:
        T offsets, never decreasing, the last one the length of the text.
    """
    return TokenTexts(tokenizer, end_token_ids).ends(token_ids)


class TokenTexts:
    """The texts of a tokenizer's tokens, each decoded once: `token_ends` of many completions.

    Args:
        tokenizer: decodes.
        end_token_ids: see `completion_text`.
    """

    def __init__(self, tokenizer: TextTokenizer, end_token_ids: Collection[int] = ()) -> None:
        self._tokenizer, self._bounds = tokenizer, _bounds(tokenizer, end_token_ids)
        self._pieces: dict[int, str] = {}

    def ends(self, token_ids: Sequence[int]) -> list[int]:
        """See `token_ends`."""
        ids = list(token_ids)
        text = self._decode(ids)
        ends = self._by_token(ids, text)
        if ends is None:
            ends = _ends_by_character(self._decode, ids, text)
        if ends is None:
            ends = []
            for length in range(1, len(ids) + 1):
                prefix = self._decode(ids[:length]).rstrip("\ufffd")
                ends.append(max(ends[-1] if ends else 0, min(len(prefix), len(text))))
        ends[-1:] = [len(text)] if ends else []
        return ends

    def _decode(self, part: Sequence[int]) -> str:
        kept = [token for token in part if token not in self._bounds]
        return self._tokenizer.decode(kept, skip_special_tokens=False)

    def _by_token(self, ids: list[int], text: str) -> list[int] | None:
        """The ends where every token is whole characters and texts follow each other; ``None`` where not."""
        pieces = []
        for token in ids:
            if token not in self._pieces:
                self._pieces[token] = self._decode([token])
            pieces.append(self._pieces[token])
        if "\ufffd" in text or "".join(pieces) != text:
            return None
        return list(itertools.accumulate(map(len, pieces)))


def cut_at(
    tokenizer: TextTokenizer, token_ids: Sequence[int], stop: Sequence[str], end_token_ids: Collection[int] = ()
) -> tuple[str, int | None]:
    """The text of a completion before the stop text that is complete first, and how many tokens were written by then.

    Args:
        tokenizer: decodes.
        token_ids: T token ids.
        stop: texts that end a completion.
        end_token_ids: see `completion_text`.

    Returns:
        The text; and the number of tokens, ``None`` where no stop text is met.
    """
    text = completion_text(tokenizer, token_ids, end_token_ids)
    return cut_text(text, tokenizer, token_ids, stop, end_token_ids)


def cut_text(
    text: str,
    tokenizer: TextTokenizer,
    token_ids: Sequence[int],
    stop: Sequence[str],
    end_token_ids: Collection[int] = (),
) -> tuple[str, int | None]:
    """`cut_at` of a completion whose text is there already."""
    met = [(place + len(each), place) for each in stop if (place := text.find(each)) >= 0]
    if not met:
        return text, None
    end, start = min(met)
    ends = token_ends(tokenizer, token_ids, end_token_ids)
    return text[:start], next(count for count, reached in enumerate(ends, start=1) if reached >= end)


def opening(tokenizer: TextTokenizer, prompt_ids: Sequence[int]) -> str:
    """The tag that a prompt ends in and leaves open, ``<think>``; empty where it ends in none."""
    text = tokenizer.decode(list(prompt_ids[-_MAX_TOKENS_OF_AN_OPENING:]), skip_special_tokens=False).rstrip()
    return next((tag for tag in _OPENINGS if text.endswith(tag)), "")


def _bounds(tokenizer: TextTokenizer, end_token_ids: Collection[int]) -> set[int | None]:
    """BOS, EOS and padding, and whatever else ends a completion; a tokenizer that names none of them has none."""
    return {getattr(tokenizer, f"{role}_token_id", None) for role in ("bos", "eos", "pad")} | set(end_token_ids)


def _ends_by_character(decode: Callable[[Sequence[int]], str], ids: list[int], text: str) -> list[int] | None:
    """The ends, decoding as few tokens at a time as make whole characters; ``None`` where that gives another text."""
    ends: list[int] = []
    pieces: list[str] = []
    done = start = 0
    for index in range(len(ids)):
        piece = decode(ids[start : index + 1])
        whole = not piece.endswith("\ufffd") or index + 1 - start >= _MAX_TOKENS_OF_A_CHARACTER
        ends.append(done + len(piece if whole else piece.rstrip("\ufffd")))
        if whole:
            pieces.append(piece)
            done, start = done + len(piece), index + 1
    pieces.append(decode(ids[start:]) if start < len(ids) else "")
    return ends if "".join(pieces) == text else None
