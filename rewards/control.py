"""Rewards for control arms: what a method gains without being told anything about the answer."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from rewards.verdict import Verdict
from sampling.rollout import Rollout

__all__ = ["RandomReward", "random_reward"]


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
