"""o ~ π_k: completions of the policy that an iteration started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sampling.rollout import Rollout
from training.sources.offline import OfflineSource
from training.sources.online import OnlineSource

__all__ = ["IteratedSource"]


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
