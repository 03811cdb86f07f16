"""A weighted sum of rewards that keeps every part, so that a run's metrics show which of them moved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rewards.reward import Reward, RewardFunction, Rewards, as_reward, checked_rewards
from rewards.verdict import Verdict
from sampling.rollout import Rollout

__all__ = ["RewardPart", "WeightedReward"]

_COLUMN = re.compile(r"[a-z][a-z0-9_]*")


@dataclass(frozen=True, kw_only=True)
class RewardPart:
    """One term of a `WeightedReward`.

    Attributes:
        name: lower-case word; the column ``reward/<name>`` of ``metrics.jsonl`` has the part's mean without its weight.
        weight: factor in the sum; negative ones turn a reward into a penalty, 0 only logs the part.
        reward: any reward, or a function ``(rollout, verdict) -> float``.
    """

    name: str
    weight: float
    reward: Reward | RewardFunction


@dataclass(frozen=True, kw_only=True)
class WeightedReward(Reward):
    """Σ_i weight_i · reward_i(rollouts, verdicts), itself a reward.

    Attributes:
        name: what the combination is called in messages.
        parts: its terms, each under another name.
        right: the part that says which completions are right; ``None`` leaves that to the verdict.
    """

    name: str
    parts: tuple[RewardPart, ...]
    right: str | None = None

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if not names or len(set(names)) != len(names) or not all(_COLUMN.fullmatch(name) for name in names):
            raise ValueError(
                f"parts of {self.name!r} are called {names}; expected different lower-case words, at least one."
            )
        if self.right is not None and self.right not in names:
            raise ValueError(f"right is {self.right!r}; expected one of the parts of {self.name!r}: {names}.")

    def check(self) -> None:
        """The refusals of the parts."""
        for _, reward in self._rewards():
            reward.check()

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """The weighted sum, and each part by its name without its weight."""
        given = {part.name: checked_rewards(reward, rollouts, verdicts) for part, reward in self._rewards()}
        parts = {name: rewards.total for name, rewards in given.items()}
        total = tuple(self._sum(numbers) for numbers in zip(*parts.values(), strict=True))
        return Rewards(total=total, parts=parts, correct=None if self.right is None else given[self.right].correct)

    def _rewards(self) -> list[tuple[RewardPart, Reward]]:
        return [(part, as_reward(part.reward, part.name)) for part in self.parts]

    def _sum(self, numbers: Sequence[float]) -> float:
        return sum(part.weight * number for part, number in zip(self.parts, numbers, strict=True))
