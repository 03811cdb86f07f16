"""Prompts as token ids, and what follows them as the tokens that a model would sample there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["RenderedPrompt", "continuations", "encode_prompts"]

# Where a token would join the end of the prompt to what follows, the latter is encoded behind one of these instead.
_ANCHORS = ("\n", ":", ".", "x")


@dataclass(frozen=True, kw_only=True)
class RenderedPrompt:
    """A prompt just as a model gets it.

    Attributes:
        text: the whole of it; special tokens that a chat template writes are part of it.
        ids: its token ids; a BOS that the tokenizer puts before every text stands first.
        leading: how many of `ids` are not of the text (BOS).
    """

    text: str
    ids: tuple[int, ...]
    leading: int = 0


def encode_prompts(
    tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], *, templated: bool
) -> list[RenderedPrompt]:
    """Token ids of prompts; never with an EOS behind them, which some tokenizers append to every text.

    Args:
        tokenizer: of the model.
        texts: whole prompts.
        templated: a chat template made them, which writes special tokens itself; other texts get those that the
            tokenizer puts before a text.
    """
    leading = () if templated else _leading_ids(tokenizer)
    return [
        RenderedPrompt(text=text, ids=(*leading, *ids), leading=len(leading))
        for text, ids in zip(texts, _encode(tokenizer, texts), strict=True)
    ]


def continuations(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[RenderedPrompt], texts: Sequence[str]
) -> list[tuple[int, ...]]:
    """Token ids of each text where it stands: behind its prompt, whose own tokens stay what they are when it is asked.

    Encoded alone, a text begins with tokens that never stand there: ``▁Natalia`` where the model writes ``Na`` and
    ``talia``. Where a token of both together would join prompt and text, the text begins with a token of its own, since
    a completion can begin nowhere else.

    Args:
        tokenizer: of the model.
        prompts: B prompts.
        texts: what follows each.

    Raises:
        ValueError: no tokens of this tokenizer give a text behind its prompt.
    """
    together = _encode(tokenizer, [prompt.text + text for prompt, text in zip(prompts, texts, strict=True)])
    result = []
    for prompt, text, ids in zip(prompts, texts, together, strict=True):
        own = prompt.ids[prompt.leading :]
        result.append(ids[len(own) :] if ids[: len(own)] == own else _behind(tokenizer, own, text, whole=ids))
    return result


def _behind(
    tokenizer: PreTrainedTokenizerBase, prompt_ids: tuple[int, ...], text: str, *, whole: tuple[int, ...]
) -> tuple[int, ...]:
    """Tokens of `text` that, behind `prompt_ids`, read as `whole` does."""
    wanted = tokenizer.decode(list(whole))
    for anchor in (*_ANCHORS, ""):
        (before, after) = _encode(tokenizer, [anchor, anchor + text]) if anchor else ((), *_encode(tokenizer, [text]))
        ids = after[len(before) :]
        if after[: len(before)] == before and tokenizer.decode([*prompt_ids, *ids]) == wanted:
            return ids
    raise ValueError(
        f"no tokens of {type(tokenizer).__name__} give the text {text[:40]!r} behind its prompt; end the prompt with a "
        "line break, or begin the text with one."
    )


def _leading_ids(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The ids that the tokenizer puts before every text: BOS, or none."""
    (plain,) = _encode(tokenizer, ["1"])
    whole = tuple(tokenizer("1").input_ids)
    starts = [start for start in range(len(whole)) if whole[start : start + len(plain)] == plain]
    return whole[: starts[0]] if starts else ()


def _encode(tokenizer: PreTrainedTokenizerBase, texts: Sequence[str]) -> list[tuple[int, ...]]:
    if not texts:
        return []
    encoded: Any = tokenizer(list(texts), add_special_tokens=False)
    return [tuple(ids) for ids in encoded.input_ids]
