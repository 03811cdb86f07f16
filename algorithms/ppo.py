"""Proximal policy optimisation with a learned critic.

    J = E_{o ~ π_old} 1/|o| Σ_t min( ρ_t A_t, clip(ρ_t, 1 − clip_low, 1 + clip_high) A_t )     (DeepSeekMath, Eq. 1, 15)
    A_t = GAE of r_t = 1[t last]·reward − kl_coef · (log π_old(o_t) − log π_ref(o_t))           (Eq. 2, A.1.5)
    GC = ρ_t · A_t · 1[clip not active];  = A_t on-policy                                       (Eq. 18)

The KL penalty sits in the reward, as in Eq. 2; in GRPO it sits in the coefficient. The critic's loss is no part of the
policy's objective and lives in `training.models.critic`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algorithms.advantages import check_scale, generalized_advantages, normalize_over_tokens
from algorithms.interface import Need, TokenBatch
from algorithms.policy_gradient import PenalizedPolicyGradient
from algorithms.ratios import KlForm

__all__ = ["PPO"]


@dataclass(frozen=True, kw_only=True)
class PPO(PenalizedPolicyGradient):
    """Clipped policy gradient on generalised advantages.

    Attributes:
        kl_coef: weight of the per-token KL penalty in the reward; 0 needs no reference policy.
        kl_form: estimator of that penalty; Eq. 2 has k1.
        kl_place: ``"reward"`` (Eq. 2) or ``"coefficient"``.
        discount: γ. The paper does not give it.
        gae_lambda: λ. The paper does not give it.
        normalize_advantages: shift and scale the batch's advantages to mean 0 and std 1 over its tokens; not in Eq. 18.
        normalize_ddof: delta degrees of freedom of that variance, 0 or 1.
        normalize_eps: added to that variance, under the root.
    """

    kl_form: KlForm = "k1"
    kl_place: Literal["coefficient", "reward"] = "reward"
    discount: float = 1.0
    gae_lambda: float = 1.0
    normalize_advantages: bool = False
    normalize_ddof: int = 0
    normalize_eps: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.normalize_ddof, self.normalize_eps)
        for name in ("discount", "gae_lambda"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number in [0, 1].")

    @property
    def needs(self) -> frozenset[Need]:
        """Those of every policy gradient, and a critic."""
        return super().needs | {Need.CRITIC}

    def token_rewards(self, batch: TokenBatch) -> Tensor:
        """r_t of Eq. 2: the outcome reward at the last token, minus the KL penalty at every token. (B, T)."""
        mask = batch.completion_mask
        position = torch.arange(mask.shape[1], device=mask.device, dtype=torch.int32)
        last = torch.where(mask, position, -1).amax(dim=-1, keepdim=True).long()
        rewards = torch.zeros(mask.shape, dtype=batch.rewards.dtype, device=mask.device)
        rewards.scatter_(1, last.clamp_min(0), torch.where(last >= 0, batch.rewards[:, None], 0))
        return rewards.sub_(self.penalty(batch)) if self.penalizes else rewards

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
        if not self.normalize_advantages:
            return advantages
        return normalize_over_tokens(
            advantages, batch.completion_mask, std_ddof=self.normalize_ddof, variance_eps=self.normalize_eps
        )

    def value_targets(self, batch: TokenBatch) -> Tensor:
        """A_t + V_t, the λ-return that the critic regresses to. (B, T)."""
        return self._advantages(batch) + torch.where(batch.completion_mask, batch.require("values", "ppo"), 0)
