"""Importance ratios, their clip, and the KL terms that methods share.

Source: DeepSeekMath (arXiv 2402.03300) Eq. 1, 3, 4, 20, 21; the estimators k1, k2, k3 are named after
http://joschu.net/blog/kl-approx.html.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["KlForm", "clip_active", "kl_coefficient", "kl_penalty", "ratio"]

KlForm = Literal["k1", "k2", "k3"]


def ratio(policy_logprobs: Tensor, old_logprobs: Tensor) -> Tensor:
    """ρ_t = π_θ(o_t) / π_old(o_t), by exponentiating the difference of logprobs. (B, T)."""
    return torch.exp(policy_logprobs - old_logprobs)


def clip_active(ratios: Tensor, advantages: Tensor, *, clip_low: float, clip_high: float) -> Tensor:
    """Where min(ρA, clip(ρ, 1 − clip_low, 1 + clip_high)A) still depends on θ (Eq. 1 and 3).

    The gradient is zero only where A > 0 and ρ > 1 + clip_high, or A < 0 and ρ < 1 − clip_low; a token outside the band
    on the other side still counts.

    Args:
        ratios: (B, T) ρ.
        advantages: (B, T) A.
        clip_low: offset below 1; 0.2 puts the band's lower end at 0.8.
        clip_high: offset above 1; 0.2 puts the band's upper end at 1.2.

    Returns:
        (B, T) bool, True where the coefficient is ρ·A and False where it is 0.
    """
    too_good = (advantages > 0) & (ratios > 1 + clip_high)
    too_bad = (advantages < 0) & (ratios < 1 - clip_low)
    return ~(too_good | too_bad)


def kl_penalty(policy_logprobs: Tensor, reference_logprobs: Tensor, form: KlForm) -> Tensor:
    """Per-token estimate of KL(π_θ ‖ π_ref) in nats. (B, T).

    With d = log π_ref − log π_θ: k1 = −d, k2 = d²/2, k3 = exp(d) − d − 1 (Eq. 4).
    """
    difference = reference_logprobs - policy_logprobs
    match form:
        case "k1":
            return -difference
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
            return torch.expm1(difference)
