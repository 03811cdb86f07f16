"""From rollouts to scored rollouts: verdicts, outcome rewards and step rewards."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.problem import Problem
from rewards.answer_kinds import refined
from rewards.checker.pool import check_answers
from rewards.reward import (
    EachCompletion,
    Reward,
    RewardFunction,
    StepReward,
    StepRewardFunction,
    TokenEnds,
    as_reward,
    as_step_reward,
    checked_rewards,
    checked_steps,
)
from rewards.steps.steps import step_rewards_at_tokens
from rewards.verdict import ScoredRollout, Verdict
from sampling.rollout import Rollout

__all__ = ["Judge", "correctness", "correctness_reward", "judge", "judge_chains", "judge_texts", "score_rollouts"]

Judge = Callable[[Sequence[Rollout]], list[Verdict]]
"""The verdict on each completion, in order: `judge`, or something that gives the same another way."""


def correctness_reward(rollout: Rollout, verdict: Verdict) -> float:
    """1 for a correct final answer, else 0: the paper's rule reward (Eq. 10)."""
    return 1.0 if verdict.correct else 0.0


correctness = EachCompletion(name="correctness", function=correctness_reward, values=(1.0, 0.0))
"""`correctness_reward` of a batch."""


def judge(rollouts: Sequence[Rollout]) -> list[Verdict]:
    """The answer checker's verdict on every completion, in order, with all that its problem says of answers."""
    return judge_texts([(rollout.problem, rollout.judged_text) for rollout in rollouts])


def judge_texts(texts: Sequence[tuple[Problem, str]]) -> list[Verdict]:
    """`judge` of problems and what was written to answer them, one verdict a pair, in order."""
    problems = [problem for problem, _ in texts]
    verdicts = check_answers(
        [(text, problem.gold_answer) for problem, text in texts],
        tolerances=[problem.tolerance for problem in problems],
    )
    return refined(problems, verdicts)


def judge_chains(
    rollouts: Sequence[Rollout], verdicts: Sequence[Verdict], rule: StepRewardFunction | None
) -> list[str]:
    """Whether the chain that leads to a right answer is right too, step by step.

    Args:
        rollouts: completions.
        verdicts: of their answers.
        rule: judges steps: above 0 right, 0 nothing to check, below 0 wrong; ``None`` checks nothing.

    Returns:
        Of each: ``"WRONG"`` where a step is wrong, ``"RIGHT"`` where one is right and none wrong, ``""`` where nothing
        could be checked, where the rule does not know such problems, and where the answer is not right.
    """
    return [
        _chain(rollout, rule) if verdict.correct and rule is not None else ""
        for rollout, verdict in zip(rollouts, verdicts, strict=True)
    ]


def _chain(rollout: Rollout, rule: StepRewardFunction) -> str:
    try:
        steps = [step.reward for step in rule(rollout)]
    except ValueError:  # a question of another kind than the rule is for
        return ""
    return "WRONG" if any(each < 0 for each in steps) else "RIGHT" if any(each > 0 for each in steps) else ""


def score_rollouts(
    rollouts: Sequence[Rollout],
    *,
    reward: Reward | RewardFunction = correctness,
    step_reward: StepReward | StepRewardFunction | None = None,
    token_ends: TokenEnds | None = None,
    judged: Judge = judge,
) -> list[ScoredRollout]:
    """Verdict and rewards of every completion.

    Args:
        rollouts: completions, each with its problem.
        reward: outcome reward, or a function ``(rollout, verdict) -> float``.
        step_reward: steps and their rewards, for process supervision; none are attached without it.
        token_ends: maps token ids to character ends; needed with `step_reward` only.
        judged: gives the verdicts.

    Returns:
        One scored rollout a rollout, in order.

    Raises:
        ValueError: `step_reward` comes without `token_ends`.
        RewardError: a reward failed, or is not a finite number; the message names problem, sample, file and line.
    """
    if step_reward is not None and token_ends is None:
        raise ValueError("step_reward needs token_ends, which maps each step's end to a token; pass both.")
    verdicts = judged(rollouts)
    rewards = checked_rewards(as_reward(reward), rollouts, verdicts)
    steps = None if step_reward is None else checked_steps(as_step_reward(step_reward), rollouts)
    scored = []
    for row, (rollout, verdict) in enumerate(zip(rollouts, verdicts, strict=True)):
        step_rewards: tuple[float, ...] = ()
        ends: tuple[int, ...] = ()
        if steps is not None and token_ends is not None:
            tokens = tuple(step.token for step in steps[row] if step.token is not None)
            if tokens and len(tokens) == len(steps[row]):
                step_rewards, ends = tuple(step.reward for step in steps[row]), tokens
            else:
                step_rewards, ends = step_rewards_at_tokens(steps[row], token_ends(rollout.completion_ids))
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
