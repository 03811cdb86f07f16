"""Rejection-sampling fine-tuning, offline and online: the policy's own correct completions, coefficient 1[correct].

    J = E_{q ~ P_sft, o ~ D} [ 1/|o| Σ_t I(o) log π_θ(o_t | q, o_<t) ]     GC = I(o)    (DeepSeekMath, Eq. 8 to 11)

RFT draws o from the frozen π_sft, online RFT from π_θ itself; nothing else differs. The mean is over all completions,
wrong ones included, as the expectation of Eq. 8 has it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Need, PaperRow, TokenBatch

__all__ = ["RFT", "OnlineRFT"]


@dataclass(frozen=True, kw_only=True)
class RFT:
    """Maximum likelihood of correct completions of the frozen SFT policy.

    Attributes:
        correct_threshold: right are completions with a reward above it; ``null`` leaves that to the verdict.
        aggregation: how tokens are averaged.
    """

    correct_threshold: float | None = None
    aggregation: Aggregation = Aggregation.SEQUENCE_MEAN

    data_source: DataSource = field(default=DataSource.OFFLINE, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)
    paper: ClassVar[PaperRow] = PaperRow(
        title="RFT", data_source="q ~ P_sft(Q), o ~ π_sft(O|q)", reward="Rule", coefficient="I(o)", equation="Eq. 10"
    )

    @property
    def needs(self) -> frozenset[Need]:
        """Which completions are right, where no threshold says so."""
        return frozenset({Need.CORRECT} if self.correct_threshold is None else ())

    def credit(self, batch: TokenBatch) -> Tensor:
        """I(o): 1 for every token of a correct completion, else 0 (Eq. 10). (B, T)."""
        correct = batch.right(self.correct_threshold, type(self).__name__).to(batch.rewards.dtype)
        return correct[:, None] * batch.completion_mask

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """GC = I(o) (Eq. 10). (B, T)."""
        return Coefficients(values=torch.where(batch.completion_mask, credit, 0))


@dataclass(frozen=True, kw_only=True)
class OnlineRFT(RFT):
    """RFT on completions of the current policy (Eq. 11)."""

    data_source: DataSource = field(default=DataSource.ONLINE, init=False)
    paper: ClassVar[PaperRow] = PaperRow(
        title="Online RFT",
        data_source="q ~ P_sft(Q), o ~ π_θ(O|q)",
        reward="Rule",
        coefficient="I(o)",
        equation="Eq. 10, 11",
    )
