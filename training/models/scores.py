"""Logprobs, entropies and values of a whole batch without gradient, microbatch by microbatch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from algorithms.interface import BatchUnit
from algorithms.ratios import kl_penalty
from training.models.batches import TrainingBatch, with_other_completions
from training.models.critic import Critic
from training.models.logprobs import ForwardOptions, token_entropies, token_logprobs
from training.models.microbatches import microbatches
from training.models.packing import is_packed
from training.models.transfer import sent

__all__ = [
    "by_microbatch",
    "score_completion_kl",
    "score_entropies",
    "score_kl",
    "score_log_ratios",
    "score_logprobs",
    "score_values",
]

ROWS_WITHOUT_GRADIENT = 2  # as long as the rows of an update: nothing is kept of them for a backward pass


def score_logprobs(model: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """log π of each completion token under `model`, in nats. (B, T), zero outside the mask."""

    def logprobs(part: TrainingBatch) -> Tensor:
        return token_logprobs(
            model,
            part,
            temperature=options.temperature,
            use_autocast=options.use_autocast,
            truncation=options.truncation,
        )

    return by_microbatch(batch, options, is_packed(model), logprobs)


def score_entropies(model: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """Entropy of `model` at each completion token, in nats. (B, T), zero outside the mask."""

    def entropies(part: TrainingBatch) -> Tensor:
        return token_entropies(model, part, temperature=options.temperature, use_autocast=options.use_autocast)

    return by_microbatch(batch, options, is_packed(model), entropies)


def score_log_ratios(model: nn.Module, reference: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """log π/π_ref of each completion token at `options.temperature`, in nats. (B, T), zero outside the mask."""
    return score_logprobs(model, batch, options) - score_logprobs(reference, batch, options)


def score_kl(batch: TrainingBatch, log_ratios: Callable[[TrainingBatch], Tensor]) -> float:
    """KTO's estimate of KL(π_θ ‖ π_ref) of a completion: max(0, mean of log π_θ/π_ref after another prompt), in nats.

    The completions are those of other problems (Ethayarajh et al. 2024, arXiv 2402.01306, section 4.1), so that what a
    completion earned does not move the point that it is measured from.

    Args:
        batch: B sequences.
        log_ratios: `score_log_ratios` of a batch, however its passes are shared out.
    """
    return max(0.0, float(log_ratios(with_other_completions(batch)).double().sum(dim=-1).mean()))


def score_completion_kl(model: nn.Module, start: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """KL(π_θ ‖ π_start) as each completion that π_θ drew estimates it, in nats a completion. (B,) float64, at least 0.

        Σ_t  π_start/π_θ − log(π_start/π_θ) − 1    of its tokens o_t, each given those before it

    the estimator k3 (Schulman 2020, "Approximating KL divergence"; DeepSeekMath, arXiv 2402.03300, Eq. 4), summed. Its
    mean over π_θ's completions is the KL of the two distributions of whole completions, by the chain rule.

    Args:
        model: π_θ.
        start: π_start.
        batch: B completions of π_θ; only their own tokens count.
        options: the temperature that they were drawn at, and how passes are run.
    """
    logprobs, start_logprobs = (score_logprobs(each, batch, options).double() for each in (model, start))
    return kl_penalty(logprobs, start_logprobs, "k3").sum(dim=-1)


def score_values(critic: Critic, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """The critic's value before each completion token, in units of the reward. (B, T), zero outside the mask."""
    return by_microbatch(
        batch,
        options,
        is_packed(critic.backbone),
        lambda part: critic.values(part, use_autocast=options.use_autocast),
    )


@torch.no_grad()
def by_microbatch(
    batch: TrainingBatch, options: ForwardOptions, packed: bool, score: Callable[[TrainingBatch], Tensor]
) -> Tensor:
    """Numbers of every completion token, one microbatch after the other, without gradient.

    Args:
        batch: B sequences.
        options: most tokens of a pass, of a packed one `ROWS_WITHOUT_GRADIENT` times as many.
        packed: whether a pass lays its sequences end to end.
        score: (B', T') numbers of a microbatch, zero outside the mask.

    Returns:
        (B, T), zero outside the mask.
    """
    result = torch.zeros(batch.tokens.completion_mask.shape, device=batch.input_ids.device)
    tokens, size = options.microbatch_tokens, options.microbatch_size
    tokens *= ROWS_WITHOUT_GRADIENT if packed else 1
    for rows in options.even(microbatches(batch, BatchUnit.SEQUENCE, tokens=tokens, sequences=size, packed=packed)):
        if not len(rows):  # other ranks have a further piece of a sharded model
            score(batch.shortest())
            continue
        scores = score(batch.rows(rows))
        result = result.to(scores.dtype)
        result[sent(rows, result.device), : scores.shape[1]] = scores
    return result
