"""Importance ratios, their clip, KL terms and the correction for the sampling engine, as pure functions of logprobs.

Source: DeepSeekMath (arXiv 2402.03300) Eq. 1, 3, 4, 20, 21; the estimators k1, k2, k3 are named after
http://joschu.net/blog/kl-approx.html; ratios of sequences after GSPO (arXiv 2507.18071, Eq. 7) and RLOO.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "KlForm",
    "MismatchCorrection",
    "RatioLevel",
    "clip_active",
    "kl_coefficient",
    "kl_penalty",
    "log_ratio",
    "masked_sum",
    "mismatch_weights",
    "ratio",
]

KlForm = Literal["k1", "k2", "k3"]
RatioLevel = Literal["token", "sequence", "sequence_product"]
MismatchCorrection = Literal["none", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]


def ratio(policy_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """ρ_t = π_θ(o_t) / π_old(o_t), by exponentiating the difference of logprobs. (B, T)."""
    return torch.exp(policy_logprobs - old_logprobs)


def log_ratio(policy_logprobs: Tensor, old_logprobs: Tensor, mask: Tensor, level: RatioLevel) -> Tensor:
    """log ρ in nats: of each token (B, T), or of each completion (B, 1).

    ``"token"``: log π_θ(o_t)/π_old(o_t). ``"sequence"``: its mean over the completion, so that ρ is the geometric mean
    of the token ratios (GSPO, Eq. 7). ``"sequence_product"``: its sum, so that ρ = π_θ(o)/π_old(o).
    """
    difference = policy_logprobs - old_logprobs
    match level:
        case "token":
            return difference
        case "sequence":
            return masked_sum(difference, mask) / mask.sum(dim=-1, keepdim=True).clamp_min(1)
        case "sequence_product":
            return masked_sum(difference, mask)


def masked_sum(values: Tensor, mask: Tensor) -> Tensor:
    """Sum over the completion's tokens, in float64. (B, T) -> (B, 1)."""
    return torch.where(mask, values, 0).sum(dim=-1, keepdim=True, dtype=torch.float64).to(values.dtype)


def clip_active(
    ratios: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float, dual_clip: float | None = None
) -> Tensor:
    """Where min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) still depends on θ (Eq. 1 and 3).

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


def mismatch_weights(
    old_logprobs: Tensor,
    sampler_logprobs: Tensor,
    mask: Tensor,
    correction: MismatchCorrection,
    *,
    lowest: float,
    highest: float,
) -> Tensor:
    """w = π_old / π_sampler, bounded: what corrects for an engine that does not compute the trainer's logprobs.

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


def kl_penalty(policy_logprobs: Tensor, reference_logprobs: Tensor, form: KlForm) -> Tensor:
    """Per-token estimate of KL(π_θ ‖ π_ref) in nats. (B, T).

    With d = log π_ref − log π_θ: k1 = −d, k2 = d²/2, k3 = exp(d) − d − 1 (Eq. 4).
    """
    difference = reference_logprobs - policy_logprobs
    match form:
        case "k1":
            return difference.neg_()
        case "k2":
            return difference.square() / 2
        case "k3":
            return torch.exp(difference) - difference - 1


def kl_coefficient(policy_logprobs: Tensor, reference_logprobs: Tensor, form: KlForm) -> Tensor:
    """−∂KL/∂log π_θ of `kl_penalty`: what a KL term of weight 1 in the objective adds to the coefficient. (B, T).

    k1: −1; k2: log(π_ref/π_θ); k3: π_ref/π_θ − 1, the second term of Eq. 21.
    """
    difference = reference_logprobs - policy_logprobs
    match form:
        case "k1":
            return -torch.ones_like(difference)
        case "k2":
            return difference
        case "k3":
            return difference.expm1_()
