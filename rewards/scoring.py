"""From rollouts to scored rollouts: verdicts, outcome rewards and step rewards."""

from __future__ import annotations

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from rewards.checker.pool import check_answers
from rewards.combination import ScoredByParts, WeightedReward
from rewards.reward import RewardFunction, StepRewardFunction, TokenEnds
from rewards.steps.steps import step_rewards_at_tokens
from rewards.verdict import ScoredRollout, Verdict
from sampling.rollout import Rollout

__all__ = ["correctness_reward", "judge", "score_rollouts"]


def correctness_reward(rollout: Rollout, verdict: Verdict) -> float:
    """1 for a correct final answer, else 0: the paper's rule reward (Eq. 10)."""
    return 1.0 if verdict.correct else 0.0


def judge(rollouts: Sequence[Rollout]) -> list[Verdict]:
    """The answer checker's verdict on every completion, in order, with the tolerance of its problem if it has one."""
    return check_answers(
        [(rollout.completion, rollout.problem.gold_answer) for rollout in rollouts],
        tolerances=[rollout.problem.tolerance for rollout in rollouts],
    )


def score_rollouts(
    rollouts: Sequence[Rollout],
    *,
    reward: RewardFunction = correctness_reward,
    step_reward: StepRewardFunction | None = None,
    token_ends: TokenEnds | None = None,
) -> list[ScoredRollout]:
    """Judge every completion and attach its rewards.

    Args:
        rollouts: completions, each with its problem.
        reward: outcome reward. One that waits for other processes may have an attribute ``threads``: that many
            completions are scored at a time. A `WeightedReward` gives `ScoredByParts`.
        step_reward: steps and their rewards, for process supervision; none are attached without it.
        token_ends: maps token ids to character ends; needed with `step_reward` only.

    Returns:
        One scored rollout a rollout, in order.

    Raises:
        ValueError: `step_reward` comes without `token_ends`, or a reward is not a finite number.
    """
    if step_reward is not None and token_ends is None:
        raise ValueError("step_reward needs token_ends, which maps each step's end to a token; pass both.")
    verdicts = judge(rollouts)
    parts = _in_threads(reward, rollouts, verdicts)
    scored = []
    for rollout, verdict, numbers in zip(rollouts, verdicts, parts, strict=True):
        rewards: tuple[float, ...] = ()
        ends: tuple[int, ...] = ()
        if step_reward is not None and token_ends is not None:
            rewards, ends = step_rewards_at_tokens(step_reward(rollout), token_ends(rollout.completion_ids))
        for name, number in numbers.items():
            _check_finite(name, number, rollout)
        if isinstance(reward, WeightedReward):
            scored.append(
                ScoredByParts(
                    rollout=rollout,
                    verdict=verdict,
                    reward=reward.total(numbers),
                    step_rewards=rewards,
                    step_ends=ends,
                    reward_parts=numbers,
                )
            )
        else:
            (number,) = numbers.values()
            scored.append(
                ScoredRollout(
                    rollout=rollout, verdict=verdict, reward=float(number), step_rewards=rewards, step_ends=ends
                )
            )
    return scored


def _in_threads(
    reward: RewardFunction, rollouts: Sequence[Rollout], verdicts: Sequence[Verdict]
) -> list[dict[str, float]]:
    """The reward of each rollout, in parts; a reward without parts has one."""
    if isinstance(reward, WeightedReward):
        evaluate = reward.evaluate
    else:

        def evaluate(rollout: Rollout, verdict: Verdict) -> dict[str, float]:
            return {"reward": reward(rollout, verdict)}

    threads = min(getattr(reward, "threads", 1), len(rollouts))
    if threads <= 1:
        return [evaluate(rollout, verdict) for rollout, verdict in zip(rollouts, verdicts, strict=True)]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(evaluate, rollouts, verdicts))


def _check_finite(name: str, number: object, rollout: Rollout) -> None:
    if not isinstance(number, (int, float)) or not math.isfinite(number):
        raise ValueError(
            f"the {name} of problem {rollout.problem.problem_id!r}, sample {rollout.sample_index} is {number!r}; "
            "expected a finite number."
        )
