"""The completions of a step, scored; drawn again under dynamic sampling until enough groups have unequal rewards."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from training.sources.interface import Source
from training.sources.online import OnlineSource

__all__ = ["MAX_ROUNDS", "Drawn", "Score", "draw_step", "mixed_groups"]

MAX_ROUNDS = 10  # as verl's DAPO recipe has it; without an end, a policy that solves everything would draw for ever

Score = Callable[[Sequence[Rollout]], list[ScoredRollout]]
"""Verdicts and rewards of completions, in order."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """What a step drew.

    Attributes:
        scored: every completion, as sampled.
        kept: those that are trained on.
        greedy: the greedy completion of each of their problems, where a method compares with it (ReMax).
        rounds: how often was drawn.
        sampling_seconds: wall time of the drawing.
        scoring_seconds: wall time of verdicts and rewards.
    """

    scored: list[ScoredRollout]
    kept: list[ScoredRollout]
    greedy: list[ScoredRollout]
    rounds: int
    sampling_seconds: float
    scoring_seconds: float


def mixed_groups(scored: Sequence[ScoredRollout]) -> list[list[ScoredRollout]]:
    """The problems' completions whose rewards are not all equal, in order; compared exactly, as batches hold them.

    In float32, that is: 0.1 + 0.2 and 0.3 are equal there, and a group of these two counts nowhere
    (`algorithms.interface.counted`), so that others are to be drawn in its place.
    """
    groups: dict[str, list[ScoredRollout]] = {}
    for item in scored:
        groups.setdefault(item.rollout.problem.problem_id, []).append(item)
    return [group for group in groups.values() if len({np.float32(item.reward) for item in group}) > 1]


def draw_step(source: Source, step: int, score: Score, *, dynamic: bool, problems: int, greedy: bool = False) -> Drawn:
    """Draw and score the completions of a step.

    Args:
        source: where they come from.
        step: counted from 0.
        score: verdicts and rewards.
        dynamic: keep only groups with unequal rewards, and where the policy itself is sampled draw further problems
            until there are as many as `problems`, at most `MAX_ROUNDS` times (DAPO, arXiv 2503.14476, Eq. 11).
        problems: P, groups of a step.
        greedy: draw the greedy completion of each problem too.
    """
    scored: list[ScoredRollout] = []
    kept: list[list[ScoredRollout]] = []
    sampling = scoring = 0.0
    rounds = 0
    while True:
        started = time.perf_counter()
        if rounds > 0 and isinstance(source, OnlineSource):
            rollouts = source.more_rollouts(step, rounds)
        else:
            rollouts = source.rollouts(step)
        drawn = time.perf_counter()
        latest = score(rollouts)
        sampling, scoring = sampling + drawn - started, scoring + time.perf_counter() - drawn
        scored += latest
        kept += mixed_groups(latest) if dynamic else [latest]
        rounds += 1
        again = dynamic and len(kept) < problems and isinstance(source, OnlineSource)
        if not again or rounds == MAX_ROUNDS:
            break
    trained = [item for group in (kept[:problems] if dynamic else kept) for item in group]
    best: list[ScoredRollout] = []
    if greedy and isinstance(source, OnlineSource):
        started = time.perf_counter()
        asked = {item.rollout.problem.problem_id: item.rollout for item in trained}
        rollouts = source.greedy_rollouts(step, [(each.problem, each.prompt_ids) for each in asked.values()])
        drawn = time.perf_counter()
        best = score(rollouts)
        sampling, scoring = sampling + drawn - started, scoring + time.perf_counter() - drawn
    return Drawn(
        scored=scored,
        kept=trained,
        greedy=best,
        rounds=rounds,
        sampling_seconds=sampling,
        scoring_seconds=scoring,
    )
