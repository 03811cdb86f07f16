"""The contract of a reward: what comes in at the door, what a batch gives, what is refused and how it is named."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from rewards.catalogue import REWARDS
from rewards.combination import RewardPart, WeightedReward
from rewards.control import ShuffledReward
from rewards.format import ThinkFormat, format_reward
from rewards.noise import NoisyStepReward, RewardNoise
from rewards.reward import EachCompletion, Reward, RewardError, Rewards, as_reward, as_step_reward, checked_rewards
from rewards.sandbox.run import why_unavailable
from rewards.scoring import correctness, score_rollouts
from rewards.verdict import StepVerdict, Verdict
from sampling.rollout import Rollout
from tests.rewards.rollouts import RIGHT, WRONG, rollout_of

ROLLOUTS = [rollout_of("\\boxed{5}"), rollout_of("no", sample_index=1), rollout_of("\\boxed{6}", sample_index=2)]
VERDICTS = [RIGHT, WRONG, WRONG]
needs_namespaces = pytest.mark.skipif(why_unavailable() is not None, reason="no sandbox here")


@dataclass(frozen=True, kw_only=True)
class AboveTheMean(Reward):
    """How much longer a completion is than the batch's mean: no function of one completion can say so."""

    name: str = "above_the_mean"
    asked: list[int] = field(default_factory=list)

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        self.asked.append(len(rollouts))
        lengths = [len(rollout.completion) for rollout in rollouts]
        mean = sum(lengths) / len(lengths)
        return Rewards(total=tuple(length - mean for length in lengths))


def test_a_function_of_one_completion_is_asked_for_each() -> None:
    assert as_reward(format_reward)(ROLLOUTS, VERDICTS) == Rewards(total=(1.0, 0.0, 1.0))
    assert correctness(ROLLOUTS, VERDICTS) == Rewards(total=(1.0, 0.0, 0.0))
    assert as_reward(correctness) is correctness
    assert [as_reward(format_reward).name, as_reward(ThinkFormat()).name, as_reward(format_reward, "box").name] == [
        "format_reward",
        "ThinkFormat",
        "box",
    ]


def test_a_reward_of_the_batch_is_asked_once_alone_and_as_a_part() -> None:
    """Lengths 9, 2 and 9 have mean 20/3."""
    reward = AboveTheMean()
    scored = score_rollouts(ROLLOUTS, reward=reward)
    assert [item.reward for item in scored] == pytest.approx([7 / 3, -14 / 3, 7 / 3])
    parts = (RewardPart(name="right", weight=1.0, reward=correctness), RewardPart(name="l", weight=3.0, reward=reward))
    scored = score_rollouts(ROLLOUTS, reward=WeightedReward(name="both", parts=parts))
    assert [item.reward for item in scored] == pytest.approx([8.0, -14.0, 7.0])
    assert [item.reward_parts["l"] for item in scored] == pytest.approx([7 / 3, -14 / 3, 7 / 3])
    assert reward.asked == [3, 3]


def test_a_rollout_always_has_its_parts() -> None:
    assert [item.reward_parts for item in score_rollouts(ROLLOUTS)] == [{}, {}, {}]


def test_numbers_of_numpy_become_floats() -> None:
    rewards = checked_rewards(as_reward(lambda rollout, verdict: np.float32(0.5)), ROLLOUTS, VERDICTS)  # type: ignore[arg-type]
    assert rewards.total == (0.5, 0.5, 0.5) and {type(number) for number in rewards.total} == {float}


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), None, "1", 1j, np.bool_(True), [1.0]])
def test_what_is_no_finite_number_is_refused_with_its_problem_and_sample(wrong: Any) -> None:
    bad = as_reward(lambda rollout, verdict: wrong if rollout.sample_index == 1 else 0.0, "luck")
    for reward in (bad, WeightedReward(name="w", parts=(RewardPart(name="luck", weight=0.0, reward=bad),))):
        with pytest.raises(RewardError, match=r"the luck of problem 'p1', sample 1 is .*; expected a finite number"):
            score_rollouts(ROLLOUTS, reward=reward)


@dataclass(frozen=True, kw_only=True)
class Answering(Reward):
    """Returns what it is told to."""

    answer: Any
    name: str = "odd"

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        return self.answer


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (Rewards(total=(1.0,)), "odd has 1 numbers; expected one for each of 3 completions"),
        (Rewards(total=(1.0,) * 3, parts={"p": (1.0,) * 4}), "p has 4 numbers; expected one for each of 3"),
        (Rewards(total=(1.0,) * 3, parts={"p": (1.0, 1.0, float("nan"))}), "the p of problem 'p1', sample 2 is nan"),
        ([1.0, 1.0, 1.0], "odd returned a list; expected rewards.reward.Rewards"),
        (Rewards(total=1.0), "odd is 1.0; expected a tuple, one for each of 3 completions"),  # type: ignore[arg-type]
        (Rewards(total=(1.0,) * 3, parts={"p": 1.0}), "p is 1.0; expected a tuple"),  # type: ignore[dict-item]
        (Rewards(total=(1.0,) * 3, parts=[1.0]), r"odd has parts \[1.0\]; expected numbers"),  # type: ignore[arg-type]
        (Rewards(total=(1.0,) * 3, correct=(True,)), "correct of odd has 1 values; expected one for each of 3"),
        (Rewards(total=(1.0,) * 3, correct=(True,) * 4), "correct of odd has 4 values; expected one for each of 3"),
        (Rewards(total=(1.0,) * 3, correct=("no",) * 3), "odd has correct 'no' of .*; expected True or False"),  # type: ignore[arg-type]
    ],
)
@pytest.mark.parametrize("wrap", [lambda odd: odd, lambda odd: ShuffledReward(reward=odd)])
def test_a_batch_of_another_size_or_kind_is_refused(answer: Any, message: str, wrap: Any) -> None:
    with pytest.raises(RewardError, match=message):
        score_rollouts(ROLLOUTS, reward=wrap(Answering(answer=answer)))


def test_right_and_wrong_may_be_an_array() -> None:
    answer = Rewards(total=(0.0,) * 3, correct=np.array([False, True, False]))  # type: ignore[arg-type]
    for reward in (Answering(answer=answer), ShuffledReward(reward=Answering(answer=answer))):
        scored = score_rollouts(ROLLOUTS, reward=reward)
        assert sorted(item.correct for item in scored) == [False, False, True]
        assert {type(item.correct) for item in scored} == {bool}


@pytest.mark.parametrize("large", [1e39, -1e39, 10**400])
def test_what_float32_cannot_hold_is_refused(large: float) -> None:
    with pytest.raises(RewardError, match=r"the large of problem 'p1', sample 0 is .*; expected a finite number of f"):
        score_rollouts(ROLLOUTS, reward=as_reward(lambda rollout, verdict: large, "large"))


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (None, "sample 0 is None; expected a tuple of StepVerdict"),
        (1.0, "sample 0 is 1.0; expected a tuple of StepVerdict"),
        (((3, 1.0),), r"sample 0, step 1, is \(3, 1.0\); expected a StepVerdict"),
        ((StepVerdict(end=1, reward="x"),), "step 1, is 'x'; expected a finite number"),  # type: ignore[arg-type]
        ((StepVerdict(end=1, reward=1e39),), "step 1, is 1e\\+39; expected a finite number"),
        ((StepVerdict(end=1.5, reward=1.0),), "step 1, ends at 1.5; expected a character offset"),  # type: ignore[arg-type]
        ((StepVerdict(end=-1, reward=1.0),), "step 1, ends at -1; expected .* of at least 0"),
        (
            (StepVerdict(end=2, reward=1.0), StepVerdict(end=1, reward=-1.0)),
            "step 2, ends at 1; expected .* at least 2: steps come in order of their ends",
        ),
    ],
)
@pytest.mark.parametrize("errors", [0.0, 0.5])
def test_steps_of_another_kind_or_order_are_refused(steps: Any, message: str, errors: float) -> None:
    """Rewards whose ends fell had changed places among the tokens."""
    reward: Any = as_step_reward(lambda rollout: steps)
    if errors:
        reward = NoisyStepReward(reward=reward, noise=RewardNoise(false_positive=errors, false_negative=errors))
    with pytest.raises(RewardError, match=f"step reward of problem 'p1', .*{message}"):
        score_rollouts(ROLLOUTS, step_reward=reward, token_ends=lambda ids: list(range(1, len(ids) + 1)))


def lookup(table: dict[str, float], key: str) -> float:
    return table[key]


def broken(rollout: Rollout, verdict: Verdict) -> float:
    return lookup({}, "boom")


def test_a_reward_that_raises_is_named_with_file_line_problem_and_sample() -> None:
    """The line is the last in the reward's own file, also where the mistake is in a function that it calls."""
    line = inspect.getsourcelines(lookup)[1] + 1
    place = rf"{__file__}, line {line}: KeyError: 'boom'"
    with pytest.raises(RewardError, match=rf"^the broken of problem 'p1', sample 0 failed: {place}$"):
        score_rollouts(ROLLOUTS, reward=as_reward(broken))
    with pytest.raises(RewardError, match=rf"^the step reward of problem 'p1', sample 0 failed: {place}$"):
        score_rollouts(ROLLOUTS, step_reward=lambda rollout: broken(rollout, RIGHT), token_ends=lambda ids: ids)  # type: ignore[arg-type,return-value]


def test_a_batch_reward_that_raises_is_named_with_file_and_line() -> None:
    class Failing(AboveTheMean):
        def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
            raise OSError("no model")

    line = inspect.getsourcelines(Failing.__call__)[1] + 1
    with pytest.raises(RewardError, match=rf"above_the_mean of 3 completions failed: .*, line {line}: OSError: no mod"):
        score_rollouts(ROLLOUTS, reward=Failing())


@pytest.mark.parametrize("given", [5, "correctness", ThinkFormat])
def test_what_is_no_reward_is_refused_at_the_door(given: Any) -> None:
    with pytest.raises(ValueError, match=r"expected a function \(rollout, verdict\) -> float, or a Reward"):
        as_reward(given, "mine")


def test_right_is_what_the_verdict_says_however_the_reward_is_made_up() -> None:
    """A box of any content is worth 0.1: the wrong answer has a reward above 0 and is wrong all the same."""
    parts = (
        RewardPart(name="right", weight=1.0, reward=correctness),
        RewardPart(name="box", weight=0.1, reward=REWARDS["format"]),
    )
    scored = score_rollouts(ROLLOUTS, reward=WeightedReward(name="w", parts=parts))
    assert [item.reward for item in scored] == [1.1, 0.0, 0.1]
    assert [item.correct for item in scored] == [True, False, False]
    by_box = score_rollouts(ROLLOUTS, reward=WeightedReward(name="w", parts=parts, right="box"))
    assert [item.correct for item in by_box] == [True, False, True]
    with pytest.raises(ValueError, match=r"right is 'bx'; expected one of the parts of 'w': \['right', 'box'\]"):
        WeightedReward(name="w", parts=parts, right="bx")


def test_a_reward_that_is_not_about_the_answer_says_itself_who_is_right() -> None:
    longest = EachCompletion(name="l", function=lambda rollout, verdict: len(rollout.completion), right_above=8.5)
    assert longest(ROLLOUTS, VERDICTS).correct == (True, False, True)
    assert as_reward(format_reward)(ROLLOUTS, VERDICTS).correct is None
    for name in ("format", "random"):
        rewards = REWARDS[name](ROLLOUTS, VERDICTS)
        assert rewards.correct == tuple(number == 1.0 for number in rewards.total)


@needs_namespaces
def test_with_programs_right_is_what_prints_the_answer() -> None:
    """The verdict looks at the text: right where the program is not, and the other way round."""
    printed = [f"\\boxed{{{text}}}\n```python\nprint({program})\n```" for text, program in ((5, 6), (6, 5))]
    for name in ("code", "code_feedback"):
        scored = score_rollouts([rollout_of(text) for text in printed], reward=REWARDS[name])
        assert [(item.verdict.correct, item.correct) for item in scored] == [(True, False), (False, True)]
