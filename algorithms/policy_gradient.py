"""What PPO, GRPO and their descendants share: ratio, clip, KL, mismatch correction and entropy, around one credit.

    J = E Σ_t weight · { w · min( ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A ) − kl_coef · KL + entropy_coef · H }
    GC = w · ρ · A · 1[clip not active] + kl_coef · (−∂KL/∂log π_θ) − entropy_coef · ρ · log π_θ

A method of this family says only what A is, as `credit`. On-policy and without options GC = A. Every choice in which
published methods and libraries differ is a field, and the defaults are DeepSeekMath's (arXiv 2402.03300, Eq. 3 and 15).

With ``ratio_level="sequence"`` and credit that varies over tokens this is GSPO-token (arXiv 2507.18071, Eq. 13).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch, compose
from algorithms.ratios import (
    KlForm,
    MismatchCorrection,
    RatioLevel,
    clip_active,
    kl_coefficient,
    kl_penalty,
    log_ratio,
    masked_sum,
    mismatch_weights,
    ratio,
)

__all__ = ["KlPlace", "PolicyGradient"]

KlPlace = Literal["coefficient", "reward", "advantage"]


@dataclass(frozen=True, kw_only=True)
class PolicyGradient:
    """Fields and coefficients of the clipped policy gradients.

    Attributes:
        kl_coef: weight of the KL penalty; 0 needs no reference policy.
        kl_form: estimator of the KL: ``"k1"``, ``"k2"``, ``"k3"``.
        kl_place: ``"coefficient"`` puts the KL into the objective; without gradient, as seen by π_old, ``"reward"``
            takes it off the reward and ``"advantage"`` the KL still to come off the normalised advantage.
        kl_gradient: of the objective's KL: ``"direct"`` differentiates the estimate, ``"ratio_weighted"`` ρ times the
            estimate, ``"score"`` adds estimate · ∇log π_θ, which makes it that of the expectation on-policy.
        kl_limit: the estimate is clamped to ±kl_limit, its gradient 0 beyond, in nats; ``null`` for none.
        clip_form: ``"min"`` is PPO's clip, gradient 0 beyond it; ``"weight"`` clamps ρ and keeps the gradient (CISPO).
        clip_low: offset of the clip below 1; 1 is no lower bound.
        clip_high: offset of the clip above 1.
        dual_clip: ratio beyond which a token with A < 0 has gradient 0 under ``"min"``; ``null`` for none.
        ratio_level: ρ of each token, or of the completion: ``"sequence"`` the geometric mean, ``"sequence_product"``.
        log_ratio_limit: tokens with |log ρ| beyond it have gradient 0 under ``"min"``, in nats; ``null`` for none.
        mismatch_correction: weight π_old/π_sampler of the policy term, of tokens or of the completion, truncated to
            [mismatch_min, mismatch_max] or 0 outside of it; ``"none"`` trusts the engine.
        mismatch_min: smallest weight, a ratio.
        mismatch_max: largest weight, a ratio.
        entropy_coef: weight of the entropy bonus, as its sampled estimate −ρ·log π_θ(o_t), not the entropy of the
            whole distribution.
        exclude_truncated: completions cut at the token limit are not trained on.
        aggregation: how tokens are averaged.
    """

    kl_coef: float = 0.04
    kl_form: KlForm = "k3"
    kl_place: KlPlace = "coefficient"
    kl_gradient: Literal["direct", "ratio_weighted", "score"] = "direct"
    kl_limit: float | None = None
    clip_form: Literal["min", "weight"] = "min"
    clip_low: float = 0.2
    clip_high: float = 0.2
    dual_clip: float | None = None
    ratio_level: RatioLevel = "token"
    log_ratio_limit: float | None = None
    mismatch_correction: MismatchCorrection = "none"
    mismatch_min: float = 0.0
    mismatch_max: float = 2.0
    entropy_coef: float = 0.0
    exclude_truncated: bool = False
    aggregation: Aggregation = Aggregation.SEQUENCE_MEAN

    data_source: DataSource = field(default=DataSource.ONLINE, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)

    def __post_init__(self) -> None:
        for name in ("kl_coef", "clip_low", "clip_high", "entropy_coef", "mismatch_min"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 or more.")
        for name in ("kl_limit", "log_ratio_limit"):
            limit = getattr(self, name)
            if limit is not None and limit <= 0:
                raise ValueError(f"{name} is {limit}; expected nats above 0, or null.")
        if self.dual_clip is not None and self.dual_clip <= 1:
            raise ValueError(f"dual_clip is {self.dual_clip}; expected a ratio above 1, or null.")
        if self.mismatch_max <= self.mismatch_min:
            raise ValueError(f"mismatch_max is {self.mismatch_max}; expected more than {self.mismatch_min}.")
        if self.kl_gradient != "direct" and self.kl_place != "coefficient":
            raise ValueError(f"kl_gradient is {self.kl_gradient!r} with kl_place {self.kl_place!r}; expected 'direct'.")

    @property
    def needs(self) -> frozenset[Need]:
        """Old logprobs; the reference where kl_coef > 0; the engine's logprobs where they are corrected for."""
        needs = {Need.OLD_LOGPROBS}
        if self.kl_coef > 0:
            needs.add(Need.REFERENCE_LOGPROBS)
        if self.penalizes:
            needs.add(Need.OLD_LOGPROBS_FOR_CREDIT)
        if self.mismatch_correction != "none":
            needs.add(Need.SAMPLER_LOGPROBS)
        return frozenset(needs)

    @property
    def exclude(self) -> frozenset[Exclusion]:
        """Truncated completions, where `exclude_truncated` says so."""
        return frozenset({Exclusion.TRUNCATED} if self.exclude_truncated else ())

    @property
    def penalizes(self) -> bool:
        """Whether the KL is taken off the reward or the advantage."""
        return self.kl_coef > 0 and self.kl_place != "coefficient"

    def old_penalty(self, batch: TokenBatch) -> Tensor:
        """kl_coef · KL(π_old ‖ π_ref) of each token, zero outside the mask; see `penalizes`. (B, T)."""
        name = f"{type(self).__name__} with the KL in the {self.kl_place}"
        old, reference = batch.require("old_logprobs", name), batch.require("reference_logprobs", name)
        penalty = self._limited(kl_penalty(old, reference, self.kl_form)).mul_(self.kl_coef)
        return torch.where(batch.completion_mask, penalty, penalty.new_zeros(()), out=penalty)

    def _limited(self, penalty: Tensor) -> Tensor:
        return penalty if self.kl_limit is None else penalty.clamp(-self.kl_limit, self.kl_limit)

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """w · ρ · A · 1[active] + KL and entropy terms; see the module. (B, T)."""
        mask, logprobs = batch.completion_mask, policy_logprobs.detach()
        old = batch.require("old_logprobs", type(self).__name__)
        log_ratios = log_ratio(logprobs, old, mask, self.ratio_level)
        beyond = None if self.log_ratio_limit is None else log_ratios.abs() > self.log_ratio_limit
        ratios = log_ratios.exp_().clamp_(max=torch.finfo(logprobs.dtype).max)  # 0 · ρ stays 0
        if self.clip_form == "min":
            active = clip_active(
                ratios, credit, clip_low=self.clip_low, clip_high=self.clip_high, dual_clip=self.dual_clip
            )
            if beyond is not None:
                active = active & ~beyond
            factors = {"ratio": ratios, "clip": active}
        else:
            clamped = ratios.clamp(1 - self.clip_low, 1 + self.clip_high)
            active = clamped == ratios
            factors = {"ratio": clamped}
        if self.mismatch_correction != "none":
            sampler = batch.require("sampler_logprobs", f"mismatch_correction {self.mismatch_correction!r}")
            factors["mismatch"] = mismatch_weights(
                old, sampler, mask, self.mismatch_correction, lowest=self.mismatch_min, highest=self.mismatch_max
            )
        terms = {}
        if self.kl_coef > 0 and self.kl_place == "coefficient":
            terms["kl"] = self._kl_term(batch, logprobs, ratios)
        if self.entropy_coef > 0:
            terms["entropy"] = ratio(logprobs, old).mul_(logprobs).mul_(-self.entropy_coef)
        diagnostics = {"clip_fraction": (~active).expand_as(logprobs), "ratio": ratios.expand_as(logprobs)}
        return compose(mask, credit, factors=factors, terms=terms, diagnostics=diagnostics)

    def _kl_term(self, batch: TokenBatch, logprobs: Tensor, ratios: Tensor) -> Tensor:
        """kl_coef times what −KL, −ρ·KL or −E[KL] gives the coefficient of each token. (B, T)."""
        reference = batch.require("reference_logprobs", f"{type(self).__name__} with kl_coef > 0")
        pull = kl_coefficient(logprobs, reference, self.kl_form)
        if self.kl_gradient == "direct" and self.kl_limit is None:
            return pull.mul_(self.kl_coef)
        penalty = kl_penalty(logprobs, reference, self.kl_form)
        if self.kl_gradient == "score":
            pull = pull - penalty
        if self.kl_limit is not None:
            pull = torch.where(penalty.abs() <= self.kl_limit, pull, 0)
        if self.kl_gradient == "ratio_weighted":
            penalty = self._limited(penalty)
            if self.ratio_level != "token":  # ρ is of the completion: every token moves the weight of each KL
                total = masked_sum(penalty, batch.completion_mask)
                lengths = batch.completion_mask.sum(dim=-1, keepdim=True).clamp_min(1)
                penalty = total / lengths if self.ratio_level == "sequence" else total
            pull = ratios * (pull - penalty)
        return pull.mul_(self.kl_coef)
