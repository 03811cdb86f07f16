"""REINFORCE++: no critic, advantages normalised over the whole batch instead of the group (arXiv 2501.03262).

    A_t = r(o) − kl_coef · Σ_{l ≥ t} KL_l,   KL_l = log π_old(o_l)/π_ref(o_l)                  (Eq. 4)
    Â_t = (A_t − mean(A)) / std(A) over all tokens of the batch                                 (Eq. 5)
    GC  = ρ_t · Â_t · 1[clip not active]

With a baseline (REINFORCE++ w/ baseline, Eq. 6 to 8), r(o) is first centred by the mean of its group, and the KL sits
in the objective as k2 instead of in the reward. The paper says neither std's ddof nor the eps that it adds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from algorithms.advantages import check_scale, group_advantages, normalize_over_tokens, suffix_sums
from algorithms.interface import Need, TokenBatch
from algorithms.policy_gradient import PenalizedPolicyGradient
from algorithms.ratios import KlForm

__all__ = ["ReinforcePlusPlus"]


@dataclass(frozen=True, kw_only=True)
class ReinforcePlusPlus(PenalizedPolicyGradient):
    """Clipped policy gradient on returns that are normalised over the batch.

    Attributes:
        kl_coef: weight of the KL penalty; 0 needs no reference policy.
        kl_form: estimator of the KL: ``"k1"`` (Eq. 4), ``"k2"``, ``"k3"``.
        kl_place: ``"reward"`` (Eq. 4) or ``"coefficient"``.
        baseline: ``"none"``, or ``"mean"``: the mean reward of the group.
        normalize_ddof: delta degrees of freedom of the batch's variance, 0 or 1.
        normalize_eps: added to the batch's variance, under the root.
    """

    kl_form: KlForm = "k1"
    kl_place: Literal["coefficient", "reward"] = "reward"
    baseline: Literal["none", "mean"] = "none"
    normalize_ddof: int = 0
    normalize_eps: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.normalize_ddof, self.normalize_eps)

    @property
    def needs(self) -> frozenset[Need]:
        """Those of every policy gradient, and groups where their mean is subtracted."""
        return super().needs | ({Need.GROUPS} if self.baseline == "mean" else set())

    def credit(self, batch: TokenBatch) -> Tensor:
        """Returns after the KL penalty, normalised over all tokens of the batch (Eq. 4 and 5). (B, T)."""
        rewards = group_advantages(batch.rewards, batch.group, baseline=self.baseline, scale="none")
        returns = rewards[:, None].expand(batch.completion_mask.shape)
        if self.penalizes:
            returns = returns - suffix_sums(self.penalty(batch))
        return normalize_over_tokens(
            returns, batch.completion_mask, std_ddof=self.normalize_ddof, variance_eps=self.normalize_eps
        )
