r"""Format rewards: how a completion is laid out, whatever it answers. All take linear time."""

from __future__ import annotations

import re
from dataclasses import dataclass

from rewards.checker.extraction import matching_brace, without_draft
from rewards.checker.normalization import normalize
from rewards.verdict import Verdict
from sampling.rollout import Rollout

__all__ = [
    "LengthWindow",
    "ThinkFormat",
    "boxed_once",
    "format_reward",
    "think_format_reward",
    "within_tags",
]

_BOX = re.compile(r"\\boxed(?![A-Za-z])")
_THINK, _ANSWER = ("<think>", "</think>"), ("<answer>", "</answer>")


def boxed_once(completion: str) -> bool:
    r"""Whether `completion` holds exactly one ``\boxed{...}`` outside its draft, brace matched and with something to
    read in it: ``\boxed{}``, ``\boxed{\ }`` and ``\boxed{$$}`` are empty.
    """
    text = without_draft(completion)
    boxes = list(_BOX.finditer(text))
    if len(boxes) != 1 or text[boxes[0].end() : boxes[0].end() + 1] != "{":
        return False
    start = boxes[0].end()
    end = matching_brace(text, start)
    return end is not None and re.search(r"\w|\\\{", normalize(text[start + 1 : end])) is not None


def format_reward(rollout: Rollout, verdict: Verdict) -> float:
    r"""1 where the completion holds exactly one ``\boxed{...}`` (`boxed_once`), right or wrong; else 0."""
    return 1.0 if boxed_once(rollout.completion) else 0.0


def within_tags(completion: str, *, opened_by_prompt: bool = False, answer_tags: bool = True) -> bool:
    """Whether a completion is laid out as DeepSeek-R1's template asks (arXiv 2501.12948, Table 1).

    ``<think> reasoning </think> <answer> answer </answer>``: each tag once, in this order, both parts not blank, and
    only white space outside of them.

    Args:
        completion: the model's text.
        opened_by_prompt: the prompt already ends in ``<think>``, so that the completion must not write it.
        answer_tags: without them, any text that is not blank may follow ``</think>`` and ``<answer>`` is a word like
            any other.
    """
    opened = opened_by_prompt and _THINK[0] not in completion
    text = f"{_THINK[0]}{completion}" if opened else completion
    if opened_by_prompt and not opened:
        return False
    reasoning = _between(text, _THINK)
    if reasoning is None or not reasoning[0].strip():
        return False
    rest = reasoning[1]
    if not answer_tags:
        return bool(rest.strip())
    answer = _between(rest, _ANSWER)
    return not any(tag in reasoning[0] for tag in _ANSWER) and answer is not None and _is_answer(answer)


def _is_answer(answer: tuple[str, str]) -> bool:
    return bool(answer[0].strip()) and not answer[1].strip()


def _between(text: str, tags: tuple[str, str]) -> tuple[str, str] | None:
    """What stands between the two tags that `text` starts with, and what follows; ``None`` unless each occurs once."""
    opening, closing = tags
    stripped = text.lstrip()
    if text.count(opening) != 1 or text.count(closing) != 1 or not stripped.startswith(opening):
        return None
    inside, _, rest = stripped[len(opening) :].partition(closing)
    return inside, rest


@dataclass(frozen=True, kw_only=True)
class ThinkFormat:
    """1 where the completion has DeepSeek-R1's tags (`within_tags`), else 0.

    Attributes:
        opened_by_prompt: see `within_tags`.
        answer_tags: see `within_tags`.
    """

    opened_by_prompt: bool = False
    answer_tags: bool = True

    def __call__(self, rollout: Rollout, verdict: Verdict) -> float:
        """The reward of one completion."""
        fits = within_tags(rollout.completion, opened_by_prompt=self.opened_by_prompt, answer_tags=self.answer_tags)
        return 1.0 if fits else 0.0


think_format_reward = ThinkFormat()
"""`ThinkFormat` with both pairs of tags, all written by the model."""


@dataclass(frozen=True, kw_only=True)
class LengthWindow:
    """1 where the model ended the completion itself within a number of tokens, else 0.

    Attributes:
        min_tokens: fewest tokens, the end-of-sequence token included.
        max_tokens: most tokens.
    """

    min_tokens: int = 1
    max_tokens: int

    def __post_init__(self) -> None:
        if not 0 <= self.min_tokens <= self.max_tokens:
            raise ValueError(
                f"min_tokens is {self.min_tokens} and max_tokens {self.max_tokens}; expected 0 <= min <= max."
            )

    def __call__(self, rollout: Rollout, verdict: Verdict) -> float:
        """The reward of one completion."""
        fits = self.min_tokens <= len(rollout.completion_ids) <= self.max_tokens
        return 1.0 if fits and not rollout.truncated else 0.0
