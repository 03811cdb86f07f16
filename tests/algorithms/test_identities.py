"""Exact identities between methods; docs/algorithms/README.md lists them with the names of these tests."""

from __future__ import annotations

from dataclasses import replace
from statistics import stdev

import pytest
import torch
from torch import Tensor

from algorithms import (
    GRPO,
    METHODS,
    Algorithm,
    TokenBatch,
    build_algorithm,
    group_advantages,
)
from tests.algorithms.batches import CORRECT, GROUP, LENGTHS, MAX_LENGTH, REWARDS, make_batch, surrogate_gradient


def coefficients(algorithm: Algorithm, batch: TokenBatch, logprobs: Tensor) -> Tensor:
    return algorithm.coefficients(batch, algorithm.credit(batch), logprobs.detach()).values


def on_policy() -> tuple[TokenBatch, Tensor]:
    """The small batch as it is at the single update after sampling: π_old = π_θ."""
    batch, logprobs = make_batch()
    return replace(batch, old_logprobs=logprobs.detach()), logprobs


def assert_equal(found: Tensor, expected: Tensor) -> None:
    assert found.abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-14)


def test_centred_grpo_is_rloo_times_g_minus_1_over_g() -> None:
    rewards, group = torch.tensor(REWARDS).double(), torch.tensor(GROUP)
    centred = group_advantages(rewards, group, baseline="mean", scale="none")
    leave_one_out = group_advantages(rewards, group, baseline="leave_one_out", scale="none")
    assert_equal(centred, leave_one_out * 2 / 3)
    batch, logprobs = on_policy()
    plain = {"kl_coef": 0.0, "aggregation": "sequence_sum"}
    found = coefficients(build_algorithm("grpo", {**plain, "scale": "none"}), batch, logprobs)
    assert_equal(found, coefficients(build_algorithm("rloo", plain), batch, logprobs) * 2 / 3)


def test_dr_grpo_is_grpo_without_std_and_length() -> None:
    batch, logprobs = on_policy()
    grpo = surrogate_gradient(GRPO(kl_coef=0), batch, logprobs)
    for row, length in enumerate(LENGTHS):
        std = stdev(REWARDS[j] for j in range(6) if GROUP[j] == GROUP[row])
        grpo[row] *= std * length / MAX_LENGTH
    assert_equal(surrogate_gradient(build_algorithm("dr_grpo"), batch, logprobs), grpo)


def test_online_rft_is_reinforce_with_0_1_rewards_and_no_baseline() -> None:
    batch, logprobs = on_policy()
    batch = replace(batch, rewards=torch.tensor(CORRECT).double())
    online_rft = coefficients(build_algorithm("online_rft"), batch, logprobs)
    assert_equal(coefficients(build_algorithm("reinforce"), batch, logprobs), online_rft)
    assert_equal(coefficients(build_algorithm("raft_plus_plus"), batch, logprobs), online_rft)


def test_rft_is_online_rft_on_the_same_samples() -> None:
    batch, logprobs = make_batch()
    rft, online_rft = build_algorithm("rft"), build_algorithm("online_rft")
    assert rft.data_source != online_rft.data_source
    assert_equal(surrogate_gradient(rft, batch, logprobs), surrogate_gradient(online_rft, batch, logprobs))


def test_gspo_token_is_gspo_where_the_advantage_is_constant() -> None:
    """Eq. 5 against Eq. 13 and 14, both by autograd; and the one class that stands for both."""
    batch, logprobs = make_batch()
    assert batch.old_logprobs is not None
    algorithm = build_algorithm("gspo", {"clip_low": 0.02, "clip_high": 0.01})
    credit = algorithm.credit(batch)
    sequence, token = [], []
    for row, length in enumerate(LENGTHS):
        policy, advantage = logprobs[row, :length], credit[row, 0]
        s = torch.exp((policy - batch.old_logprobs[row, :length]).mean())
        sequence.append(torch.minimum(s * advantage, s.clamp(0.98, 1.01) * advantage))
        s_token = s.detach() * torch.exp(policy - policy.detach())
        token.append(torch.minimum(s_token * advantage, s_token.clamp(0.98, 1.01) * advantage).mean())
    [gspo] = torch.autograd.grad(torch.stack(sequence).mean(), logprobs, retain_graph=True)
    [gspo_token] = torch.autograd.grad(torch.stack(token).mean(), logprobs, retain_graph=True)
    assert_equal(gspo_token, gspo)
    assert_equal(surrogate_gradient(algorithm, batch, logprobs), gspo)


ONLINE = [
    name
    for name, method in METHODS.items()
    if hasattr(method.build, "clip_low") and "mismatch_correction" not in method.settings
]


@pytest.mark.parametrize("name", ONLINE)
def test_a_single_update_leaves_the_clip_inactive(name: str) -> None:
    """π_old = π_θ: the ratio is exactly 1 and no width of the clip, not even 0, changes a coefficient."""
    batch, logprobs = on_policy()
    algorithm = build_algorithm(name)
    found = algorithm.coefficients(batch, algorithm.credit(batch), logprobs.detach())
    if "gate" in found.diagnostics:  # what stands in the place of the clip is open
        torch.testing.assert_close(found.diagnostics["gate"], torch.ones_like(found.values), rtol=0, atol=1e-15)
    else:
        assert not found.diagnostics["clip_fraction"].any()
    narrow = build_algorithm(name, {"clip_low": 0.0, "clip_high": 0.0})
    assert torch.equal(coefficients(narrow, batch, logprobs), found.values)


@pytest.mark.parametrize("kl_coef", [0.04, 0.5])
def test_k3_in_the_loss_on_policy_is_eq_21(kl_coef: float) -> None:
    batch, logprobs = on_policy()
    assert batch.reference_logprobs is not None
    algorithm = GRPO(kl_coef=kl_coef)
    odds = torch.exp(batch.reference_logprobs - logprobs.detach())
    eq_21 = torch.where(batch.completion_mask, algorithm.credit(batch) + kl_coef * (odds - 1), 0)
    assert_equal(coefficients(algorithm, batch, logprobs), eq_21)


@pytest.mark.parametrize("dpo_beta", [0.1, 3.0])
@pytest.mark.parametrize("name", ["dpo", "iterative_dpo", "online_dpo"])
def test_dpo_at_margin_0_is_half_of_beta(name: str, dpo_beta: float) -> None:
    batch, logprobs = make_batch()
    batch = replace(batch, reference_logprobs=logprobs.detach())
    sign = torch.tensor([1.0, -1.0] * 3).double()[:, None] * batch.completion_mask
    found = coefficients(build_algorithm(name, {"dpo_beta": dpo_beta}), batch, logprobs)
    assert_equal(found, sign * dpo_beta / 2)


def test_ppo_without_values_decay_and_kl_is_reinforce() -> None:
    for batch, logprobs in (on_policy(), make_batch()):
        batch = replace(batch, values=torch.zeros_like(logprobs.detach()))
        ppo = coefficients(build_algorithm("ppo", {"kl_coef": 0.0}), batch, logprobs)
        assert_equal(ppo, coefficients(build_algorithm("reinforce"), batch, logprobs))


def test_cispo_and_gspo_on_policy_are_grpo_without_kl() -> None:
    batch, logprobs = on_policy()
    grpo = coefficients(GRPO(kl_coef=0), batch, logprobs)
    assert_equal(coefficients(build_algorithm("cispo"), batch, logprobs), grpo)
    assert_equal(coefficients(build_algorithm("gspo"), batch, logprobs), grpo)


def test_trl_s_kl_on_policy_is_k2_in_the_objective() -> None:
    """ρ · k3 has the gradient −ρ log(π_ref/π_θ): on-policy that of k2, and not Eq. 21's."""
    batch, logprobs = on_policy()
    trl = {"kl_coef": 0.3, "mismatch_correction": "none", "std_eps": 0.0}
    found = coefficients(build_algorithm("grpo@trl-1.16", trl), batch, logprobs)
    assert_equal(found, coefficients(GRPO(kl_coef=0.3, kl_form="k2"), batch, logprobs))
    eq_21 = coefficients(GRPO(kl_coef=0.3), batch, logprobs)
    assert (found - eq_21).abs().max() > 0.01


def test_an_engine_that_agrees_needs_no_correction() -> None:
    batch, logprobs = make_batch()
    batch = replace(batch, sampler_logprobs=batch.old_logprobs)
    plain = coefficients(GRPO(), batch, logprobs)
    for correction in ("token_truncate", "token_mask", "sequence_truncate", "sequence_mask"):
        assert_equal(coefficients(GRPO(mismatch_correction=correction), batch, logprobs), plain)
