"""For each method: autograd of the published objective equals autograd of the surrogate with the method's coefficients.

The objectives are written here from the papers, sequence by sequence in plain Python loops, and share no code with
`algorithms/`. Everything is float64; gradients are taken with respect to the logprobs themselves.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from algorithms import DPO, GRPO, PPO, RFT, SFT, Aggregation, Algorithm, OnlineRFT
from algorithms.ratios import KlForm
from tests.algorithms.batches import (
    CORRECT,
    GROUP,
    LENGTHS,
    REWARDS,
    STEP_ENDS,
    STEP_REWARDS,
    assert_same_gradient,
    averaged,
    make_batch,
)


@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_sft_is_eq_6(aggregation: Aggregation) -> None:
    batch, logprobs = make_batch()
    objective = averaged([logprobs[i, :n] for i, n in enumerate(LENGTHS)], aggregation)
    assert_same_gradient(objective, SFT(aggregation=aggregation), batch, logprobs)


@pytest.mark.parametrize("algorithm", [RFT(), OnlineRFT()])
def test_rft_is_eq_8(algorithm: Algorithm) -> None:
    batch, logprobs = make_batch()
    terms = [float(CORRECT[i]) * logprobs[i, :n] for i, n in enumerate(LENGTHS)]
    assert_same_gradient(averaged(terms, Aggregation.SEQUENCE_MEAN), algorithm, batch, logprobs)


@pytest.mark.parametrize("length_normalized", [True, False])
@pytest.mark.parametrize("dpo_beta", [0.1, 1.7])
def test_dpo_is_eq_12_and_published_dpo(length_normalized: bool, dpo_beta: float) -> None:
    batch, logprobs = make_batch()
    assert batch.reference_logprobs is not None
    total = torch.zeros((), dtype=torch.float64)
    for chosen, rejected in ((0, 1), (2, 3), (4, 5)):
        scores = []
        for row in (chosen, rejected):
            log_ratio = (logprobs[row, : LENGTHS[row]] - batch.reference_logprobs[row, : LENGTHS[row]]).sum()
            scores.append(log_ratio / LENGTHS[row] if length_normalized else log_ratio)
        total = total + torch.nn.functional.logsigmoid(dpo_beta * (scores[0] - scores[1]))
    algorithm = DPO(dpo_beta=dpo_beta, length_normalized=length_normalized)
    assert_same_gradient(total / 3, algorithm, batch, logprobs)


def clipped(logprobs: Tensor, old: Tensor, advantages: Tensor, low: float, high: float) -> Tensor:
    rho = torch.exp(logprobs - old)
    return torch.minimum(rho * advantages, torch.clamp(rho, 1 - low, 1 + high) * advantages)


@pytest.mark.parametrize(("discount", "gae_lambda"), [(1.0, 1.0), (0.9, 0.8), (1.0, 0.0)])
@pytest.mark.parametrize("kl_coef", [0.0, 0.3])
def test_ppo_is_eq_1_with_eq_2_rewards_off_policy(discount: float, gae_lambda: float, kl_coef: float) -> None:
    batch, logprobs = make_batch()
    assert batch.old_logprobs is not None and batch.reference_logprobs is not None and batch.values is not None
    terms = []
    for i, n in enumerate(LENGTHS):
        old, reference, values = batch.old_logprobs[i, :n], batch.reference_logprobs[i, :n], batch.values[i, :n]
        rewards = [-kl_coef * float(old[t] - reference[t]) + (REWARDS[i] if t == n - 1 else 0.0) for t in range(n)]
        advantages = []
        for t in range(n):  # Σ_l (γλ)^l δ_{t+l}, written out
            total = 0.0
            for later in range(t, n):
                next_value = float(values[later + 1]) if later + 1 < n else 0.0
                delta = rewards[later] + discount * next_value - float(values[later])
                total += (discount * gae_lambda) ** (later - t) * delta
            advantages.append(total)
        terms.append(clipped(logprobs[i, :n], old, torch.tensor(advantages, dtype=torch.float64), 0.2, 0.3))
    algorithm = PPO(clip_high=0.3, discount=discount, gae_lambda=gae_lambda, kl_coef=kl_coef)
    assert_same_gradient(averaged(terms, Aggregation.SEQUENCE_MEAN), algorithm, batch, logprobs)


def k3(logprobs: Tensor, reference: Tensor) -> Tensor:
    return torch.exp(reference - logprobs) - (reference - logprobs) - 1


KL = {"k1": lambda p, r: p - r, "k2": lambda p, r: (p - r) ** 2 / 2, "k3": k3}


@pytest.mark.parametrize("kl_form", ["k1", "k2", "k3"])
@pytest.mark.parametrize("std_ddof", [0, 1])
@pytest.mark.parametrize("aggregation", list(Aggregation))
def test_grpo_outcome_is_eq_3_off_policy(kl_form: KlForm, std_ddof: int, aggregation: Aggregation) -> None:
    batch, logprobs = make_batch()
    assert batch.old_logprobs is not None and batch.reference_logprobs is not None
    terms = []
    for i, n in enumerate(LENGTHS):
        group = [REWARDS[j] for j in range(6) if GROUP[j] == GROUP[i]]
        mean = sum(group) / 3
        std = (sum((r - mean) ** 2 for r in group) / (3 - std_ddof)) ** 0.5
        advantage = torch.full((n,), (REWARDS[i] - mean) / (std + 1e-4), dtype=torch.float64)
        gain = clipped(logprobs[i, :n], batch.old_logprobs[i, :n], advantage, 0.1, 0.2)
        terms.append(gain - 0.3 * KL[kl_form](logprobs[i, :n], batch.reference_logprobs[i, :n]))
    algorithm = GRPO(
        kl_coef=0.3, kl_form=kl_form, clip_low=0.1, std_ddof=std_ddof, std_eps=1e-4, aggregation=aggregation
    )
    assert_same_gradient(averaged(terms, aggregation), algorithm, batch, logprobs)


def test_grpo_process_is_section_4_1_3_off_policy() -> None:
    batch, logprobs = make_batch()
    assert batch.old_logprobs is not None and batch.reference_logprobs is not None
    terms = []
    for i, n in enumerate(LENGTHS):
        pool = [STEP_REWARDS[j][k] for j in range(6) for k in range(2) if GROUP[j] == GROUP[i] and STEP_ENDS[j][k] >= 0]
        mean = sum(pool) / len(pool)
        std = (sum((r - mean) ** 2 for r in pool) / (len(pool) - 1)) ** 0.5
        steps = [
            (end, (reward - mean) / std) for end, reward in zip(STEP_ENDS[i], STEP_REWARDS[i], strict=True) if end >= 0
        ]
        advantages = [sum(value for end, value in steps if end >= t) for t in range(n)]
        gain = clipped(
            logprobs[i, :n], batch.old_logprobs[i, :n], torch.tensor(advantages, dtype=torch.float64), 0.2, 0.2
        )
        terms.append(gain - 0.04 * k3(logprobs[i, :n], batch.reference_logprobs[i, :n]))
    assert_same_gradient(averaged(terms, Aggregation.SEQUENCE_MEAN), GRPO(supervision="process"), batch, logprobs)


def test_grpo_on_policy_is_eq_21() -> None:
    batch, logprobs = make_batch()
    batch = replace(batch, old_logprobs=logprobs.detach())
    algorithm = GRPO(kl_coef=0.5)
    credit = algorithm.credit(batch)
    assert batch.reference_logprobs is not None
    ratio = torch.exp(batch.reference_logprobs - logprobs.detach())
    expected = torch.where(batch.completion_mask, credit + 0.5 * (ratio - 1), 0)
    torch.testing.assert_close(algorithm.coefficients(batch, credit, logprobs).values, expected, rtol=1e-12, atol=1e-14)


def test_eq_14_as_printed_is_not_the_gradient_of_eq_12() -> None:
    """Deviation 1 of dpo.py: without the factor β and with token-level log-ratios the gradient is another one."""
    batch, logprobs = make_batch()
    assert batch.reference_logprobs is not None
    difference = (logprobs - batch.reference_logprobs).detach()
    printed = torch.sigmoid(difference[1, :3] - difference[0, :3])
    coefficients = DPO(dpo_beta=1.0).coefficients(batch, DPO().credit(batch), logprobs).values
    assert (coefficients[0, :3] - printed).abs().max() > 0.01
