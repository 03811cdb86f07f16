"""Odds ratio preference optimisation: likelihood of the better completion, and its odds against the worse one.

    J = E [ m(o⁺) + orpo_weight · log σ(z) ],  z = log odds(o⁺) − log odds(o⁻),  odds = P/(1 − P),  P(o) = exp m(o),
    m(o) = 1/|o| Σ_t log π_θ(o_t)                               (Hong et al. 2024, arXiv 2403.07691, Eq. 3 to 7)
    GC(o⁺, t) = 1 + orpo_weight · σ(−z) / (1 − P(o⁺)),  GC(o⁻, t) = −orpo_weight · σ(−z) / (1 − P(o⁻))

No reference policy. Deviation: 1 − P is at least the dtype's eps, below which it has no digits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from algorithms.interface import Coefficients, TokenBatch
from algorithms.preference.pairs import PairwiseMethod, completion_scores, gap_of_pairs

__all__ = ["ORPO"]


@dataclass(frozen=True, kw_only=True)
class ORPO(PairwiseMethod):
    """Maximum likelihood of the chosen completion with an odds ratio that keeps the rejected one away.

    Attributes:
        orpo_weight: λ of Eq. 6, the weight of the odds ratio beside the likelihood.
    """

    orpo_weight: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.orpo_weight <= 0:
            raise ValueError(f"orpo_weight is {self.orpo_weight}; expected a number above 0.")

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """1 for the chosen completion, and ± orpo_weight · σ(−z)/(1 − P) for both. (B, T)."""
        mask = batch.completion_mask
        scores = completion_scores(policy_logprobs.detach(), mask, length_normalized=True)  # (B,) log P
        missing = -torch.expm1(scores).clamp(max=-torch.finfo(scores.dtype).eps)  # 1 − P
        log_odds_ratio = gap_of_pairs(batch, scores - missing.log())
        pull = self.orpo_weight * torch.sigmoid(-log_odds_ratio) / missing
        likelihood = (credit > 0).to(scores.dtype)
        diagnostics = {"log_odds_ratio": log_odds_ratio, "pair_accuracy": log_odds_ratio > 0}
        return self.pulled(batch, credit, pull, diagnostics, {"likelihood": likelihood})
