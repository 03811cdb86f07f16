"""Rejection-sampling fine-tuning, offline, online and with a ratio: the policy's own correct completions.

    J = E_{q ~ P_sft, o ~ D} [ 1/|o| Σ_t I(o) log π_θ(o_t | q, o_<t) ]     GC = I(o)    (DeepSeekMath, Eq. 8 to 11)

RFT draws o from the frozen π_sft, online RFT from π_θ itself; nothing else differs. The mean is over all completions,
wrong ones included, as the expectation of Eq. 8 has it.

RAFT++ is online RFT with the importance ratio and clip of PPO (Xiong et al. 2025, arXiv 2504.11343, Eq. 6):

    J = E 1/|o| Σ_t min( ρ_t, clip(ρ_t, 1 − clip_low, 1 + clip_high) ) · I(o)
    GC = ρ_t · I(o) · 1[clip not active];  = I(o), online RFT, on-policy

Its I(o) is 1 for the completions of a problem with the highest reward, after problems without a correct one are
dropped; here it is 1 for every correct completion, which is the same for rewards of 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch
from algorithms.policy_gradient import PolicyGradient

__all__ = ["RFT", "OnlineRFT", "RAFTPlusPlus"]


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
    exclude: frozenset[Exclusion] = field(default=frozenset(), init=False)

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


@dataclass(frozen=True, kw_only=True)
class RAFTPlusPlus(PolicyGradient):
    """Clipped policy gradient on correct completions only.

    Attributes:
        kl_coef: weight of the KL penalty; the paper has none.
        correct_threshold: right are completions with a reward above it; ``null`` leaves that to the verdict.
        kl_place: ``"coefficient"``, the KL is part of the objective; the credit is I(o) and takes nothing off.
    """

    kl_coef: float = 0.0
    kl_place: Literal["coefficient"] = "coefficient"
    correct_threshold: float | None = None

    @property
    def needs(self) -> frozenset[Need]:
        """Those of every policy gradient, and which completions are right where no threshold says so."""
        return super().needs | ({Need.CORRECT} if self.correct_threshold is None else set())

    def credit(self, batch: TokenBatch) -> Tensor:
        """I(o): 1 for every token of a correct completion, else 0. (B, T)."""
        correct = batch.right(self.correct_threshold, "raft_plus_plus").to(batch.rewards.dtype)
        return torch.where(batch.completion_mask, correct[:, None], 0)
