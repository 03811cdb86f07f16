"""Rollouts for reward tests."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.problem import Problem
from rewards import Status, Verdict
from sampling.rollout import Rollout

RIGHT = Verdict(status=Status.CORRECT, answer="5", answer_class="correct")
WRONG = Verdict(status=Status.INCORRECT, answer="6", answer_class="=6")


def rollout_of(
    completion: str = "",
    *,
    ids: Sequence[int] = (1, 2, 3),
    truncated: bool = False,
    problem_id: str = "p1",
    gold_answer: str = "5",
    sample_index: int = 0,
    seed: int = 0,
) -> Rollout:
    """A rollout with what a test cares about."""
    return Rollout(
        problem=Problem(problem_id=problem_id, benchmark="b", question="q", gold_answer=gold_answer),
        prompt_ids=(1,),
        completion_ids=tuple(ids),
        completion=completion,
        finish_reason="length" if truncated else "stop",
        sample_index=sample_index,
        seed=seed,
        policy_version=0,
    )
