"""Log-probabilities and values of completion tokens under a model."""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor, nn

from training.models.batches import TrainingBatch

__all__ = ["align_to_completion", "autocast", "token_logprobs"]


def autocast(device: torch.device, enabled: bool) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on `device` where enabled: float32 master weights, bfloat16 matrix products."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if enabled else contextlib.nullcontext()


def token_logprobs(
    model: nn.Module, batch: TrainingBatch, *, temperature: float = 1.0, use_autocast: bool = False
) -> Tensor:
    """log π_θ(o_t | q, o_<t) of each completion token at the sampling temperature.

    Args:
        model: a causal language model of transformers.
        batch: B sequences.
        temperature: divides the logits, as the sampler did.
        use_autocast: run the forward pass in bfloat16.

    Returns:
        (B, T) float32 in nats, zero outside the completion mask.
    """
    shortest = int(batch.prompt_lengths.min())
    keep = batch.input_ids.shape[1] - shortest + 1  # logits from the last prompt token of the shortest prompt on
    with autocast(batch.input_ids.device, use_autocast):
        logits = model(input_ids=batch.input_ids, use_cache=False, logits_to_keep=keep).logits  # (B, keep, V)
    logits = logits[:, :-1].float()  # position j predicts input token shortest + j
    if temperature != 1:  # a division by 1 would keep a copy of the largest array there is
        logits = logits / temperature
    targets = batch.input_ids[:, shortest:, None]
    logprobs = logits.gather(-1, targets)[..., 0] - torch.logsumexp(logits, dim=-1)  # (B, keep − 1)
    return align_to_completion(logprobs, batch, offset=shortest)


def align_to_completion(per_position: Tensor, batch: TrainingBatch, *, offset: int) -> Tensor:
    """Move values from input positions to completion positions.

    Args:
        per_position: (B, N), column j belongs to input token `offset` + j.
        batch: says where each completion starts.
        offset: input position of column 0, at most the shortest prompt.

    Returns:
        (B, T), zero outside the completion mask.
    """
    mask = batch.tokens.completion_mask
    columns = torch.arange(mask.shape[1], device=mask.device) + (batch.prompt_lengths - offset)[:, None]
    aligned = per_position.gather(1, columns.clamp_max(per_position.shape[1] - 1))
    return torch.where(mask, aligned, torch.zeros_like(aligned))
