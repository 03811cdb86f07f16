"""Completions that were searched for under a model of steps, where others are sampled: a source for offline methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from sampling.rollout import Rollout
from sampling.sampler import Sampler, SamplingConfig
from sampling.search import SearchConfig, search
from training.models.policy import Policy
from training.reward_models.serving import RewardModel, whole_scores
from training.sources.interface import Spent
from training.sources.prompts import Prompts

__all__ = ["SearchedSource"]


@dataclass(frozen=True, kw_only=True)
class SearchedSource:
    """o ~ a search of π_θ's steps, led by a process reward model (`sampling.search`).

    A problem gets the best `group_size` of what was found, whole solutions before others, the best first; fewer where
    fewer were found.

    Attributes:
        sampler: the engine.
        policy: its tokenizer decodes.
        prompts: which problems come when.
        sampling: temperature and length.
        config: how is searched.
        guide: says how good a solution is so far.
        group_size: G.
        run_seed: with step, problem and number it fixes every draw.
    """

    sampler: Sampler
    policy: Policy
    prompts: Prompts
    sampling: SamplingConfig
    config: SearchConfig
    guide: RewardModel
    group_size: int
    run_seed: int
    _spent: dict[int, Spent] = field(default_factory=dict, init=False)

    def rollouts(self, step: int) -> list[Rollout]:
        """At most P·G completions of the current policy."""
        asked, read, scores = self.prompts.of_step(step), 0, whole_scores(self.guide, "process")

        def score(rollouts: Sequence[Rollout]) -> list[float]:
            nonlocal read
            read += _tokens(rollouts)
            return scores(rollouts)

        found = search(
            self.sampler,
            self.policy.tokenizer,
            asked,
            self.sampling,
            self.config,
            score,
            run_seed=self.run_seed,
            step=step,
        )
        kept = [
            replace(candidate.rollout, sample_index=index)
            for each in found
            for index, candidate in enumerate(
                [one for one in each.candidates if one.rollout.completion_ids][: self.group_size]
            )
        ]
        drawn = sum(each.tokens for each in found)
        passed = drawn + sum(len(ids) for _, ids in asked)  # the engine keeps what branches share
        flops = 2.0 * self.policy.num_parameters * passed + 2.0 * self.guide.num_parameters * read
        self._spent[step] = Spent(
            tokens=drawn - sum(len(rollout.completion_ids) for rollout in kept),
            flops=flops - 2.0 * self.policy.num_parameters * _tokens(kept),
        )
        return kept

    def spent_beside(self, step: int) -> Spent:
        """What the search of `step` took beyond its completions themselves; of a step that was drawn."""
        return self._spent[step]


def _tokens(rollouts: Sequence[Rollout]) -> int:
    """Prompts and completions."""
    return sum(len(rollout.prompt_ids) + len(rollout.completion_ids) for rollout in rollouts)
