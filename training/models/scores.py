"""Logprobs and values of a whole batch without gradient, microbatch by microbatch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from algorithms.interface import BatchUnit
from training.models.batches import TrainingBatch, microbatches
from training.models.critic import Critic
from training.models.logprobs import token_logprobs

__all__ = ["ForwardOptions", "score_logprobs", "score_values"]


@dataclass(frozen=True, kw_only=True)
class ForwardOptions:
    """How forward passes are run.

    Attributes:
        microbatch_size: most sequences of one pass.
        temperature: logprobs are taken at it.
        use_autocast: in bfloat16.
    """

    microbatch_size: int
    temperature: float
    use_autocast: bool


def score_logprobs(model: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """log π of each completion token under `model`, in nats. (B, T), zero outside the mask."""

    def logprobs(part: TrainingBatch) -> Tensor:
        return token_logprobs(model, part, temperature=options.temperature, use_autocast=options.use_autocast)

    return _by_microbatch(batch, options.microbatch_size, logprobs)


def score_values(critic: Critic, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """The critic's value before each completion token, in units of the reward. (B, T), zero outside the mask."""
    return _by_microbatch(
        batch, options.microbatch_size, lambda part: critic.values(part, use_autocast=options.use_autocast)
    )


@torch.no_grad()
def _by_microbatch(batch: TrainingBatch, size: int, score: Callable[[TrainingBatch], Tensor]) -> Tensor:
    result = torch.zeros(batch.tokens.completion_mask.shape, device=batch.input_ids.device)
    for rows in microbatches(batch, BatchUnit.SEQUENCE, size):
        scores = score(batch.rows(rows))
        result[rows, : scores.shape[1]] = scores
    return result
