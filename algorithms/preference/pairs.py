"""The common part of methods on pairs of a better and a worse completion: credit ±1, and the gap between the two."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch, compose
from algorithms.ratios import masked_sum
from algorithms.settings import refuse_nan

__all__ = ["PairwiseMethod", "RelativeToReference", "completion_scores", "gap_of_pairs", "pair_gap"]


@dataclass(frozen=True, kw_only=True)
class PairwiseMethod:
    """Credit ±1 on pairs; what the two completions are pulled apart with is up to the method.

    Attributes:
        data_source: whose completions form the pairs: ``"π_sft"`` (Table 10), ``"π_k"`` of the policy at the start of
            the iteration (iterative DPO), ``"π_θ"`` (online DPO).
        pairing: ``"correct"`` pairs a right with a wrong completion, whatever their rewards; ``"reward"`` the best with
            the worst, the second best with the second worst and so on, for rewards that are graded.
    """

    data_source: DataSource = DataSource.OFFLINE
    pairing: Literal["correct", "reward"] = "correct"

    batch_unit: BatchUnit = field(default=BatchUnit.PAIR, init=False)
    exclude: frozenset[Exclusion] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        refuse_nan(self)
        if self.data_source == DataSource.DEMONSTRATIONS:
            raise ValueError("data_source is 'P_sft'; expected 'π_sft', 'π_k' or 'π_θ': pairs are sampled.")
        if self.pairing not in ("correct", "reward"):
            raise ValueError(f"pairing is {self.pairing!r}; expected 'correct' or 'reward'.")

    @property
    def needs(self) -> frozenset[Need]:
        """Pairs as `pairing` makes them."""
        return frozenset({Need.PAIRS if self.pairing == "correct" else Need.RANKED_PAIRS})

    @property
    def aggregation(self) -> Aggregation:
        """1/|o| a sequence, with which a coefficient is one number of the pair."""
        return Aggregation.SEQUENCE_MEAN

    def credit(self, batch: TokenBatch) -> Tensor:
        """+1 for every token of the chosen completion, −1 for the rejected one. (B, T)."""
        return _sign(batch, batch.rewards.dtype)[:, None] * batch.completion_mask

    def pulled(
        self,
        batch: TokenBatch,
        credit: Tensor,
        pull_B: Tensor,
        diagnostics_B: Mapping[str, Tensor],
        terms: Mapping[str, Tensor] | None = None,
    ) -> Coefficients:
        """± the pull of each sequence, plus (B, T) terms, with (B,) diagnostics spread over the tokens."""
        spread = {name: value[:, None].expand_as(credit) for name, value in diagnostics_B.items()}
        factors = {"pull": pull_B[:, None]}
        return compose(batch.completion_mask, credit, factors=factors, terms=terms or {}, diagnostics=spread)


@dataclass(frozen=True, kw_only=True)
class RelativeToReference(PairwiseMethod):
    """Pairs whose completions are scored by their log-ratio to the reference policy: DPO and IPO.

    Attributes:
        length_normalized: mean (DeepSeekMath, Eq. 12) or sum (as published) of the log-ratios over the completion.
    """

    length_normalized: bool = True

    @property
    def needs(self) -> frozenset[Need]:
        """Pairs as `pairing` makes them, and π_ref."""
        return super().needs | {Need.REFERENCE_LOGPROBS}

    @property
    def aggregation(self) -> Aggregation:
        """1/|o| a sequence where the gap is length-normalised, else plain sums."""
        return Aggregation.SEQUENCE_MEAN if self.length_normalized else Aggregation.SEQUENCE_SUM

    def gap(self, batch: TokenBatch, policy_logprobs: Tensor) -> Tensor:
        """`pair_gap` with this method's normalisation. (B,)."""
        return pair_gap(batch, policy_logprobs.detach(), length_normalized=self.length_normalized)


def completion_scores(values: Tensor, mask: Tensor, *, length_normalized: bool) -> Tensor:
    """Mean or Σ of the values over a completion's tokens. (B, T) -> (B,)."""
    total = masked_sum(values, mask)[:, 0]
    return total / mask.sum(dim=-1).clamp_min(1) if length_normalized else total


def pair_gap(batch: TokenBatch, policy_logprobs: Tensor, *, length_normalized: bool) -> Tensor:
    """m(o⁺) − m(o⁻) of each sequence's pair, m = mean or Σ over tokens of log π_θ/π_ref, in nats. (B,).

    Args:
        batch: whole pairs, in any order.
        policy_logprobs: (B, T) log π_θ.
        length_normalized: m is the mean over the completion's tokens instead of the sum.

    Raises:
        ValueError: a pair is not one chosen and one rejected sequence.
    """
    reference, mask = batch.require("reference_logprobs", "a pairwise method"), batch.completion_mask
    scores = completion_scores(policy_logprobs - reference, mask, length_normalized=length_normalized)
    return gap_of_pairs(batch, scores)


def gap_of_pairs(batch: TokenBatch, scores_B: Tensor) -> Tensor:
    """The chosen completion's score less the rejected one's, of each sequence's pair. (B,).

    Args:
        batch: whole pairs, in any order.
        scores_B: (B,) one number a completion.

    Raises:
        ValueError: a pair is not one chosen and one rejected sequence.
    """
    sign = _sign(batch, scores_B.dtype)
    pairs, index, sizes = torch.unique(
        batch.require("pair", "a pairwise method"), return_inverse=True, return_counts=True
    )
    balance = torch.zeros_like(pairs).index_add_(0, index, sign.long())
    broken = (sizes != 2) | (balance != 0)
    if bool(broken.any()):
        raise ValueError(
            f"pair {int(pairs[broken][0])} is not one chosen and one rejected sequence; a pairwise method needs both "
            "in the batch."
        )
    return scores_B.new_zeros(len(pairs)).index_add_(0, index, sign * scores_B)[index]


def _sign(batch: TokenBatch, dtype: torch.dtype) -> Tensor:
    """+1 for a chosen completion, −1 for a rejected one. (B,)."""
    return torch.where(batch.require("chosen", "a pairwise method"), 1.0, -1.0).to(dtype)
