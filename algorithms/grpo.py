"""Group relative policy optimisation, with outcome (OS) or process (PS) supervision.

    J (DeepSeekMath, Eq. 3) =
        E 1/G Σ_i 1/|o_i| Σ_t { min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) − kl_coef · KL }
    KL = π_ref/π_θ − log(π_ref/π_θ) − 1                                                          (Eq. 4)
    GC = ρ_t · Â_t · 1[clip not active] + kl_coef · (π_ref/π_θ − 1);  = Eq. 21 on-policy

Outcome supervision: Â_{i,t} = (r_i − mean(r)) / std(r) for every token. Process supervision: step rewards are
normalised over all steps of the group, and Â_{i,t} sums those of the steps that end at t or later.

Named because the paper does not say: std_ddof and std_eps. Rewards (1,0,0,0,0,0,0,0) give the winner 2.47 with ddof 1
and 2.65 with ddof 0. Dr. GRPO, DAPO, GSPO, CISPO, SAPO, VESPO, GMPO, GFPO, RLOO, ReMax and REINFORCE are this class
with other fields: `algorithms.catalogue`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from algorithms.advantages import Baseline, Scale, check_scale, group_advantages, process_advantages, suffix_sums
from algorithms.groups import lowest_of_group
from algorithms.interface import Exclusion, Need, TokenBatch, counted
from algorithms.parts import highest_entropies, overlong_penalty
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
        scale: what divides: ``"std"`` of the group, ``"std_leave_one_out"``, std of the others, ``"std_batch"``, std of
            all rewards of the batch, or ``"none"``.
        std_ddof: delta degrees of freedom of the std: 1 sample, 0 population.
        std_eps: added to the std.
        advantage_limit: advantages are clamped to ±advantage_limit; ``null`` for none.
        overlong_buffer: share of the token limit over which the reward sinks by up to 1 (DAPO, Eq. 13); 0 for none.
        exclude_equal_groups: groups whose rewards are all equal are left out and others drawn (dynamic sampling).
        retained: completions of a group that are compared and trained on, the best by `retained_by`, and those that tie
            with the last of them; the others have no credit (GFPO); ``null`` for all.
        retained_by: ``"length"``, the shortest, or ``"reward_per_token"``, the largest.
        top_entropy: share of the batch's tokens, those of the highest entropy, that keep their credit; 1 for all.
    """

    supervision: Literal["outcome", "process"] = "outcome"
    baseline: Baseline | Literal["greedy"] = "mean"
    scale: Scale = "std"
    std_ddof: int = 1
    std_eps: float = 0.0
    advantage_limit: float | None = None
    overlong_buffer: float = 0.0
    exclude_equal_groups: bool = False
    retained: int | None = None
    retained_by: Literal["length", "reward_per_token"] = "length"
    top_entropy: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_scale(self.std_ddof, self.std_eps)
        if self.advantage_limit is not None and self.advantage_limit <= 0:
            raise ValueError(f"advantage_limit is {self.advantage_limit}; expected a number above 0, or null.")
        if not 0 <= self.overlong_buffer <= 1:
            raise ValueError(f"overlong_buffer is {self.overlong_buffer}; expected a share between 0 and 1.")
        if self.retained is not None and self.retained < 2:
            raise ValueError(f"retained is {self.retained}; expected 2 or more, which can be compared, or null.")
        if not 0 < self.top_entropy <= 1:
            raise ValueError(f"top_entropy is {self.top_entropy}; expected a share above 0 and at most 1.")
        if self.supervision == "process":
            for name, value, of_outcomes in (
                ("kl_place", self.kl_place, self.kl_place == "reward"),
                ("overlong_buffer", self.overlong_buffer, self.overlong_buffer > 0),
                ("baseline", self.baseline, self.baseline == "greedy"),
                ("exclude_equal_groups", self.exclude_equal_groups, self.exclude_equal_groups),
                ("retained", self.retained, self.retained is not None),
            ):
                if of_outcomes:
                    raise ValueError(f"{name} is {value!r} with process supervision, which reads no outcome reward.")

    @property
    def needs(self) -> frozenset[Need]:
        """Beside those of every policy gradient: groups, step rewards under process supervision, a greedy reward."""
        in_group = (
            self.scale != "none"
            or self.baseline in ("mean", "leave_one_out")
            or self.exclude_equal_groups
            or self.retained is not None
        )
        return super().needs | {
            need
            for need, read in (
                (Need.GROUPS, in_group),
                (Need.STEP_REWARDS, self.supervision == "process"),
                (Need.GREEDY_REWARD, self.baseline == "greedy"),
                (Need.ENTROPIES, self.top_entropy < 1),
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
            rewards, group = self.outcome_rewards(batch), batch.group
            kept = self.compared(batch, rewards)
            of_rows = torch.zeros_like(rewards)
            of_rows[kept] = group_advantages(rewards[kept], group[kept], **options)
            advantages = of_rows[:, None]  # (B, 1)
        else:
            step_rewards = batch.require("step_rewards", "grpo_process")
            step_ends = batch.require("step_ends", "grpo_process")
            advantages = process_advantages(step_rewards, step_ends, batch.group, num_tokens=mask.shape[1], **options)
        if self.advantage_limit is not None:
            advantages = advantages.clamp(-self.advantage_limit, self.advantage_limit)
        if self.penalizes and self.kl_place == "advantage":
            advantages = advantages - suffix_sums(self.penalty(batch))
        if self.top_entropy < 1:
            entropies = batch.require("entropies", "top_entropy below 1")
            mask = mask & highest_entropies(entropies, counted(self, batch).mask, share=self.top_entropy)
        return torch.where(mask, advantages, 0)

    def compared(self, batch: TokenBatch, rewards: Tensor) -> Tensor:
        """Completions that are compared with each other: all, or the `retained` ones of each group. (B,) bool."""
        if self.retained is None:
            return torch.ones_like(rewards, dtype=torch.bool)
        lengths = batch.completion_mask.sum(dim=-1)
        scores = lengths if self.retained_by == "length" else -rewards / lengths.clamp_min(1)
        return lowest_of_group(scores, batch.group, self.retained)

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
