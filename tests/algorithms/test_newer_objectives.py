"""Methods beyond Table 10 and every optional field: autograd of the published objective is the surrogate's gradient.

As in test_published_objectives, the objectives are written from the papers in plain loops and share no code with
`algorithms/`.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean, pvariance

import pytest
import torch
from torch import Tensor

from algorithms import GRPO, IPO, Aggregation, build_algorithm
from algorithms.parts import MismatchCorrection
from tests.algorithms.batches import (
    GROUP,
    LENGTHS,
    MAX_LENGTH,
    REWARDS,
    assert_same_gradient,
    check,
    clip,
    group_std_advantage,
    make_batch,
    objective,
    peers_of,
    surrogate_gradient,
)


def test_gspo_is_its_eq_5_and_7() -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        s = torch.exp((policy - old).mean())
        return clip(s, group_std_advantage(i), 0.01, 0.02)[None]

    check("gspo", terms, Aggregation.SEQUENCE_MEAN, {"clip_low": 0.01, "clip_high": 0.02})


def test_gspo_token_is_its_eq_13_and_14_with_credit_that_varies_over_tokens() -> None:
    batch, _ = make_batch()
    algorithm = GRPO(supervision="process", kl_coef=0, ratio_level="sequence", clip_low=0.05, clip_high=0.1)
    credit = algorithm.credit(batch)

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        s = torch.exp((policy - old).mean()).detach() * torch.exp(policy - policy.detach())
        return torch.stack([clip(s[t], float(credit[i, t]), 0.05, 0.1) for t in range(len(policy))])

    value, logprobs = objective(terms, Aggregation.SEQUENCE_MEAN)
    assert_same_gradient(value, algorithm, batch, logprobs)


def test_cispo_is_its_eq_4_and_5() -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        weight = torch.clamp(torch.exp(policy - old), 0.9, 1.1).detach()
        return weight * group_std_advantage(i) * policy

    check("cispo", terms, Aggregation.TOKEN_MEAN, {"clip_low": 0.1, "clip_high": 0.1})


def test_dr_grpo_drops_length_and_std() -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        return clip(torch.exp(policy - old), REWARDS[i] - fmean(peers_of(i)), 0.2, 0.2)

    check("dr_grpo", terms, Aggregation.CONSTANT)


def test_dapo_is_its_eq_8_with_the_length_penalty_of_eq_13() -> None:
    """L_max 9, L_cache 4.5: nothing up to 4.5 tokens, 1/9 off for 5, 3/9 for 6, 5/9 for 7."""
    penalty = {5: 1 / 9, 6: 3 / 9, 7: 5 / 9}
    shaped = [reward - penalty.get(n, 0) for reward, n in zip(REWARDS, LENGTHS, strict=True)]

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        return clip(torch.exp(policy - old), group_std_advantage(i, shaped), 0.2, 0.28)

    check("dapo", terms, Aggregation.TOKEN_MEAN, {"overlong_buffer": 0.5})


def test_dapo_leaves_equal_groups_out_of_the_average_too() -> None:
    batch, logprobs = make_batch()
    rewards = torch.tensor([1.0, 1.0, 1.0, *REWARDS[3:]], dtype=torch.float64)
    found = surrogate_gradient(
        build_algorithm("dapo", {"overlong_buffer": 0.0}), replace(batch, rewards=rewards), logprobs
    )
    terms = []
    for i in (3, 4, 5):
        assert batch.old_logprobs is not None
        rho = torch.exp(logprobs[i, : LENGTHS[i]] - batch.old_logprobs[i, : LENGTHS[i]])
        terms.append(clip(rho, group_std_advantage(i), 0.2, 0.28))
    [published] = torch.autograd.grad(torch.cat(terms).mean(), logprobs)
    torch.testing.assert_close(found, published, rtol=1e-9, atol=1e-15)


def test_truncated_completions_count_in_the_group_but_not_among_the_tokens() -> None:
    batch, logprobs = make_batch()
    algorithm = GRPO(kl_coef=0, exclude_truncated=True, aggregation=Aggregation.TOKEN_MEAN)
    terms = []
    for i in (0, 1, 3, 4, 5):  # sequence 2 was cut
        assert batch.old_logprobs is not None
        rho = torch.exp(logprobs[i, : LENGTHS[i]] - batch.old_logprobs[i, : LENGTHS[i]])
        terms.append(clip(rho, group_std_advantage(i), 0.2, 0.2))
    assert_same_gradient(torch.cat(terms).mean(), algorithm, batch, logprobs)


@pytest.mark.parametrize("clip_range", [0.2, 0.9])
def test_rloo_is_leave_one_out_of_the_penalised_reward_times_the_ratio_of_the_completion(clip_range: float) -> None:
    batch, _ = make_batch()
    assert batch.old_logprobs is not None and batch.reference_logprobs is not None
    log_ratio = (batch.old_logprobs - batch.reference_logprobs).tolist()
    penalised = [r - 0.1 * sum(log_ratio[i][:n]) for i, (r, n) in enumerate(zip(REWARDS, LENGTHS, strict=True))]

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        others = [penalised[j] for j in range(6) if GROUP[j] == GROUP[i] and j != i]
        return clip(torch.exp((policy - old).sum()), penalised[i] - fmean(others), clip_range, clip_range)[None]

    settings = {"kl_coef": 0.1, "clip_low": clip_range, "clip_high": clip_range}
    check("rloo", terms, Aggregation.SEQUENCE_SUM, settings)


def test_remax_subtracts_the_greedy_reward() -> None:
    greedy = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0]

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        return clip(torch.exp(policy - old), REWARDS[i] - greedy[i], 0.2, 0.2)

    check("remax", terms, Aggregation.SEQUENCE_SUM)


def batch_normalised(advantages: list[list[float]]) -> list[list[float]]:
    every = [value for row in advantages for value in row]
    mean, std = fmean(every), pvariance(every) ** 0.5
    return [[(value - mean) / std for value in row] for row in advantages]


def test_reinforce_plus_plus_is_its_eq_4_and_5() -> None:
    batch, _ = make_batch()
    assert batch.old_logprobs is not None and batch.reference_logprobs is not None
    kl = (batch.old_logprobs - batch.reference_logprobs).tolist()
    raw = [[REWARDS[i] - 0.3 * sum(kl[i][t:n]) for t in range(n)] for i, n in enumerate(LENGTHS)]
    advantages = batch_normalised(raw)

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        rho = torch.exp(policy - old)
        return torch.stack([clip(rho[t], advantages[i][t], 0.2, 0.2) for t in range(len(policy))])

    check("reinforce_plus_plus", terms, Aggregation.SEQUENCE_MEAN, {"kl_coef": 0.3})


def test_reinforce_plus_plus_with_baseline_is_its_eq_6_to_8() -> None:
    batch, _ = make_batch()
    assert batch.reference_logprobs is not None
    reference = batch.reference_logprobs
    advantages = batch_normalised([[REWARDS[i] - fmean(peers_of(i))] * n for i, n in enumerate(LENGTHS)])

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        k2 = (policy - reference[i, : len(policy)]) ** 2 / 2
        return clip(torch.exp(policy - old), advantages[i][0], 0.2, 0.2) - 0.3 * k2

    check("reinforce_plus_plus_baseline", terms, Aggregation.SEQUENCE_MEAN, {"kl_coef": 0.3})


def test_raft_plus_plus_is_its_eq_6() -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        return clip(torch.exp(policy - old), float(REWARDS[i] > 0), 0.2, 0.2)

    check("raft_plus_plus", terms, Aggregation.SEQUENCE_MEAN)


@pytest.mark.parametrize("length_normalized", [True, False])
@pytest.mark.parametrize("ipo_tau", [0.1, 2.0])
def test_ipo_is_its_eq_17(length_normalized: bool, ipo_tau: float) -> None:
    batch, logprobs = make_batch()
    assert batch.reference_logprobs is not None
    total = torch.zeros((), dtype=torch.float64)
    for chosen, rejected in ((0, 1), (2, 3), (4, 5)):
        sums = []
        for row in (chosen, rejected):
            log_ratio = (logprobs[row, : LENGTHS[row]] - batch.reference_logprobs[row, : LENGTHS[row]]).sum()
            sums.append(log_ratio / LENGTHS[row] if length_normalized else log_ratio)
        total = total - (sums[0] - sums[1] - 1 / (2 * ipo_tau)) ** 2
    algorithm = IPO(ipo_tau=ipo_tau, length_normalized=length_normalized)
    assert_same_gradient(total / 3, algorithm, batch, logprobs)


def test_dual_clip_is_its_eq_5() -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        advantage = group_std_advantage(i)
        gain = clip(torch.exp(policy - old), advantage, 0.2, 0.2)
        return torch.maximum(gain, torch.tensor(1.3 * advantage)) if advantage < 0 else gain

    check("grpo", terms, Aggregation.SEQUENCE_MEAN, {"kl_coef": 0.0, "dual_clip": 1.3})


def test_a_limited_log_ratio_has_no_gradient_beyond_the_limit() -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        return clip(torch.exp(torch.clamp(policy - old, -0.3, 0.3)), group_std_advantage(i), 0.9, 0.9)

    settings = {"kl_coef": 0.0, "log_ratio_limit": 0.3, "clip_low": 0.9, "clip_high": 0.9}
    check("grpo", terms, Aggregation.SEQUENCE_MEAN, settings)


@pytest.mark.parametrize("kl_form", ["k1", "k2", "k3"])
@pytest.mark.parametrize("ratio_level", ["token", "sequence", "sequence_product"])
def test_a_ratio_weighted_kl_has_the_gradient_of_the_product(kl_form: str, ratio_level: str) -> None:
    batch, _ = make_batch()
    assert batch.reference_logprobs is not None
    reference = batch.reference_logprobs

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        d = policy - old
        rho = torch.exp({"token": d, "sequence": d.mean(), "sequence_product": d.sum()}[ratio_level])
        gap = reference[i, : len(policy)] - policy
        kl = {"k1": -gap, "k2": gap**2 / 2, "k3": torch.exp(gap) - gap - 1}[kl_form]
        gain = clip(rho, group_std_advantage(i), 0.2, 0.2)
        gain = gain if ratio_level == "token" else gain.expand(len(policy)) * _per_token(ratio_level, len(policy))
        return gain - 0.3 * rho * kl

    settings = {"kl_coef": 0.3, "kl_form": kl_form, "kl_gradient": "ratio_weighted", "ratio_level": ratio_level}
    aggregation = Aggregation.SEQUENCE_SUM if ratio_level == "sequence_product" else Aggregation.SEQUENCE_MEAN
    check("grpo", terms, aggregation, {**settings, "aggregation": str(aggregation)})


def _per_token(ratio_level: str, length: int) -> float:
    """Under a plain sum the completion's one term is spread over its tokens; the mean does that itself."""
    return 1 / length if ratio_level == "sequence_product" else 1.0


@pytest.mark.parametrize("correction", ["token_truncate", "token_mask", "sequence_truncate", "sequence_mask"])
def test_the_mismatch_weight_multiplies_the_policy_term_and_not_the_kl(correction: MismatchCorrection) -> None:
    batch, _ = make_batch()
    assert batch.sampler_logprobs is not None and batch.reference_logprobs is not None
    sampler, reference = batch.sampler_logprobs, batch.reference_logprobs
    bounded = []

    def weight(ratio: float) -> float:
        inside = 0.8 <= ratio <= 1.3
        bounded.append(not inside)
        return ratio if inside else 0.0 if correction.endswith("mask") else min(max(ratio, 0.8), 1.3)

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        d = old - sampler[i, : len(policy)]
        ratios = torch.exp(d if correction.startswith("token") else d.sum().expand(len(policy))).tolist()
        w = torch.tensor([weight(ratio) for ratio in ratios], dtype=torch.float64)
        gap = reference[i, : len(policy)] - policy
        gain = clip(torch.exp(policy - old), group_std_advantage(i), 0.2, 0.2)
        return w * gain - 0.3 * (torch.exp(gap) - gap - 1)

    settings = {"kl_coef": 0.3, "mismatch_correction": correction, "mismatch_min": 0.8, "mismatch_max": 1.3}
    check("grpo", terms, Aggregation.SEQUENCE_MEAN, settings)
    assert True in bounded and False in bounded


@pytest.mark.parametrize("off_policy", [False, True])
def test_the_sampled_entropy_term_is_the_gradient_of_the_entropy_in_expectation(off_policy: bool) -> None:
    """Over a vocabulary of five, E_{o ~ π_old}[−c ρ log π(o) ∇log π(o)] = c ∇H(π), by enumeration."""
    logits = torch.tensor([0.3, -1.0, 0.8, 0.1, -0.4], dtype=torch.float64, requires_grad=True)
    logprobs = torch.log_softmax(logits, dim=0)
    old = torch.log_softmax(logits.detach() * 0.5, dim=0) if off_policy else logprobs.detach()
    [expected] = torch.autograd.grad(-(logprobs.exp() * logprobs).sum(), logits, retain_graph=True)
    batch, _ = make_batch()
    one_token = replace(batch.cut(1), step_rewards=None, step_ends=None)
    total = torch.zeros_like(logits)
    for token in range(5):
        now = logprobs[token].detach().expand(6, 1)
        held = replace(one_token, old_logprobs=old[token].expand(6, 1), reference_logprobs=now)
        with_bonus = GRPO(entropy_coef=0.7).coefficients(held, torch.zeros(6, 1).double(), now).values[0, 0]
        [gradient] = torch.autograd.grad(logprobs[token], logits, retain_graph=True)
        total += old[token].exp() * with_bonus * gradient
    torch.testing.assert_close(total, 0.7 * expected, rtol=1e-12, atol=1e-14)


def test_max_length_is_what_dr_grpo_divides_by() -> None:
    batch, logprobs = make_batch()
    on_policy = replace(batch, old_logprobs=logprobs.detach())
    found = surrogate_gradient(build_algorithm("dr_grpo"), on_policy, logprobs)
    assert float(found[0, 0]) == pytest.approx((1.0 - 0.5) / (6 * MAX_LENGTH))
