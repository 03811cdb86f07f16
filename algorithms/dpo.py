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

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Need, PaperRow, TokenBatch, compose
from algorithms.pairs import pair_gap, pair_sign

__all__ = ["DPO"]


@dataclass(frozen=True, kw_only=True)
class DPO:
    """Preference of the chosen over the rejected completion of a pair, relative to the reference policy.

    Attributes:
        dpo_beta: β of Eq. 12, the strength of the pull towards the reference; per nat of log-ratio.
        length_normalized: mean (Eq. 12) or sum (published DPO) of the log-ratios over the completion.
        data_source: whose completions form the pairs: ``"π_sft"`` (Table 10), ``"π_k"`` of the policy at the start of
            the iteration (iterative DPO), ``"π_θ"`` (online DPO).
    """

    dpo_beta: float = 0.1
    length_normalized: bool = True
    data_source: DataSource = DataSource.OFFLINE

    batch_unit: BatchUnit = field(default=BatchUnit.PAIR, init=False)
    needs: frozenset[Need] = field(default=frozenset({Need.PAIRS, Need.REFERENCE_LOGPROBS}), init=False)
    paper: ClassVar[PaperRow] = PaperRow(
        title="DPO",
        data_source="q ~ P_sft(Q), o⁺, o⁻ ~ π_sft(O|q)",
        reward="Rule",
        coefficient="±β·σ(−margin)",
        equation="of Eq. 12",
    )

    def __post_init__(self) -> None:
        if self.dpo_beta <= 0:
            raise ValueError(f"dpo_beta is {self.dpo_beta}; expected a number above 0.")
        if self.data_source == DataSource.DEMONSTRATIONS:
            raise ValueError("data_source is 'P_sft'; expected 'π_sft', 'π_k' or 'π_θ': pairs are sampled.")

    @property
    def aggregation(self) -> Aggregation:
        """1/|o| a sequence where the margin is length-normalised, else plain sums."""
        return Aggregation.SEQUENCE_MEAN if self.length_normalized else Aggregation.SEQUENCE_SUM

    def credit(self, batch: TokenBatch) -> Tensor:
        """+1 for every token of the chosen completion, −1 for the rejected one. (B, T)."""
        return pair_sign(batch)[:, None] * batch.completion_mask

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """± dpo_beta · σ(−margin), the exact gradient of Eq. 12. (B, T)."""
        gap = pair_gap(batch, policy_logprobs.detach(), length_normalized=self.length_normalized)  # (B,)
        margin = self.dpo_beta * gap
        pull = self.dpo_beta * torch.sigmoid(-margin)
        diagnostics = {
            "margin": margin[:, None].expand_as(credit),
            "pair_accuracy": (margin > 0).to(credit.dtype)[:, None].expand_as(credit),
        }
        return compose(
            batch.completion_mask, credit, factors={"pull": pull[:, None]}, terms={}, diagnostics=diagnostics
        )
