"""An engine on every rank, as one: each draws its share of the requests, rank 0 has all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch

from sampling.sampler import Generation, Request, Sampler, SamplingConfig, stretches
from training.parallel.ranks import Ranks

__all__ = ["SharedSampler"]


class SharedSampler:
    """A `Sampler` for rank 0 while it leads; the other ranks' engines help it.

    A request's seed decides its sample, so which engine draws it does not matter.

    Args:
        engine: of this rank.
        ranks: the processes; this becomes their `help`.
        weights: checkpoint names and tensors of this rank's policy as it is, for `Sampler.load_weights`.
    """

    def __init__(
        self, engine: Sampler, ranks: Ranks, weights: Callable[[], Iterable[tuple[str, torch.Tensor]]]
    ) -> None:
        self._engine, self._ranks, self._weights = engine, ranks, weights
        self.policy_version = engine.policy_version
        ranks.help = self.help

    def generate(
        self,
        requests: Sequence[Request],
        config: SamplingConfig,
        on_progress: Callable[[int], None] | None = None,
    ) -> list[Generation]:
        """See `Sampler.generate`. Neighbours stay together, so that the samples of a prompt share its cache.

        Progress is told of rank 0's own share as it goes, and of the others' when all are done.

        Raises:
            RuntimeError: another rank's engine failed; an error of rank 0's own goes its own way.
        """
        self._ranks.ask("generate", list(requests), config)
        shares = self._ranks.gather(lambda: self._draw(list(requests), config, on_progress))
        if on_progress is not None:
            on_progress(sum(map(len, shares[1:])))
        return [generation for share in shares for generation in share]

    def _draw(
        self, requests: list[Request], config: SamplingConfig, on_progress: Callable[[int], None] | None
    ) -> list[Generation]:
        """This rank's share."""
        own = stretches(requests, self._ranks.world)[self._ranks.rank]
        return self._engine.generate(own, config, on_progress) if own else []

    def logprobs(self, sequences: Sequence[tuple[tuple[int, ...], tuple[int, ...]]]) -> list[tuple[float, ...]]:
        """See `Sampler.logprobs`; of rank 0's engine."""
        return self._engine.logprobs(sequences)

    def load_weights(self, named_tensors: Iterable[tuple[str, torch.Tensor]], policy_version: int) -> None:
        """See `Sampler.load_weights`; every rank's engine gets the weights of its own policy, which are the same."""
        self._ranks.ask("load", policy_version)
        self._ranks.beside(lambda: self._load(named_tensors, policy_version))

    def _load(self, named_tensors: Iterable[tuple[str, torch.Tensor]], policy_version: int) -> None:
        self._engine.load_weights(named_tensors, policy_version)
        self.policy_version = policy_version

    def help(self, what: str, arguments: tuple[Any, ...]) -> None:
        """The other ranks: do what `generate` and `load_weights` ask for."""
        if what == "generate":
            requests, config = arguments
            self._ranks.gather(lambda: self._draw(requests, config, None))
        else:
            self._load(self._weights(), *arguments)
