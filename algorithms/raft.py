"""RAFT++: online RFT with the importance ratio and clip of PPO (Xiong et al. 2025, arXiv 2504.11343, Eq. 6).

    J = E 1/|o| Σ_t min( ρ_t, clip(ρ_t, 1 − clip_low, 1 + clip_high) ) · I(o)
    GC = ρ_t · I(o) · 1[clip not active];  = I(o), online RFT, on-policy

The paper's I(o) is 1 for the completions of a problem with the highest reward, after problems without a correct one are
dropped; here it is 1 for every correct completion, which is the same for rewards of 0 and 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from algorithms.interface import Need, PaperRow, TokenBatch
from algorithms.policy_gradient import PolicyGradient

__all__ = ["RAFTPlusPlus"]


@dataclass(frozen=True, kw_only=True)
class RAFTPlusPlus(PolicyGradient):
    """Clipped policy gradient on correct completions only.

    Attributes:
        kl_coef: weight of the KL penalty; the paper has none.
        correct_threshold: right are completions with a reward above it; ``null`` leaves that to the verdict.
        kl_place: ``"coefficient"``, the KL is part of the objective; the credit is I(o) and takes nothing off.
    """

    kl_coef: float = 0.0
    correct_threshold: float | None = None

    paper: ClassVar[PaperRow] = PaperRow(
        title="RAFT++",
        data_source="q ~ P_sft(Q), o ~ π_θ(O|q)",
        reward="Rule",
        coefficient="ρ_t I(o) 1[clip not active]",
        equation="Eq. 6 of arXiv 2504.11343",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_place != "coefficient":
            raise ValueError(f"kl_place is {self.kl_place!r}; expected 'coefficient', since RAFT++'s credit is I(o).")

    @property
    def needs(self) -> frozenset[Need]:
        """Those of every policy gradient, and which completions are right where no threshold says so."""
        return super().needs | ({Need.CORRECT} if self.correct_threshold is None else set())

    def credit(self, batch: TokenBatch) -> Tensor:
        """I(o): 1 for every token of a correct completion, else 0. (B, T)."""
        correct = batch.right(self.correct_threshold, "raft_plus_plus").to(batch.rewards.dtype)
        return torch.where(batch.completion_mask, correct[:, None], 0)
