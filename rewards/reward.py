"""The contract of a reward: completions and their verdicts go in, a number for each and its named parts come out.

Whatever rewards completions is a `Reward`: a rule, what a program prints, a weighted sum, a control, a learned model.
It is asked for a whole batch at a time, so that one with a model runs it in batches and one that waits for processes
waits for many. A function of one completion becomes one by `as_reward`, at the door where it comes in.
"""

from __future__ import annotations

import traceback
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral, Real
from typing import Any

from rewards.verdict import StepVerdict, Verdict
from sampling.rollout import Rollout

__all__ = [
    "EachCompletion",
    "EachSolution",
    "Reward",
    "RewardError",
    "RewardFunction",
    "Rewards",
    "StepReward",
    "StepRewardFunction",
    "TokenEnds",
    "as_reward",
    "as_step_reward",
    "checked_rewards",
    "checked_steps",
    "place_of",
    "sample_of",
]

LARGEST = 3.4028234663852886e38  # of float32

RewardFunction = Callable[[Rollout, Verdict], float]
"""Reward of one completion on its own: `(rollout, verdict) -> float`."""

StepRewardFunction = Callable[[Rollout], tuple[StepVerdict, ...]]
"""Steps of a completion with their rewards, in order of their ends: `(rollout) -> steps`."""

TokenEnds = Callable[[Sequence[int]], Sequence[int]]
"""Character offset in the decoded text just past each token: `(token_ids) -> ends`."""


class RewardError(ValueError):
    """A reward raised, or what it returned is not a finite number for each completion, or for each step in order."""


@dataclass(frozen=True, kw_only=True)
class Rewards:
    """Rewards of B completions.

    Attributes:
        total: (B,) what training reads.
        parts: (B,) each, by name: what the total is made of, without weights; none where it is not made of parts.
        correct: (B,) completions that are right as far as this reward is concerned; ``None`` where that is the verdict.
    """

    total: tuple[float, ...]
    parts: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    correct: tuple[bool, ...] | None = None


class Reward(ABC):
    """The reward of a batch of completions.

    Some methods read the numbers (GRPO, PPO), others ask which completions are right (RFT, DPO's pairs). Right is what
    the verdict says, however the numbers are made up, unless the reward is about something else and says so
    (`Rewards.correct`): a coin, or what a program prints.

    Attributes:
        name: a word for messages and logs.
    """

    name: str

    @property
    def right_and_wrong(self) -> tuple[float, float] | None:
        """What a right completion gets, and a wrong one at its best; ``None`` where the reward does not say."""
        return None

    @abstractmethod
    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """Rewards of B completions, in order.

        Args:
            rollouts: B completions; all of a problem's that are compared with each other are among them.
            verdicts: the answer checker's, B.
        """

    def check(self) -> None:  # noqa: B027  most rewards need nothing
        """Refusal, before a run, of what this machine cannot give; most rewards need nothing."""


@dataclass(frozen=True, kw_only=True)
class EachCompletion(Reward):
    """A function of one completion, asked for each.

    Attributes:
        name: see `Reward`.
        function: gives a finite number.
        right_above: completions with a higher reward are right; ``None`` leaves that to the verdict.
        values: what a right completion gets and a wrong one, where these are two numbers; asked under `reward_noise`.
    """

    name: str
    function: RewardFunction
    right_above: float | None = None
    values: tuple[float, float] | None = None

    @property
    def right_and_wrong(self) -> tuple[float, float] | None:
        """See `Reward.right_and_wrong`."""
        return self.values

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """The function's value of each completion.

        Raises:
            RewardError: the function raised, or gave no finite number; problem, sample, file and line are named.
        """
        total = tuple(map(self._of, rollouts, verdicts))
        correct = None if self.right_above is None else tuple(number > self.right_above for number in total)
        return Rewards(total=total, correct=correct)

    def _of(self, rollout: Rollout, verdict: Verdict) -> float:
        try:
            number = self.function(rollout, verdict)
        except Exception as error:  # somebody's own code: anything may come
            raise RewardError(f"the {self.name} of {sample_of(rollout)} failed: {place_of(error)}") from error
        return _finite(self.name, [number], [rollout])[0]


class StepReward(ABC):
    """The rewards of the steps of a batch of completions.

    Attributes:
        name: a word for messages and logs.
    """

    name: str

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        """What a right step gets, and a wrong one; half way between them nothing was checked (`StepVerdict`)."""
        return 1.0, -1.0

    @abstractmethod
    def __call__(self, rollouts: Sequence[Rollout]) -> Sequence[tuple[StepVerdict, ...]]:
        """Steps with their rewards of B completions, in order; those of a completion in order of their ends."""


@dataclass(frozen=True, kw_only=True)
class EachSolution(StepReward):
    """A function of one completion, asked for each.

    Attributes:
        name: see `StepReward`.
        function: steps of a completion with their rewards.
    """

    name: str
    function: StepRewardFunction

    def __call__(self, rollouts: Sequence[Rollout]) -> list[tuple[StepVerdict, ...]]:
        """The function's steps of each completion.

        Raises:
            RewardError: the function raised; problem, sample, file and line are named.
        """
        return [self._of(rollout) for rollout in rollouts]

    def _of(self, rollout: Rollout) -> tuple[StepVerdict, ...]:
        try:
            return self.function(rollout)
        except Exception as error:  # somebody's own code: anything may come
            raise RewardError(f"the {self.name} of {sample_of(rollout)} failed: {place_of(error)}") from error


def as_step_reward(given: StepReward | StepRewardFunction) -> StepReward:
    """The step reward itself, or a function of one completion as one."""
    return given if isinstance(given, StepReward) else EachSolution(name="step reward", function=given)


def as_reward(given: Reward | RewardFunction, name: str | None = None) -> Reward:
    """The reward itself, or a function of one completion as one: the door for whatever a user brings.

    Args:
        given: a `Reward`, or a function ``(rollout, verdict) -> float``.
        name: what a function is called from here on; by default its own name.

    Raises:
        ValueError: neither.
    """
    if isinstance(given, Reward):
        return given
    if isinstance(given, type) or not callable(given):
        found = f"the class {given.__name__}" if isinstance(given, type) else f"a {type(given).__name__}"
        raise ValueError(f"{name or given} is {found}; expected a function (rollout, verdict) -> float, or a Reward.")
    return EachCompletion(name=name or getattr(given, "__name__", type(given).__name__), function=given)


def checked_rewards(reward: Reward, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
    """The rewards of these completions, refused unless they are a finite number for each, in every part,
    and say of each or of none whether it is right.

    Raises:
        RewardError: it is not, or the reward raised.
    """
    try:
        rewards = reward(rollouts, verdicts)
    except RewardError:
        raise
    except Exception as error:  # somebody's own code: anything may come
        raise RewardError(f"the {reward.name} of {len(rollouts)} completions failed: {place_of(error)}") from error
    if not isinstance(rewards, Rewards):
        raise RewardError(f"{reward.name} returned a {type(rewards).__name__}; expected rewards.reward.Rewards.")
    if not isinstance(rewards.parts, Mapping):
        raise RewardError(f"{reward.name} has parts {rewards.parts!r}; expected numbers of each completion by name.")
    return Rewards(
        total=_finite(reward.name, rewards.total, rollouts),
        parts={name: _finite(name, numbers, rollouts) for name, numbers in rewards.parts.items()},
        correct=None if rewards.correct is None else _bools(reward.name, rewards.correct, rollouts),
    )


def _finite(name: str, numbers: object, rollouts: Sequence[Rollout]) -> tuple[float, ...]:
    given = _one_each(name, numbers, rollouts, "numbers")
    for rollout, number in zip(rollouts, given, strict=True):
        if not _is_finite(number):
            raise RewardError(f"the {name} of {sample_of(rollout)} is {number!r}; expected a finite number of float32.")
    return tuple(float(number) for number in given)


def _is_finite(number: Any) -> bool:
    """Whether it is a number that stays finite where batches hold it, as float32; comparing an integer is exact."""
    return isinstance(number, Real) and bool(abs(number) <= LARGEST)  # type: ignore[operator]


def _bools(name: str, correct: object, rollouts: Sequence[Rollout]) -> tuple[bool, ...]:
    given = _one_each(f"correct of {name}", correct, rollouts, "values")
    for rollout, right in zip(rollouts, given, strict=True):
        if type(right).__name__ not in ("bool", "bool_"):  # Python's and numpy's
            raise RewardError(f"{name} has correct {right!r} of {sample_of(rollout)}; expected True or False.")
    return tuple(bool(right) for right in given)


def _one_each(name: str, given: Any, rollouts: Sequence[Rollout], what: str) -> list[Any]:
    if isinstance(given, str) or not hasattr(given, "__len__") or not hasattr(given, "__iter__"):
        raise RewardError(f"{name} is {given!r}; expected a tuple, one for each of {len(rollouts)} completions.")
    if len(given) != len(rollouts):
        raise RewardError(f"{name} has {len(given)} {what}; expected one for each of {len(rollouts)} completions.")
    return list(given)


def checked_steps(step_reward: StepReward, rollouts: Sequence[Rollout]) -> list[tuple[StepVerdict, ...]]:
    """The steps of these completions, refused unless each has a finite reward and they come in order of their ends.

    Raises:
        RewardError: that is not so, or the step reward raised.
    """
    found = step_reward(rollouts)
    if len(found) != len(rollouts):
        raise RewardError(f"{step_reward.name} gave steps of {len(found)} completions; expected {len(rollouts)}.")
    return [_in_order(step_reward.name, steps, rollout) for steps, rollout in zip(found, rollouts, strict=True)]


def _in_order(name: str, steps: Any, rollout: Rollout) -> tuple[StepVerdict, ...]:
    if not isinstance(steps, tuple | list):
        raise RewardError(f"the {name} of {sample_of(rollout)} is {steps!r}; expected a tuple of StepVerdict.")
    before = 0
    for number, step in enumerate(steps, start=1):
        where = f"the {name} of {sample_of(rollout)}, step {number},"
        if not isinstance(step, StepVerdict):
            raise RewardError(f"{where} is {step!r}; expected a StepVerdict(end=…, reward=…).")
        if not _is_finite(step.reward):
            raise RewardError(f"{where} is {step.reward!r}; expected a finite number of float32.")
        if not isinstance(step.end, Integral) or step.end < before:
            raise RewardError(
                f"{where} ends at {step.end!r}; expected a character offset, an integer of at least {before}: steps "
                "come in order of their ends, or their rewards would change places."
            )
        before = step.end
    return tuple(steps)


def sample_of(rollout: Rollout) -> str:
    """The completion, as messages name it."""
    return f"problem {rollout.problem.problem_id!r}, sample {rollout.sample_index}"


def place_of(error: Exception) -> str:
    """An exception of code that was called from outside: its file, the last line of that file, and what it said."""
    frames = traceback.extract_tb(error.__traceback__)[1:]  # the first is the call itself
    lines = [frame.lineno for frame in frames if frame.filename == frames[0].filename]
    where = f"{frames[0].filename}, line {lines[-1]}: " if frames else ""
    return f"{where}{type(error).__name__}: {error}"
