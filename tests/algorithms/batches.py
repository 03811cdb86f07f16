"""One small batch with every array, shared by the tests of methods; written out so that a test can count on it."""

from __future__ import annotations

import torch
from torch import Tensor

from algorithms import Aggregation, Algorithm, TokenBatch, counted, surrogate_loss

LENGTHS = [5, 3, 7, 1, 6, 4]  # three pairs, two groups
GROUP = [0, 0, 0, 1, 1, 1]
REWARDS = [1.0, 0.0, 0.5, 0.0, 1.0, 0.25]
CORRECT = [True, False, True, False, True, True]
STEP_ENDS = [[1, 4], [2, -1], [0, 6], [0, -1], [3, 5], [3, -1]]
STEP_REWARDS = [[1.0, -1.0], [1.0, 0.0], [-1.0, 1.0], [1.0, 0.0], [1.0, 1.0], [-1.0, 0.0]]
MAX_LENGTH = 9


def make_batch(seed: int = 0) -> tuple[TokenBatch, Tensor]:
    """Six ragged completions with every array, and policy logprobs that differ from the old ones by up to ±0.6."""
    generator = torch.Generator().manual_seed(seed)

    def noise(scale: float) -> Tensor:
        return scale * torch.randn(len(LENGTHS), max(LENGTHS), generator=generator, dtype=torch.float64)

    mask = torch.arange(max(LENGTHS)) < torch.tensor(LENGTHS)[:, None]
    old = -1.0 - noise(0.5).abs()
    reference, values, policy = old + noise(0.3), noise(0.5), old + noise(0.3)
    batch = TokenBatch(
        completion_mask=mask,
        rewards=torch.tensor(REWARDS, dtype=torch.float64),
        correct=torch.tensor(CORRECT),
        group=torch.tensor(GROUP),
        old_logprobs=old,
        reference_logprobs=reference,
        sampler_logprobs=old + noise(0.3),
        values=values,
        step_rewards=torch.tensor(STEP_REWARDS, dtype=torch.float64),
        step_ends=torch.tensor(STEP_ENDS),
        pair=torch.tensor([0, 0, 1, 1, 2, 2]),
        chosen=torch.tensor([True, False] * 3),
        truncated=torch.tensor([False, False, True, False, False, False]),
        greedy_rewards=torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0], dtype=torch.float64),
        max_length=MAX_LENGTH,
    )
    return batch, policy.requires_grad_()


def surrogate_gradient(algorithm: Algorithm, batch: TokenBatch, logprobs: Tensor) -> Tensor:
    """−∂(surrogate loss)/∂log π_θ of the batch as one optimiser step. (B, T)."""
    left = counted(algorithm, batch)
    denominator = left.denominator(algorithm.batch_unit, MAX_LENGTH)
    coefficients = algorithm.coefficients(batch, algorithm.credit(batch), logprobs.detach())
    loss = surrogate_loss(coefficients.values, logprobs, left.mask, algorithm.aggregation, denominator)
    return torch.autograd.grad(-loss, logprobs)[0]


def assert_same_gradient(objective: Tensor, algorithm: Algorithm, batch: TokenBatch, logprobs: Tensor) -> None:
    """∂objective/∂log π_θ, by autograd of what a paper maximises, is the surrogate's."""
    published = torch.autograd.grad(objective, logprobs)[0]
    assert published.abs().max() > 1e-3
    torch.testing.assert_close(surrogate_gradient(algorithm, batch, logprobs), published, rtol=1e-9, atol=1e-15)


def averaged(terms: list[Tensor], aggregation: Aggregation) -> Tensor:
    """One number from each completion's token terms."""
    match aggregation:
        case Aggregation.SEQUENCE_MEAN:
            return torch.stack([term.sum() / len(term) for term in terms]).sum() / len(terms)
        case Aggregation.TOKEN_MEAN:
            return torch.cat(terms).mean()
        case Aggregation.SEQUENCE_SUM:
            return torch.stack([term.sum() for term in terms]).mean()
        case Aggregation.CONSTANT:
            return torch.stack([term.sum() / MAX_LENGTH for term in terms]).mean()
