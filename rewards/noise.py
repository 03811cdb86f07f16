"""A reward that errs: right completions taken for wrong ones and wrong for right, seeded, at given rates.

What a method gains under a verifier that is wrong now and then says how far it trusts its reward. At rates that add up
to 1 the reward says nothing any more: with 1/2 and 1/2 it is a coin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from rewards.combination import WeightedReward
from rewards.reward import (
    Reward,
    RewardError,
    Rewards,
    StepReward,
    as_reward,
    checked_rewards,
    checked_steps,
    sample_of,
)
from rewards.verdict import StepVerdict, Verdict
from sampling.rollout import Rollout

__all__ = ["NoisyReward", "NoisyStepReward", "RewardNoise", "noisy"]


@dataclass(frozen=True, kw_only=True)
class RewardNoise:
    """How often a reward errs, and on what that depends.

    Attributes:
        false_positive: probability that a wrong completion, or step, gets the reward of a right one.
        false_negative: probability that a right completion, or step, gets that of a wrong one.
        kind: ``"completion"`` errs on each completion, and on each of its steps, anew, whatever it says; ``"problem"``
            on all completions and steps of a problem alike, at every step of the run: a problem whose gold answer, or
            whose checker, is broken.
    """

    false_positive: float = 0.0
    false_negative: float = 0.0
    kind: Literal["completion", "problem"] = "completion"

    def __post_init__(self) -> None:
        for name in ("false_positive", "false_negative"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"reward_noise.{name} is {getattr(self, name)}; expected a probability, 0 to 1.")

    @property
    def silent(self) -> bool:
        """Whether it never errs."""
        return self.false_positive == self.false_negative == 0

    def errs(self, rollout: Rollout, right: bool, step: int | None = None) -> bool:
        """Whether it errs on a completion, or on its step of this number from 0; by a hash that reads no text.

        Args:
            rollout: its problem, and under ``"completion"`` the request's own seed.
            right: whether what is judged is right.
            step: which of its steps; ``None`` is the completion as a whole.
        """
        own = "" if self.kind == "problem" else f"{rollout.seed}\x1f{rollout.sample_index}"
        if self.kind == "completion" and step is not None:
            own += f"\x1fstep {step}"
        key = f"reward noise\x1f{self.kind}\x1f{rollout.problem.problem_id}\x1f{own}"
        drawn = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()) / 2**64
        return drawn < (self.false_negative if right else self.false_positive)


@dataclass(frozen=True, kw_only=True)
class NoisyReward(Reward):
    """Another reward that errs: who is right by it may be taken for wrong, and the other way round.

    Who is right without noise is what the reward says, else the verdict. A completion that is erred on gets what that
    reward gives right or wrong ones (`Reward.right_and_wrong`); all others keep theirs. Verdicts and the parts of the
    reward stay as they are.

    Attributes:
        reward: what errs; one that does not say what right and wrong ones get gives 1 and 0, and nothing else.
        noise: how often.
    """

    reward: Reward
    noise: RewardNoise

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the reward, and what is done to it."""
        return f"noisy {self.reward.name}"

    @property
    def right_and_wrong(self) -> tuple[float, float] | None:
        """What the reward gives a right completion and a wrong one; ``None`` where it does not say."""
        return self.reward.right_and_wrong

    def check(self) -> None:
        """The refusals of the reward."""
        self.reward.check()

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """The rewards with their errors; `Rewards.correct` says who is right by them.

        Raises:
            RewardError: the reward does not say what right and wrong ones get, and a number is neither 1 nor 0.
        """
        rewards = checked_rewards(self.reward, rollouts, verdicts)
        truly = tuple(verdict.correct for verdict in verdicts) if rewards.correct is None else rewards.correct
        values = self.reward.right_and_wrong
        for_right, for_wrong = (1.0, 0.0) if values is None else values
        total, correct = list[float](), list[bool]()
        for rollout, number, right in zip(rollouts, rewards.total, truly, strict=True):
            if values is None and number not in (0, 1):
                raise RewardError(
                    f"the {self.reward.name} of {sample_of(rollout)} is {number}, and there is reward_noise; expected "
                    "1 or 0, or a reward that says what right and wrong completions get: EachCompletion(values=(RIGHT, "
                    "WRONG)), or a WeightedReward whose `right` names such a part."
                )
            errs = self.noise.errs(rollout, right)
            total.append((for_wrong if right else for_right) if errs else number)
            correct.append(right != errs)
        return Rewards(total=tuple(total), parts=rewards.parts, correct=tuple(correct))


def noisy(reward: Reward, noise: RewardNoise) -> Reward:
    """The reward with its errors: of a weighted sum whose `right` names a part, that part errs."""
    if noise.silent:
        return reward
    if not isinstance(reward, WeightedReward) or reward.right is None:
        return NoisyReward(reward=reward, noise=noise)
    parts = (
        replace(part, reward=NoisyReward(reward=as_reward(part.reward, part.name), noise=noise))
        if part.name == reward.right
        else part
        for part in reward.parts
    )
    return replace(reward, parts=tuple(parts))


@dataclass(frozen=True, kw_only=True)
class NoisyStepReward(StepReward):
    """Another step reward that errs: a right step gets the reward of a wrong one, or the other way round.

    A step is right where its reward is nearer to a right step's than to a wrong one's: `StepReward.right_and_wrong`, +1
    and −1 by a rule, 1 and 0 by a model. Half way between them nothing was checked, and nothing errs. A step that is
    erred on gets the other of the two numbers; all others keep theirs, and every step keeps its end.

    Attributes:
        reward: what errs.
        noise: how often, of each step.
    """

    reward: StepReward
    noise: RewardNoise

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the step reward, and what is done to it."""
        return f"noisy {self.reward.name}"

    @property
    def right_and_wrong(self) -> tuple[float, float]:
        """What the step reward gives a right step and a wrong one."""
        return self.reward.right_and_wrong

    def __call__(self, rollouts: Sequence[Rollout]) -> list[tuple[StepVerdict, ...]]:
        """The steps, with errors in their rewards."""
        given = checked_steps(self.reward, rollouts)
        return [
            tuple(self._with_error(rollout, number, step) for number, step in enumerate(steps))
            for rollout, steps in zip(rollouts, given, strict=True)
        ]

    def _with_error(self, rollout: Rollout, number: int, step: StepVerdict) -> StepVerdict:
        for_right, for_wrong = self.right_and_wrong
        middle = (for_right + for_wrong) / 2
        right = step.reward > middle
        if step.reward == middle or not self.noise.errs(rollout, right, number):
            return step
        return replace(step, reward=for_wrong if right else for_right)
