"""o ~ π_θ: completions of the policy as it is now (online RFT, PPO, GRPO)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.problem import Problem
from sampling.rollout import Rollout
from sampling.rounds import ToolRounds, sample_in_rounds
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from training.models.policy import Policy
from training.sources.interface import Spent
from training.sources.prompts import Prompts

__all__ = ["OnlineSource"]


@dataclass(frozen=True, kw_only=True)
class OnlineSource:
    """o ~ π_θ: whatever weights the sampler holds now.

    Attributes:
        sampler: the engine.
        policy: its tokenizer decodes.
        prompts: which problems come when.
        sampling: temperature and length.
        group_size: G.
        run_seed: with step, problem and index it fixes every sample.
        rounds: the tool that completions may use; ``None`` where they are text alone.
        on_progress: called with (completions done, completions of the step) as they finish.
    """

    sampler: Sampler
    policy: Policy
    prompts: Prompts
    sampling: SamplingConfig
    group_size: int
    run_seed: int
    rounds: ToolRounds | None = None
    on_progress: Callable[[int, int], None] | None = None

    def rollouts(self, step: int) -> list[Rollout]:
        """P·G completions of the current policy."""
        return self._sample(step, self.prompts.of_step(step))

    def more_rollouts(self, step: int, attempt: int) -> list[Rollout]:
        """Completions of further problems for the same step (dynamic sampling); see `Prompts.more_of_step`."""
        return self._sample(step, self.prompts.more_of_step(step, attempt))

    def greedy_rollouts(self, step: int, prompts: list[tuple[Problem, tuple[int, ...]]]) -> list[Rollout]:
        """The most likely completion, token by token, of each problem under the current policy."""
        return self._drawing()(
            self.sampler,
            self.policy.tokenizer,
            prompts,
            replace(self.sampling, temperature=0.0, with_logprobs=False),
            samples_per_problem=1,
            run_seed=self.run_seed,
            step=step,
            purpose="greedy",
        )

    def _sample(self, step: int, prompts: list[tuple[Problem, tuple[int, ...]]]) -> list[Rollout]:
        done, total = 0, len(prompts) * self.group_size

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if self.on_progress is not None:
                self.on_progress(done, total)

        return self._drawing()(
            self.sampler,
            self.policy.tokenizer,
            prompts,
            self.sampling,
            samples_per_problem=self.group_size,
            run_seed=self.run_seed,
            step=step,
            on_progress=advance,
        )

    def _drawing(self) -> Callable[..., list[Rollout]]:
        return sample_rollouts if self.rounds is None else partial(sample_in_rounds, rounds=self.rounds)

    def spent_beside(self, step: int) -> Spent:
        """Nothing: every token that is drawn is one of a completion."""
        return Spent()

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """All is drawn at the step."""
        return elapsed
