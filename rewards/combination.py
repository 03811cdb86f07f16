"""A weighted sum of rewards that keeps every part, so that a run's metrics show which of them moved."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from rewards.reward import RewardFunction
from rewards.verdict import ScoredRollout, Verdict
from sampling.rollout import Rollout

__all__ = ["RewardPart", "ScoredByParts", "WeightedReward"]

_COLUMN = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class RewardPart:
    """One term of a `WeightedReward`.

    Attributes:
        name: lower-case word; the column ``reward/<name>`` of ``metrics.jsonl`` has the part's mean without its weight.
        weight: factor in the sum; negative ones turn a reward into a penalty, 0 only logs the part.
        reward: any reward function.
    """

    name: str
    weight: float
    reward: RewardFunction


@dataclass(frozen=True, kw_only=True)
class WeightedReward:
    """Σ_i weight_i · reward_i(rollout, verdict), itself a reward function.

    Attributes:
        name: what the combination is called in messages.
        parts: its terms, each under another name.
    """

    name: str
    parts: tuple[RewardPart, ...]

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if not names or len(set(names)) != len(names) or not all(_COLUMN.fullmatch(name) for name in names):
            raise ValueError(
                f"parts of {self.name!r} are called {names}; expected different lower-case words, at least one."
            )

    @property
    def threads(self) -> int:
        """Completions to score at the same time: the most that one of the parts asks for."""
        return max(getattr(part.reward, "threads", 1) for part in self.parts)

    def evaluate(self, rollout: Rollout, verdict: Verdict) -> dict[str, float]:
        """The reward of each part by its name, without its weight."""
        return {part.name: float(part.reward(rollout, verdict)) for part in self.parts}

    def total(self, rewards: Mapping[str, float]) -> float:
        """The weighted sum of what `evaluate` returned."""
        return sum(part.weight * rewards[part.name] for part in self.parts)

    def __call__(self, rollout: Rollout, verdict: Verdict) -> float:
        """The weighted sum."""
        return self.total(self.evaluate(rollout, verdict))


@dataclass(frozen=True, kw_only=True)
class ScoredByParts(ScoredRollout):
    """A rollout scored by a `WeightedReward`.

    Attributes:
        reward_parts: the reward of each part by its name, without its weight.
    """

    reward_parts: Mapping[str, float]
