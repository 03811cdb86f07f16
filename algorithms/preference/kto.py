"""Kahneman–Tversky optimisation: single completions, each known to be right or wrong, without pairs.

    J = E λ(o) · σ( ± kto_beta · ( r(o) − z₀ ) ),  r(o) = Σ_t log π_θ(o_t)/π_ref(o_t),  + for right and − for wrong
    GC(o, t) = ± λ(o) · kto_beta · p(1 − p),  p = σ(kto_beta · (r − z₀))
                                                      (Ethayarajh et al. 2024, arXiv 2402.01306, section 4.1)

z₀ is an estimate of KL(π_θ ‖ π_ref), a number without gradient: max(0, mean of log π_θ/π_ref over completions of other
problems). It is taken once a batch, before the update; the paper takes it anew for every microbatch, so that there it
depends on how a step is cut. ``reference_point="zero"`` leaves it out (APO-zero of unpaired data, arXiv 2408.06266).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch, compose
from algorithms.preference.pairs import completion_scores
from algorithms.settings import refuse_nan

__all__ = ["KTO"]


@dataclass(frozen=True, kw_only=True)
class KTO:
    """Right completions above, wrong ones below the policy's present distance from the reference.

    Attributes:
        kto_beta: β, per nat of log-ratio of a completion.
        desirable_weight: λ_D, weight of right completions.
        undesirable_weight: λ_U, weight of wrong ones.
        reference_point: ``"kl"``, z₀ is the estimate of the KL, or ``"zero"``.
        correct_threshold: right are completions with a reward above it; ``null`` leaves that to the verdict.
        data_source: whose completions are judged: ``"π_sft"``, ``"π_k"`` or ``"π_θ"``.
    """

    kto_beta: float = 0.1
    desirable_weight: float = 1.0
    undesirable_weight: float = 1.0
    reference_point: Literal["kl", "zero"] = "kl"
    correct_threshold: float | None = None
    data_source: DataSource = DataSource.OFFLINE

    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)
    aggregation: Aggregation = field(default=Aggregation.SEQUENCE_SUM, init=False)
    exclude: frozenset[Exclusion] = field(default=frozenset(), init=False)

    def __post_init__(self) -> None:
        refuse_nan(self)
        for name in ("kto_beta", "desirable_weight", "undesirable_weight"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0.")
        if self.reference_point not in ("kl", "zero"):
            raise ValueError(f"reference_point is {self.reference_point!r}; expected 'kl' or 'zero'.")
        if self.data_source == DataSource.DEMONSTRATIONS:
            raise ValueError("data_source is 'P_sft'; expected 'π_sft', 'π_k' or 'π_θ': completions are judged.")

    @property
    def needs(self) -> frozenset[Need]:
        """π_ref; which completions are right, where no threshold says so; the KL where it is the reference point."""
        needs = {Need.REFERENCE_LOGPROBS}
        if self.correct_threshold is None:
            needs.add(Need.CORRECT)
        if self.reference_point == "kl":
            needs.add(Need.KL_ESTIMATE)
        return frozenset(needs)

    def credit(self, batch: TokenBatch) -> Tensor:
        """+λ_D at every token of a right completion, −λ_U of a wrong one. (B, T)."""
        weights = batch.rewards.new_tensor([self.desirable_weight, -self.undesirable_weight])
        right = batch.right(self.correct_threshold, "kto")
        return torch.where(right, *weights)[:, None] * batch.completion_mask

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """± λ · kto_beta · p(1 − p), the exact gradient. (B, T)."""
        mask, reference = batch.completion_mask, batch.require("reference_logprobs", "kto")
        point = 0.0 if self.reference_point == "zero" else batch.require("kl_estimate", "kto")
        log_ratios = completion_scores(policy_logprobs.detach() - reference, mask, length_normalized=False)  # (B,)
        above = torch.sigmoid(self.kto_beta * (log_ratios - point))
        pull = (self.kto_beta * above * (1 - above))[:, None]
        implicit = (self.kto_beta * log_ratios)[:, None].expand_as(credit)
        diagnostics = {"implicit_reward": implicit, "kl_estimate": torch.full_like(implicit, point)}
        return compose(mask, credit, factors={"pull": pull}, terms={}, diagnostics=diagnostics)
