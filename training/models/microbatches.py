"""The split of a batch into pieces of so many tokens, each a forward and backward pass."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from algorithms.interface import BatchUnit
from training.models.batches import TrainingBatch

__all__ = ["microbatches"]


def microbatches(
    batch: TrainingBatch, unit: BatchUnit, *, tokens: int, sequences: int | None = None, packed: bool = False
) -> list[Tensor]:
    """Row indices of each microbatch, sorted by length, or by prompt where prompts are shared; units never split.

    Args:
        batch: what to split.
        unit: what must stay together; for `BatchUnit.PAIR` the two rows of a pair.
        tokens: most tokens of a microbatch, its padding included unless it is `packed`; a single unit may exceed it.
            A shared prompt counts once, and no more than twice as many keys are seen.
        sequences: most sequences of a microbatch; ``None`` sets no such limit.
        packed: whether the sequences of a microbatch are laid end to end without padding.

    Returns:
        int64 index arrays that cover every row once.
    """
    if tokens < 1 or (sequences is not None and sequences < 1):
        raise ValueError(f"a microbatch of {tokens} tokens or {sequences} sequences; expected at least 1 of each.")
    if unit is BatchUnit.PAIR:
        pair = batch.tokens.require("pair", "a pairwise method")
        units = [torch.nonzero(pair == number)[:, 0].tolist() for number in torch.unique(pair)]
    else:
        units = [[row] for row in range(len(batch))]
    lengths: list[int] = batch.lengths.tolist()
    if packed and batch.prompts is not None:  # side by side, so that a piece has few prompts
        prompt_of: list[int] = batch.prompts.tolist()
        size_of = partial(_shared_size, lengths, batch.prompt_lengths.tolist(), prompt_of)
        units.sort(key=lambda rows: (prompt_of[rows[0]], rows[0]))
    else:
        size_of = partial(_packed_size if packed else _padded_size, lengths)
        units.sort(key=lambda rows: (-max(lengths[row] for row in rows), rows[0]))
    result: list[list[int]] = []
    for rows in units:
        together = [*result[-1], *rows] if result else []
        if together and size_of(together) <= tokens and (sequences is None or len(together) <= sequences):
            result[-1] = together
        else:
            result.append(list(rows))
    return [torch.tensor(rows) for rows in result]


def _padded_size(lengths: Sequence[int], rows: Sequence[int]) -> int:
    return len(rows) * max(lengths[row] for row in rows)


def _packed_size(lengths: Sequence[int], rows: Sequence[int]) -> int:
    return sum(lengths[row] for row in rows)


def _shared_size(
    lengths: Sequence[int], prompt_lengths: Sequence[int], prompt_of: Sequence[int], rows: Sequence[int]
) -> int:
    """Tokens with each prompt once, or half of the keys that their queries see, if that is more."""
    prompts = sum({prompt_of[row]: prompt_lengths[row] for row in rows}.values())
    own, seen = sum(lengths[row] - prompt_lengths[row] for row in rows), sum(lengths[row] for row in rows)
    return max(prompts + own, -(-(prompts + seen) // 2))
