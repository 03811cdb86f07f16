"""From scored rollouts to padded arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import chain

import numpy as np
import torch
from torch import Tensor

from algorithms.interface import TokenBatch
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from training.models.transfer import sent

__all__ = [
    "TrainingBatch",
    "build_batch",
    "build_pair_batch",
    "pairs_in",
    "unjudged_batch",
    "with_other_completions",
]


@dataclass(frozen=True, kw_only=True)
class TrainingBatch:
    """Sequences of prompt and completion, right-padded, with the arrays that algorithms read.

    Attributes:
        input_ids: (B, L) int64, prompt then completion then padding.
        prompt_lengths: (B,) int64 tokens of the prompt; like `lengths` always on the CPU, where rows are cut.
        lengths: (B,) int64 tokens of prompt and completion together.
        tokens: completion-aligned arrays: position t is completion token t that the policy drew. What a tool wrote
            between them is context, as the prompt is: no algorithm ever hears of it.
        places: (B, T) int64 position of each of these tokens in `input_ids`, on the CPU, −1 at the padding; ``None``
            where they follow the prompt without a gap.
        prompts: (B,) int64 on the CPU: sequences with the same number have the same prompt, which packed passes compute
            once; ``None`` where no two of the batch have.
    """

    input_ids: Tensor
    prompt_lengths: Tensor
    lengths: Tensor
    tokens: TokenBatch
    places: Tensor | None = None
    prompts: Tensor | None = None

    def __len__(self) -> int:
        return self.input_ids.shape[0]

    def rows(self, index: Tensor) -> TrainingBatch:
        """The sequences at `index`, int64 on the CPU, with the padding they do not need cut off."""
        lengths, prompt_lengths = self.lengths[index], self.prompt_lengths[index]
        own = lengths - prompt_lengths if self.places is None else (self.places[index] >= 0).sum(dim=1)
        completion = int(own.max())
        there = sent(index, self.input_ids.device)
        return TrainingBatch(
            input_ids=self.input_ids[there, : int(lengths.max())],
            prompt_lengths=prompt_lengths,
            lengths=lengths,
            tokens=self.tokens.rows(there).cut(completion),
            places=None if self.places is None else self.places[index, :completion],
            prompts=None if self.prompts is None else self.prompts[index],
        )

    def shortest(self) -> TrainingBatch:
        """Its shortest sequence alone."""
        return self.rows(self.lengths.argmin()[None])

    def completion_places(self) -> Tensor:
        """(B, T) int64 position of each completion token in `input_ids`, on the CPU, −1 at the padding."""
        if self.places is not None:
            return self.places
        places = self.prompt_lengths.numpy()[:, None] + np.arange(self.tokens.completion_mask.shape[1])
        return torch.from_numpy(np.where(places < self.lengths.numpy()[:, None], places, -1))

    def distinct_prompts(self) -> tuple[Tensor, Tensor]:
        """Which of G prompts each sequence has, and a sequence that has it: (B,) and (G,) int64 on the CPU."""
        numbers = torch.arange(len(self)) if self.prompts is None else self.prompts
        prompt_of = torch.unique(numbers, return_inverse=True)[1]
        first_of = torch.zeros(int(prompt_of.max()) + 1, dtype=torch.int64)
        return prompt_of, first_of.scatter_(0, prompt_of.flip(0), torch.arange(len(self)).flip(0))

    def with_tokens(self, tokens: TokenBatch) -> TrainingBatch:
        """The same sequences with other arrays."""
        return replace(self, tokens=tokens)

    def to(self, device: torch.device) -> TrainingBatch:
        """The same batch on `device`."""
        return TrainingBatch(
            input_ids=self.input_ids.to(device),
            prompt_lengths=self.prompt_lengths,
            lengths=self.lengths,
            tokens=self.tokens.to(device),
            places=self.places,
            prompts=self.prompts,
        )


def build_batch(scored: Sequence[ScoredRollout], *, pad_token_id: int) -> TrainingBatch:
    """Pad scored rollouts to arrays; completions of one problem share a group.

    Args:
        scored: at least one, each with at least one completion token.
        pad_token_id: fills up `input_ids`; no result depends on it.

    Raises:
        ValueError: nothing to batch, or a completion without tokens.
    """
    if not scored:
        raise ValueError("no rollouts to build a batch from; expected at least one.")
    for item in scored:
        if not item.rollout.num_own_tokens:
            raise ValueError(
                f"problem {item.rollout.problem.problem_id!r} has a completion without tokens; expected at least one "
                "of the model's own in each: leave out those that have none."
            )
    prompt_lengths = torch.tensor([len(item.rollout.prompt_ids) for item in scored])
    lengths = torch.tensor([len(item.rollout.prompt_ids) + len(item.rollout.completion_ids) for item in scored])
    own_lengths = torch.tensor([item.rollout.num_own_tokens for item in scored])
    ids = chain.from_iterable((*item.rollout.prompt_ids, *item.rollout.completion_ids) for item in scored)
    input_ids = np.full((len(scored), int(lengths.max())), pad_token_id)
    within = np.arange(input_ids.shape[1]) < lengths.numpy()[:, None]
    input_ids[within] = np.fromiter(ids, dtype=np.int64, count=int(lengths.sum()))
    groups = {problem_id: index for index, problem_id in enumerate(dict.fromkeys(_problem_ids(scored)))}
    step_rewards, step_ends = _pad_steps(scored)
    tokens = TokenBatch(
        completion_mask=torch.arange(int(own_lengths.max())) < own_lengths[:, None],
        rewards=torch.tensor([item.reward for item in scored], dtype=torch.float32),
        correct=torch.tensor([item.correct for item in scored]),
        group=torch.tensor([groups[problem_id] for problem_id in _problem_ids(scored)]),
        sampler_logprobs=_pad_logprobs(_sampler_logprobs(scored)),
        old_logprobs=_pad_logprobs([item.rollout.old_logprobs for item in scored]),
        step_rewards=step_rewards,
        step_ends=step_ends,
        truncated=torch.tensor([item.rollout.truncated for item in scored]),
    )
    return TrainingBatch(
        input_ids=torch.from_numpy(input_ids),
        prompt_lengths=prompt_lengths,
        lengths=lengths,
        tokens=tokens,
        places=_places(scored),
        prompts=_prompts(scored),
    )


def unjudged_batch(rollouts: Sequence[Rollout], *, pad_token_id: int) -> TrainingBatch:
    """The arrays of completions that nobody judged, for passes that read no reward; see `build_batch`.

    Args:
        rollouts: B completions.
        pad_token_id: fills up `input_ids`.

    Returns:
        B sequences, rewards 0.

    Raises:
        ValueError: nothing to batch, or a completion without tokens.
    """
    nothing = Verdict(status=Status.NO_ANSWER, answer="", answer_class="")
    scored = [ScoredRollout(rollout=rollout, verdict=nothing, reward=0.0) for rollout in rollouts]
    return build_batch(scored, pad_token_id=pad_token_id)


def build_pair_batch(
    scored: Sequence[ScoredRollout], *, pad_token_id: int, by_reward: bool = False
) -> TrainingBatch | None:
    """The pairs of `pairs_in` as arrays.

    Returns:
        The pairs' sequences, chosen and rejected side by side; ``None`` where there is no pair.
    """
    pairs = [item for pair in pairs_in(scored, by_reward=by_reward) for item in pair]
    if not pairs:
        return None
    batch = build_batch(pairs, pad_token_id=pad_token_id)
    order = torch.arange(len(pairs))
    return batch.with_tokens(replace(batch.tokens, pair=order // 2, chosen=order % 2 == 0))


def _right_and_wrong(group: Sequence[ScoredRollout]) -> Iterable[tuple[ScoredRollout, ScoredRollout]]:
    right = [item for item in group if item.correct]
    wrong = [item for item in group if not item.correct]
    return zip(right, wrong, strict=False)


def _ranked_pairs(group: Sequence[ScoredRollout]) -> Iterable[tuple[ScoredRollout, ScoredRollout]]:
    def held(item: ScoredRollout) -> np.float32:  # as batches hold it: 0.1 + 0.2 and 0.3 are equal
        return np.float32(item.reward)

    best = sorted(group, key=lambda item: -held(item))
    worst = sorted(group, key=held)
    paired = zip(best[: len(group) // 2], worst, strict=False)
    return (pair for pair in paired if held(pair[0]) > held(pair[1]))


def with_other_completions(batch: TrainingBatch) -> TrainingBatch:
    """Each prompt with a completion of the next problem instead of its own, as far as its log-probability goes.

    The k-th sequence of a problem takes the k-th of the next one, from the start again where there are fewer; the last
    problem takes the first one's. In a batch of one problem, each sequence takes the next one's completion.

    Args:
        batch: B sequences; of its completion-aligned arrays only the mask is rearranged, the others are left out. What
            a tool wrote within a completion goes with it, and is as little a target as before.
    """
    groups: dict[int, list[int]] = {}
    for row, label in enumerate(batch.tokens.group.tolist()):
        groups.setdefault(label, []).append(row)
    rows, other = list(groups.values()), torch.empty(len(batch), dtype=torch.int64)
    for own, following in zip(rows, rows[1:] + rows[:1], strict=True):
        for rank, row in enumerate(own):
            other[row] = following[(rank + (len(rows) == 1)) % len(following)]
    completions = (batch.lengths - batch.prompt_lengths)[other]
    lengths = batch.prompt_lengths + completions
    input_ids = batch.input_ids.new_zeros(len(batch), int(lengths.max()))
    for row, (prompt, count, source) in enumerate(
        zip(batch.prompt_lengths.tolist(), completions.tolist(), other.tolist(), strict=True)
    ):
        start = int(batch.prompt_lengths[source])
        input_ids[row, :prompt] = batch.input_ids[row, :prompt]
        input_ids[row, prompt : prompt + count] = batch.input_ids[source, start : start + count]
    mask = batch.tokens.completion_mask[other.to(batch.input_ids.device)]
    tokens = TokenBatch(completion_mask=mask, rewards=batch.tokens.rewards, group=batch.tokens.group)
    return TrainingBatch(
        input_ids=input_ids,
        prompt_lengths=batch.prompt_lengths,
        lengths=lengths,
        tokens=tokens,
        places=_moved(batch, other),
        prompts=batch.prompts,
    )


def _moved(batch: TrainingBatch, other: Tensor) -> Tensor | None:
    """(B, T) `places` of the completions of the sequences `other`, behind each sequence's own prompt."""
    if batch.places is None:
        return None
    places, shift = batch.places[other], batch.prompt_lengths - batch.prompt_lengths[other]
    return torch.where(places >= 0, places + shift[:, None], -1)


def pairs_in(scored: Sequence[ScoredRollout], *, by_reward: bool = False) -> list[tuple[ScoredRollout, ScoredRollout]]:
    """Pairs of a better and a worse completion of one problem, each completion in one pair at most.

    A right completion is better than a wrong one, and all right ones are equal: a problem with r right and w wrong
    completions gives min(r, w) pairs, in the order they were sampled. `by_reward`, the best completion is paired with
    the worst, the second best with the second worst, as long as their rewards differ; of equals the first comes first.
    """
    pairs: list[tuple[ScoredRollout, ScoredRollout]] = []
    for problem_id in dict.fromkeys(_problem_ids(scored)):
        group = [item for item in scored if item.rollout.problem.problem_id == problem_id]
        pairs += _ranked_pairs(group) if by_reward else _right_and_wrong(group)
    return pairs


def _problem_ids(scored: Sequence[ScoredRollout]) -> list[str]:
    return [item.rollout.problem.problem_id for item in scored]


def _own(rollout: Rollout) -> list[int]:
    """Indices in `completion_ids` of the tokens that the policy drew."""
    if rollout.own_tokens is None:
        return list(range(len(rollout.completion_ids)))
    return [index for index, own in enumerate(rollout.own_tokens) if own]


def _places(scored: Sequence[ScoredRollout]) -> Tensor | None:
    """(B, T) positions of own tokens behind prompts, −1 at the padding; ``None`` where nothing lies between them."""
    if all(item.rollout.own_tokens is None or all(item.rollout.own_tokens) for item in scored):
        return None
    rows = [len(item.rollout.prompt_ids) + torch.tensor(_own(item.rollout)) for item in scored]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=-1)


def _prompts(scored: Sequence[ScoredRollout]) -> Tensor | None:
    """(B,) a number for each distinct prompt, in order; ``None`` where all are."""
    numbers: dict[tuple[int, ...], int] = {}
    of_rows = [numbers.setdefault(item.rollout.prompt_ids, len(numbers)) for item in scored]
    return torch.tensor(of_rows) if len(numbers) < len(of_rows) else None


def _sampler_logprobs(scored: Sequence[ScoredRollout]) -> list[Sequence[float] | None]:
    """log π_sampler of the tokens that the model drew; ``None`` where the engine was not asked for them."""
    rollouts = [item.rollout for item in scored]
    return [
        None if rollout.sampler_logprobs is None else [rollout.sampler_logprobs[index] for index in _own(rollout)]
        for rollout in rollouts
    ]


def _pad_logprobs(rows: Sequence[Sequence[float] | None]) -> Tensor | None:
    """(B, T), 0 at the padding; ``None`` where a completion has none."""
    held = [torch.tensor(row) for row in rows if row is not None]
    return torch.nn.utils.rnn.pad_sequence(held, batch_first=True) if len(held) == len(rows) else None


def _pad_steps(scored: Sequence[ScoredRollout]) -> tuple[Tensor, Tensor]:
    """(B, S) step rewards and ends, −1 where there is no step; S is at least 1.

    A step that ends within a tool's output ends with the last token before it that the policy drew.
    """
    most = max(1, *(len(item.step_ends) for item in scored))
    rewards, ends = torch.zeros(len(scored), most), torch.full((len(scored), most), -1)
    for row, item in enumerate(scored):
        if not item.step_ends:
            continue
        rewards[row, : len(item.step_rewards)] = torch.tensor(item.step_rewards)
        drawn = torch.tensor(_own(item.rollout))
        ends[row, : len(item.step_ends)] = torch.searchsorted(drawn, torch.tensor(item.step_ends), right=True) - 1
    return rewards, ends
