"""Where completions come from: demonstrations, the frozen start policy, or the policy itself (Table 10, column 1)."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from benchmarks.problem import Problem
from sampling.rollout import Rollout
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from training.policy import Policy

__all__ = [
    "DemonstrationSource",
    "OfflineSource",
    "OnlineSource",
    "Prompts",
    "Source",
    "problems_of_step",
]


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
        indices = problems_of_step(len(self.problems), self.per_step, step, self.seed)
        return [(self.problems[index], self.prompt_ids[index]) for index in indices]


def problems_of_step(num_problems: int, per_step: int, step: int, seed: str) -> list[int]:
    """Indices of the problems of `step`, by its arguments only: each epoch is a fresh shuffle, cut in blocks."""
    steps_per_epoch = num_problems // per_step
    epoch, block = divmod(step, steps_per_epoch)
    return list(_epoch_order(num_problems, epoch, seed)[block * per_step : (block + 1) * per_step])


@lru_cache(maxsize=4)
def _epoch_order(num_problems: int, epoch: int, seed: str) -> tuple[int, ...]:
    """The shuffle of one epoch; kept, since every step of the epoch asks for it."""
    order = list(range(num_problems))
    random.Random(f"{seed}/{epoch}").shuffle(order)
    return tuple(order)


class Source(Protocol):
    """Hands the training loop the completions of a step."""

    def rollouts(self, step: int) -> list[Rollout]:
        """Completions of `step`, counted from 0; the same step gives the same problems."""
        ...

    def seconds_before(self, step: int) -> float:
        """Seconds that drawing the completions of `step` took before the run's first step; 0 if drawn at the step."""
        ...


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
        on_progress: called with (completions done, completions of the step) as they finish.
    """

    sampler: Sampler
    policy: Policy
    prompts: Prompts
    sampling: SamplingConfig
    group_size: int
    run_seed: int
    on_progress: Callable[[int, int], None] | None = None

    def rollouts(self, step: int) -> list[Rollout]:
        """P·G completions of the current policy."""
        done, total = 0, self.prompts.per_step * self.group_size

        def advance(count: int) -> None:
            nonlocal done
            done += count
            if self.on_progress is not None:
                self.on_progress(done, total)

        return sample_rollouts(
            self.sampler,
            self.policy.tokenizer,
            self.prompts.of_step(step),
            self.sampling,
            samples_per_problem=self.group_size,
            run_seed=self.run_seed,
            step=step,
            on_progress=advance,
        )

    def seconds_before(self, step: int) -> float:
        """Nothing is drawn before."""
        return 0.0


@dataclass(frozen=True, kw_only=True)
class OfflineSource:
    """o ~ π_sft: drawn once from the frozen start policy, with the seeds that the online arms use, and kept on disk.

    Attributes:
        blocks: the completions of each step.
        seconds: what drawing each block took.
    """

    blocks: tuple[tuple[Rollout, ...], ...]
    seconds: tuple[float, ...]

    def rollouts(self, step: int) -> list[Rollout]:
        """P·G completions of the frozen policy."""
        return list(self.blocks[step])

    def seconds_before(self, step: int) -> float:
        """What drawing the block of `step` took."""
        return self.seconds[step]

    @staticmethod
    def draw(
        online: OnlineSource, steps: int, file: Path, *, on_progress: Callable[[int], None] | None = None
    ) -> OfflineSource:
        """Draw `steps` blocks from the weights that the sampler holds, or read them back from `file`.

        Args:
            online: says what is drawn; its sampler must hold the start policy.
            steps: optimiser steps of the run.
            file: JSON Lines, one block a line, written whole before it gets its name.
            on_progress: called with the number of completions just drawn.
        """
        if not file.is_file():
            temporary = file.with_suffix(".tmp")
            with temporary.open("w", encoding="utf-8") as out:
                for step in range(steps):
                    started = time.perf_counter()
                    block = online.rollouts(step)
                    seconds = time.perf_counter() - started
                    rows = [_to_row(rollout) for rollout in block]
                    out.write(json.dumps({"seconds": seconds, "rollouts": rows}) + "\n")
                    if on_progress is not None:
                        on_progress(len(block))
            temporary.rename(file)
        problems = {problem.problem_id: problem for problem in online.prompts.problems}
        prompt_ids = dict(zip(problems, online.prompts.prompt_ids, strict=True))
        with file.open(encoding="utf-8") as lines:
            drawn = [json.loads(line) for line in lines]
        blocks = tuple(
            tuple(
                _from_row(row, problems[row["problem_id"]], prompt_ids[row["problem_id"]]) for row in item["rollouts"]
            )
            for item in drawn
        )
        return OfflineSource(blocks=blocks, seconds=tuple(item["seconds"] for item in drawn))


@dataclass(frozen=True, kw_only=True)
class DemonstrationSource:
    """q, o ~ P_sft: worked solutions, ended by the end-of-sequence token.

    Attributes:
        policy: its tokenizer encodes the solutions.
        prompts: problems, every one with a solution; `per_step` demonstrations make a step.
    """

    policy: Policy
    prompts: Prompts

    def rollouts(self, step: int) -> list[Rollout]:
        """P demonstrations."""
        return [self._demonstration(problem, prompt_ids) for problem, prompt_ids in self.prompts.of_step(step)]

    def seconds_before(self, step: int) -> float:
        """Nothing is drawn."""
        return 0.0

    def _demonstration(self, problem: Problem, prompt_ids: tuple[int, ...]) -> Rollout:
        if problem.solution is None:
            raise ValueError(f"problem {problem.problem_id!r} has no worked solution; SFT needs one for every problem.")
        ids: Sequence[int] = self.policy.tokenizer(problem.solution, add_special_tokens=False).input_ids
        return Rollout(
            problem=problem,
            prompt_ids=prompt_ids,
            completion_ids=(*ids, self.policy.end_token_id),
            completion=problem.solution,
            finish_reason="stop",
            sample_index=0,
            seed=0,
            policy_version=0,
        )


def _to_row(rollout: Rollout) -> dict[str, object]:
    return {
        "problem_id": rollout.problem.problem_id,
        "completion_ids": list(rollout.completion_ids),
        "completion": rollout.completion,
        "finish_reason": rollout.finish_reason,
        "sample_index": rollout.sample_index,
        "seed": rollout.seed,
        "policy_version": rollout.policy_version,
    }


def _from_row(row: dict[str, object], problem: Problem, prompt_ids: tuple[int, ...]) -> Rollout:
    fields: dict[str, object] = {name: value for name, value in row.items() if name != "problem_id"}
    fields["completion_ids"] = tuple(row["completion_ids"])  # type: ignore[arg-type]
    return Rollout(problem=problem, prompt_ids=prompt_ids, **fields)  # type: ignore[arg-type]
