"""Simple preference optimisation: DPO without a reference policy, on mean log-probabilities, with a margin to reach.

    J = E log σ(margin),  margin = simpo_beta · ( m(o⁺) − m(o⁻) ) − simpo_margin,  m(o) = 1/|o| Σ_t log π_θ(o_t)
    GC(o^±, t) = ± simpo_beta · σ(−margin)                       (Meng et al. 2024, arXiv 2405.14734, Eq. 6)

The paper searches β in 2 to 2.5 (10 in one case) and γ/β in 0 to 1; β 2 and γ 1 are in the middle of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.interface import Coefficients, TokenBatch
from algorithms.preference.pairs import PairwiseMethod, completion_scores, gap_of_pairs

__all__ = ["SimPO"]


@dataclass(frozen=True, kw_only=True)
class SimPO(PairwiseMethod):
    """Preference of the chosen over the rejected completion of a pair by the policy's own likelihood of a token.

    Attributes:
        simpo_beta: β of Eq. 6, per nat of mean log-probability.
        simpo_margin: γ of Eq. 6, the margin that β times the gap is asked to exceed.
    """

    simpo_beta: float = 2.0
    simpo_margin: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.simpo_beta <= 0:
            raise ValueError(f"simpo_beta is {self.simpo_beta}; expected a number above 0.")
        if self.simpo_margin < 0:
            raise ValueError(f"simpo_margin is {self.simpo_margin}; expected 0 or more.")

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """± simpo_beta · σ(−margin), the exact gradient of Eq. 6. (B, T)."""
        scores = completion_scores(policy_logprobs.detach(), batch.completion_mask, length_normalized=True)
        gap = gap_of_pairs(batch, scores)  # (B,)
        margin = self.simpo_beta * gap - self.simpo_margin
        pull = self.simpo_beta * torch.sigmoid(-margin)
        return self.pulled(batch, credit, pull, {"margin": margin, "pair_accuracy": gap > 0})
