"""Errors in a reward come at their rates, repeat, and depend on what their kind says and on nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rewards.noise import NoisyReward, RewardNoise
from rewards.reward import EachCompletion, Rewards
from rewards.scoring import correctness, judge
from sampling.rollout import Rollout
from tests.rewards.rollouts import RIGHT as JUDGED_RIGHT
from tests.rewards.rollouts import rollout_of

RIGHT, WRONG = r"\boxed{5}", r"\boxed{6}"


def many(text: str, count: int, problems: int = 1) -> list[Rollout]:
    """Completions of one text with seeds of their own."""
    plain = rollout_of(text)
    return [
        replace(
            plain,
            seed=seed,
            sample_index=seed,
            problem=replace(plain.problem, problem_id=f"problem {seed % problems}"),
        )
        for seed in range(count)
    ]


def rewarded(rollouts: list[Rollout], **noise: object) -> Rewards:
    verdicts = judge(rollouts[:1]) * len(rollouts)
    return NoisyReward(reward=correctness, noise=RewardNoise(**noise))(rollouts, verdicts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "rates", "mean"),
    [
        (RIGHT, {"false_negative": 0.3}, 0.7),
        (WRONG, {"false_positive": 0.2}, 0.2),
        (RIGHT, {"false_positive": 1.0}, 1.0),  # is about wrong ones only
        (WRONG, {"false_negative": 1.0}, 0.0),
        (RIGHT, {"false_negative": 1.0, "false_positive": 1.0}, 0.0),
    ],
)
def test_errors_come_at_their_rate(text: str, rates: dict[str, float], mean: float) -> None:
    rewards = rewarded(many(text, 5000), **rates)
    bound = 4 * (mean * (1 - mean) / 5000) ** 0.5
    assert sum(rewards.total) / 5000 == pytest.approx(mean, abs=bound + 1e-12)
    assert rewards.correct == tuple(number == 1.0 for number in rewards.total)


def test_noise_of_completions_errs_on_each_anew_and_repeats() -> None:
    rollouts = many(RIGHT, 400)
    first = rewarded(rollouts, false_negative=0.5)
    assert first == rewarded(rollouts, false_negative=0.5)
    others = [replace(rollout, seed=rollout.seed + 1000) for rollout in rollouts]
    assert rewarded(others, false_negative=0.5).total != first.total
    # More noise errs where less did already, so that curves over the rate share their draws.
    more = rewarded(rollouts, false_negative=0.7)
    assert all(late <= early for early, late in zip(first.total, more.total, strict=True))


def test_noise_does_not_look_at_the_text() -> None:
    """Two texts that are both right err at the same requests."""
    other = [replace(rollout, completion=r"so it is \boxed{5}") for rollout in many(RIGHT, 200)]
    assert rewarded(many(RIGHT, 200), false_negative=0.5).total == rewarded(other, false_negative=0.5).total


def test_noise_of_problems_errs_on_all_completions_of_a_problem_alike() -> None:
    rollouts = many(RIGHT, 4000, problems=400)
    rewards = rewarded(rollouts, false_negative=0.25, kind="problem")
    by_problem: dict[str, set[float]] = {}
    for rollout, number in zip(rollouts, rewards.total, strict=True):
        by_problem.setdefault(rollout.problem.problem_id, set()).add(number)
    assert all(len(numbers) == 1 for numbers in by_problem.values())
    erred = sum(numbers == {0.0} for numbers in by_problem.values())
    assert erred / 400 == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 400) ** 0.5)
    later = [replace(rollout, seed=rollout.seed + 9999, sample_index=rollout.sample_index + 1) for rollout in rollouts]
    assert rewarded(later, false_negative=0.25, kind="problem").total == rewards.total


def test_a_reward_of_other_numbers_keeps_them_where_nothing_errs() -> None:
    graded = EachCompletion(name="graded", function=lambda rollout, verdict: 0.4)
    rollouts = many(RIGHT, 100)
    rewards = NoisyReward(reward=graded, noise=RewardNoise(false_negative=0.5), wrong=-2.0)(
        rollouts, [JUDGED_RIGHT] * 100
    )
    assert set(rewards.total) == {0.4, -2.0}


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reward_noise\.false_positive is 1\.5; expected a probability"):
        RewardNoise(false_positive=1.5)
    assert RewardNoise().silent and not RewardNoise(false_negative=0.1).silent
