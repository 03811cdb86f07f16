"""From rollouts to scored rollouts: verdicts, outcome rewards and step rewards."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.checker.pool import check_answers
from rewards.reward import (
    EachCompletion,
    Reward,
    RewardError,
    RewardFunction,
    StepRewardFunction,
    TokenEnds,
    as_reward,
    checked_rewards,
    place_of,
    sample_of,
)
from rewards.steps.steps import step_rewards_at_tokens
from rewards.verdict import ScoredRollout, StepVerdict, Verdict
from sampling.rollout import Rollout

__all__ = ["correctness", "correctness_reward", "judge", "score_rollouts"]


def correctness_reward(rollout: Rollout, verdict: Verdict) -> float:
    """1 for a correct final answer, else 0: the paper's rule reward (Eq. 10)."""
    return 1.0 if verdict.correct else 0.0


correctness = EachCompletion(name="correctness", function=correctness_reward)
"""`correctness_reward` of a batch."""


def judge(rollouts: Sequence[Rollout]) -> list[Verdict]:
    """The answer checker's verdict on every completion, in order, with the tolerance of its problem if it has one."""
    return check_answers(
        [(rollout.completion, rollout.problem.gold_answer) for rollout in rollouts],
        tolerances=[rollout.problem.tolerance for rollout in rollouts],
    )


def score_rollouts(
    rollouts: Sequence[Rollout],
    *,
    reward: Reward | RewardFunction = correctness,
    step_reward: StepRewardFunction | None = None,
    token_ends: TokenEnds | None = None,
) -> list[ScoredRollout]:
    """Verdict and rewards of every completion.

    Args:
        rollouts: completions, each with its problem.
        reward: outcome reward, or a function ``(rollout, verdict) -> float``.
        step_reward: steps and their rewards, for process supervision; none are attached without it.
        token_ends: maps token ids to character ends; needed with `step_reward` only.

    Returns:
        One scored rollout a rollout, in order.

    Raises:
        ValueError: `step_reward` comes without `token_ends`.
        RewardError: a reward failed, or is not a finite number; the message names problem, sample, file and line.
    """
    if step_reward is not None and token_ends is None:
        raise ValueError("step_reward needs token_ends, which maps each step's end to a token; pass both.")
    verdicts = judge(rollouts)
    rewards = checked_rewards(as_reward(reward), rollouts, verdicts)
    scored = []
    for row, (rollout, verdict) in enumerate(zip(rollouts, verdicts, strict=True)):
        step_rewards: tuple[float, ...] = ()
        ends: tuple[int, ...] = ()
        if step_reward is not None and token_ends is not None:
            steps = _steps(step_reward, rollout)
            step_rewards, ends = step_rewards_at_tokens(steps, token_ends(rollout.completion_ids))
        scored.append(
            ScoredRollout(
                rollout=rollout,
                verdict=verdict,
                reward=rewards.total[row],
                reward_parts={name: numbers[row] for name, numbers in rewards.parts.items()},
                correct_by_reward=None if rewards.correct is None else rewards.correct[row],
                step_rewards=step_rewards,
                step_ends=ends,
            )
        )
    return scored


def _steps(step_reward: StepRewardFunction, rollout: Rollout) -> tuple[StepVerdict, ...]:
    try:
        return step_reward(rollout)
    except Exception as error:  # somebody's own code: anything may come
        raise RewardError(f"the step reward of {sample_of(rollout)} failed: {place_of(error)}") from error
