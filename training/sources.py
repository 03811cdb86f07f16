"""Where completions come from (Table 10, column 1): the frozen start policy, or the policy itself.

Demonstrations are in `training.demonstrations`.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from benchmarks.problem import Problem
from sampling.rollout import Rollout
from sampling.rounds import ToolRounds, sample_in_rounds
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from training.durable import put_in_place, writing
from training.models.policy import Policy

_LOGPROBS = ("sampler_logprobs", "old_logprobs")

__all__ = [
    "IteratedSource",
    "OfflineSource",
    "OnlineSource",
    "Prompts",
    "Source",
    "Spent",
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


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What drawing a step took beyond its completions themselves: branches that a search left, and its scores.

    Attributes:
        tokens: drawn, those of the completions taken off.
        flops: see `Counters`, those of reading the completions once taken off.
    """

    tokens: int = 0
    flops: float = 0.0


class Source(Protocol):
    """Hands the training loop the completions of a step."""

    def rollouts(self, step: int) -> list[Rollout]:
        """Completions of `step`, counted from 0; the same step gives the same problems."""
        ...

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """Seconds that drawing the completions of `step` took, whenever that was; `rollouts(step)` took `elapsed`."""
        ...


class Drawing(Protocol):
    """Draws completions from the weights that its engine holds."""

    @property
    def sampler(self) -> Sampler:
        """The engine."""
        ...

    def rollouts(self, step: int) -> list[Rollout]:
        """Completions of `step`, counted from 0."""
        ...

    def spent_beside(self, step: int) -> Spent:
        """What drawing `step` took beyond them."""
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


@dataclass(frozen=True, kw_only=True)
class OfflineSource:
    """o ~ π_sft: drawn once from the frozen start policy, with the seeds that the online arms use, and kept on disk.

    Attributes:
        blocks: the completions of each step.
        seconds: what drawing each block took.
        spent: and what beyond its completions themselves; empty for nothing.
        first_step: step of the first block.
    """

    blocks: tuple[tuple[Rollout, ...], ...]
    seconds: tuple[float, ...]
    spent: tuple[Spent, ...] = ()
    first_step: int = 0

    def rollouts(self, step: int) -> list[Rollout]:
        """P·G completions of the frozen policy."""
        return list(self.blocks[step - self.first_step])

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """What drawing the block of `step` took."""
        return self.seconds[step - self.first_step]

    def spent_beside(self, step: int) -> Spent:
        """What drawing the block of `step` took beyond its completions themselves."""
        return self.spent[step - self.first_step] if self.spent else Spent()

    @staticmethod
    def draw(
        source: Drawing,
        steps: range,
        file: Path,
        *,
        version: int | None = None,
        kept: Callable[[list[Rollout]], list[Rollout]] = lambda block: block,
        on_progress: Callable[[int], None] | None = None,
    ) -> None:
        """Draw the blocks of `steps` from the weights that the sampler holds, unless `file` holds them already.

        Args:
            source: says what is drawn.
            steps: consecutive steps of the run.
            file: JSON Lines, one block a line, written whole before it gets its name.
            version: steps before the policy that draws; ``None`` for the first of `steps`.
            kept: what is kept of a block just drawn, within its seconds.
            on_progress: called with the number of completions just drawn.

        Raises:
            RuntimeError: the sampler holds another policy.
        """
        if file.is_file():
            return
        version = steps.start if version is None else version
        if source.sampler.policy_version != version:
            raise RuntimeError(
                f"{file} is to hold completions of the policy of step {version}, and the sampler holds that of "
                f"step {source.sampler.policy_version}; the file was there and is gone. Remove {file.parent} to start "
                "this run anew."
            )
        lines = []  # drawn before anything is written: what an engine raises is no fault of the disk
        for step in steps:
            started = time.perf_counter()
            block = kept(source.rollouts(step))
            seconds = time.perf_counter() - started
            rows, spent = [_to_row(rollout) for rollout in block], source.spent_beside(step)
            beside = {} if spent == Spent() else {"spent": vars(spent)}
            lines.append(json.dumps({"seconds": seconds, **beside, "sha256": _digest(rows), "rollouts": rows}) + "\n")
            if on_progress is not None:
                on_progress(len(block))
        temporary = file.with_suffix(".tmp")
        with writing(file):
            file.parent.mkdir(parents=True, exist_ok=True)
            temporary.write_text("".join(lines), encoding="utf-8")
        put_in_place(temporary, file)

    @staticmethod
    def read(file: Path, prompts: Prompts, *, first_step: int = 0) -> OfflineSource:
        """What `draw` wrote.

        Args:
            file: see `draw`.
            prompts: those that were drawn for.
            first_step: the first of the steps that were drawn.

        Raises:
            ValueError: the file is not what was written; names the remedy.
        """
        problems = {problem.problem_id: problem for problem in prompts.problems}
        prompt_ids = dict(zip(problems, prompts.prompt_ids, strict=True))
        drawn = _drawn(file)
        blocks = tuple(
            tuple(
                _from_row(row, problems[row["problem_id"]], prompt_ids[row["problem_id"]]) for row in item["rollouts"]
            )
            for item in drawn
        )
        seconds = tuple(item["seconds"] for item in drawn)
        spent = tuple(Spent(**item.get("spent", {})) for item in drawn)
        return OfflineSource(blocks=blocks, seconds=seconds, spent=spent, first_step=first_step)


@dataclass(kw_only=True)
class IteratedSource:
    """o ~ π_k, the policy at the start of iteration k, whose completions are drawn at once and kept on disk.

    Attributes:
        online: says what is drawn; its sampler holds π_θ at the first step of an iteration.
        every: M, steps of an iteration.
        steps: optimiser steps of the run.
        folder: gets a file ``drawn-NNNNNN.jsonl`` an iteration, NNNNNN the steps before it.
    """

    online: OnlineSource
    every: int
    steps: int
    folder: Path
    _block: OfflineSource | None = field(init=False, default=None)

    def rollouts(self, step: int) -> list[Rollout]:
        """P·G completions of the policy that the iteration of `step` started with."""
        return self._block_of(step).rollouts(step)

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """What drawing the block of `step` took."""
        return self._block_of(step).sampling_seconds(step, elapsed=elapsed)

    def forget_after(self, step: int) -> None:
        """Remove what was drawn from policies later than that of `step`, which a resumed run will train again."""
        for file in self.folder.glob("drawn-*.jsonl"):
            if int(file.stem.removeprefix("drawn-")) > step:
                file.unlink()

    def _block_of(self, step: int) -> OfflineSource:
        first = step - step % self.every
        if self._block is None or self._block.first_step != first:
            file = self.folder / f"drawn-{first:06d}.jsonl"
            OfflineSource.draw(self.online, range(first, min(first + self.every, self.steps)), file)
            self._block = OfflineSource.read(file, self.online.prompts, first_step=first)
        return self._block


def _drawn(file: Path) -> list[dict[str, Any]]:
    """The blocks of a file, each checked against its SHA-256 (files of coeflab 0.1 have none)."""
    try:
        blocks = [json.loads(line) for line in file.read_bytes().splitlines()]
        whole = all(
            block.get("sha256", digest) == digest for block in blocks for digest in [_digest(block["rollouts"])]
        )
    except (ValueError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError(
            f"{file} is damaged: it is not what was drawn. Remove it, and where it lies in a run's folder that folder, "
            "and start the same command again: the same completions are drawn anew."
        )
    return blocks


def _digest(rows: list[dict[str, object]]) -> str:
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def _to_row(rollout: Rollout) -> dict[str, object]:
    return {
        "problem_id": rollout.problem.problem_id,
        "completion_ids": list(rollout.completion_ids),
        "completion": rollout.completion,
        "finish_reason": rollout.finish_reason,
        "sample_index": rollout.sample_index,
        "seed": rollout.seed,
        "policy_version": rollout.policy_version,
        **({"opening": rollout.opening} if rollout.opening else {}),
        **({} if rollout.own_tokens is None else {"own_tokens": list(map(int, rollout.own_tokens))}),
        **({} if rollout.own_words is None else {"own_words": rollout.own_words}),
        **{name: list(numbers) for name in _LOGPROBS if (numbers := getattr(rollout, name)) is not None},
    }


def _from_row(row: dict[str, object], problem: Problem, prompt_ids: tuple[int, ...]) -> Rollout:
    fields: dict[str, object] = {name: value for name, value in row.items() if name != "problem_id"}
    fields["completion_ids"] = tuple(row["completion_ids"])  # type: ignore[arg-type]
    if "own_tokens" in row:
        fields["own_tokens"] = tuple(map(bool, row["own_tokens"]))  # type: ignore[call-overload]
    fields |= {name: tuple(row[name]) for name in _LOGPROBS if name in row}  # type: ignore[arg-type]
    return Rollout(problem=problem, prompt_ids=prompt_ids, **fields)  # type: ignore[arg-type]
