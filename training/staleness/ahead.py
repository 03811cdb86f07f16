"""Completions that are drawn steps before they are trained on: o ~ π of step t − k, as when sampling runs ahead.

An engine that samples while the trainer updates hands over completions of an older policy. Here they are k steps old
exactly, whatever the speed of either: while the engine holds the policy of step t, the completions of step t + k are
drawn, and the first k + 1 steps all have completions of the start policy. So a run is the same however fast it is, and
what staleness costs in accuracy can be told apart from what it gains in time (nothing here: one process does both).

    drawn(t) ~ π_{max(0, t − k)},   k = `max_staleness`

Every block lies on the disk with its policy's number and log-probabilities before anything is trained on it, since that
policy is gone when it is read again after a kill.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sampling.rollout import Rollout
from training.sources import OfflineSource, OnlineSource

__all__ = ["AheadSource", "Logprobs"]

Logprobs = Callable[[Sequence[Rollout]], list[tuple[float, ...]]]
"""log π_θ now of each completion token that the model drew, in nats, one tuple a completion."""


@dataclass(kw_only=True)
class AheadSource:
    """o ~ π_{max(0, t − k)} at step t.

    Attributes:
        online: says what is drawn; its sampler holds π_θ at every step.
        staleness: k, steps that completions are older than the policy that trains on them.
        steps: of the run; none is drawn for later ones, so that the budget is that of a run without staleness.
        folder: gets a file ``ahead-NNNNNN.jsonl`` for every policy that draws, NNNNNN the steps before it.
        logprobs: log π of fresh completions under the policy in training, the one that drew them, for π_old; ``None``
            where the method takes no ratio.
    """

    online: OnlineSource
    staleness: int
    steps: int
    folder: Path
    logprobs: Logprobs | None = None
    _blocks: dict[int, OfflineSource] = field(init=False, default_factory=dict)

    def rollouts(self, step: int) -> list[Rollout]:
        """P·G completions of the policy k steps before; those of k steps later are drawn first."""
        if step == 0:
            self._draw(0, range(min(self.staleness + 1, self.steps)))
        elif step + self.staleness < self.steps:
            self._draw(step, range(step + self.staleness, step + self.staleness + 1))
        version = self._version(step)
        rollouts = self._block(version).rollouts(step)
        for old in [old for old in self._blocks if old < version]:
            del self._blocks[old]
        return rollouts

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """What drawing the completions of `step` took, at an earlier step."""
        return self._block(self._version(step)).sampling_seconds(step, elapsed=elapsed)

    def forget_after(self, step: int) -> None:
        """Remove what was drawn from policies later than that of `step`, which a resumed run will train again."""
        for file in self.folder.glob("ahead-*.jsonl"):
            if int(file.stem.removeprefix("ahead-")) > step:
                file.unlink()

    def _version(self, step: int) -> int:
        """Steps before the policy that draws for `step`."""
        return max(0, step - self.staleness)

    def _file(self, version: int) -> Path:
        return self.folder / f"ahead-{version:06d}.jsonl"

    def _draw(self, version: int, steps: range) -> None:
        logprobs = self.logprobs

        def kept(rollouts: list[Rollout]) -> list[Rollout]:
            if logprobs is None:
                return rollouts
            return [
                replace(rollout, old_logprobs=of_tokens)
                for rollout, of_tokens in zip(rollouts, logprobs(rollouts), strict=True)
            ]

        OfflineSource.draw(self.online, steps, self._file(version), version=version, kept=kept)

    def _block(self, version: int) -> OfflineSource:
        if version not in self._blocks:
            first = 0 if version == 0 else version + self.staleness
            file = self._file(version)
            if not file.is_file():
                raise RuntimeError(
                    f"{file} is gone: it held completions of the policy of step {version}, which is gone too. Remove "
                    f"{self.folder} to start this run anew."
                )
            self._blocks[version] = OfflineSource.read(file, self.online.prompts, first_step=first)
        return self._blocks[version]
