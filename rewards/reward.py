"""What a reward is."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rewards.verdict import StepVerdict, Verdict
from sampling.rollout import Rollout

__all__ = ["RewardFunction", "StepRewardFunction", "TokenEnds"]

RewardFunction = Callable[[Rollout, Verdict], float]
"""Outcome reward of a completion: `(rollout, verdict) -> float`."""

StepRewardFunction = Callable[[Rollout], tuple[StepVerdict, ...]]
"""Steps of a completion with their rewards, in order of their ends: `(rollout) -> steps`."""

TokenEnds = Callable[[Sequence[int]], Sequence[int]]
"""Character offset in the decoded text just past each token: `(token_ids) -> ends`."""
