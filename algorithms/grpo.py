"""Group relative policy optimisation, with outcome (OS) or process (PS) supervision.

    J (DeepSeekMath, Eq. 3) =
        E 1/G Σ_i 1/|o_i| Σ_t { min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) − kl_coef · KL }
    KL = π_ref/π_θ − log(π_ref/π_θ) − 1                                                          (Eq. 4)
    GC = ρ_t · Â_t · 1[clip not active] + kl_coef · (π_ref/π_θ − 1);  = Eq. 21 on-policy

Outcome supervision: Â_{i,t} = (r_i − mean(r)) / std(r) for every token. Process supervision: step rewards are
normalised over all steps of the group, and Â_{i,t} sums those of the steps that end at t or later.

Named because the paper does not say: std_ddof and std_eps. Rewards (1,0,0,0,0,0,0,0) give the winner 2.47 with ddof 1
and 2.65 with ddof 0. Dr. GRPO, DAPO, GSPO, CISPO, RLOO, ReMax and REINFORCE are this class with other fields:
`algorithms.catalogue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algorithms.advantages import Baseline, Scale, check_scale, group_advantages, process_advantages, suffix_sums
from algorithms.interface import Exclusion, Need, TokenBatch
from algorithms.parts import overlong_penalty
from algorithms.policy_gradient import PenalizedPolicyGradient
from algorithms.ratios import masked_sum

__all__ = ["GRPO"]


@dataclass(frozen=True, kw_only=True)
class GRPO(PenalizedPolicyGradient):
    """Clipped policy gradient on group-normalised rewards, with the KL term in the objective.

    Attributes:
        supervision: ``"outcome"`` reads the completion's reward, ``"process"`` the reward of each step.
        baseline: subtracted from the reward: ``"mean"`` of the group, ``"leave_one_out"``, mean of the others,
            ``"greedy"``, reward of the greedy completion, or ``"none"``.
        scale: what divides: ``"std"`` of the group, ``"std_leave_one_out"``, std of the others, or ``"none"``.
        std_ddof: delta degrees of freedom of the std: 1 sample, 0 population.
        std_eps: added to the std.
        advantage_limit: advantages are clamped to ±advantage_limit; ``null`` for none.
        overlong_buffer: share of the token limit over which the reward sinks by up to 1 (DAPO, Eq. 13); 0 for none.
        exclude_equal_groups: groups whose rewards are all equal are left out and others drawn (dynamic sampling).
    """

    supervision: Literal["outcome", "process"] = "outcome"
    baseline: Baseline | Literal["greedy"] = "mean"
    scale: Scale = "std"
    std_ddof: int = 1
    std_eps: float = 0.0
    advantage_limit: float | None = None
    overlong_buffer: float = 0.0
    exclude_equal_groups: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.std_ddof, self.std_eps)
        if self.advantage_limit is not None and self.advantage_limit <= 0:
            raise ValueError(f"advantage_limit is {self.advantage_limit}; expected a number above 0, or null.")
        if not 0 <= self.overlong_buffer <= 1:
            raise ValueError(f"overlong_buffer is {self.overlong_buffer}; expected a share between 0 and 1.")
        if self.supervision == "process":
            for name, value, of_outcomes in (
                ("kl_place", self.kl_place, self.kl_place == "reward"),
                ("overlong_buffer", self.overlong_buffer, self.overlong_buffer > 0),
                ("baseline", self.baseline, self.baseline == "greedy"),
                ("exclude_equal_groups", self.exclude_equal_groups, self.exclude_equal_groups),
            ):
                if of_outcomes:
                    raise ValueError(f"{name} is {value!r} with process supervision, which reads no outcome reward.")

    @property
    def needs(self) -> frozenset[Need]:
        """Beside those of every policy gradient: groups, step rewards under process supervision, a greedy reward."""
        in_group = self.scale != "none" or self.baseline in ("mean", "leave_one_out") or self.exclude_equal_groups
        return super().needs | {
            need
            for need, read in (
                (Need.GROUPS, in_group),
                (Need.STEP_REWARDS, self.supervision == "process"),
                (Need.GREEDY_REWARD, self.baseline == "greedy"),
            )
            if read
        }

    @property
    def exclude(self) -> frozenset[Exclusion]:
        """Truncated completions and equal groups, where their fields say so."""
        return super().exclude | ({Exclusion.EQUAL_GROUPS} if self.exclude_equal_groups else set())

    def credit(self, batch: TokenBatch) -> Tensor:
        """Group-normalised advantage of each token (sections 4.1.2 and 4.1.3). (B, T)."""
        baseline: Baseline = "none" if self.baseline == "greedy" else self.baseline
        options = {"baseline": baseline, "scale": self.scale, "std_ddof": self.std_ddof, "std_eps": self.std_eps}
        mask = batch.completion_mask
        if self.supervision == "outcome":
            advantages = group_advantages(self.outcome_rewards(batch), batch.group, **options)[:, None]  # (B, 1)
        else:
            step_rewards = batch.require("step_rewards", "grpo_process")
            step_ends = batch.require("step_ends", "grpo_process")
            advantages = process_advantages(step_rewards, step_ends, batch.group, num_tokens=mask.shape[1], **options)
        if self.advantage_limit is not None:
            advantages = advantages.clamp(-self.advantage_limit, self.advantage_limit)
        if self.penalizes and self.kl_place == "advantage":
            advantages = advantages - suffix_sums(self.penalty(batch))
        return torch.where(mask, advantages, 0)

    def outcome_rewards(self, batch: TokenBatch) -> Tensor:
        """Rewards less the penalties that belong to them, and less the greedy completion's. (B,)."""
        rewards = batch.rewards
        if self.penalizes and self.kl_place == "reward":
            rewards = rewards - masked_sum(self.penalty(batch), batch.completion_mask)[:, 0]
        if self.overlong_buffer > 0:
            limit = batch.require("max_length", "overlong_buffer > 0")
            lengths = batch.completion_mask.sum(dim=-1)
            rewards = rewards + overlong_penalty(lengths, max_length=limit, buffer=self.overlong_buffer).to(rewards)
        if self.baseline == "greedy":
            rewards = rewards - batch.require("greedy_rewards", "baseline 'greedy'")
        return rewards
