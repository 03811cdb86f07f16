"""Rewards that say nothing of the completion."""

from __future__ import annotations

from collections import Counter

from rewards.combination import RewardPart, WeightedReward
from rewards.control import ShuffledReward
from rewards.reward import as_reward
from rewards.scoring import correctness
from tests.rewards.rollouts import RIGHT, WRONG, rollout_of

BY_NUMBER = as_reward(lambda rollout, verdict: float(rollout.completion), "number")


def test_shuffled_rewards_stay_within_their_problem() -> None:
    # Twelve completions of four problems in turn; problem p's rewards are 10p, 10p + 1 and 10p + 2.
    rollouts = [
        rollout_of(f"{10 * (index % 4) + index // 4}", problem_id=f"p{index % 4}", sample_index=index, seed=index)
        for index in range(12)
    ]
    verdicts = [RIGHT] * 12
    shuffled = ShuffledReward(reward=BY_NUMBER)(rollouts, verdicts).total
    for problem in range(4):
        assert sorted(shuffled[problem::4]) == [10.0 * problem, 10.0 * problem + 1, 10.0 * problem + 2]
    assert shuffled != BY_NUMBER(rollouts, verdicts).total
    assert ShuffledReward(reward=BY_NUMBER)(rollouts, verdicts).total == shuffled


def test_the_orders_are_those_of_the_first_release() -> None:
    """As `training/controls.py` gave them, so that control arms of before can be repeated."""
    rollouts = [[rollout_of(str(i), problem_id="a", sample_index=i, seed=seed) for i in range(3)] for seed in range(4)]
    orders = [ShuffledReward(reward=BY_NUMBER)(group, [RIGHT] * 3).total for group in rollouts]
    assert orders == [(1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 0, 1)]


def test_every_order_of_the_rewards_is_as_likely() -> None:
    """Six orders of three rewards: over 3,000 seeds each comes 500 times, within four standard deviations (82)."""
    orders = Counter(
        ShuffledReward(reward=BY_NUMBER)(
            [rollout_of(str(i), problem_id="a", sample_index=i, seed=seed) for i in range(3)], [RIGHT] * 3
        ).total
        for seed in range(3000)
    )
    assert len(orders) == 6
    assert all(abs(count - 500) < 82 for count in orders.values())


def test_parts_stay_where_they_were() -> None:
    parts = (RewardPart(name="n", weight=2.0, reward=BY_NUMBER), RewardPart(name="c", weight=0.0, reward=correctness))
    rollouts = [rollout_of(str(i), problem_id="a", sample_index=i, seed=1) for i in range(5)]
    shuffled = ShuffledReward(reward=WeightedReward(name="w", parts=parts))(rollouts, [RIGHT] * 5)
    assert shuffled.parts == {"n": (0.0, 1.0, 2.0, 3.0, 4.0), "c": (1.0,) * 5}
    assert sorted(shuffled.total) == [0.0, 2.0, 4.0, 6.0, 8.0] != list(shuffled.total)


def test_who_is_right_moves_with_the_reward() -> None:
    """Five of a group, two of them right: the reward 1 and being right stay together, on other completions."""
    rollouts = [rollout_of(str(i), problem_id="a", sample_index=i, seed=1) for i in range(5)]
    verdicts = [RIGHT, RIGHT, WRONG, WRONG, WRONG]
    shuffled = ShuffledReward(reward=correctness)(rollouts, verdicts)
    assert shuffled.correct == tuple(number == 1.0 for number in shuffled.total)
    assert shuffled.correct != (True, True, False, False, False) and sum(shuffled.total) == 2
    assert ShuffledReward(reward=correctness).name == "shuffled correctness"
