"""What others put in place of the clip, and masks: autograd of the published objective, and numbers by hand.

As in test_published_objectives, the objectives are written from the papers in plain loops and share no code with
`algorithms/`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean, pstdev, stdev
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms import GRPO, Aggregation, build_algorithm
from algorithms.gates import gamma_gate, geometric_clip, sigmoid_gate
from algorithms.groups import lowest_of_group
from algorithms.parts import highest_entropies, off_policy_kept
from tests.algorithms.batches import (
    GROUP,
    LENGTHS,
    REWARDS,
    assert_same_gradient,
    averaged,
    check,
    clip,
    group_std_advantage,
    make_batch,
    peers_of,
)


@pytest.mark.parametrize("temperatures", [(1.0, 1.05), (4.0, 9.0)])
def test_sapo_is_its_soft_gate(temperatures: tuple[float, float]) -> None:
    """f(x) = 4/τ · σ(τ(x − 1)), τ by the sign of the advantage (arXiv 2511.20347, section 3)."""

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        advantage = group_std_advantage(i)
        tau = temperatures[0] if advantage > 0 else temperatures[1]
        return 4 / tau / (1 + torch.exp(-tau * (torch.exp(policy - old) - 1))) * advantage

    settings = {"gate_temperature_pos": temperatures[0], "gate_temperature_neg": temperatures[1]}
    check("sapo", terms, Aggregation.SEQUENCE_MEAN, settings)


@pytest.mark.parametrize("level", ["sequence", "sequence_product"])
def test_a_soft_gate_on_the_ratio_of_a_completion_stands_once(level: str) -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        d = policy - old
        rho = torch.exp(d.mean() if level == "sequence" else d.sum())
        tau = 1.0 if group_std_advantage(i) > 0 else 1.05
        return (4 / tau * torch.sigmoid(tau * (rho - 1)) * group_std_advantage(i))[None]

    aggregation = {"sequence": Aggregation.SEQUENCE_MEAN, "sequence_product": Aggregation.SEQUENCE_SUM}[level]
    check("sapo", terms, aggregation, {"ratio_level": level, "aggregation": str(aggregation)})


def test_vespo_weighs_a_completion_by_a_gamma_density_of_its_ratio() -> None:
    """φ(W) = W^k e^(λ(1 − W)), detached, times A ∇log π (arXiv 2602.10693); constants of TRL 1.16."""
    far = []

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        w = math.exp(sum((policy - old).tolist()))
        k, rate = (2.0, 3.0) if group_std_advantage(i) >= 0 else (3.0, 2.0)
        far.append(abs(w - 1))
        return w**k * math.exp(rate * (1 - w)) * group_std_advantage(i) * policy

    check("vespo", terms, Aggregation.TOKEN_MEAN)
    assert max(far) > 0.5


def test_gmpo_is_a_geometric_mean_of_clipped_ratios() -> None:
    """Π_t min(ρ_t^s, clip(ρ_t^s))^(s/|o|) · A with s the sign of A (arXiv 2507.20673)."""
    cut = []

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        advantage = group_std_advantage(i)
        sign = math.copysign(1, advantage)
        powered = torch.exp(policy - old) ** sign
        clipped = torch.minimum(powered, powered.clamp(math.exp(-0.3), math.exp(0.3)))
        cut.append(bool((clipped != powered).any()))
        return (clipped**sign).prod()[None] ** (1 / len(policy)) * advantage

    check("gmpo", terms, Aggregation.SEQUENCE_MEAN, {"clip_low": 0.3, "clip_high": 0.3})
    assert True in cut


def retained_advantages(by: str) -> list[float]:
    """Eq. 2 of arXiv 2508.09726 with k = 2: population std over the kept ones of a group, 0 for the others."""
    scores = [n if by == "length" else -r / n for r, n in zip(REWARDS, LENGTHS, strict=True)]
    kept = [sum(score < scores[i] for score in peers_of(i, scores)) < 2 for i in range(6)]
    assert kept == {"length": [1, 1, 0, 1, 0, 1], "reward_per_token": [1, 0, 1, 0, 1, 1]}[by]
    result = []
    for i in range(6):
        own = [REWARDS[j] for j in range(6) if GROUP[j] == GROUP[i] and kept[j]]
        result.append((REWARDS[i] - fmean(own)) / pstdev(own) if kept[i] else 0.0)
    return result


@pytest.mark.parametrize("by", ["length", "reward_per_token"])
def test_gfpo_is_its_eq_2(by: str) -> None:
    advantages = retained_advantages(by)
    batch, _ = make_batch()
    assert batch.reference_logprobs is not None
    reference = batch.reference_logprobs

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        gap = reference[i, : len(policy)] - policy
        return clip(torch.exp(policy - old), advantages[i], 0.2, 0.2) - 0.001 * (torch.exp(gap) - gap - 1)

    check("gfpo", terms, Aggregation.TOKEN_MEAN, {"retained": 2, "retained_by": by})


def test_what_ties_with_the_last_one_kept_is_kept() -> None:
    kept = lowest_of_group(torch.tensor([3, 1, 2, 2, 9, 5]), torch.tensor([0, 0, 0, 0, 1, 1]), 2)
    assert kept.tolist() == [False, True, True, True, True, True]
    assert lowest_of_group(torch.tensor([3.0, 1.0]), torch.tensor([7, 7]), 1).tolist() == [False, True]


def test_lite_ppo_divides_by_the_std_of_the_whole_batch() -> None:
    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        return clip(torch.exp(policy - old), (REWARDS[i] - fmean(peers_of(i))) / stdev(REWARDS), 0.2, 0.2)

    check("lite_ppo", terms, Aggregation.TOKEN_MEAN)


def test_a_std_of_the_batch_is_not_monotone() -> None:
    """Rewards (r, 0) and (1, 1): the winner's r/2 over the std of all rises to r = 2 and sinks from there on.

    std² = ((r − m)² + m² + 2(1 − m)²)/3 with m = (r + 2)/4: 2/3 for r = 2 and 19/12 for r = 3.
    """
    batch, _ = make_batch()
    four = replace(batch.rows(torch.arange(4)), group=torch.tensor([0, 0, 1, 1]))
    method = build_algorithm("lite_ppo")
    found = [
        float(method.credit(replace(four, rewards=torch.tensor([r, 0.0, 1.0, 1.0]).double()))[0, 0]) for r in (2, 3, 9)
    ]
    assert found[:2] == pytest.approx([1 / (2 / 3) ** 0.5, 1.5 / (19 / 12) ** 0.5])
    assert found[0] > found[1] > found[2]


def test_top_entropy_tokens_alone_carry_the_policy_gradient() -> None:
    """τ is a quantile of the batch's tokens; the mean still counts all of them (arXiv 2506.01939)."""
    batch, _ = make_batch()
    assert batch.entropies is not None
    entropies = batch.entropies.tolist()
    every = sorted((entropies[i][t] for i, n in enumerate(LENGTHS) for t in range(n)), reverse=True)
    threshold = every[5 - 1]  # 26 tokens: (26 − 1) · 0.2 = 5 lie above the quantile, which is itself a token

    def terms(i: int, policy: Tensor, old: Tensor) -> Tensor:
        kept = torch.tensor([float(entropies[i][t] >= threshold) for t in range(len(policy))])
        return kept * clip(torch.exp(policy - old), group_std_advantage(i), 0.2, 0.28)

    settings = {"overlong_buffer": 0.0, "exclude_equal_groups": False}
    check("dapo_top_entropy", terms, Aggregation.TOKEN_MEAN, {**settings, "top_entropy": 0.16})


@pytest.mark.parametrize(
    ("share", "kept"), [(0.19, [5]), (0.2, [4, 5]), (0.39, [4, 5]), (0.4, [3, 4, 5]), (1.0, [0, 1, 2, 3, 4, 5])]
)
def test_a_share_of_the_tokens_is_the_quantile_of_torch(share: float, kept: list[int]) -> None:
    entropies = torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6], [9.0, torch.nan, 9.0]])
    mask = torch.tensor([[True] * 3, [True] * 3, [False] * 3])
    found = highest_entropies(entropies, mask, share=share)
    inside = entropies[mask].double()
    assert found.flatten().nonzero()[:, 0].tolist() == kept
    assert (inside >= torch.quantile(inside, 1 - share) - 1e-6).tolist() == found[:2].flatten().tolist()
    assert not highest_entropies(entropies, torch.zeros_like(mask), share=share).any()


@pytest.mark.parametrize(("drawn_by", "shift", "limit"), [("old", 0.2, 0.0), ("sampler", 0.3, 0.2)])
def test_a_completion_that_is_left_behind_is_not_pushed_down(drawn_by: str, shift: float, limit: float) -> None:
    """M of DeepSeek-V3.2 (arXiv 2512.02556, section 3.1), with the KL of the same place: ρ times k3."""
    batch, logprobs = make_batch()
    array, reference = getattr(batch, f"{drawn_by}_logprobs") + shift, batch.reference_logprobs
    assert reference is not None
    batch = replace(batch, **{f"{drawn_by}_logprobs": array})
    rows, seen = [], set()
    for i, n in enumerate(LENGTHS):
        assert batch.old_logprobs is not None
        policy, rho = logprobs[i, :n], torch.exp(logprobs[i, :n] - batch.old_logprobs[i, :n])
        advantage, behind = group_std_advantage(i), fmean((array[i, :n] - policy).tolist()) > limit
        seen.add((advantage < 0, behind))
        gain = torch.zeros(n) if advantage < 0 and behind else clip(rho, advantage, 0.2, 0.2)
        gap = reference[i, :n] - policy
        rows.append(gain - 0.04 * rho * (torch.exp(gap) - gap - 1))
    settings = {"off_policy_mask": drawn_by, "off_policy_limit": limit}
    algorithm = build_algorithm("grpo_off_policy_mask", settings)
    assert_same_gradient(averaged(rows, Aggregation.SEQUENCE_MEAN), algorithm, batch, logprobs)
    assert seen >= {(True, True), (True, False)}


def test_numbers_by_hand() -> None:
    """One token, ρ = 2: SAPO 4p(1 − p) with p = σ(1); VESPO 2²e^−3 and 2³e^−2; GMPO's 2^½ of two tokens, one cut."""
    ratios, up, down = torch.full((1, 1), 2.0).double(), torch.ones(1, 1).double(), -torch.ones(1, 1).double()
    p = 1 / (1 + math.exp(-1))
    assert sigmoid_gate(ratios, up, temperature_pos=1, temperature_neg=5).item() == pytest.approx(4 * p * (1 - p))
    options: dict[str, Any] = {"powers": (2.0, 3.0), "rates": (3.0, 2.0)}
    assert gamma_gate(ratios.log(), up, **options).item() == pytest.approx(4 * math.exp(-3))
    assert gamma_gate(ratios.log(), down, **options).item() == pytest.approx(8 * math.exp(-2))
    assert gamma_gate(torch.tensor([[800.0, -800.0]]).double(), up, **options).tolist() == [[0.0, 0.0]]
    two = torch.tensor([[2.0, 0.5]]).double().log()
    mask = torch.ones(1, 2, dtype=torch.bool)
    for credit, cut, ratio in (
        (up, [False, True], (math.exp(0.4) * 0.5) ** 0.5),
        (down, [True, False], (2 * math.exp(-0.4)) ** 0.5),
    ):
        found, active = geometric_clip(two, mask, credit, clip_low=0.4, clip_high=0.4)
        assert found.item() == pytest.approx(ratio) and active.tolist() == [cut]
    behind = torch.tensor([[-1.0, -1.0], [-1.5, -1.5]]).double()
    kept = off_policy_kept(behind, behind * 0 - 1, mask.expand(2, 2), torch.tensor([[-1.0], [-1.0]]), limit=0.5)
    assert kept.tolist() == [[True], [True]]  # a drift of just the limit is still inside
    assert not off_policy_kept(behind, behind * 0 - 1, mask.expand(2, 2), -torch.ones(2, 1), limit=0.4)[1].any()


@pytest.mark.parametrize("name", ["sapo", "vespo", "gmpo"])
def test_on_policy_every_gate_is_open(name: str) -> None:
    batch, logprobs = make_batch()
    same = replace(batch, old_logprobs=logprobs.detach())
    algorithm = build_algorithm(name)
    credit = algorithm.credit(same)
    torch.testing.assert_close(algorithm.coefficients(same, credit, logprobs).values, credit, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gate_temperature_neg": 0.0}, "gate_temperature_neg is 0.0; expected a number above 0"),
        ({"gate_power_pos": -1.0}, "gate_power_pos is -1.0; expected 0 or more"),
        ({"off_policy_limit": -0.1}, "off_policy_limit is -0.1; expected 0 or more"),
        (
            {"clip_form": "gamma", "mismatch_correction": "token_mask"},
            "'token_mask' with clip_form 'gamma'; expected 'none'",
        ),
        ({"retained": 1}, "retained is 1; expected 2 or more"),
        ({"retained": 4, "supervision": "process"}, "retained is 4 with process supervision"),
        ({"top_entropy": 0.0}, "top_entropy is 0.0; expected a share above 0 and at most 1"),
        ({"off_policy_mask": "new"}, "off_policy_mask is 'new'; expected 'none' or 'old' or 'sampler'"),
    ],
)
def test_fields_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GRPO(**settings)


def test_what_is_read_is_asked_for() -> None:
    batch, logprobs = make_batch()
    with pytest.raises(ValueError, match="top_entropy below 1 needs entropies"):
        GRPO(top_entropy=0.5).credit(replace(batch, entropies=None))
    method = GRPO(off_policy_mask="sampler")
    with pytest.raises(ValueError, match="off_policy_mask 'sampler' needs sampler_logprobs"):
        method.coefficients(replace(batch, sampler_logprobs=None), method.credit(batch), logprobs)
