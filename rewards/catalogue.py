"""Outcome rewards by name."""

from __future__ import annotations

from rewards.code import code_feedback_reward, code_reward
from rewards.control import random_reward
from rewards.format import format_reward, think_format_reward
from rewards.repetition import repetition_penalty
from rewards.reward import RewardFunction
from rewards.scoring import correctness_reward

__all__ = ["REWARDS"]

REWARDS: dict[str, RewardFunction] = {
    "correctness": correctness_reward,
    "format": format_reward,
    "think_format": think_format_reward,
    "repetition": repetition_penalty,
    "random": random_reward,
    "code": code_reward,
    "code_feedback": code_feedback_reward,
}
"""Outcome rewards by the name that `--reward` takes; those that need a number of yours are built in a file."""
