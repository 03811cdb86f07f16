"""Proximal policy optimisation with a learned critic.

    J = E_{o ~ π_old} 1/|o| Σ_t min( ρ_t A_t, clip(ρ_t, 1 − clip_low, 1 + clip_high) A_t )     (DeepSeekMath, Eq. 1, 15)
    A_t = GAE of r_t = 1[t last]·reward − kl_coef · (log π_old(o_t) − log π_ref(o_t))           (Eq. 2, A.1.5)
    GC = ρ_t · A_t · 1[clip not active];  = A_t on-policy                                       (Eq. 18)

The KL penalty sits in the reward, as in Eq. 2; in GRPO it sits in the coefficient. The critic's loss is no part of the
policy's objective and lives in `training.critic`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from algorithms.advantages import generalized_advantages
from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Need, PaperRow, TokenBatch
from algorithms.ratios import KlForm, clip_active, kl_penalty, ratio

__all__ = ["PPO"]


@dataclass(frozen=True, kw_only=True)
class PPO:
    """Clipped policy gradient on generalised advantages.

    Attributes:
        kl_coef: weight of the per-token KL penalty in the reward; 0 needs no reference policy.
        kl_form: estimator of that penalty; Eq. 2 has k1.
        clip_low: offset of the clip below 1. The paper does not give it.
        clip_high: offset of the clip above 1.
        discount: γ. The paper does not give it.
        gae_lambda: λ. The paper does not give it.
        normalize_advantages: shift and scale the batch's advantages to mean 0 and std 1 over its tokens; not in Eq. 18.
        aggregation: Eq. 15 has sequence_mean.
    """

    kl_coef: float = 0.04
    kl_form: KlForm = "k1"
    clip_low: float = 0.2
    clip_high: float = 0.2
    discount: float = 1.0
    gae_lambda: float = 1.0
    normalize_advantages: bool = False
    aggregation: Aggregation = Aggregation.SEQUENCE_MEAN

    data_source: DataSource = field(default=DataSource.ONLINE, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)
    paper: ClassVar[PaperRow] = PaperRow(
        title="PPO", data_source="q ~ P_sft(Q), o ~ π_θ(O|q)", reward="Model", coefficient="A_t", equation="Eq. 18"
    )

    def __post_init__(self) -> None:
        if self.kl_coef < 0 or self.clip_low < 0 or self.clip_high < 0:
            raise ValueError(
                f"kl_coef is {self.kl_coef}, clip_low {self.clip_low}, clip_high {self.clip_high}; "
                "expected 0 or more each."
            )
        for name in ("discount", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number in [0, 1].")

    @property
    def needs(self) -> frozenset[Need]:
        """Critic and old logprobs; the reference only where kl_coef > 0."""
        needs = {Need.CRITIC, Need.OLD_LOGPROBS}
        if self.kl_coef > 0:
            needs |= {Need.REFERENCE_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT}
        return frozenset(needs)

    def token_rewards(self, batch: TokenBatch) -> Tensor:
        """r_t of Eq. 2: the outcome reward at the last token, minus the KL penalty at every token. (B, T)."""
        mask = batch.completion_mask
        position = torch.arange(mask.shape[1], device=mask.device)
        last = torch.where(mask, position, -1).amax(dim=-1, keepdim=True)
        rewards = torch.where(position == last, batch.rewards[:, None], 0)
        if self.kl_coef > 0:
            old = batch.require("old_logprobs", "ppo with kl_coef > 0")
            reference = batch.require("reference_logprobs", "ppo with kl_coef > 0")
            rewards = rewards - self.kl_coef * kl_penalty(old, reference, self.kl_form)
        return torch.where(mask, rewards, 0)

    def _advantages(self, batch: TokenBatch) -> Tensor:
        return generalized_advantages(
            self.token_rewards(batch),
            batch.require("values", "ppo"),
            batch.completion_mask,
            discount=self.discount,
            gae_lambda=self.gae_lambda,
        )

    def credit(self, batch: TokenBatch) -> Tensor:
        """GAE advantages (A.1.5). (B, T)."""
        advantages = self._advantages(batch)
        if self.normalize_advantages:
            mask = batch.completion_mask
            inside = advantages[mask].double()
            std = inside.std(correction=0) if len(inside) > 1 else inside.new_zeros(())
            scaled = (advantages.double() - inside.mean()) / torch.where(std > 0, std, 1)
            advantages = torch.where(mask, scaled.to(advantages.dtype), 0)
        return advantages

    def value_targets(self, batch: TokenBatch) -> Tensor:
        """A_t + V_t, the λ-return that the critic regresses to. (B, T)."""
        return self._advantages(batch) + torch.where(batch.completion_mask, batch.require("values", "ppo"), 0)

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """ρ_t · A_t · 1[active]; equal to A_t on-policy (Eq. 18). (B, T)."""
        ratios = ratio(policy_logprobs.detach(), batch.require("old_logprobs", "ppo"))
        active = clip_active(ratios, credit, clip_low=self.clip_low, clip_high=self.clip_high)
        values = torch.where(batch.completion_mask & active, ratios * credit, 0)
        return Coefficients(values=values, diagnostics={"clip_fraction": (~active).to(values.dtype), "ratio": ratios})
