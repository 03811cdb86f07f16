"""A reward model at work: an outcome reward or a step reward like any other, in the process of the policy.

Completions are scored in batches on the trainer's device, as many tokens at a time as fit; no score depends on what
else is in the batch beyond rounding. A score is a probability, σ(z / temperature).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch

from rewards.reward import Reward, RewardError, Rewards, StepReward, sample_of
from rewards.steps.steps import split_steps, step_token_ends
from rewards.verdict import StepVerdict, Verdict
from sampling.rollout import Rollout
from sampling.text import TokenTexts
from training.models.batches import unjudged_batch
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy
from training.reward_models.model import picked, score_tokens

__all__ = [
    "Combine",
    "LearnedReward",
    "LearnedStepReward",
    "RewardModel",
    "combined",
    "least_of",
    "probabilities_of",
    "step_ends_of",
    "whole_scores",
]

Combine = Literal["mean", "minimum", "mean_minus_std"]


@dataclass(kw_only=True)
class RewardModel:
    """One or several scalar-head models that score together, in memory.

    Attributes:
        members: the models; a refresh changes their weights in place.
        temperatures: divides the scores of each; fitted on held-out problems.
        options: most tokens of a pass.
        combine: how members become one probability.
        std_weight: k of mean − k · std.
        together: `probabilities` of every rank at once, where each has a part of the models; ``None`` is that of this.
    """

    members: list[Policy]
    temperatures: list[float]
    options: ForwardOptions
    combine: Combine = "mean"
    std_weight: float = 1.0
    together: Callable[..., list[tuple[float, ...]]] | None = None

    def asked(self, rollouts: Sequence[Rollout], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """`probabilities`, of all ranks together where the models are sharded."""
        return (self.together or self.probabilities)(rollouts, ends)

    def probabilities(self, rollouts: Sequence[Rollout], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        """The probability of being right after each of these tokens.

        Args:
            rollouts: B completions.
            ends: of each, 0-based indices of its tokens.

        Raises:
            RewardError: a score is no number; names problem and sample.
        """
        of_members = [
            probabilities_of(self.scores(member, rollouts, ends), temperature)
            for member, temperature in zip(self.members, self.temperatures, strict=True)
        ]
        if len(of_members) == 1:
            return of_members[0]
        return [
            tuple(combined(together, self.combine, self.std_weight) for together in zip(*rows, strict=True))
            for rows in zip(*of_members, strict=True)
        ]

    def scores(
        self, member: Policy, rollouts: Sequence[Rollout], ends: Sequence[Sequence[int]]
    ) -> list[tuple[float, ...]]:
        """One member's scores z after these tokens; completions without tokens have none, equal ones are read once."""
        result: list[tuple[float, ...]] = [()] * len(rollouts)
        first: dict[tuple[object, ...], list[int]] = {}
        for row, rollout in enumerate(rollouts):
            if rollout.completion_ids:
                first.setdefault((rollout.prompt_ids, rollout.completion_ids, tuple(ends[row])), []).append(row)
        if not first:
            return result
        read = [rows[0] for rows in first.values()]
        batch = unjudged_batch([rollouts[row] for row in read], pad_token_id=member.pad_token_id).to(member.device)
        found = picked(score_tokens(member.model, batch, self.options), [ends[row] for row in read])
        for rows, scores in zip(first.values(), found, strict=True):
            for score in scores:
                if not math.isfinite(score):
                    raise RewardError(
                        f"the reward model's score of {sample_of(rollouts[rows[0]])} is {score}; expected a finite "
                        "number. Its weights are not finite, or autocast overflowed."
                    )
            for row in rows:
                result[row] = scores
        return result

    @property
    def num_parameters(self) -> int:
        """Of all members together."""
        return sum(member.num_parameters for member in self.members)


@dataclass(frozen=True, kw_only=True)
class LearnedReward(Reward):
    """The probability that a completion is right, after its last token.

    Right, for methods that ask who is, is whoever has more than 1/2: the gold answer is not looked at.

    Attributes:
        name: see `Reward`.
        model: scores; fitted with supervision ``"outcome"``.
    """

    name: str
    model: RewardModel

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        """See `Reward.right_and_wrong`: what a model that is sure says."""
        return 1.0, 0.0

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """(B,) in [0, 1]; a completion without tokens has 0. `verdicts` are not looked at."""
        ends = [(len(rollout.completion_ids) - 1,) for rollout in rollouts]
        found = self.model.asked(rollouts, ends)
        total = tuple(row[0] if row else 0.0 for row in found)
        return Rewards(total=total, correct=tuple(number > 0.5 for number in total))


@dataclass(frozen=True, kw_only=True)
class LearnedStepReward(StepReward):
    """The probability that a solution is right so far, after each step: a line that is not blank.

    Attributes:
        name: see `StepReward`.
        model: scores; fitted with supervision ``"process"``.
    """

    name: str
    model: RewardModel

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        """See `StepReward.right_and_wrong`: what a model that is sure says."""
        return 1.0, 0.0

    def __call__(self, rollouts: Sequence[Rollout]) -> list[tuple[StepVerdict, ...]]:
        """Steps of each completion, rewards in [0, 1]; steps that end within one token share its score."""
        texts = TokenTexts(self.model.members[0].tokenizer)
        spans = [split_steps(rollout.completion) for rollout in rollouts]
        chars = [texts.ends(rollout.completion_ids) for rollout in rollouts]
        ends = [step_token_ends([end for _, end in steps], at) for steps, at in zip(spans, chars, strict=True)]
        found = self.model.asked(rollouts, ends)
        result = []
        for at, tokens, row in zip(chars, ends, found, strict=True):
            result.append(
                tuple(
                    StepVerdict(end=at[token], reward=reward, token=token)
                    for token, reward in zip(tokens, row, strict=True)
                )
            )
        return result


def whole_scores(
    model: RewardModel, supervision: Literal["outcome", "process"]
) -> Callable[[Sequence[Rollout]], list[float]]:
    """What a model says of whole completions, or of solutions so far: a number each.

    A model of outcomes says it at the last token; of a model of steps it is `least_of` them.

    Args:
        model: scores.
        supervision: what it was fitted to score.
    """
    if supervision == "outcome":
        reward = LearnedReward(name="reward model", model=model)
        return lambda rollouts: list(reward(rollouts, ()).total)
    steps = LearnedStepReward(name="reward model", model=model)
    return lambda rollouts: [least_of(found) for found in steps(rollouts)]


def least_of(steps: Sequence[StepVerdict]) -> float:
    """What a model of steps says of a whole solution: the least of its steps, 0 without any.

    As Math-Shepherd has it (arXiv 2312.08935, section 3.4): a solution is as good as its worst step.
    """
    return min((step.reward for step in steps), default=0.0)


def step_ends_of(texts: TokenTexts, rollout: Rollout) -> tuple[int, ...]:
    """0-based index of the last token of each step of a completion."""
    return step_token_ends([end for _, end in split_steps(rollout.completion)], texts.ends(rollout.completion_ids))


def probabilities_of(scores: Sequence[tuple[float, ...]], temperature: float) -> list[tuple[float, ...]]:
    """σ(score / temperature) of every score, row by row, in float64."""
    flat = torch.tensor([score for row in scores for score in row], dtype=torch.float64)
    found = iter(torch.sigmoid(flat / temperature).tolist())
    return [tuple(itertools.islice(found, len(row))) for row in scores]


def combined(together: Sequence[float], combine: Combine, std_weight: float) -> float:
    """One number of several models': their mean, their minimum, or mean − std_weight · std (of the population).

    The last may fall below 0; it is a reward, not a probability.
    """
    if combine == "minimum":
        return min(together)
    mean = math.fsum(together) / len(together)
    if combine == "mean":
        return mean
    variance = math.fsum((number - mean) ** 2 for number in together) / len(together)
    return mean - std_weight * math.sqrt(variance)
