"""Advantage mathematics against hand computations and the figures of other libraries."""

from __future__ import annotations

import warnings

import pytest
import torch

from algorithms import GRPO, PPO, TokenBatch, generalized_advantages, group_advantages, process_advantages

ONE_WINNER = torch.tensor([1.0] + [0.0] * 7)
ONE_GROUP = torch.zeros(8, dtype=torch.long)


@pytest.mark.parametrize(
    ("options", "winner", "loser"),
    [
        ({"std_ddof": 1, "std_eps": 1e-4}, 2.474, -0.3534),  # TRL 1.16
        ({"std_ddof": 1, "std_eps": 1e-6}, 2.4748, -0.35355),  # verl 0.9
        (
            {"std_ddof": 1, "std_eps": 0.0},
            7 / 8 / 8**-0.5,
            -1 / 8 / 8**-0.5,
        ),  # sample variance of one 1 in eight is 1/8
        ({"std_ddof": 0}, 7**0.5, -(7**-0.5)),  # population variance is 7/64
        ({"scale": "none"}, 0.875, -0.125),
        ({"baseline": "leave_one_out", "scale": "none"}, 1.0, -1 / 7),  # RLOO
        ({"baseline": "leave_one_out", "scale": "std_leave_one_out"}, 1.0, -(7**-0.5)),  # NeMo-RL
        ({"baseline": "none", "scale": "none"}, 1.0, 0.0),
    ],
)
def test_one_winner_in_eight(options: dict, winner: float, loser: float) -> None:
    advantages = group_advantages(ONE_WINNER.double(), ONE_GROUP, **options)
    assert advantages[0].item() == pytest.approx(winner, rel=2e-4 if options.get("std_eps") else 1e-12)
    assert advantages[1:].tolist() == pytest.approx([loser] * 7, rel=2e-4 if options.get("std_eps") else 1e-12)


@pytest.mark.parametrize("value", [0.3, 0.0, -7.1, 1e6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_equal_rewards_give_exactly_zero(value: float, dtype: torch.dtype) -> None:
    for baseline in ("mean", "leave_one_out"):
        for scale in ("std", "std_leave_one_out", "none"):
            rewards = torch.full((7,), value, dtype=dtype)
            advantages = group_advantages(rewards, torch.zeros(7).long(), baseline=baseline, scale=scale, std_eps=1e-9)
            assert advantages.tolist() == [0.0] * 7


def test_equal_rewards_keep_their_value_without_a_baseline() -> None:
    advantages = group_advantages(torch.full((3,), 0.3), torch.zeros(3).long(), baseline="none", scale="none")
    assert advantages.tolist() == pytest.approx([0.3] * 3)


def test_groups_do_not_mix_and_may_be_interleaved() -> None:
    rewards = torch.tensor([1.0, 5.0, 0.0, 9.0], dtype=torch.float64)
    advantages = group_advantages(rewards, torch.tensor([7, 3, 7, 3]), scale="none")
    assert advantages.tolist() == [0.5, -2.0, -0.5, 2.0]


def test_group_of_one_is_zero_with_a_warning() -> None:
    with pytest.warns(UserWarning, match="group of one"):
        assert group_advantages(torch.tensor([3.0]), torch.tensor([0])).tolist() == [0.0]


def test_only_a_group_of_one_that_has_a_baseline_is_warned_about() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert group_advantages(torch.tensor([3.0, 1.0]), torch.zeros(2).long(), scale="none").tolist() == [1.0, -1.0]
        assert group_advantages(torch.tensor([3.0]), torch.tensor([0]), baseline="none", scale="none").tolist() == [3.0]


def test_pairs_and_triples_by_hand() -> None:
    """Leave one out: 2 − 6 and 6 − 2; 1 − 7, 5 − 5, 9 − 3. Sample std of the pair is √8: (2 − 4)/√8 = −1/√2."""
    rewards, group = torch.tensor([2.0, 1.0, 6.0, 5.0, 9.0], dtype=torch.float64), torch.tensor([0, 1, 0, 1, 1])
    loo = group_advantages(rewards, group, baseline="leave_one_out", scale="none")
    assert loo.tolist() == pytest.approx([-4, -6, 4, 0, 6])
    assert group_advantages(rewards, group).tolist() == pytest.approx([-(0.5**0.5), -1, 0.5**0.5, 0, 1])


@pytest.mark.parametrize(("std_ddof", "variances"), [(1, [4 / 3, 3, 7 / 3]), (0, [8 / 9, 2, 14 / 9])])
def test_std_leave_one_out_by_hand(std_ddof: int, variances: list[float]) -> None:
    """Rewards (0, 1, 3, 3). The others of 0 are {1, 3, 3}: mean 7/3, squares 8/3; of 1: {0, 3, 3}: 2 and 6; of a 3:
    {0, 1, 3}: 4/3 and 14/3. The squares are divided by 3 − std_ddof."""
    rewards = torch.tensor([0.0, 1.0, 3.0, 3.0], dtype=torch.float64)
    advantages = group_advantages(
        rewards, torch.zeros(4).long(), baseline="leave_one_out", scale="std_leave_one_out", std_ddof=std_ddof
    )
    first, second, last = (gap / v**0.5 for gap, v in zip((-7 / 3, -1.0, 5 / 3), variances, strict=True))
    assert advantages.tolist() == pytest.approx([first, second, last, last])


@pytest.mark.parametrize(
    ("rewards", "expected"),
    [
        ([0.0, 2.0, 2.0], [-2.0, 1 / (2**0.5 + 0.5), 1 / (2**0.5 + 0.5)]),  # others of a 2: {0, 2}, mean 1, std √2
        ([5.0, 1.0, 1.0], [4.0, -2 / (8**0.5 + 0.5), -2 / (8**0.5 + 0.5)]),  # others of a 1: {5, 1}, mean 3, std √8
        ([1.0, 3.0], [-2.0, 2.0]),  # one other has no std
    ],
)
def test_where_the_others_are_equal_nothing_is_divided(rewards: list[float], expected: list[float]) -> None:
    """With std_eps = ½, which is not added there either."""
    advantages = group_advantages(
        torch.tensor(rewards, dtype=torch.float64),
        torch.zeros(len(rewards)).long(),
        baseline="leave_one_out",
        scale="std_leave_one_out",
        std_eps=0.5,
    )
    assert advantages.tolist() == pytest.approx(expected)


def test_tiny_differences_are_not_lost_or_blown_up() -> None:
    rewards = torch.tensor([1e-160, 0.0], dtype=torch.float64)  # its square underflows
    assert group_advantages(rewards, torch.zeros(2).long(), std_ddof=0).tolist() == pytest.approx([1.0, -1.0])


def test_process_advantages_by_hand() -> None:
    """Pool {1, −1, 1, 1}: mean ½, sample std 1. Tokens get the sum of the steps that end at them or later."""
    rewards = torch.tensor([[1.0, -1.0], [1.0, 1.0]], dtype=torch.float64)
    ends = torch.tensor([[1, 3], [0, 2]])
    advantages = process_advantages(rewards, ends, torch.zeros(2).long(), num_tokens=5)
    assert advantages.tolist() == [[-1.0, -1.0, -1.5, -1.5, 0.0], [1.0, 0.5, 0.5, 0.0, 0.0]]


def test_one_step_at_the_last_token_is_outcome_supervision() -> None:
    rewards, group = torch.tensor([1.0, 0.0, 0.25, 3.0, 1.0]).double(), torch.tensor([0, 0, 0, 1, 1])
    by_step = process_advantages(rewards[:, None], torch.full((5, 1), 6), group, num_tokens=7)
    outcome = group_advantages(rewards, group)
    torch.testing.assert_close(by_step, outcome[:, None].expand(5, 7))


def test_completion_without_steps_has_no_credit() -> None:
    advantages = process_advantages(
        torch.tensor([[1.0], [0.0], [0.0]]), torch.tensor([[0], [1], [-1]]), torch.zeros(3).long(), num_tokens=2
    )
    assert not advantages[2].any() and advantages[0].any()


def test_gae_by_hand() -> None:
    """γ = ½, λ = ½, r = (0, 0, 4), V = (1, 2, 3): δ = (0, −½, 1), Â = (1/4·(−1/4), −½ + 1/4, 1)."""
    rewards, values = torch.tensor([[0.0, 0.0, 4.0]]), torch.tensor([[1.0, 2.0, 3.0]])
    advantages = generalized_advantages(rewards, values, torch.ones(1, 3).bool(), discount=0.5, gae_lambda=0.5)
    assert advantages.tolist() == [[-0.0625, -0.25, 1.0]]


def test_gae_special_cases_and_padding() -> None:
    generator = torch.Generator().manual_seed(0)
    rewards, values = torch.randn(2, 3, 6, generator=generator, dtype=torch.float64)
    mask = torch.arange(6) < torch.tensor([6, 3, 1])[:, None]
    rewards_inside = torch.where(mask, rewards, 0)
    returns = rewards_inside.flip(-1).cumsum(-1).flip(-1)
    monte_carlo = generalized_advantages(rewards, torch.zeros_like(values), mask)
    torch.testing.assert_close(monte_carlo, torch.where(mask, returns, 0))
    next_values = torch.where(mask, values, 0)[:, 1:]
    next_values = torch.cat([next_values, torch.zeros(3, 1)], dim=-1)
    td_error = torch.where(mask, rewards + 0.9 * next_values - values, 0)
    torch.testing.assert_close(generalized_advantages(rewards, values, mask, discount=0.9, gae_lambda=0.0), td_error)


def test_gae_skips_holes_in_the_mask() -> None:
    rewards, values = torch.tensor([[1.0, 50.0, 2.0]]), torch.tensor([[0.5, 70.0, 0.25]])
    with_hole = generalized_advantages(rewards, values, torch.tensor([[True, False, True]]), gae_lambda=0.5)
    without = generalized_advantages(rewards[:, [0, 2]], values[:, [0, 2]], torch.ones(1, 2).bool(), gae_lambda=0.5)
    assert with_hole[0, [0, 2]].tolist() == without[0].tolist() and with_hole[0, 1] == 0


def ragged_batch(rewards: list[float], mask: list[list[bool]], values: float = 0.0) -> TokenBatch:
    """One group; the critic says 9 at the padding and `values` elsewhere."""
    inside = torch.tensor(mask)
    return TokenBatch(
        completion_mask=inside,
        rewards=torch.tensor(rewards, dtype=torch.float64),
        group=torch.zeros(len(rewards)).long(),
        values=torch.where(inside, values, 9.0).double(),
    )


def test_ppo_credit_and_value_targets_by_hand() -> None:
    """γ = λ = 1, V = ½: the return of every token is its completion's reward, the credit that minus ½."""
    batch = ragged_batch([4.0, 1.0], [[True, True], [True, False]], values=0.5)
    algorithm = PPO(kl_coef=0)
    assert algorithm.token_rewards(batch).tolist() == [[0, 4], [1, 0]]
    assert algorithm.credit(batch).tolist() == [[3.5, 3.5], [0.5, 0]]
    assert algorithm.value_targets(batch).tolist() == [[4, 4], [1, 0]]


@pytest.mark.parametrize(
    ("rewards", "mask", "expected"),
    [
        # 4, 4, 1: mean 3, population variance (1 + 1 + 4)/3 = 2
        ([4.0, 1.0], [[True, True], [True, False]], [[0.5**0.5, 0.5**0.5], [-(2**0.5), 0]]),
        ([5.0, 1.0], [[True, False], [True, False]], [[1, 0], [-1, 0]]),  # mean 3, std 2
        ([2.0, 2.0], [[True, True], [True, False]], [[0, 0], [0, 0]]),  # no std to divide by
        ([7.0], [[True, False]], [[0, 0]]),
    ],
)
def test_ppo_normalized_advantages_by_hand(
    rewards: list[float], mask: list[list[bool]], expected: list[list[float]]
) -> None:
    credit = PPO(kl_coef=0, normalize_advantages=True).credit(ragged_batch(rewards, mask))
    torch.testing.assert_close(credit, torch.tensor(expected, dtype=torch.float64))


def test_grpo_credit_is_zero_at_the_padding() -> None:
    credit = GRPO(std_ddof=0).credit(ragged_batch([1.0, 0.0], [[True, True], [True, False]]))
    assert credit.tolist() == [[1, 1], [-1, 0]]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: group_advantages(torch.ones(3), torch.zeros(2).long()), "disagree"),
        (
            lambda: group_advantages(torch.tensor([1.0, float("nan")]), torch.zeros(2).long()),
            "sequence 1 is not finite",
        ),
        (lambda: group_advantages(torch.ones(2), torch.zeros(2).long(), baseline="median"), "'median'"),  # pyright: ignore
        (lambda: group_advantages(torch.ones(2), torch.zeros(2).long(), std_ddof=2), "std_ddof is 2"),
        (lambda: group_advantages(torch.ones(2), torch.zeros(2).long(), std_eps=-0.5), "std_eps is -0.5"),
        (lambda: group_advantages(torch.ones(2, 2), torch.zeros(2, 2).long()), "disagree"),
        (
            lambda: process_advantages(torch.ones(1, 2), torch.zeros(1, 1).long(), torch.zeros(1).long(), num_tokens=4),
            "disagree",
        ),
        (
            lambda: process_advantages(torch.ones(1, 1), torch.zeros(1, 1).long(), torch.zeros(2).long(), num_tokens=4),
            "disagree",
        ),
        (lambda: generalized_advantages(torch.ones(2), torch.ones(2), torch.ones(2).bool()), "disagree"),
        (
            lambda: process_advantages(torch.ones(1, 1), torch.tensor([[4]]), torch.zeros(1).long(), num_tokens=4),
            "ends at token 4",
        ),
        (lambda: generalized_advantages(torch.ones(1, 2), torch.ones(1, 3), torch.ones(1, 2).bool()), "disagree"),
        (
            lambda: generalized_advantages(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1, 2).bool(), discount=1.5),
            "discount is 1.5",
        ),
    ],
)
def test_bad_input_is_named(call, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
