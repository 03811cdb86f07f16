"""Edges that small faults would move: what needs a group, a tie, and a bound itself."""

from __future__ import annotations

import math
from dataclasses import fields, replace

import pytest
import torch

from algorithms import GRPO, METHODS, PPO, BatchUnit, Counted, Need, TokenBatch, build_algorithm
from algorithms.advantages import (
    generalized_advantages,
    group_advantages,
    normalize_over_tokens,
    process_advantages,
)
from algorithms.gates import clip_active
from algorithms.groups import GroupStatistics
from algorithms.interface import compose
from algorithms.parts import mismatch_weights
from tests.algorithms.batches import make_batch


def test_what_groups_are_needed_for() -> None:
    """Whatever subtracts or divides by the group needs it; nothing else does."""
    for settings in ({}, {"scale": "none"}, {"baseline": "none"}, {"baseline": "leave_one_out", "scale": "none"}):
        assert Need.GROUPS in GRPO(**settings).needs  # type: ignore[arg-type]
    for name, needed in (("reinforce", False), ("reinforce_plus_plus", False), ("reinforce_plus_plus_baseline", True)):
        assert (Need.GROUPS in build_algorithm(name).needs) == needed


def test_a_pair_is_ranked_right_where_its_gap_is_above_zero() -> None:
    batch, logprobs = make_batch()
    algorithm = build_algorithm("ipo")
    tied = replace(batch, reference_logprobs=logprobs.detach())
    assert not algorithm.coefficients(tied, algorithm.credit(batch), logprobs).diagnostics["pair_accuracy"].any()
    chosen = torch.tensor([1.0, 0.0] * 3).double()[:, None]
    better = algorithm.coefficients(tied, algorithm.credit(batch), logprobs.detach() + chosen)
    assert better.diagnostics["pair_accuracy"].all()


def test_a_bound_itself_is_inside() -> None:
    mask, half = torch.ones(1, 2, dtype=torch.bool), torch.full((1, 2), 0.5).double().log()
    for lowest, highest in ((0.5, 2.0), (0.1, 0.5)):
        weights = mismatch_weights(half, torch.zeros(1, 2).double(), mask, "token_mask", lowest=lowest, highest=highest)
        torch.testing.assert_close(weights, torch.full((1, 2), 0.5).double())
    down = torch.full((1, 2), -1.0)
    assert clip_active(torch.full((1, 2), 3.0), down, clip_low=0.2, clip_high=0.2, dual_clip=3.0).all()
    batch, _ = make_batch()
    assert batch.reference_logprobs is not None and batch.old_logprobs is not None
    whole = replace(batch, old_logprobs=batch.old_logprobs * 0, reference_logprobs=batch.reference_logprobs * 0)
    one_nat = torch.ones_like(whole.old_logprobs)  # type: ignore[arg-type]
    free = GRPO(kl_form="k1").coefficients(whole, torch.zeros_like(one_nat), one_nat)
    limited = GRPO(kl_form="k1", kl_limit=1.0).coefficients(whole, torch.zeros_like(one_nat), one_nat)
    assert free.values.any() and torch.equal(limited.values, free.values)
    wide = GRPO(clip_high=9.0, log_ratio_limit=1.0).coefficients(whole, one_nat, one_nat)
    assert wide.factors["clip"].all()
    far = torch.tensor([[1e-3, 1e3]])
    assert clip_active(far, torch.zeros(1, 2), clip_low=0.2, clip_high=0.2, dual_clip=3.0).all()  # A = 0 is on no side


def test_counts_of_one_and_of_nothing() -> None:
    """One token of one sequence is divided by 1; where nothing is left the counts are 1 too, and the loss is zero."""
    for rows in (torch.tensor([True]), torch.tensor([False])):
        counts = Counted(rows=rows, mask=rows[:, None]).denominator(BatchUnit.SEQUENCE, 5)
        assert (counts.units, counts.tokens, counts.max_length) == (1, 1, 5)
    pair = Counted(rows=torch.tensor([True] * 4), mask=torch.ones(4, 3, dtype=torch.bool))
    assert pair.denominator(BatchUnit.PAIR, 5).units == 2 and pair.denominator(BatchUnit.SEQUENCE, 5).units == 4


def test_a_completion_without_tokens_has_no_reward_and_harms_nobody() -> None:
    batch, _ = make_batch()
    mask = batch.completion_mask.clone()
    mask[0] = False
    rewards = PPO(kl_coef=0).token_rewards(replace(batch, completion_mask=mask))
    assert not rewards[0].any()
    assert torch.equal(rewards[1:], PPO(kl_coef=0).token_rewards(batch)[1:])


def test_the_length_penalty_ends_at_one() -> None:
    batch, _ = make_batch()
    short = replace(batch, max_length=5)  # the longest completions have 6 and 7 tokens
    shaped = GRPO(overlong_buffer=0.2).outcome_rewards(short)
    assert (batch.rewards - shaped).tolist() == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]


@pytest.mark.parametrize("name", METHODS)
def test_a_completion_without_tokens_has_no_coefficient(name: str) -> None:
    """Its mean over no token is nobody's number: finite, zero in its own row, and the others keep their own."""
    batch, logprobs = make_batch()
    mask = batch.completion_mask.clone()
    mask[0] = False
    assert batch.step_ends is not None
    step_ends = batch.step_ends.clone()
    step_ends[0] = -1
    algorithm = build_algorithm(name)
    empty = replace(batch, completion_mask=mask, step_ends=step_ends)
    values = algorithm.coefficients(empty, algorithm.credit(empty), logprobs.detach()).values
    assert values.isfinite().all()
    assert not values[0].any()


def test_statistics_of_groups_without_spread() -> None:
    """Two equal rewards, three equal ones, one alone, and one that differs from its equal others."""
    rewards = torch.tensor([2.0, 2.0, 5.0, 5.0, 5.0, 1.0, 0.0, 3.0, 0.0], dtype=torch.float64)
    groups = GroupStatistics(rewards, torch.tensor([0, 0, 1, 1, 1, 2, 3, 3, 3]))
    assert groups.equal.tolist() == [True] * 6 + [False] * 3
    assert groups.others_equal().tolist() == [True] * 6 + [False, True, False]
    assert groups.std(0).tolist() == pytest.approx([0.0] * 6 + [2**0.5] * 3)
    assert groups.std(1).tolist() == pytest.approx([0.0] * 6 + [3**0.5] * 3)
    assert groups.std_leave_one_out(0).tolist() == pytest.approx([0.0] * 6 + [1.5, 0.0, 1.5])

    apart = torch.tensor([1.0, 2.0, 4.0, 9.0], dtype=torch.float64)
    one_group = torch.zeros(4, dtype=torch.long)
    near, far = (GroupStatistics(apart + offset, one_group).std_leave_one_out(0) for offset in (0.0, 1e15))
    torch.testing.assert_close(far, near, rtol=1e-12, atol=0)  # the distances are exact, so nothing may be lost


def test_variance_eps_is_added_to_the_variance() -> None:
    advantages = torch.tensor([[1.0, -1.0]])
    normalized = normalize_over_tokens(advantages, torch.ones(1, 2, dtype=torch.bool), std_ddof=0, variance_eps=3.0)
    assert normalized.tolist() == [[0.5, -0.5]]
    nothing = torch.zeros(1, 2, dtype=torch.bool)
    assert not normalize_over_tokens(advantages, nothing, std_ddof=1, variance_eps=0.0).any()


def test_rewards_of_0_and_1_may_be_integers_or_bools() -> None:
    """By hand: one right of eight is 2.4749 standard deviations above the mean, and nothing is cut to whole numbers."""
    group = torch.zeros(8, dtype=torch.long)
    right = torch.arange(8) == 0
    for rewards in (right, right.long()):
        advantages = group_advantages(rewards, group)
        assert advantages.dtype == torch.float32
        assert advantages.tolist() == pytest.approx([2.4749] + [-0.3536] * 7, abs=1e-4)
    steps, ends = torch.tensor([[1, -1], [1, 0]]), torch.tensor([[0, 1], [0, 1]])
    whole, real = (
        process_advantages(r, ends, torch.tensor([0, 0]), num_tokens=2) for r in (steps, steps.to(torch.float32))
    )
    assert torch.equal(whole, real) and whole.abs().max() > 1
    mask = torch.ones(1, 3, dtype=torch.bool)
    returns = generalized_advantages(torch.tensor([[0, 0, 1]]), torch.full((1, 3), 0.5), mask)
    assert returns.tolist() == [[0.5, 0.5, 0.5]]
    batch, _ = make_batch()
    with pytest.raises(ValueError, match=r"rewards is torch\.int64; expected a floating dtype"):
        replace(batch, rewards=batch.rewards.long())


def test_a_completion_as_long_as_the_limit_loses_exactly_one() -> None:
    """Right and cut at the limit is worth what the wrong ones are: a group of equal rewards."""
    for limit in range(4, 4097, 4):
        mask = torch.arange(limit) < torch.tensor([limit, 1, 1, 1])[:, None]
        batch = TokenBatch(
            completion_mask=mask,
            rewards=torch.tensor([1.0, 0.0, 0.0, 0.0], dtype=torch.float64),
            group=torch.zeros(4, dtype=torch.long),
            max_length=limit,
        )
        assert not GRPO(overlong_buffer=0.2).outcome_rewards(batch).any()


def test_credit_of_zero_has_a_coefficient_of_zero_however_large_the_ratio() -> None:
    ones = torch.ones(1, 2)
    factors = {"ratio": ones * torch.finfo(torch.float32).max, "clip": ones > 0, "mismatch": ones * 2}
    values = compose(ones > 0, torch.tensor([[0.0, -1.0]]), factors=factors, terms={}, diagnostics={}).values
    assert values[0, 0] == 0 and values.isfinite().all()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("raft_plus_plus", {"kl_coef": 1.0, "kl_place": "reward"}, "'reward'; expected one of 'coefficient'"),
        ("grpo_process", {"exclude_equal_groups": True}, "exclude_equal_groups is True with process supervision"),
        ("grpo", {"kl_coef": 10**400}, "expected a finite float"),
    ],
)
def test_what_would_be_ignored_is_refused(name: str, settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_algorithm(name, settings)


NUMBERS = [
    (name, setting.name)
    for name in sorted(METHODS)
    for setting in fields(build_algorithm(name))  # type: ignore[arg-type]
    if setting.init and isinstance(getattr(build_algorithm(name), setting.name), float)
]


@pytest.mark.parametrize(("name", "setting"), NUMBERS)
def test_no_setting_of_a_method_is_nan(name: str, setting: str) -> None:
    """Every comparison with a bound lets NaN pass: a `kl_coef` of NaN would leave the KL out in silence."""
    with pytest.raises(ValueError, match=f"{setting} is nan; expected a number"):
        replace(build_algorithm(name), **{setting: math.nan})  # type: ignore[type-var]


def test_a_setting_that_may_be_unset_is_not_nan_either() -> None:
    with pytest.raises(ValueError, match="dual_clip is nan; expected a number"):
        GRPO(dual_clip=math.nan)
