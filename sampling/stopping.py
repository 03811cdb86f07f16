"""Texts that end a completion, found while it is being written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sampling.text import TextTokenizer, completion_text

__all__ = ["StopFinder", "StopTexts"]

_TOKENS_OF_A_CHARACTER = 4  # a token a byte of UTF-8, at worst
_SPARE_TOKENS = 8  # of the window in which a stop text is looked for: bounds and tokens without text


class StopFinder:
    """Tells at which token a completion has written a stop text: the token at which `sampling.text.cut_at` cuts.

    Only a token whose own text holds the last character of a stop text can complete one, so that nearly every token
    costs a look-up. A token that would be missed costs time, no text: completions are cut afterwards all the same.

    Args:
        tokenizer: decodes.
        stop: texts that end a completion, none of them empty.
    """

    def __init__(self, tokenizer: TextTokenizer, stop: Sequence[str]) -> None:
        self._tokenizer, self._stop = tokenizer, tuple(stop)
        self._ends = {text[-1] for text in stop}
        self._window = _TOKENS_OF_A_CHARACTER * max(map(len, stop)) + _SPARE_TOKENS
        self._may_complete: dict[int, bool] = {}

    def met(self, token_ids: Sequence[int]) -> bool:
        """Whether the text of these tokens holds a stop text; asked at every token, so a matter of the last one."""
        if not self._can_complete(token_ids[-1]):
            return False
        return self._holds(token_ids[-self._window :]) and self._holds(token_ids)

    def extend(self, token_ids: list[int], new_ids: Sequence[int]) -> bool:
        """Append new tokens to a completion, up to the one that completes a stop text; whether there is one."""
        for token in new_ids:
            token_ids.append(token)
            if self.met(token_ids):
                return True
        return False

    def _holds(self, token_ids: Sequence[int]) -> bool:
        text = completion_text(self._tokenizer, token_ids)
        return any(stop in text for stop in self._stop)

    def _can_complete(self, token: int) -> bool:
        if token not in self._may_complete:
            text = self._tokenizer.decode([token], skip_special_tokens=False)
            # Part of a character shows as U+FFFD; some tokenizers drop white space at the ends of a text.
            known = any(end in text or end.isspace() for end in self._ends)
            self._may_complete[token] = known or "\ufffd" in text
        return self._may_complete[token]


class StopTexts:
    """The finders of an engine, which reads with the tokenizer in the folder of its model.

    Args:
        model: folder of the checkpoint that the engine is built from.
    """

    def __init__(self, model: Path) -> None:
        self._model = model
        self._tokenizer: TextTokenizer | None = None
        self._finders: dict[tuple[str, ...], StopFinder] = {}

    def finder(self, stop: tuple[str, ...]) -> StopFinder | None:
        """What finds these texts; ``None`` where there are none."""
        if not stop:
            return None
        if self._tokenizer is None:
            from transformers import AutoTokenizer

            self._tokenizer = AutoTokenizer.from_pretrained(self._model, trust_remote_code=False)
        if stop not in self._finders:
            self._finders[stop] = StopFinder(self._tokenizer, stop)  # type: ignore[arg-type]
        return self._finders[stop]
