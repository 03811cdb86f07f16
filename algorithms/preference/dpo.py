"""Direct preference optimisation on pairs of a right and a wrong completion.

    J = E log σ(margin),  margin = dpo_beta · ( m(o⁺) − m(o⁻) ),  m(o) = mean_t or Σ_t log π_θ(o_t)/π_ref(o_t)
    GC(o^±, t) = ± dpo_beta · σ(−margin)                                            (DeepSeekMath, Eq. 12 to 14)

Deviations from the paper, both named:

1. Eq. 13 and 14 drop the factor dpo_beta and index the log-ratio by token; they are not the gradient of Eq. 12. The
   coefficient here is that gradient: one number a pair, with the factor.
2. Eq. 12 divides both sums by the completion's length (`length_normalized=True`, the default); published DPO (Rafailov
   et al. 2023, arXiv 2305.18290, Eq. 7) does not (`length_normalized=False`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.interface import Coefficients, TokenBatch
from algorithms.preference.pairs import RelativeToReference

__all__ = ["DPO"]


@dataclass(frozen=True, kw_only=True)
class DPO(RelativeToReference):
    """Preference of the chosen over the rejected completion of a pair, relative to the reference policy.

    Attributes:
        dpo_beta: β of Eq. 12, the strength of the pull towards the reference; per nat of log-ratio.
    """

    dpo_beta: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dpo_beta <= 0:
            raise ValueError(f"dpo_beta is {self.dpo_beta}; expected a number above 0.")

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """± dpo_beta · σ(−margin), the exact gradient of Eq. 12. (B, T)."""
        margin = self.dpo_beta * self.gap(batch, policy_logprobs)  # (B,)
        pull = self.dpo_beta * torch.sigmoid(-margin)
        return self.pulled(batch, credit, pull, {"margin": margin, "pair_accuracy": margin > 0})
