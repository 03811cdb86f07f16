"""The type that `sampling` hands on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from benchmarks.problem import Problem

__all__ = ["FinishReason", "Rollout"]

FinishReason = Literal["stop", "length"]


@dataclass(frozen=True, kw_only=True)
class Rollout:
    """One completion of one problem, with what is needed to train on it and to repeat it.

    Attributes:
        problem: what was asked.
        prompt_ids: token ids of the rendered prompt.
        completion_ids: sampled token ids, the end-of-sequence token, or a stop text, included where the model wrote it.
        completion: text of `completion_ids` without BOS, EOS and padding (`sampling.text.completion_text`).
        finish_reason: ``"stop"`` if the model ended the sequence itself or wrote a stop text, ``"length"`` if it was
            cut at the limit.
        sample_index: 0-based index among the samples of this problem in this batch.
        seed: seed of this very request (`sampling.seeds.request_seed`).
        policy_version: number of weight updates the sampler had loaded when it drew this.
        sampler_logprobs: log π_sampler of each completion token, in nats, 0 of a tool's; ``None`` unless they were
            asked for.
        old_logprobs: log π of each token that the model drew under the trainer's weights of `policy_version`, in nats;
            ``None`` where that policy is the one that trains on it.
        opening: what the prompt's end opens and the completion is to close, ``<think>``; empty where it opens nothing.
        own_tokens: of each completion token whether the model drew it; False for a tool's output, which the model reads
            and which is neither trained on nor counted. ``None`` where it drew them all.
        own_words: where programs were run, what the model wrote beside them: their output is no answer.
    """

    problem: Problem
    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]
    completion: str
    finish_reason: FinishReason
    sample_index: int
    seed: int
    policy_version: int
    sampler_logprobs: tuple[float, ...] | None = None
    old_logprobs: tuple[float, ...] | None = None
    opening: str = ""
    own_tokens: tuple[bool, ...] | None = None
    own_words: str | None = None

    def __post_init__(self) -> None:
        if self.own_tokens is not None and len(self.own_tokens) != len(self.completion_ids):
            raise ValueError(
                f"problem {self.problem.problem_id!r}, sample {self.sample_index}: {len(self.own_tokens)} own_tokens "
                f"for {len(self.completion_ids)} completion_ids; expected one for each."
            )

    @property
    def judged_text(self) -> str:
        """The completion with what the prompt opened for it, so that a thought cut short is no answer."""
        return self.opening + (self.completion if self.own_words is None else self.own_words)

    @property
    def num_own_tokens(self) -> int:
        """Completion tokens that the model drew: |o|."""
        return len(self.completion_ids) if self.own_tokens is None else sum(self.own_tokens)

    @property
    def truncated(self) -> bool:
        """True where the completion was cut at the token limit before the model ended it."""
        return self.finish_reason == "length"
