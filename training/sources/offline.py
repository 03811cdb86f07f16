"""o ~ π_sft: completions of the frozen start policy, drawn once and kept on disk (RFT, DPO)."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sampling.rollout import Rollout
from training.durable import put_in_place, writing
from training.sources.blocks import digest_of, from_row, read_blocks, to_row
from training.sources.interface import Drawing, Spent
from training.sources.prompts import Prompts

__all__ = ["OfflineSource"]


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
            rows, spent = [to_row(rollout) for rollout in block], source.spent_beside(step)
            beside = {} if spent == Spent() else {"spent": vars(spent)}
            lines.append(json.dumps({"seconds": seconds, **beside, "sha256": digest_of(rows), "rollouts": rows}) + "\n")
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
        drawn = read_blocks(file)
        blocks = tuple(
            tuple(from_row(row, problems[row["problem_id"]], prompt_ids[row["problem_id"]]) for row in item["rollouts"])
            for item in drawn
        )
        seconds = tuple(item["seconds"] for item in drawn)
        spent = tuple(Spent(**item.get("spent", {})) for item in drawn)
        return OfflineSource(blocks=blocks, seconds=seconds, spent=spent, first_step=first_step)
