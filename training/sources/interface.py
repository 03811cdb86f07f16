"""What the training loop asks of a source, and what drawing cost beyond the completions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from sampling.rollout import Rollout
from sampling.sampler import Sampler

__all__ = ["Drawing", "Source", "Spent"]


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
        """The engine that completions are drawn from."""
        ...

    def rollouts(self, step: int) -> list[Rollout]:
        """Completions of `step`, counted from 0."""
        ...

    def spent_beside(self, step: int) -> Spent:
        """What drawing `step` took beyond them."""
        ...
