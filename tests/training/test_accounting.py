"""What a row of metrics says of rewards that may disagree with the verdict, by hand."""

from __future__ import annotations

import pytest

from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from training.accounting import rollout_metrics


def scored(
    *, right: bool, reward: float = 0.0, by_reward: bool | None = None, steps: tuple[float, ...] = ()
) -> ScoredRollout:
    problem = Problem(problem_id="p", benchmark="b", question="1+1=", gold_answer="2")
    rollout = Rollout(
        problem=problem,
        prompt_ids=(1,),
        completion_ids=(1, 2, 3),
        completion="2",
        finish_reason="stop",
        sample_index=0,
        seed=0,
        policy_version=0,
    )
    status = Status.CORRECT if right else Status.INCORRECT
    return ScoredRollout(
        rollout=rollout,
        verdict=Verdict(status=status, answer="2", answer_class="2"),
        reward=reward,
        correct_by_reward=by_reward,
        step_rewards=steps,
        step_ends=tuple(range(len(steps))),
    )


def test_how_often_a_learned_reward_has_right_above_wrong() -> None:
    """Right 0.9 and 0.4, wrong 0.4 and 0.1: of four pairs three in order and one tied, 3.5/4."""
    batch = [
        scored(right=True, reward=0.9, by_reward=True),
        scored(right=True, reward=0.4, by_reward=False),
        scored(right=False, reward=0.4, by_reward=False),
        scored(right=False, reward=0.1, by_reward=False),
    ]
    row = rollout_metrics(batch, judged=True)
    assert row["reward_auc"] == pytest.approx(3.5 / 4)
    assert row["accuracy"] == 0.5
    assert rollout_metrics(batch[:2], judged=True)["reward_auc"] is None  # none is wrong


def test_steps_are_told_by_their_mean_and_ordered_by_the_worst() -> None:
    """Means 0.5 and 0.8, (0.5 + 0.8) / 2; worst of the right one 0.1, of the wrong one 0.7: out of order."""
    row = rollout_metrics(
        [scored(right=True, steps=(0.9, 0.1)), scored(right=False, steps=(0.7, 0.9)), scored(right=False)],
        judged=True,
    )
    assert row["step_reward_mean"] == pytest.approx(0.65)
    assert row["reward_auc"] == 0.0


def test_the_rule_itself_is_not_measured() -> None:
    assert not {"reward_auc", "step_reward_mean"} & set(rollout_metrics([scored(right=True, reward=1.0)], judged=True))


def test_verdicts_that_nobody_gave_have_no_shares() -> None:
    judged = rollout_metrics([scored(right=True, reward=1.0)], judged=True)
    taken = rollout_metrics([scored(right=True, reward=1.0)], judged=False)
    assert {name for name in taken if taken[name] is None} == {"accuracy", "no_answer_rate", "timeout_rate"}
    assert {name: taken[name] for name in taken if taken[name] is not None} == {
        name: value for name, value in judged.items() if taken[name] is not None
    }
