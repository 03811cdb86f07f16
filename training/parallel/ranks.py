"""The processes of one run: each passes its share of a batch, and the gradients are added up.

Every rank holds the whole batch, so credit, coefficients and denominators are those of a single process; only forward
and backward passes are split. A single process is the default, for which nothing here does anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn

from algorithms.interface import BatchUnit
from training.models.batches import TrainingBatch

__all__ = ["Ranks"]


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those of the run.

    Attributes:
        rank: from 0.
        world: number of processes; more than 1 needs torch's default process group.
    """

    rank: int = 0
    world: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.rank < self.world:
            raise ValueError(f"rank {self.rank} of {self.world} processes; expected 0 to {self.world - 1}.")

    def split(
        self, batch: TrainingBatch, unit: BatchUnit, pieces: Callable[[TrainingBatch], list[Tensor]]
    ) -> list[Tensor]:
        """Rows of this rank's pieces; all ranks' together are every row once, and units are never split.

        Args:
            batch: the whole optimiser step, the same on every rank.
            unit: what must stay together.
            pieces: rows of each piece of a batch, which is here this rank's share.

        Returns:
            Indices into `batch`; none where there are fewer units than ranks and this rank has none.
        """
        if self.world == 1:
            return pieces(batch)
        own = torch.tensor(self._share(batch, unit), dtype=torch.int64)
        return [own[rows] for rows in pieces(batch.rows(own))] if len(own) else []

    def _share(self, batch: TrainingBatch, unit: BatchUnit) -> list[int]:
        """Rows of this rank: the longest unit left goes to the rank with the fewest tokens."""
        groups: dict[int, list[int]] = {}
        pairs = (
            batch.tokens.require("pair", "a pairwise method").tolist() if unit is BatchUnit.PAIR else range(len(batch))
        )
        for row, number in enumerate(pairs):
            groups.setdefault(number, []).append(row)
        lengths: list[int] = batch.lengths.tolist()
        sized = sorted(((sum(lengths[row] for row in rows), rows) for rows in groups.values()), key=lambda it: -it[0])
        loads = [0] * self.world
        shares: list[list[int]] = [[] for _ in range(self.world)]
        for size, rows in sized:
            lightest = loads.index(min(loads))
            loads[lightest] += size
            shares[lightest].extend(rows)
        return sorted(shares[self.rank])

    def add_up(self, model: nn.Module, sums: Mapping[str, float]) -> dict[str, float]:
        """The gradients of all ranks, added up in `.grad`, and their sums likewise; the same on every rank.

        Args:
            model: its `.grad` holds this rank's share; a parameter that no rank's share reached keeps ``None``.
            sums: of this rank's share, already divided by the whole batch's denominators.
        """
        if self.world == 1:
            return dict(sums)
        trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
        mine = (dict(sums), [parameter.grad is not None for parameter in trained])
        everyone = [mine] * self.world
        distributed.all_gather_object(everyone, mine)
        for number, parameter in enumerate(trained):
            if any(reached[number] for _, reached in everyone):
                if parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
                distributed.all_reduce(parameter.grad)
        total: dict[str, float] = {}
        for of_rank, _ in everyone:
            for name, value in of_rank.items():
                total[name] = total.get(name, 0.0) + value
        return total

    def wait(self) -> None:
        """Return when every rank has come here."""
        if self.world > 1:
            distributed.barrier()
