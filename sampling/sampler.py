"""The contract of sampling engines, and the way of problems through them to rollouts."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol, TypeVar

from benchmarks.problem import Problem
from sampling.rollout import FinishReason, Rollout
from sampling.seeds import request_seed
from sampling.text import TextTokenizer, completion_texts, cut_text, opening
from sampling.truncation import Truncation

if TYPE_CHECKING:
    import torch

__all__ = ["Generation", "Request", "Sampler", "SamplingConfig", "sample_rollouts", "stretches"]

_Item = TypeVar("_Item")


@dataclass(frozen=True, kw_only=True)
class SamplingConfig:
    """The drawing of completions.

    Attributes:
        temperature: divides the logits; 0 takes the most likely token (greedy).
        top_p: nucleus mass in (0, 1]; 1 samples from the whole distribution.
        top_k: most tokens that are drawn from; ``None`` sets no such limit.
        min_p: share of the largest probability below which tokens are not drawn.
        max_tokens: most tokens of a completion, the end-of-sequence token included.
        with_logprobs: also return log π_sampler of each token; halves the speed, so off unless something reads them.
        stop: texts at which a completion ends; they are no part of its text.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    top_k: int | None = None
    min_p: float = 0.0
    max_tokens: int = 1024
    with_logprobs: bool = False
    stop: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.temperature < math.inf:
            raise ValueError(f"temperature is {self.temperature}; expected 0 (greedy) or a finite number above.")
        _ = self.truncation
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens is {self.max_tokens}; expected at least 1.")
        if self.with_logprobs and self.temperature != 1:
            raise ValueError(
                f"with_logprobs needs temperature 1, got {self.temperature}: engines report the logprobs of the "
                "untempered distribution, which is not the one sampled from."
            )
        if self.with_logprobs and not self.truncation.silent:
            raise ValueError(
                "with_logprobs needs the whole distribution (top_k null, top_p 1, min_p 0): engines report its "
                "logprobs, not those of what is left of it."
            )

    @property
    def truncation(self) -> Truncation:
        """What the distribution is cut down to."""
        return Truncation(top_k=self.top_k, top_p=self.top_p, min_p=self.min_p)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One completion to draw.

    Attributes:
        prompt_ids: token ids that it follows.
        seed: of its noise.
        max_tokens: its longest length where that is less than the others' (`SamplingConfig`): what is left of a
            completion that was begun.
    """

    prompt_ids: tuple[int, ...]
    seed: int
    max_tokens: int | None = None

    def limit(self, config: SamplingConfig) -> int:
        """Most tokens of this completion."""
        return config.max_tokens if self.max_tokens is None else min(self.max_tokens, config.max_tokens)


@dataclass(frozen=True, kw_only=True)
class Generation:
    """One completion as token ids; see `Rollout` for the fields.

    Attributes:
        met_stop: its last token completed one of `SamplingConfig.stop`; an end-of-sequence token did not end it.
    """

    completion_ids: tuple[int, ...]
    finish_reason: FinishReason
    logprobs: tuple[float, ...] | None
    met_stop: bool = False


class Sampler(Protocol):
    """An engine that draws completions: token ids in, token ids out.

    Attributes:
        policy_version: number handed to the last `load_weights`; 0 for the weights the engine was built with.
    """

    policy_version: int

    def generate(
        self,
        requests: Sequence[Request],
        config: SamplingConfig,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """Draw one completion a request, in the order of the requests.

        A completion depends on its own prompt and seed, not on its neighbours. It ends with the token that completes
        one of `config.stop`; an engine that draws on is no error, since texts are cut afterwards. `on_progress` is
        called with the number of completions that have just finished.
        """
        ...

    def logprobs(self, sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[tuple[float, ...]]:
        """log π (nats, temperature 1) of each completion token of (prompt_ids, completion_ids) under the engine."""
        ...

    def load_weights(self, named_tensors: Iterable[tuple[str, torch.Tensor]], policy_version: int) -> None:
        """Replace the weights in place; names and shapes are those of the Hugging Face checkpoint."""
        ...


def stretches(items: Sequence[_Item], count: int) -> list[Sequence[_Item]]:
    """`items` in their order as `count` stretches whose lengths differ by at most one; neighbours stay together.

    Some are empty where there are fewer items than stretches.
    """
    bounds = [len(items) * number // count for number in range(count + 1)]
    return [items[start:end] for start, end in pairwise(bounds)]


def sample_rollouts(
    sampler: Sampler,
    tokenizer: TextTokenizer,
    prompts: Sequence[tuple[Problem, tuple[int, ...]]],
    config: SamplingConfig,
    *,
    samples_per_problem: int,
    run_seed: int,
    step: int,
    purpose: str = "train",
    first_sample_index: int = 0,
    on_progress: Callable[[int], None] | None = None,
) -> list[Rollout]:
    """Draw a group of completions for each prompt.

    Args:
        sampler: the engine.
        tokenizer: decodes completions.
        prompts: pairs (problem, token ids of its rendered prompt).
        config: temperature, nucleus, length.
        samples_per_problem: G, completions per prompt.
        run_seed: seed of the run; with step, problem, index and purpose it fixes every sample.
        step: optimiser step the samples are drawn for.
        purpose: ``"train"``, ``"evaluate"``, …; keeps their noise apart.
        first_sample_index: index of the first sample, to draw more of the same problem later.
        on_progress: called with the number of completions just finished.

    Returns:
        P·G rollouts, the G of a problem beside each other, in the order of `prompts`.
    """
    indices = range(first_sample_index, first_sample_index + samples_per_problem)
    plan = [
        (problem, index, Request(prompt_ids=ids, seed=request_seed(run_seed, step, problem.problem_id, index, purpose)))
        for problem, ids in prompts
        for index in indices
    ]
    generations = sampler.generate([request for _, _, request in plan], config, on_progress)
    openings = {problem.problem_id: opening(tokenizer, ids) for problem, ids in prompts}
    ids = [generation.completion_ids for generation in generations]
    texts = completion_texts(tokenizer, ids, [_end(generation) for generation in generations])
    return [
        _rollout(
            tokenizer,
            generation,
            text,
            config.stop,
            problem=problem,
            prompt_ids=request.prompt_ids,
            opening=openings[problem.problem_id],
            sample_index=index,
            seed=request.seed,
            policy_version=sampler.policy_version,
        )
        for (problem, index, request), generation, text in zip(plan, generations, texts, strict=True)
    ]


def _end(generation: Generation) -> tuple[int, ...]:
    """The token that ended it, whichever of the model's that was: it is no part of the text."""
    ended = generation.finish_reason == "stop" and not generation.met_stop
    return generation.completion_ids[-1:] if ended else ()


def _rollout(
    tokenizer: TextTokenizer,
    generation: Generation,
    text: str,
    stop: tuple[str, ...],
    *,
    problem: Problem,
    prompt_ids: tuple[int, ...],
    opening: str,
    sample_index: int,
    seed: int,
    policy_version: int,
) -> Rollout:
    """A completion with its text, cut where it met a stop text."""
    ids, finish_reason, logprobs = generation.completion_ids, generation.finish_reason, generation.logprobs
    text, kept = cut_text(text, tokenizer, ids, stop, _end(generation))
    if kept is not None:
        ids, finish_reason, logprobs = ids[:kept], "stop", None if logprobs is None else logprobs[:kept]
    return Rollout(
        problem=problem,
        prompt_ids=prompt_ids,
        completion_ids=ids,
        completion=text,
        opening=opening,
        finish_reason=finish_reason,
        sample_index=sample_index,
        seed=seed,
        policy_version=policy_version,
        sampler_logprobs=logprobs,
    )
