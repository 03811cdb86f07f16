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

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Need, PaperRow, TokenBatch

__all__ = ["DPO"]


@dataclass(frozen=True, kw_only=True)
class DPO:
    """Preference of the chosen over the rejected completion of a pair, relative to the reference policy.

    Attributes:
        dpo_beta: β of Eq. 12, the strength of the pull towards the reference; per nat of log-ratio.
        length_normalized: mean (Eq. 12) or sum (published DPO) of the log-ratios over the completion.
    """

    dpo_beta: float = 0.1
    length_normalized: bool = True

    data_source: DataSource = field(default=DataSource.OFFLINE, init=False)
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

    @property
    def aggregation(self) -> Aggregation:
        """1/|o| a sequence where the margin is length-normalised, else plain sums."""
        return Aggregation.SEQUENCE_MEAN if self.length_normalized else Aggregation.SEQUENCE_SUM

    def credit(self, batch: TokenBatch) -> Tensor:
        """+1 for every token of the chosen completion, −1 for the rejected one. (B, T)."""
        chosen = batch.require("chosen", "dpo")
        sign = torch.where(chosen, 1.0, -1.0).to(batch.rewards.dtype)
        return sign[:, None] * batch.completion_mask

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """± dpo_beta · σ(−margin), the exact gradient of Eq. 12. (B, T)."""
        margin = self.margins(batch, policy_logprobs.detach())  # (B,)
        pull = self.dpo_beta * torch.sigmoid(-margin)
        values = torch.where(batch.completion_mask, credit * pull[:, None], 0)
        ranked_right = (margin > 0).to(values.dtype)[:, None].expand_as(values)
        return Coefficients(
            values=values, diagnostics={"margin": margin[:, None].expand_as(values), "pair_accuracy": ranked_right}
        )

    def margins(self, batch: TokenBatch, policy_logprobs: Tensor) -> Tensor:
        """dpo_beta · (m(o⁺) − m(o⁻)) of each sequence's pair. (B,)."""
        reference = batch.require("reference_logprobs", "dpo")
        mask = batch.completion_mask
        log_ratios = torch.where(mask, policy_logprobs - reference, 0).sum(dim=-1)  # (B,)
        if self.length_normalized:
            log_ratios = log_ratios / mask.sum(dim=-1).clamp_min(1)
        sign = torch.where(batch.require("chosen", "dpo"), 1.0, -1.0).to(log_ratios.dtype)
        pairs, index, sizes = torch.unique(batch.require("pair", "dpo"), return_inverse=True, return_counts=True)
        if not bool((sizes == 2).all()) or bool(torch.zeros_like(pairs).index_add_(0, index, sign.long()).any()):
            broken = int(pairs[(sizes != 2) | (torch.zeros_like(pairs).index_add_(0, index, sign.long()) != 0)][0])
            raise ValueError(
                f"pair {broken} is not one chosen and one rejected sequence; dpo needs both in the microbatch."
            )
        per_pair = log_ratios.new_zeros(len(pairs)).index_add_(0, index, sign * log_ratios)
        return self.dpo_beta * per_pair[index]
