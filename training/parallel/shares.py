"""Which sequences of a batch each rank passes: equally many tokens, and a shared prompt by as few ranks as can be."""

from __future__ import annotations

from collections import Counter

from algorithms.interface import BatchUnit
from training.models.batches import TrainingBatch
from training.models.microbatches import units_of

__all__ = ["share_of"]


def share_of(batch: TrainingBatch, unit: BatchUnit, rank: int, world: int, *, packed: bool) -> list[int]:
    """Rows that a rank passes: the longest unit left goes to the rank with the fewest tokens.

    Where passes compute a shared prompt once, units lie side by side by prompt and are cut into stretches of equally
    many tokens instead, so that hardly a prompt is computed by more than one rank.

    Args:
        batch: the whole optimiser step, the same on every rank.
        unit: what must stay together.
        rank: from 0.
        world: number of ranks.
        packed: whether passes compute a shared prompt once.
    """
    units = units_of(batch, unit)
    if packed and batch.prompts is not None:
        return _stretch(batch, units, rank, world)
    lengths: list[int] = batch.lengths.tolist()
    sized = sorted(((sum(lengths[row] for row in rows), rows) for rows in units), key=lambda it: -it[0])
    loads = [0] * world
    shares: list[list[int]] = [[] for _ in range(world)]
    for size, rows in sized:
        lightest = loads.index(min(loads))
        loads[lightest] += size
        shares[lightest].extend(rows)
    return sorted(shares[rank])


def _stretch(batch: TrainingBatch, units: list[list[int]], rank: int, world: int) -> list[int]:
    """The rank's stretch of the units in the order of their prompts; each bears its part of its prompt."""
    assert batch.prompts is not None
    prompt_of, prompts = batch.prompts.tolist(), batch.prompt_lengths.tolist()
    own = (batch.lengths - batch.prompt_lengths).tolist()
    sharing = Counter(prompt_of)
    in_order = sorted(units, key=lambda rows: (prompt_of[rows[0]], rows[0]))
    sizes = [sum(own[row] + prompts[row] / sharing[prompt_of[row]] for row in rows) for rows in in_order]
    total, before = sum(sizes), 0.0
    share: list[int] = []
    for rows, size in zip(in_order, sizes, strict=True):
        if int(world * (before + size / 2) / total) == rank:
            share.extend(rows)
        before += size
    return sorted(share)
