"""A reward that errs: right completions taken for wrong ones and wrong for right, seeded, at given rates.

What a method gains under a verifier that is wrong now and then says how far it trusts its reward. At rates that add up
to 1 the reward says nothing any more: with 1/2 and 1/2 it is a coin.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from rewards.reward import Reward, Rewards
from rewards.verdict import Verdict
from sampling.rollout import Rollout

__all__ = ["NoisyReward", "RewardNoise"]


@dataclass(frozen=True, kw_only=True)
class RewardNoise:
    """How often a reward errs, and on what that depends.

    Attributes:
        false_positive: probability that a wrong completion gets the reward of a right one.
        false_negative: probability that a right completion gets that of a wrong one.
        kind: ``"completion"`` errs on each completion anew, whatever it says; ``"problem"`` on all completions of a
            problem alike, at every step of the run: a problem whose gold answer, or whose checker, is broken.
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


@dataclass(frozen=True, kw_only=True)
class NoisyReward(Reward):
    """Another reward that errs: who is right by it may be taken for wrong, and the other way round.

    Who is right without noise is what the reward says, else the verdict. A completion that is erred on gets `wrong` or
    `right` in place of its reward; all others keep theirs. Verdicts and the parts of the reward stay as they are.

    Attributes:
        reward: what errs.
        noise: how often.
        right: the reward of a completion that is taken for right by mistake.
        wrong: that of one taken for wrong.
    """

    reward: Reward
    noise: RewardNoise
    right: float = 1.0
    wrong: float = 0.0

    @property
    def name(self) -> str:  # type: ignore[override]
        """That of the reward, and what is done to it."""
        return f"noisy {self.reward.name}"

    def check(self) -> None:
        """The refusals of the reward."""
        self.reward.check()

    def __call__(self, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]) -> Rewards:
        """The rewards with their errors; `Rewards.correct` says who is right by them."""
        rewards = self.reward(rollouts, verdicts)
        truly = rewards.correct or tuple(verdict.correct for verdict in verdicts)
        total, correct = list[float](), list[bool]()
        for rollout, number, right in zip(rollouts, rewards.total, truly, strict=True):
            rate = self.noise.false_negative if right else self.noise.false_positive
            errs = self._draw(rollout) < rate
            total.append((self.wrong if right else self.right) if errs else number)
            correct.append(right != errs)
        return Rewards(total=tuple(total), parts=rewards.parts, correct=tuple(correct))

    def _draw(self, rollout: Rollout) -> float:
        """A number in [0, 1) that depends on the request's own seed, or on the problem, and on no text."""
        own = "" if self.noise.kind == "problem" else f"{rollout.seed}\x1f{rollout.sample_index}"
        key = f"reward noise\x1f{self.noise.kind}\x1f{rollout.problem.problem_id}\x1f{own}"
        return int.from_bytes(hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).digest()) / 2**64
