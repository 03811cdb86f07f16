"""The parts of a policy gradient beside its clip, each a pure function that returns its factor or its term.

    GC = credit · (ratio · clip · off-policy mask · mismatch) + (KL of the objective) + (entropy bonus)

Factors multiply the credit and are 1 where they change nothing; terms are added, and are 0 where they are off. What is
taken off the reward or the advantage beforehand, a penalty, changes the credit itself: `kl_penalty_of_credit` and
`overlong_penalty`. Ratio and clip are in `algorithms.gates`. Axes: B sequences, T tokens; log-ratios and KLs in nats.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from algorithms.ratios import KlForm, RatioLevel, kl_coefficient, kl_penalty, masked_sum, ratio

__all__ = [
    "KlGradient",
    "MismatchCorrection",
    "OffPolicyMask",
    "entropy_term",
    "highest_entropies",
    "kl_penalty_of_credit",
    "kl_term",
    "mismatch_weights",
    "off_policy_kept",
    "overlong_penalty",
]

KlGradient = Literal["direct", "ratio_weighted", "score"]
MismatchCorrection = Literal["none", "token_truncate", "token_mask", "sequence_truncate", "sequence_mask"]
OffPolicyMask = Literal["none", "old", "sampler"]


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


def off_policy_kept(
    policy_logprobs: Tensor, drawn_logprobs: Tensor, mask: Tensor, credit: Tensor, *, limit: float
) -> Tensor:
    """M = 0 where A < 0 and the completion's mean log π_drawn/π_θ exceeds `limit`, else 1. (B, T) bool.

    DeepSeek-V3.2's off-policy sequence mask (arXiv 2512.02556, section 3.1): a completion that the policy has moved
    away from is no longer pushed down; it may still be pushed up.

    Args:
        policy_logprobs: (B, T) log π_θ.
        drawn_logprobs: (B, T) log-probability under the policy that drew the tokens.
        mask: (B, T) bool completion mask.
        credit: (B, T) A.
        limit: δ, nats a token.
    """
    drift = masked_sum(drawn_logprobs - policy_logprobs, mask) / mask.sum(dim=-1, keepdim=True).clamp_min(1)
    return (credit >= 0) | (drift <= limit)


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


def highest_entropies(entropies: Tensor, mask: Tensor, *, share: float) -> Tensor:
    """The `share` of the batch's tokens with the highest entropy, and all that tie with the last of them. (B, T) bool.

    H_t ≥ τ, the (1 − share) quantile of all tokens (arXiv 2506.01939, section 5; TRL's ``top_entropy_quantile``).

    Args:
        entropies: (B, T) entropy of the policy at each token, in nats.
        mask: (B, T) bool, tokens among which the quantile is taken.
        share: ρ, above 0 and at most 1.
    """
    inside = entropies[mask]
    if inside.numel() == 0:
        return torch.zeros_like(mask)
    place = math.ceil(round((inside.numel() - 1) * (1 - share), 9))  # 9 digits: 10 · (1 − 0.8) is 2
    return mask & (entropies >= inside.sort().values[place])


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
