"""Verdicts of all ranks' checkers, as one."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.scoring import Judge, judge_texts
from rewards.verdict import Verdict
from sampling.rollout import Rollout
from training.parallel.ranks import Ranks

__all__ = ["shared_judge"]


def shared_judge(ranks: Ranks) -> Judge:
    """`rewards.scoring.judge` for rank 0 while it leads: each rank judges its part, sent as problems and texts."""

    def judged(rollouts: Sequence[Rollout]) -> list[Verdict]:
        return ranks.spread(judge_texts, [(rollout.problem, rollout.judged_text) for rollout in rollouts])

    return judged
