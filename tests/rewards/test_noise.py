"""Errors in a reward come at their rates, repeat, and depend on what their kind says and on nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from rewards.catalogue import REWARDS
from rewards.code import code_feedback_reward
from rewards.combination import RewardPart, WeightedReward
from rewards.control import ShuffledReward
from rewards.noise import NoisyReward, NoisyStepReward, RewardNoise, noisy
from rewards.proof import ProofReward
from rewards.reward import EachCompletion, EachSolution, Reward, RewardError, Rewards
from rewards.scoring import correctness, judge
from rewards.verdict import StepVerdict
from sampling.rollout import Rollout
from tests.rewards.rollouts import RIGHT as JUDGED_RIGHT
from tests.rewards.rollouts import WRONG as JUDGED_WRONG
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
    graded = EachCompletion(name="graded", function=lambda rollout, verdict: 0.4, values=(1.0, -2.0))
    rollouts = many(RIGHT, 100)
    rewards = NoisyReward(reward=graded, noise=RewardNoise(false_negative=0.5))(rollouts, [JUDGED_RIGHT] * 100)
    assert set(rewards.total) == {0.4, -2.0}


class Ran(Reward):
    """What `code_feedback` gives, without running programs: 1 for right, -0.3 for wrong."""

    name = "ran"

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        return code_feedback_reward.right_and_wrong

    def __call__(self, rollouts: object, verdicts: object) -> Rewards:
        return Rewards(total=(1.0, -0.3, -1.0), correct=(True, False, False))


@pytest.mark.parametrize("wrap", [lambda reward: reward, lambda reward: ShuffledReward(reward=reward)])
def test_what_is_taken_for_wrong_gets_what_the_reward_gives_wrong_ones(wrap: Callable[[Reward], Reward]) -> None:
    """Under `code_feedback` a right program that is taken for a wrong one has -0.3, not 0, and is no better off."""
    noise = RewardNoise(false_negative=1.0, false_positive=1.0)
    three, verdicts = [rollout_of(problem_id=name) for name in "abc"], [JUDGED_WRONG] * 3  # groups of one
    assert NoisyReward(reward=wrap(Ran()), noise=noise)(three, verdicts).total == (-0.3, 1.0, 1.0)
    assert {name: reward.right_and_wrong for name, reward in REWARDS.items()} == {
        **dict.fromkeys(("correctness", "format", "think_format", "random", "code", "proof"), (1.0, 0.0)),
        "code_feedback": (1.0, -0.3),
        "repetition": None,
    }
    assert ProofReward().right_and_wrong == (1.0, 0.0)


def test_numbers_that_are_neither_right_nor_wrong_are_refused() -> None:
    """A reward that does not say what right and wrong ones get may give 1 and 0."""
    noise = RewardNoise(false_negative=1.0)
    binary = EachCompletion(name="mine", function=lambda rollout, verdict: float(verdict.correct))
    two = [rollout_of(), rollout_of()]
    assert noisy(binary, noise)(two, [JUDGED_RIGHT, JUDGED_WRONG]).total == (0.0, 0.0)
    graded = EachCompletion(name="mine", function=lambda rollout, verdict: 1.0 if verdict.correct else -0.5)
    with pytest.raises(
        RewardError, match=r"the mine of problem 'p1', sample 0 is -0\.5, .*expected 1 or 0, or .*values="
    ):
        noisy(graded, noise)(two, [JUDGED_RIGHT, JUDGED_WRONG])


def test_of_a_weighted_sum_the_part_that_says_who_is_right_errs() -> None:
    length = RewardPart(name="length", weight=0.5, reward=lambda rollout, verdict: -1.0)
    answer = RewardPart(name="answer", weight=2.0, reward=correctness)
    summed = WeightedReward(name="sum", parts=(answer, length), right="answer")
    noise = RewardNoise(false_negative=1.0, false_positive=1.0)
    rewards = noisy(summed, noise)([rollout_of(), rollout_of()], [JUDGED_RIGHT, JUDGED_WRONG])
    assert rewards.total == (-0.5, 1.5) and rewards.correct == (False, True)
    with pytest.raises(RewardError, match=r"the sum of .* is 1\.5, and there"):  # nobody says whose error it is
        noisy(replace(summed, right=None), noise)([rollout_of()], [JUDGED_RIGHT])
    assert noisy(summed, RewardNoise()) is summed


def steps_of(numbers: Sequence[float]) -> EachSolution:
    """A step reward with these numbers, whatever the completion says."""
    verdicts = tuple(StepVerdict(end=end, reward=number) for end, number in enumerate(numbers, start=1))
    return EachSolution(name="steps", function=lambda rollout: verdicts)


class Scored(EachSolution):
    """A step reward that says probabilities, as a model does."""

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        return 1.0, 0.0


def test_a_step_that_is_erred_on_gets_the_reward_of_the_other_kind() -> None:
    rule = steps_of((1.0, 0.0, -1.0))
    flipped = NoisyStepReward(reward=rule, noise=RewardNoise(false_negative=1.0, false_positive=1.0))
    [found] = flipped([rollout_of("abc")])
    assert [(step.end, step.reward) for step in found] == [(1, -1.0), (2, 0.0), (3, 1.0)]  # nothing checked: no error
    missed = NoisyStepReward(reward=rule, noise=RewardNoise(false_negative=1.0))
    assert [step.reward for step in missed([rollout_of("abc")])[0]] == [-1.0, 0.0, -1.0]
    scored = Scored(name="scores", function=steps_of((0.9, 0.5, 0.2)).function)
    told = NoisyStepReward(reward=scored, noise=RewardNoise(false_negative=1.0, false_positive=1.0))
    assert [step.reward for step in told([rollout_of("abc")])[0]] == [0.0, 0.5, 1.0]


def test_each_step_errs_at_its_rate_anew_and_repeats() -> None:
    reward = NoisyStepReward(reward=steps_of((1.0, -1.0)), noise=RewardNoise(false_negative=0.3, false_positive=0.2))
    rollouts = many(RIGHT, 4000)
    first, second = np.array([[step.reward for step in steps] for steps in reward(rollouts)]).T
    assert np.mean(first == -1) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / 4000) ** 0.5)
    assert np.mean(second == 1) == pytest.approx(0.2, abs=4 * (0.2 * 0.8 / 4000) ** 0.5)
    both = np.mean((first == -1) & (second == 1))  # one step's error says nothing of another's
    assert both == pytest.approx(0.06, abs=4 * (0.06 * 0.94 / 4000) ** 0.5)
    assert reward(rollouts) == reward([replace(each, completion="another text") for each in rollouts])
    assert reward(rollouts) != reward([replace(each, seed=each.seed + 9999) for each in rollouts])


def test_noise_of_problems_errs_on_all_steps_of_a_problem_alike() -> None:
    noise = RewardNoise(false_negative=0.25, kind="problem")
    rollouts = many(RIGHT, 2000, problems=400)
    found = NoisyStepReward(reward=steps_of((1.0, 1.0)), noise=noise)(rollouts)
    by_problem: dict[str, set[float]] = {}
    for rollout, steps in zip(rollouts, found, strict=True):
        by_problem.setdefault(rollout.problem.problem_id, set()).update(step.reward for step in steps)
    assert all(len(numbers) == 1 for numbers in by_problem.values())
    erred = sum(numbers == {-1.0} for numbers in by_problem.values())
    assert erred / 400 == pytest.approx(0.25, abs=4 * (0.25 * 0.75 / 400) ** 0.5)


def test_what_is_no_probability_is_refused() -> None:
    with pytest.raises(ValueError, match=r"reward_noise\.false_positive is 1\.5; expected a probability"):
        RewardNoise(false_positive=1.5)
    assert RewardNoise().silent and not RewardNoise(false_negative=0.1).silent
