"""Group relative policy optimisation, with outcome (OS) or process (PS) supervision.

    J (DeepSeekMath, Eq. 3) =
        E 1/G Σ_i 1/|o_i| Σ_t { min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) − kl_coef · KL }
    KL = π_ref/π_θ − log(π_ref/π_θ) − 1                                                          (Eq. 4)
    GC = ρ_t · Â_t · 1[clip not active] + kl_coef · (π_ref/π_θ − 1);  = Eq. 21 on-policy

Outcome supervision: Â_{i,t} = (r_i − mean(r)) / std(r) for every token. Process supervision: step rewards are
normalised over all steps of the group, and Â_{i,t} sums those of the steps that end at t or later.

Named because the paper does not say: std_ddof and std_eps. Rewards (1,0,0,0,0,0,0,0) give the winner 2.47 with ddof 1
and 2.65 with ddof 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch
from torch import Tensor

from algorithms.advantages import Baseline, Scale, check_scale, group_advantages, process_advantages
from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Need, PaperRow, TokenBatch
from algorithms.ratios import KlForm, clip_active, kl_coefficient, ratio

__all__ = ["GRPO"]


@dataclass(frozen=True, kw_only=True)
class GRPO:
    """Clipped policy gradient on group-normalised rewards, with the KL term in the objective.

    Attributes:
        supervision: ``"outcome"`` reads the completion's reward, ``"process"`` the reward of each step.
        kl_coef: weight of the KL term; 0.04 in section 4.2; 0 needs no reference policy.
        kl_form: estimator of the KL; Eq. 4 is k3.
        clip_low: offset of the clip below 1. The paper does not give it.
        clip_high: offset of the clip above 1.
        baseline: see `group_advantages`.
        scale: see `group_advantages`.
        std_ddof: see `group_advantages`.
        std_eps: see `group_advantages`.
        aggregation: Eq. 3 has sequence_mean.
    """

    supervision: Literal["outcome", "process"] = "outcome"
    kl_coef: float = 0.04
    kl_form: KlForm = "k3"
    clip_low: float = 0.2
    clip_high: float = 0.2
    baseline: Baseline = "mean"
    scale: Scale = "std"
    std_ddof: int = 1
    std_eps: float = 0.0
    aggregation: Aggregation = Aggregation.SEQUENCE_MEAN

    data_source: DataSource = field(default=DataSource.ONLINE, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)
    paper: ClassVar[PaperRow] = PaperRow(
        title="GRPO",
        data_source="q ~ P_sft(Q), {o_i}_{i=1..G} ~ π_θ(O|q)",
        reward="Model",
        coefficient="Â_t + β(π_ref/π_θ − 1)",
        equation="Eq. 21",
    )

    def __post_init__(self) -> None:
        if self.kl_coef < 0 or self.clip_low < 0 or self.clip_high < 0:
            raise ValueError(
                f"kl_coef is {self.kl_coef}, clip_low {self.clip_low}, clip_high {self.clip_high}; "
                "expected 0 or more each."
            )
        check_scale(self.std_ddof, self.std_eps)

    @property
    def needs(self) -> frozenset[Need]:
        """Groups and old logprobs; step rewards under process supervision; the reference where kl_coef > 0."""
        needs = {Need.GROUPS, Need.OLD_LOGPROBS}
        if self.supervision == "process":
            needs.add(Need.STEP_REWARDS)
        if self.kl_coef > 0:
            needs.add(Need.REFERENCE_LOGPROBS)
        return frozenset(needs)

    def credit(self, batch: TokenBatch) -> Tensor:
        """Group-normalised advantage of each token (sections 4.1.2 and 4.1.3). (B, T)."""
        options = {"baseline": self.baseline, "scale": self.scale, "std_ddof": self.std_ddof, "std_eps": self.std_eps}
        mask = batch.completion_mask
        if self.supervision == "outcome":
            advantages = group_advantages(batch.rewards, batch.group, **options)[:, None]  # (B, 1)
        else:
            step_rewards = batch.require("step_rewards", "grpo_process")
            step_ends = batch.require("step_ends", "grpo_process")
            advantages = process_advantages(step_rewards, step_ends, batch.group, num_tokens=mask.shape[1], **options)
        return torch.where(mask, advantages, 0)

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """ρ_t · Â_t · 1[active] + kl_coef · (−∂KL/∂log π_θ); equal to Eq. 21 on-policy with k3. (B, T)."""
        logprobs = policy_logprobs.detach()
        ratios = ratio(logprobs, batch.require("old_logprobs", "grpo"))
        active = clip_active(ratios, credit, clip_low=self.clip_low, clip_high=self.clip_high)
        values = torch.where(active, ratios * credit, 0)
        diagnostics = {"clip_fraction": (~active).to(values.dtype), "ratio": ratios}
        if self.kl_coef > 0:
            reference = batch.require("reference_logprobs", "grpo with kl_coef > 0")
            values = values + self.kl_coef * kl_coefficient(logprobs, reference, self.kl_form)
        return Coefficients(values=torch.where(batch.completion_mask, values, 0), diagnostics=diagnostics)
