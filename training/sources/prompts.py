"""Training problems with their prompts, and which of them come at which step."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import lru_cache

from benchmarks.problem import Problem

__all__ = ["Prompts", "problems_of_step"]


@dataclass(frozen=True, kw_only=True)
class Prompts:
    """Training problems with their rendered prompts.

    Attributes:
        problems: the training split.
        prompt_ids: token ids of each problem's prompt, in the order of `problems`.
        per_step: P, problems of one step.
        seed: fixes which problems come at which step; the same for every arm of a comparison, and another one where
            the start policy is trained.
    """

    problems: tuple[Problem, ...]
    prompt_ids: tuple[tuple[int, ...], ...]
    per_step: int
    seed: str

    def __post_init__(self) -> None:
        if len(self.problems) != len(self.prompt_ids):
            raise ValueError(f"{len(self.problems)} problems and {len(self.prompt_ids)} prompts; expected as many.")
        if not 1 <= self.per_step <= len(self.problems):
            raise ValueError(f"per_step is {self.per_step}; expected 1 to {len(self.problems)} training problems.")

    def of_step(self, step: int) -> list[tuple[Problem, tuple[int, ...]]]:
        """The (problem, prompt) pairs of `step`, counted from 0."""
        return self._at(problems_of_step(len(self.problems), self.per_step, step, self.seed))

    def more_of_step(self, step: int, attempt: int) -> list[tuple[Problem, tuple[int, ...]]]:
        """Further pairs for `step`, none of which it had at an earlier attempt; the first further attempt is 1."""
        seeds = [self.seed, *(f"{self.seed}/attempt{number}" for number in range(1, attempt + 1))]
        *earlier, latest = (problems_of_step(len(self.problems), self.per_step, step, seed) for seed in seeds)
        had = {index for indices in earlier for index in indices}
        return self._at([index for index in latest if index not in had])

    def _at(self, indices: list[int]) -> list[tuple[Problem, tuple[int, ...]]]:
        return [(self.problems[index], self.prompt_ids[index]) for index in indices]


def problems_of_step(num_problems: int, per_step: int, step: int, seed: str) -> list[int]:
    """Indices of the problems of `step`, by its arguments only: each epoch is a fresh shuffle, cut in blocks."""
    steps_per_epoch = num_problems // per_step
    epoch, block = divmod(step, steps_per_epoch)
    return list(_epoch_order(num_problems, epoch, seed)[block * per_step : (block + 1) * per_step])


@lru_cache(maxsize=16)
def _epoch_order(num_problems: int, epoch: int, seed: str) -> tuple[int, ...]:
    """The shuffle of one epoch; kept, since every step of the epoch asks for it."""
    order = list(range(num_problems))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return tuple(order)
