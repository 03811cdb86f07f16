"""The split of a batch into pieces of so many tokens, each a forward and backward pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from algorithms.interface import BatchUnit
from training.models.batches import TrainingBatch

__all__ = ["microbatches", "units_of"]


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
    lengths, prompt_lengths = batch.lengths.tolist(), batch.prompt_lengths.tolist()
    shared = packed and batch.prompts is not None
    prompt_of = batch.prompts.tolist() if shared and batch.prompts is not None else [0] * len(batch)
    units = units_of(batch, unit)
    if shared:  # side by side, so that a piece has few prompts
        units.sort(key=lambda rows: (prompt_of[rows[0]], rows[0]))
    else:
        units.sort(key=lambda rows: (-max(lengths[row] for row in rows), rows[0]))
    result: list[list[int]] = []
    piece = _Piece()
    for rows in units:
        unit_alone = [(lengths[row], prompt_lengths[row], prompt_of[row]) for row in rows]
        together = piece.with_rows(unit_alone)
        size = together.shared if shared else together.seen if packed else together.padded
        if result and size <= tokens and (sequences is None or together.count <= sequences):
            piece = together
            result[-1] += rows
        else:
            piece = _Piece().with_rows(unit_alone)
            result.append(list(rows))
    return [torch.tensor(rows) for rows in result]


def units_of(batch: TrainingBatch, unit: BatchUnit) -> list[list[int]]:
    """Rows that stay together, in ascending order: each by itself, or the two of a pair."""
    if unit is not BatchUnit.PAIR:
        return [[row] for row in range(len(batch))]
    units: dict[int, list[int]] = {}
    for row, number in enumerate(batch.tokens.require("pair", "a pairwise method").tolist()):
        units.setdefault(number, []).append(row)
    return list(units.values())


@dataclass(frozen=True, kw_only=True)
class _Piece:
    """What a microbatch holds so far, in tokens.

    Attributes:
        count: its sequences.
        longest: tokens of the longest.
        seen: tokens of all, prompts and completions: its size end to end.
        own: tokens of completions.
        prompts: tokens of each distinct prompt.
    """

    count: int = 0
    longest: int = 0
    seen: int = 0
    own: int = 0
    prompts: Mapping[int, int] = field(default_factory=dict)

    def with_rows(self, rows: Sequence[tuple[int, int, int]]) -> _Piece:
        """The same with further sequences: (tokens, tokens of the prompt, number of the prompt) of each."""
        lengths = [length for length, _, _ in rows]
        return _Piece(
            count=self.count + len(rows),
            longest=max(self.longest, *lengths),
            seen=self.seen + sum(lengths),
            own=self.own + sum(length - prompt for length, prompt, _ in rows),
            prompts={**self.prompts, **{number: prompt for _, prompt, number in rows}},
        )

    @property
    def padded(self) -> int:
        """Tokens and padding."""
        return self.count * self.longest

    @property
    def shared(self) -> int:
        """Tokens with each prompt once, or half of the keys that their queries see, if that is more."""
        prompts = sum(self.prompts.values())
        return max(prompts + self.own, -(-(prompts + self.seen) // 2))
