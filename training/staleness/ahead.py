"""Completions that are drawn steps before they are trained on: o ~ π of step t − k, as when sampling runs ahead.

An engine that samples while the trainer updates hands over completions of an older policy. Here they are k steps old
exactly, whatever the speed of either: while the engine holds the policy of step t, the completions of step t + k are
drawn, and the first k + 1 steps all have completions of the start policy. So a run is the same however fast it is, and
what staleness costs in accuracy can be told apart from what it gains in time.

    drawn(t) ~ π_{max(0, t − k)},   k = `max_staleness`

In flight they are drawn while step t trains (`beside`), where the engines are other processes; they land before the
engines get the weights of step t + 1, and their log-probabilities are taken then, of a copy of the policy that drew.

Every block lies on the disk with its policy's number and log-probabilities before anything is trained on it, since that
policy is gone when it is read again after a kill.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from sampling.engines import EngineConfig
from sampling.rollout import Rollout
from sampling.sampler import Sampler
from training.config import TrainingConfig
from training.sources.interface import Spent
from training.sources.offline import OfflineSource
from training.sources.online import OnlineSource

__all__ = ["AheadSource", "Logprobs", "draws_beside"]

Logprobs = Callable[[Sequence[Rollout]], list[tuple[float, ...]]]
"""log π_θ now of each completion token that the model drew, in nats, one tuple a completion."""


def draws_beside(training: TrainingConfig, engine: EngineConfig, *, ranks: int = 1) -> bool:
    """Whether completions of later steps are drawn while a step trains, by engines in processes of their own."""
    return training.max_staleness > 0 and engine.replicas > 1 and ranks == 1


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
        beside: draw while the step trains. The sampler is then used by nobody else until `land`.
        keep: called before a step that draws beside it, with the policy as it draws; see `logprobs`.
    """

    online: OnlineSource
    staleness: int
    steps: int
    folder: Path
    logprobs: Logprobs | None = None
    beside: bool = False
    keep: Callable[[], None] = lambda: None
    _flight: _Flight | None = field(init=False, default=None)
    _blocks: dict[int, OfflineSource] = field(init=False, default_factory=dict)

    def rollouts(self, step: int) -> list[Rollout]:
        """P·G completions of the policy k steps before; those of k steps later are drawn first."""
        if step == 0:
            self._draw(0, range(min(self.staleness + 1, self.steps)))
        elif step + self.staleness < self.steps:
            later = step + self.staleness
            if not (self.beside and self.staleness):
                self._draw(step, range(later, later + 1))
            elif not self._file(step).is_file():
                self.keep()
                self._flight = _Flight.off(self.online, later, version=step)
        version = self._version(step)
        rollouts = self._block(version).rollouts(step)
        for old in [old for old in self._blocks if old < version]:
            del self._blocks[old]
        return rollouts

    def sampling_seconds(self, step: int, *, elapsed: float) -> float:
        """What drawing the completions of `step` took, at an earlier step."""
        return self._block(self._version(step)).sampling_seconds(step, elapsed=elapsed)

    def land(self) -> float:
        """Wait for what is drawn beside the step, take its log-probabilities and put it on the disk; seconds it took.

        Raises:
            Exception: what the drawing raised.
        """
        flight, started = self._flight, time.perf_counter()
        if flight is None:
            return 0.0
        self._flight = None
        self._draw(flight.version, range(flight.step, flight.step + 1), flight)
        return time.perf_counter() - started

    def abandon(self) -> None:
        """Wait until the engines are free again, whatever came of it: the step that it was drawn beside has failed."""
        if self._flight is not None:
            self._flight.future.exception()
            self._flight = None

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

    def _draw(self, version: int, steps: range, flight: _Flight | None = None) -> None:
        logprobs = self.logprobs

        def kept(rollouts: list[Rollout]) -> list[Rollout]:
            if logprobs is None:
                return rollouts
            return [
                replace(rollout, old_logprobs=of_tokens)
                for rollout, of_tokens in zip(rollouts, logprobs(rollouts), strict=True)
            ]

        OfflineSource.draw(flight or self.online, steps, self._file(version), version=version, kept=kept)

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


@dataclass(frozen=True, kw_only=True)
class _Flight:
    """Completions of `step` that the policy of step `version` draws now, in a thread that waits for the engines."""

    sampler: Sampler
    step: int
    version: int
    future: Future[list[Rollout]]

    @classmethod
    def off(cls, online: OnlineSource, step: int, *, version: int) -> _Flight:
        """Begin; progress is not reported, since the step reports its own."""
        thread = ThreadPoolExecutor(1, thread_name_prefix="drawing")
        future = thread.submit(replace(online, on_progress=None).rollouts, step)
        thread.shutdown(wait=False)
        return cls(sampler=online.sampler, step=step, version=version, future=future)

    def rollouts(self, step: int) -> list[Rollout]:
        """Them, once they are there."""
        return self.future.result()

    def spent_beside(self, step: int) -> Spent:
        """See `OnlineSource.spent_beside`."""
        return Spent()
