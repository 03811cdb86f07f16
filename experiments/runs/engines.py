"""The sampling engine, which a worker keeps between its jobs."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sampling.engines import EngineConfig, build_sampler
from sampling.sampler import Sampler

if TYPE_CHECKING:
    from training.models.policy import Policy
    from training.parallel.ranks import Ranks

__all__ = ["Report", "SamplerCache"]

Report = Callable[[str, float, float, str], None]
"""Progress of a job: `(what, done, total, unit)`."""


class SamplerCache:
    """Keeps one engine for all runs of a process: it takes seconds to build, and weights are loaded in place.

    Args:
        ranks: the processes that share each run, of which this is one; ``None`` is one process, until it joins others.
    """

    def __init__(self, ranks: Ranks | None = None) -> None:
        self._ranks = ranks
        self._sampler: Sampler | None = None
        self._key: tuple[Any, ...] = ()

    @property
    def ranks(self) -> Ranks:
        """The processes that share each run."""
        from training.parallel.ranks import Ranks

        self._ranks = self._ranks or Ranks()
        return self._ranks

    def join(self, ranks: Ranks) -> None:
        """Share each run with others from here on."""
        self._ranks = ranks

    def shared(self, sampler: Sampler, policy: Policy) -> Sampler:
        """The engines of all ranks as one; of one process its own.

        Args:
            sampler: of this process.
            policy: whose weights it holds.
        """
        from training.models.policy import named_weights
        from training.parallel.sampler import SharedSampler

        if self.ranks.world == 1:
            return sampler
        return SharedSampler(sampler, self.ranks, lambda: named_weights(policy.model))

    def get(self, engine: EngineConfig, folder: Path, policy: Policy) -> Sampler:
        """The engine of that configuration, built from `folder` if there is none of that model yet, weights aside."""
        from training.models.policy import named_weights

        shapes = tuple(sorted((name, tuple(weight.shape)) for name, weight in named_weights(policy.model)))
        key = (engine, shapes, policy.architecture, policy.eos_token_ids)
        if self._sampler is None or key != self._key:
            self._sampler = build_sampler(
                folder,
                engine,
                eos_token_ids=policy.eos_token_ids,
                max_positions=policy.max_positions,
                apart=self.ranks.world > 1,
            )
            self._key = key
            gc.collect()  # or what an earlier job left in cycles, a sharded model, would stay for ever
            gc.freeze()  # a full collection would walk all that is imported, again and again, between the steps
        return self._sampler
