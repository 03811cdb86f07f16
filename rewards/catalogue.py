"""Outcome rewards by name."""

from __future__ import annotations

from collections.abc import Callable

from rewards.code import code_feedback_reward, code_reward
from rewards.control import ShuffledReward, random_reward
from rewards.format import format_reward, think_format_reward
from rewards.proof import ProofReward
from rewards.repetition import repetition_penalty
from rewards.reward import EachCompletion, Reward, RewardFunction
from rewards.scoring import correctness

__all__ = ["WRAPPERS", "REWARDS"]


def _rule(name: str, function: RewardFunction, values: tuple[float, float] | None = (1.0, 0.0)) -> Reward:
    """A rule that has nothing to do with the answer: right is whoever gets something."""
    return EachCompletion(name=name, function=function, right_above=0.0, values=values)


REWARDS: dict[str, Reward] = {
    "correctness": correctness,
    "format": _rule("format", format_reward),
    "think_format": _rule("think_format", think_format_reward),
    "repetition": _rule("repetition", repetition_penalty, values=None),
    "random": _rule("random", random_reward),
    "code": code_reward,
    "code_feedback": code_feedback_reward,
    "proof": ProofReward(),
}
"""Outcome rewards by the name that `--reward` takes; those that need a number of yours are built in a file."""

WRAPPERS: dict[str, Callable[[Reward], Reward]] = {"shuffled": lambda reward: ShuffledReward(reward=reward)}
"""Rewards around a reward, by the word before its name: ``shuffled:correctness``."""
