"""The types that `rewards` hands on."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from sampling.rollout import Rollout

__all__ = ["CHECKER_VERSION", "ScoredRollout", "Status", "StepVerdict", "Verdict"]

CHECKER_VERSION = "6"
"""Raised whenever a verdict can change; every run records it, and comparisons of different versions are refused."""


class Status(enum.StrEnum):
    """The answer checker's finding; every completion gets exactly one."""

    CORRECT = "CORRECT"
    INCORRECT = "INCORRECT"
    NO_ANSWER = "NO_ANSWER"
    UNPARSABLE = "UNPARSABLE"
    TIMEOUT = "TIMEOUT"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A completion's final answer, judged against the gold answer.

    Attributes:
        status: see `Status`.
        answer: the final answer as the completion wrote it, ``""`` where there is none.
        answer_class: key under which Maj@K counts this sample's vote: one class for all correct samples,
            a canonical form of the answer for the others, ``""`` (abstains) where there is no answer.
        reason: what the verdict rests on where it is no proof, ``""`` everywhere else.
    """

    status: Status
    answer: str
    answer_class: str
    reason: str = ""

    @property
    def correct(self) -> bool:
        """True where the answer equals the gold answer."""
        return self.status is Status.CORRECT


@dataclass(frozen=True, kw_only=True)
class StepVerdict:
    """One step of a solution.

    Attributes:
        end: character offset in the completion just past the step's last character.
        reward: +1 right, 0 nothing to check, −1 wrong.
        token: 0-based index of the step's last token, where the reward knows it: no two steps of a completion have the
            same then.
    """

    end: int
    reward: float
    token: int | None = None


@dataclass(frozen=True, kw_only=True)
class ScoredRollout:
    """A rollout with its verdict and rewards; what `training` builds a batch from.

    Attributes:
        rollout: what was sampled.
        verdict: the answer checker's verdict.
        reward: the outcome reward of the whole completion.
        reward_parts: what that reward is made of, by name, without weights; empty where it is not made of parts.
        correct_by_reward: what the reward says of it, where it does not leave that to the verdict (`Rewards.correct`).
        step_rewards: reward of each step, in order; empty where process supervision is not used.
        step_ends: 0-based index in `completion_ids` of each step's last token, strictly increasing,
            as long as `step_rewards`.
    """

    rollout: Rollout
    verdict: Verdict
    reward: float
    reward_parts: Mapping[str, float] = field(default_factory=dict)
    correct_by_reward: bool | None = None
    step_rewards: tuple[float, ...] = ()
    step_ends: tuple[int, ...] = ()

    @property
    def correct(self) -> bool:
        """True where methods that train on right completions take it for one; its reward may be anything."""
        return self.verdict.correct if self.correct_by_reward is None else self.correct_by_reward

    def __post_init__(self) -> None:
        where = f"problem {self.rollout.problem.problem_id!r}, sample {self.rollout.sample_index}"
        if len(self.step_rewards) != len(self.step_ends):
            raise ValueError(
                f"{where}: got {len(self.step_rewards)} step_rewards and {len(self.step_ends)} step_ends; "
                "expected one end for each step."
            )
        num_tokens = len(self.rollout.completion_ids)
        if any(not 0 <= end < num_tokens for end in self.step_ends) or any(
            late <= early for early, late in zip(self.step_ends, self.step_ends[1:], strict=False)
        ):
            raise ValueError(
                f"{where}: step_ends {self.step_ends} must be strictly increasing token indices below {num_tokens}."
            )
