"""The parts of a clipped policy gradient, each a pure function that returns its factor or its term.

    GC = credit · (ratio · clip · mismatch) + (KL of the objective) + (entropy bonus)

Factors multiply the credit and are 1 where they change nothing; terms are added, and are 0 where they are off. What is
taken off the reward or the advantage beforehand, a penalty, changes the credit itself: `kl_penalty_of_credit` and
`overlong_penalty`. Axes: B sequences, T tokens; log-ratios and KLs are in nats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

from algorithms.ratios import KlForm, RatioLevel, kl_coefficient, kl_penalty, masked_sum, ratio

__all__ = [
    "ClipForm",
    "KlGradient",
    "MismatchCorrection",
    "clip_active",
    "clip_factors",
    "entropy_term",
    "kl_penalty_of_credit",
    "kl_term",
    "mismatch_weights",
    "overlong_penalty",
]

ClipForm = Literal["min", "weight"]
KlGradient = Literal["direct", "ratio_weighted", "score"]
MismatchCorrection = Literal["none", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]


def clip_active(
    ratios: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float, dual_clip: float | None = None
) -> Tensor:
    """Tokens at which min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) still depends on θ (DeepSeekMath, Eq. 1 and 3).

    The gradient is zero only where A > 0 and ρ > 1 + clip_high, or A < 0 and ρ < 1 − clip_low; a token outside the band
    on the other side still counts, up to `dual_clip` where that is given: max(min(…), dual_clip·A) for A < 0.

    Args:
        ratios: (B, T) or (B, 1) ρ.
        advantages: (B, T) A.
        clip_low: offset below 1; 0.2 puts the band's lower end at 0.8.
        clip_high: offset above 1; 0.2 puts the band's upper end at 1.2.
        dual_clip: c of dual-clip PPO (arXiv 1912.09729, Eq. 5), a ratio above 1; ``None`` for none.

    Returns:
        (B, T) bool, True where the coefficient is ρ·A and False where it is 0.
    """
    too_good = (advantages > 0) & (ratios > 1 + clip_high)
    too_bad = (advantages < 0) & (ratios < 1 - clip_low)
    inactive = too_good | too_bad
    if dual_clip is not None:
        inactive = inactive | ((advantages < 0) & (ratios > dual_clip))
    return ~inactive


def clip_factors(
    ratios: Tensor,
    credit: Tensor,
    *,
    form: ClipForm,
    clip_low: float,
    clip_high: float,
    dual_clip: float | None,
    beyond: Tensor | None,
) -> tuple[Mapping[str, Tensor], Tensor]:
    """Factors of the clipped ratio.

    ``"min"``: ρ and 1[clip not active], PPO's. ``"weight"``: ρ clamped to the band and never switched off (CISPO,
    arXiv 2506.13585, Eq. 4).

    Args:
        ratios: (B, T) or (B, 1) ρ, finite.
        credit: (B, T) A.
        form: which of the two.
        clip_low: see `clip_active`.
        clip_high: see `clip_active`.
        dual_clip: see `clip_active`.
        beyond: (B, T) or (B, 1) bool, where the ratio is out of all bounds and the factor of ``"min"`` is 0.

    Returns:
        Factors by name, and (B, T) or (B, 1) bool, False where the clip changes something.
    """
    if form == "weight":
        clamped = ratios.clamp(1 - clip_low, 1 + clip_high)
        return {"ratio": clamped}, clamped == ratios
    active = clip_active(ratios, credit, clip_low=clip_low, clip_high=clip_high, dual_clip=dual_clip)
    if beyond is not None:
        active = active & ~beyond
    return {"ratio": ratios, "clip": active}, active


def mismatch_weights(
    old_logprobs: Tensor,
    sampler_logprobs: Tensor,
    mask: Tensor,
    correction: MismatchCorrection,
    *,
    lowest: float,
    highest: float,
) -> Tensor:
    """w = π_old / π_sampler, bounded: the factor for an engine that does not compute the trainer's logprobs.

    ``token_…``: the ratio of each token, (B, T); ``sequence_…``: of the whole completion, the product, (B, 1).
    ``…_truncate``: clamped to [lowest, highest] (truncated importance sampling, Yao et al. 2025); ``…_mask``: 0 outside
    of it (by token IcePop, arXiv 2510.18855, by sequence Liu et al. 2025, "When Speed Kills Stability").

    Args:
        old_logprobs: (B, T) log π_old as the trainer computes it.
        sampler_logprobs: (B, T) log π_old as the engine computed it.
        mask: (B, T) bool completion mask.
        correction: level and bound; ``"none"`` gives 1.
        lowest: smallest weight, a ratio.
        highest: largest weight, a ratio.
    """
    if correction == "none":
        return torch.ones_like(old_logprobs)
    difference = old_logprobs - sampler_logprobs
    if correction in ("sequence_truncate", "sequence_mask"):
        difference = masked_sum(difference, mask)
    weights = torch.exp(difference).clamp_(max=torch.finfo(difference.dtype).max)
    if correction in ("token_truncate", "sequence_truncate"):
        return weights.clamp(lowest, highest)
    return torch.where((weights < lowest) | (weights > highest), 0, weights)


def kl_term(
    policy_logprobs: Tensor,
    reference_logprobs: Tensor,
    ratios: Tensor,
    mask: Tensor,
    *,
    form: KlForm,
    gradient: KlGradient,
    limit: float | None,
    level: RatioLevel,
) -> Tensor:
    """The coefficient's term of a KL of weight 1 in the objective. (B, T).

    ``"direct"``: −∂KL/∂log π_θ, the second term of Eq. 21 for k3. ``"ratio_weighted"``: that of −ρ·KL, the gradient
    flowing through both (TRL). ``"score"``: that of −E[KL], the estimate times the score added (NeMo-RL).

    Args:
        policy_logprobs: (B, T) log π_θ.
        reference_logprobs: (B, T) log π_ref.
        ratios: (B, T) or (B, 1) ρ; read under ``"ratio_weighted"`` only.
        mask: (B, T) bool completion mask.
        form: estimator.
        gradient: of what.
        limit: the estimate is clamped to ±limit, its gradient 0 beyond; ``None`` for none.
        level: whose ratio ρ is.
    """
    pull = kl_coefficient(policy_logprobs, reference_logprobs, form)
    if gradient == "direct" and limit is None:
        return pull
    penalty = kl_penalty(policy_logprobs, reference_logprobs, form)
    if gradient == "score":
        pull = pull - penalty
    if limit is not None:
        pull = torch.where(penalty.abs() <= limit, pull, 0)
    if gradient == "ratio_weighted":
        penalty = _limited(penalty, limit)
        if level != "token":  # ρ is of the completion: every token moves the weight of each KL
            total = masked_sum(penalty, mask)
            penalty = total / mask.sum(dim=-1, keepdim=True).clamp_min(1) if level == "sequence" else total
        pull = ratios * (pull - penalty)
    return pull


def entropy_term(policy_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """The coefficient's term of an entropy bonus of weight 1, as its sampled estimate: −ρ·log π_θ(o_t). (B, T)."""
    return ratio(policy_logprobs, old_logprobs).mul_(policy_logprobs).neg_()


def kl_penalty_of_credit(
    old_logprobs: Tensor, reference_logprobs: Tensor, mask: Tensor, *, form: KlForm, limit: float | None
) -> Tensor:
    """KL(π_old ‖ π_ref) of each token as the policy that drew it sees it, a number without gradient. (B, T).

    Taken off the reward (Eq. 2) or the advantage: it changes the credit, where `kl_term` changes the objective.

    Args:
        old_logprobs: (B, T) log π_old.
        reference_logprobs: (B, T) log π_ref.
        mask: (B, T) bool completion mask; the penalty is 0 outside of it.
        form: estimator.
        limit: clamps the estimate to ±limit; ``None`` for none.
    """
    penalty = _limited(kl_penalty(old_logprobs, reference_logprobs, form), limit)
    return torch.where(mask, penalty, penalty.new_zeros(()), out=penalty)


def overlong_penalty(lengths_B: Tensor, *, max_length: int, buffer: float) -> Tensor:
    """DAPO's length reward of a completion y (Yu et al. 2025, arXiv 2503.14476, Eq. 13). (B,) float64, −1 to 0.

    ::

        0                                     |y| <= L_max − L_cache
        ((L_max − L_cache) − |y|) / L_cache     L_max − L_cache < |y| < L_max
        −1                                    L_max <= |y|

    Args:
        lengths_B: (B,) |y|, tokens.
        max_length: L_max: the limit of generation, so that a completion that is cut there gets −1.
        buffer: L_cache as a share of L_max, above 0.
    """
    cache = buffer * max_length
    sinking = (((max_length - cache) - lengths_B.double()) / cache).clamp(-1, 0)
    # At L_max the quotient is −1 but for rounding.
    return torch.where(lengths_B < max_length, sinking, -1.0)


def _limited(penalty: Tensor, limit: float | None) -> Tensor:
    return penalty if limit is None else penalty.clamp(-limit, limit)
