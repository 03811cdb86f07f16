from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.recipes.plugins import load_reward, load_step_reward
from rewards.catalogue import REWARDS
from rewards.combination import RewardPart, WeightedReward
from rewards.format import format_reward
from rewards.length import SoftOverlongPunishment
from rewards.reward import RewardError
from rewards.scoring import correctness_reward, score_rollouts
from tests.rewards.rollouts import RIGHT, rollout_of
from training.accounting import rollout_metrics

COMBINED = WeightedReward(
    name="rules",
    parts=(
        RewardPart(name="correct", weight=1.0, reward=correctness_reward),
        RewardPart(name="format", weight=0.25, reward=format_reward),
        RewardPart(name="overlong", weight=2.0, reward=SoftOverlongPunishment(max_tokens=4, cache_tokens=4)),
    ),
)
ROLLOUTS = [
    rollout_of("\\boxed{5}", ids=range(1)),  # 1 + 0.25 − 2 · 1/4
    rollout_of("\\boxed{6}", ids=range(2)),  # 0 + 0.25 − 2 · 2/4
    rollout_of("The answer is 5.", ids=range(4)),  # 1 + 0 − 2 · 4/4
]


def test_weighted_sum_by_hand() -> None:
    assert COMBINED(ROLLOUTS[:1], [RIGHT]).total == (0.75,)
    scored = score_rollouts(ROLLOUTS, reward=COMBINED)
    assert [item.reward for item in scored] == [0.75, -0.75, -1.0]
    assert [item.reward_parts for item in scored] == [
        {"correct": 1.0, "format": 1.0, "overlong": -0.25},
        {"correct": 0.0, "format": 1.0, "overlong": -0.5},
        {"correct": 1.0, "format": 0.0, "overlong": -1.0},
    ]


def test_every_part_is_a_column_of_the_metrics() -> None:
    row = rollout_metrics(score_rollouts(ROLLOUTS, reward=COMBINED), judged=True)
    assert row["reward_mean"] == pytest.approx((0.75 - 0.75 - 1.0) / 3)
    parts = {name: value for name, value in row.items() if name.startswith("reward/")}
    assert parts == {"reward/correct": 2 / 3, "reward/format": 2 / 3, "reward/overlong": pytest.approx(-1.75 / 3)}
    plain = rollout_metrics(score_rollouts(ROLLOUTS, reward=correctness_reward), judged=True)
    assert not [name for name in plain if name.startswith("reward/")]


def test_a_combination_can_be_a_part() -> None:
    outer = WeightedReward(name="outer", parts=(RewardPart(name="rules", weight=-2.0, reward=COMBINED),))
    assert [item.reward for item in score_rollouts(ROLLOUTS, reward=outer)] == [-1.5, 1.5, 2.0]


@pytest.mark.parametrize("names", [(), ("a", "a"), ("A",), ("a b",), ("",)])
def test_parts_need_different_words_for_names(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="different lower-case words"):
        WeightedReward(name="w", parts=tuple(RewardPart(name=name, weight=1.0, reward=format_reward) for name in names))


def test_the_named_rewards_differ_on_one_completion() -> None:
    boxed_wrong = rollout_of("\\boxed{6}", ids=[7] * 80)
    apart = {"random": "is none of the completion's", "proof": "a problem without a formal statement is refused"}
    rewards = {
        name: score_rollouts([boxed_wrong], reward=reward)[0].reward
        for name, reward in REWARDS.items()
        if name not in apart
    }
    with pytest.raises(RewardError, match="no statement in metamath"):
        score_rollouts([boxed_wrong], reward=REWARDS["proof"])
    assert rewards == {
        "correctness": 0.0,
        "format": 1.0,
        "think_format": 0.0,
        "repetition": pytest.approx(-40 / 41),
        "code": 0.0,
        "code_feedback": -1.0,
    }


PAGE = (Path(__file__).parents[2] / "docs" / "rewards.md").read_text(encoding="utf-8")


def test_the_page_names_every_reward_and_its_example_runs(tmp_path: Path) -> None:
    rewards, _, _ = PAGE.partition("## Formal proofs")  # whose table is of checkers
    named = re.findall(r"^\| `([a-z_]+)` \|", rewards, re.MULTILINE)
    assert named == list(REWARDS)
    [example] = re.findall(r"^```python\n# my_reward.py\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)
    file = tmp_path / "my_reward.py"
    file.write_text(example, encoding="utf-8")
    scored = score_rollouts([rollout_of("\\boxed{5}", ids=range(896))], reward=load_reward(f"{file}:rules"))
    assert scored[0].reward == 1.0 + 0.1 - 0.5  # half of the cache of 256 tokens is used
    for name in re.findall(r"`--step-reward ([a-z_]+)`", PAGE):
        load_step_reward(name)
