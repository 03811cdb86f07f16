"""One small batch with every array, and objectives of its tokens, shared by the tests of methods.

The batch is written out so that a test can count on it.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean, stdev

import torch
from torch import Tensor

from algorithms import Aggregation, Algorithm, TokenBatch, build_algorithm, counted, surrogate_loss

TokenTerms = Callable[[int, Tensor, Tensor], Tensor]

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
        entropies=noise(0.5).abs(),
        kl_estimate=0.4,
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


def peers_of(i: int, values: list[float] = REWARDS) -> list[float]:
    """The rewards of sequence i's group."""
    return [values[j] for j in range(6) if GROUP[j] == GROUP[i]]


def group_std_advantage(i: int, values: list[float] = REWARDS) -> float:
    """(r − mean)/std of sequence i's group, ddof 1."""
    return (values[i] - fmean(peers_of(i, values))) / stdev(peers_of(i, values))


def clip(rho: Tensor, advantage: float, low: float, high: float) -> Tensor:
    """min(ρA, clip(ρ)A)."""
    return torch.minimum(rho * advantage, torch.clamp(rho, 1 - low, 1 + high) * advantage)


def objective(terms: TokenTerms, aggregation: Aggregation, seed: int = 0) -> tuple[Tensor, Tensor]:
    """The objective whose token terms are ``terms(i, log π_θ, log π_old)``, and the logprobs it is a function of."""
    batch, logprobs = make_batch(seed)
    assert batch.old_logprobs is not None
    rows = [terms(i, logprobs[i, :n], batch.old_logprobs[i, :n]) for i, n in enumerate(LENGTHS)]
    return averaged(rows, aggregation), logprobs


def check(name: str, terms: TokenTerms, aggregation: Aggregation, settings: dict | None = None) -> None:
    """The method's surrogate has the gradient of the objective with these token terms."""
    batch, _ = make_batch()
    value, logprobs = objective(terms, aggregation)
    assert_same_gradient(value, build_algorithm(name, settings), batch, logprobs)
