"""Log-ratios of pairs of completions, which DPO and IPO share."""

from __future__ import annotations

import torch
from torch import Tensor

from algorithms.interface import TokenBatch
from algorithms.ratios import masked_sum

__all__ = ["pair_gap", "pair_sign"]


def pair_sign(batch: TokenBatch) -> Tensor:
    """+1 for a chosen completion, −1 for a rejected one. (B,)."""
    return torch.where(batch.require("chosen", "a pairwise method"), 1.0, -1.0).to(batch.rewards.dtype)


def pair_gap(batch: TokenBatch, policy_logprobs: Tensor, *, length_normalized: bool) -> Tensor:
    """m(o⁺) − m(o⁻) of each sequence's pair, m = mean or Σ over tokens of log π_θ/π_ref, in nats. (B,).

    Args:
        batch: whole pairs, in any order.
        policy_logprobs: (B, T) log π_θ.
        length_normalized: m is the mean over the completion's tokens instead of the sum.

    Raises:
        ValueError: a pair is not one chosen and one rejected sequence.
    """
    reference = batch.require("reference_logprobs", "a pairwise method")
    mask = batch.completion_mask
    log_ratios = masked_sum(policy_logprobs - reference, mask)[:, 0]  # (B,)
    if length_normalized:
        log_ratios = log_ratios / mask.sum(dim=-1).clamp_min(1)
    sign = pair_sign(batch).to(log_ratios.dtype)
    pairs, index, sizes = torch.unique(
        batch.require("pair", "a pairwise method"), return_inverse=True, return_counts=True
    )
    balance = torch.zeros_like(pairs).index_add_(0, index, sign.long())
    broken = (sizes != 2) | (balance != 0)
    if bool(broken.any()):
        raise ValueError(
            f"pair {int(pairs[broken][0])} is not one chosen and one rejected sequence; a pairwise method needs both "
            "in the batch."
        )
    return log_ratios.new_zeros(len(pairs)).index_add_(0, index, sign * log_ratios)[index]
