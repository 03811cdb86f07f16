"""Supervised fine-tuning: demonstrations, no reward, coefficient 1.

J = E_{q,o ~ P_sft} [ 1/|o| Σ_t log π_θ(o_t | q, o_<t) ]        GC = 1        (DeepSeekMath, Eq. 6 and 7)
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch

__all__ = ["SFT"]


@dataclass(frozen=True, kw_only=True)
class SFT:
    """Maximum likelihood of demonstrations.

    Attributes:
        aggregation: how tokens are averaged.
    """

    aggregation: Aggregation = Aggregation.SEQUENCE_MEAN

    data_source: DataSource = field(default=DataSource.DEMONSTRATIONS, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)
    exclude: frozenset[Exclusion] = field(default=frozenset(), init=False)
    needs: frozenset[Need] = field(default=frozenset(), init=False)

    def credit(self, batch: TokenBatch) -> Tensor:
        """1 for every completion token. (B, T)."""
        return batch.completion_mask.to(batch.rewards.dtype)

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """GC = 1 (Eq. 7). (B, T)."""
        return Coefficients(values=torch.where(batch.completion_mask, credit, 0))
