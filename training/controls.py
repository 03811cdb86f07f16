"""What a control arm does to the rewards."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from rewards.verdict import ScoredRollout

__all__ = ["shuffle_rewards"]


def shuffle_rewards(scored: Sequence[ScoredRollout]) -> list[ScoredRollout]:
    """Permute the outcome rewards among the completions of each problem; verdicts and step rewards stay.

    Each group keeps its rewards, so advantages are as large as before; they only say nothing of the completion any
    more. The permutation is uniform and fixed by the requests' own seeds.

    Args:
        scored: completions of a step, in any order.
    """
    groups: dict[str, list[int]] = {}
    for index, item in enumerate(scored):
        groups.setdefault(item.rollout.problem.problem_id, []).append(index)
    shuffled = list(scored)
    for problem_id, rows in groups.items():
        rewards = [scored[row].reward for row in rows]
        random.Random(f"shuffle/{problem_id}/{scored[rows[0]].rollout.seed}").shuffle(rewards)
        for row, reward in zip(rows, rewards, strict=True):
            shuffled[row] = replace(scored[row], reward=reward)
    return shuffled
