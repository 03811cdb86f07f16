"""The common part of PPO, GRPO and their kin: ratio, clip, KL, mismatch correction and entropy, around one credit.

    J = E Σ_t weight · { w · M · min( ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A ) − kl_coef · KL + entropy_coef · H }
    GC = w · M · ρ · A · 1[clip not active] + kl_coef · (−∂KL/∂log π_θ) − entropy_coef · ρ · log π_θ

A method of this family says only what A is, as `credit`; the clip and what others put in its place are those of
`algorithms.gates`, the parts around it of `algorithms.parts`. On-policy and without options GC = A. Every choice in
which published methods and libraries differ is a field, and the defaults are DeepSeekMath's (arXiv 2402.03300, Eq. 3
and 15).

The KL is one of two things. In `PolicyGradient` it is a term of the objective, with a gradient of its own. A
`PenalizedPolicyGradient` may take it off the credit instead, a number without gradient: off the reward, as PPO does
(Eq. 2), or off the advantage.

With ``ratio_level="sequence"`` and credit that varies over tokens this is GSPO-token (arXiv 2507.18071, Eq. 13).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args, get_origin, get_type_hints

import torch
from torch import Tensor

from algorithms.gates import ClipForm, clip_factors, gamma_gate, geometric_clip, sigmoid_gate
from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch, compose
from algorithms.parts import (
    KlGradient,
    MismatchCorrection,
    OffPolicyMask,
    entropy_term,
    kl_penalty_of_credit,
    kl_term,
    mismatch_weights,
    off_policy_kept,
)
from algorithms.ratios import KlForm, RatioLevel, log_ratio
from algorithms.settings import refuse_nan

__all__ = ["PenalizedPolicyGradient", "PolicyGradient"]

AT_LEAST_0 = (
    *("kl_coef", "clip_low", "clip_high", "entropy_coef", "mismatch_min", "off_policy_limit"),
    *("gate_power_pos", "gate_power_neg", "gate_rate_pos", "gate_rate_neg"),
)


@dataclass(frozen=True, kw_only=True)
class PolicyGradient:
    """Fields and coefficients of the clipped policy gradients.

    Attributes:
        kl_coef: weight of the KL; 0 needs no reference policy.
        kl_form: estimator of the KL: ``"k1"``, ``"k2"``, ``"k3"``.
        kl_gradient: of the objective's KL: ``"direct"`` differentiates the estimate, ``"ratio_weighted"`` ρ times the
            estimate, ``"score"`` adds estimate · ∇log π_θ, which makes it that of the expectation on-policy.
        kl_limit: the estimate is clamped to ±kl_limit, its gradient 0 beyond, in nats; ``null`` for none.
        clip_form: ``"min"`` is PPO's clip, gradient 0 beyond it; ``"weight"`` clamps ρ and keeps the gradient (CISPO);
            ``"sigmoid"`` lets go softly (SAPO); ``"gamma"`` weighs by a gamma density (VESPO); ``"geometric"`` clips
            log ρ and takes the completion's geometric mean (GMPO). See `algorithms.gates`.
        clip_low: offset of the clip below 1, 1 is no lower bound; nats below 0 under ``"geometric"``.
        clip_high: offset of the clip above 1; nats above 0 under ``"geometric"``.
        gate_temperature_pos: τ of ``"sigmoid"`` where A > 0; the larger, the narrower.
        gate_temperature_neg: τ of ``"sigmoid"`` where A < 0.
        gate_power_pos: k of ``"gamma"`` where A > 0; ρ^k.
        gate_power_neg: k of ``"gamma"`` where A < 0.
        gate_rate_pos: λ of ``"gamma"`` where A > 0; exp(λ(1 − ρ)).
        gate_rate_neg: λ of ``"gamma"`` where A < 0.
        dual_clip: ratio beyond which a token with A < 0 has gradient 0 under ``"min"``; ``null`` for none.
        ratio_level: ρ of each token, or of the completion: ``"sequence"`` the geometric mean, ``"sequence_product"``.
        log_ratio_limit: tokens with |log ρ| beyond it have gradient 0 under ``"min"``, in nats; ``null`` for none.
        mismatch_correction: weight π_old/π_sampler of the policy term, of tokens or of the completion, truncated to
            [mismatch_min, mismatch_max] or 0 outside of it; ``"none"`` trusts the engine.
        mismatch_min: smallest weight, a ratio.
        mismatch_max: largest weight, a ratio.
        off_policy_mask: completions that π_θ has moved away from are not pushed down (DeepSeek-V3.2); away from π_old,
            ``"old"``, or from what the engine computed, ``"sampler"``; ``"none"`` for no mask.
        off_policy_limit: mean log π_old/π_θ of a completion beyond which it counts as left behind, in nats a token.
        entropy_coef: weight of the entropy bonus, as its sampled estimate −ρ·log π_θ(o_t), not the entropy of the
            whole distribution.
        exclude_truncated: completions cut at the token limit are not trained on.
        aggregation: how tokens are averaged.
    """

    kl_coef: float = 0.04
    kl_form: KlForm = "k3"
    kl_gradient: KlGradient = "direct"
    kl_limit: float | None = None
    clip_form: ClipForm = "min"
    clip_low: float = 0.2
    clip_high: float = 0.2
    gate_temperature_pos: float = 1.0
    gate_temperature_neg: float = 1.05
    gate_power_pos: float = 2.0
    gate_power_neg: float = 3.0
    gate_rate_pos: float = 3.0
    gate_rate_neg: float = 2.0
    dual_clip: float | None = None
    ratio_level: RatioLevel = "token"
    log_ratio_limit: float | None = None
    mismatch_correction: MismatchCorrection = "none"
    mismatch_min: float = 0.0
    mismatch_max: float = 2.0
    off_policy_mask: OffPolicyMask = "none"
    off_policy_limit: float = 0.5
    entropy_coef: float = 0.0
    exclude_truncated: bool = False
    aggregation: Aggregation = Aggregation.SEQUENCE_MEAN

    data_source: DataSource = field(default=DataSource.ONLINE, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)

    def __post_init__(self) -> None:
        refuse_nan(self)
        for name, hint in get_type_hints(type(self)).items():
            if get_origin(hint) is Literal and getattr(self, name) not in get_args(hint):
                choices = " or ".join(map(repr, get_args(hint)))
                raise ValueError(f"{name} is {getattr(self, name)!r}; expected {choices}.")
        for name in AT_LEAST_0:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected 0 or more.")
        for name in ("kl_limit", "log_ratio_limit"):
            limit = getattr(self, name)
            if limit is not None and limit <= 0:
                raise ValueError(f"{name} is {limit}; expected nats above 0, or null.")
        if self.dual_clip is not None and self.dual_clip <= 1:
            raise ValueError(f"dual_clip is {self.dual_clip}; expected a ratio above 1, or null.")
        for name in ("gate_temperature_pos", "gate_temperature_neg"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} is {getattr(self, name)}; expected a number above 0.")
        if self.clip_form == "gamma" and self.mismatch_correction != "none":
            raise ValueError(
                f"mismatch_correction is {self.mismatch_correction!r} with clip_form 'gamma'; expected 'none': "
                "that gate is the weight of the whole ratio, and takes no second one."
            )
        if self.mismatch_max <= self.mismatch_min:
            raise ValueError(f"mismatch_max is {self.mismatch_max}; expected more than {self.mismatch_min}.")

    @property
    def needs(self) -> frozenset[Need]:
        """Old logprobs; the reference where kl_coef > 0; the engine's logprobs where they are corrected for."""
        needs = {Need.OLD_LOGPROBS}
        if self.kl_coef > 0:
            needs.add(Need.REFERENCE_LOGPROBS)
        if self.mismatch_correction != "none" or self.off_policy_mask == "sampler":
            needs.add(Need.SAMPLER_LOGPROBS)
        return frozenset(needs)

    @property
    def exclude(self) -> frozenset[Exclusion]:
        """Truncated completions, where `exclude_truncated` says so."""
        return frozenset({Exclusion.TRUNCATED} if self.exclude_truncated else ())

    @property
    def objective_kl_coef(self) -> float:
        """Weight of the KL as a term of the objective."""
        return self.kl_coef

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """w · ρ · A · 1[active] + KL and entropy terms; see the module. (B, T)."""
        name, mask, logprobs = type(self).__name__, batch.completion_mask, policy_logprobs.detach()
        old = batch.require("old_logprobs", name)
        ratios, factors, diagnostics = self._gated(logprobs, old, mask, credit)
        terms = {}
        if self.off_policy_mask != "none":
            drawn = old
            if self.off_policy_mask == "sampler":
                drawn = batch.require("sampler_logprobs", "off_policy_mask 'sampler'")
            kept = off_policy_kept(logprobs, drawn, mask, credit, limit=self.off_policy_limit)
            factors["off_policy"], diagnostics["off_policy_fraction"] = kept, ~kept
        if self.mismatch_correction != "none":
            sampler = batch.require("sampler_logprobs", f"mismatch_correction {self.mismatch_correction!r}")
            factors["mismatch"] = mismatch_weights(
                old, sampler, mask, self.mismatch_correction, lowest=self.mismatch_min, highest=self.mismatch_max
            )
        if self.objective_kl_coef > 0:
            pull = kl_term(
                logprobs,
                batch.require("reference_logprobs", f"{name} with kl_coef > 0"),
                ratios,
                mask,
                form=self.kl_form,
                gradient=self.kl_gradient,
                limit=self.kl_limit,
                level=self.ratio_level,
            )
            terms["kl"] = pull.mul_(self.objective_kl_coef)
        if self.entropy_coef > 0:
            terms["entropy"] = entropy_term(logprobs, old).mul_(self.entropy_coef)
        return compose(mask, credit, factors=factors, terms=terms, diagnostics=diagnostics)

    def _gated(
        self, logprobs: Tensor, old: Tensor, mask: Tensor, credit: Tensor
    ) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
        """ρ, and the factors and diagnostics of the clip or of what stands in its place; see `algorithms.gates`."""
        log_ratios = log_ratio(logprobs, old, mask, self.ratio_level)
        ratios = log_ratios.exp().clamp_(max=torch.finfo(logprobs.dtype).max)  # 0 · ρ stays 0
        diagnostics = {"ratio": ratios.expand_as(logprobs)}
        if self.clip_form == "sigmoid":
            pos, neg = self.gate_temperature_pos, self.gate_temperature_neg
            gate = sigmoid_gate(ratios, credit, temperature_pos=pos, temperature_neg=neg)
            return ratios, {"ratio": ratios, "gate": gate}, {"gate": gate, **diagnostics}
        if self.clip_form == "gamma":
            powers, rates = (self.gate_power_pos, self.gate_power_neg), (self.gate_rate_pos, self.gate_rate_neg)
            gate = gamma_gate(log_ratios, credit, powers=powers, rates=rates).expand_as(logprobs)
            return ratios, {"gate": gate}, {"gate": gate, **diagnostics}
        low, high = self.clip_low, self.clip_high
        if self.clip_form == "geometric":
            of_completion, active = geometric_clip(logprobs - old, mask, credit, clip_low=low, clip_high=high)
            factors = {"ratio": of_completion, "clip": active}
        else:
            beyond = None if self.log_ratio_limit is None else log_ratios.abs() > self.log_ratio_limit
            factors, active = clip_factors(
                ratios,
                credit,
                form=self.clip_form,
                clip_low=low,
                clip_high=high,
                dual_clip=self.dual_clip,
                beyond=beyond,
            )
        return ratios, factors, {"clip_fraction": (~active).expand_as(logprobs), **diagnostics}


@dataclass(frozen=True, kw_only=True)
class PenalizedPolicyGradient(PolicyGradient):
    """A policy gradient whose KL can also be a penalty on the credit. Which places it has, its own `kl_place` says.

    Attributes:
        kl_place: ``"coefficient"`` puts the KL into the objective; without gradient, as seen by π_old, ``"reward"``
            takes it off the reward and ``"advantage"`` the KL still to come off the normalised advantage.
    """

    kl_place: Literal["coefficient", "reward", "advantage"] = "coefficient"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.kl_gradient != "direct" and self.kl_place != "coefficient":
            raise ValueError(f"kl_gradient is {self.kl_gradient!r} with kl_place {self.kl_place!r}; expected 'direct'.")

    @property
    def penalizes(self) -> bool:
        """True where the KL is taken off the reward or the advantage."""
        return self.kl_coef > 0 and self.kl_place != "coefficient"

    @property
    def objective_kl_coef(self) -> float:
        """Weight of the KL as a term of the objective: 0 where it is a penalty."""
        return 0.0 if self.penalizes else self.kl_coef

    @property
    def needs(self) -> frozenset[Need]:
        """Those of every policy gradient; old logprobs before credit is computed, where the KL is taken off it."""
        return super().needs | ({Need.OLD_LOGPROBS_FOR_CREDIT} if self.penalizes else set())

    def penalty(self, batch: TokenBatch) -> Tensor:
        """kl_coef · KL(π_old ‖ π_ref) of each token, zero outside the mask; see `penalizes`. (B, T)."""
        name = f"{type(self).__name__} with the KL in the {self.kl_place}"
        old, reference = batch.require("old_logprobs", name), batch.require("reference_logprobs", name)
        estimate = kl_penalty_of_credit(old, reference, batch.completion_mask, form=self.kl_form, limit=self.kl_limit)
        return estimate.mul_(self.kl_coef)
