"""Importance ratios and estimates of the KL, as pure functions of logprobs; `algorithms.parts` makes factors of them.

Source: DeepSeekMath (arXiv 2402.03300) Eq. 1, 3, 4, 21; the estimators k1, k2, k3 are named after
http://joschu.net/blog/kl-approx.html; ratios of sequences after GSPO (arXiv 2507.18071, Eq. 7) and RLOO.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = [
    "KlForm",
    "RatioLevel",
    "kl_coefficient",
    "kl_penalty",
    "log_ratio",
    "masked_sum",
    "ratio",
]

KlForm = Literal["k1", "k2", "k3"]
RatioLevel = Literal["token", "sequence", "sequence_product"]


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
