"""Rewards for control arms: what a method gains without being told anything about the answer."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass

from rewards.reward import Reward, Rewards, checked_rewards
from rewards.verdict import Verdict
from sampling.rollout import Rollout

__all__ = ["RandomReward", "ShuffledReward", "random_reward"]


@dataclass(frozen=True, kw_only=True)
class RandomReward:
    """1 with a fixed probability, else 0, whatever the completion says.

    The control of Shao et al. 2025, "Spurious Rewards" (arXiv 2506.10947, section 2): a method that gains as much from
    it as from the right reward has not learned from the reward. The draw is a hash of `Rollout.seed`, which is itself a
    hash of the run's seed, the step, the problem and the completion's index: so it repeats exactly in a resumed run and
    is drawn anew where any of these differs.

    Attributes:
        probability: of the reward 1.
    """

    probability: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability <= 1.0:
            raise ValueError(f"probability is {self.probability}; expected a number from 0 to 1.")

    def __call__(self, rollout: Rollout, verdict: Verdict) -> float:
        """The reward; neither the completion nor the verdict is looked at."""
        key = f"random reward\x1f{rollout.seed}\x1f{rollout.problem.problem_id}\x1f{rollout.sample_index}"
        draw = int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest())
        return 1.0 if draw < self.probability * 2**64 else 0.0


random_reward = RandomReward()
"""`RandomReward` with probability 1/2."""


@dataclass(frozen=True, kw_only=True)
class ShuffledReward(Reward):
    """Another reward, permuted among the completions of each problem: its numbers, and which of them are right.

    Each group keeps its rewards, so advantages are as large as before; they only say nothing of the completion any
    more. The permutation is uniform and fixed by the requests' own seeds. Verdicts, step rewards and the parts of the
    reward stay where they were.

    Attributes:
        reward: what is permuted.
    """

    reward: Reward

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the reward, and what is done to it."""
        return f"shuffled {self.reward.name}"

    @property
    def right_and_wrong(self) -> tuple[float, float] | None:
        """What the reward gives a right completion and a wrong one; ``None`` where it does not say."""
        return self.reward.right_and_wrong

    def check(self) -> None:
        """The refusals of the reward."""
        self.reward.check()

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """The permuted rewards."""
        rewards = checked_rewards(self.reward, rollouts, verdicts)
        groups: dict[str, list[int]] = {}
        for row, rollout in enumerate(rollouts):
            groups.setdefault(rollout.problem.problem_id, []).append(row)
        correct = tuple(verdict.correct for verdict in verdicts) if rewards.correct is None else rewards.correct
        taken_from = list(range(len(rollouts)))
        for problem_id, rows in groups.items():
            others = list(rows)
            random.Random(f"shuffle/{problem_id}/{rollouts[rows[0]].seed}").shuffle(others)
            for row, other in zip(rows, others, strict=True):
                taken_from[row] = other
        return Rewards(
            total=tuple(rewards.total[row] for row in taken_from),
            parts=rewards.parts,
            correct=tuple(correct[row] for row in taken_from),
        )
