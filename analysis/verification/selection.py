"""What a reward model is good for without a gold answer: the best of K samples, and votes weighted by its scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.noise.intervals import Band, within
from analysis.noise.seeds import difference_noise
from analysis.noise.simultaneous import share_band
from analysis.records.frames import column, rows_where
from analysis.records.record import ComparisonRecord
from analysis.statistics.scores import count_votes, majority_scores, pass_scores
from analysis.statistics.selection import best_of_k, weighted_maj_at_k
from analysis.verification.learned import LearnedArm, learned_arms, scored_samples

__all__ = ["GRID", "Selection", "selections"]

GRID = 100  # weights of votes are the scores rounded to 1/100


@dataclass(frozen=True, kw_only=True, eq=False)
class Selection:
    """How one of K samples is chosen, and how often that one is right; all numbers with 95 % bands.

    Attributes:
        arm: whose last policy drew the samples, and whose model scores them.
        benchmark: what was asked.
        num_seeds: S.
        k: K, the fewest samples that a problem has.
        one: Pass@1.
        majority: Maj@K.
        weighted: the vote weighted by the scores.
        best: the sample with the highest score.
        any_right: Pass@K, which no choice exceeds.
        weighted_gain: weighted − majority, on the same samples.
        best_gain: best − majority.
    """

    arm: LearnedArm
    benchmark: str
    num_seeds: int
    k: int
    one: Band
    majority: Band
    weighted: Band
    best: Band
    any_right: Band
    weighted_gain: Band
    best_gain: Band


def selections(comparison: ComparisonRecord, confidence: float = 0.95) -> tuple[Selection, ...]:
    """Every arm whose last samples are scored, benchmark by benchmark."""
    result = []
    for arm in learned_arms(comparison):
        runs = [scored_samples(run) for run in comparison.runs_of(arm.arm)]
        if any(samples is None for samples in runs):
            continue
        for benchmark in comparison.benchmarks:
            here = [rows_where(each, column(each, "benchmark") == benchmark) for each in runs if each is not None]
            result.append(_selection(arm, benchmark, here, confidence))
    return tuple(result)


def _selection(arm: LearnedArm, benchmark: str, runs: Sequence[pd.DataFrame], confidence: float) -> Selection:
    votes = [count_votes(samples) for samples in runs]
    k = min(int(each.num_samples_P.min()) for each in votes)
    own_SPX = np.array([_chosen_by_problem(samples, k) for samples in runs])
    best_SPX, weighted_SPX = own_SPX[:, :, :1], own_SPX[:, :, 1:]
    majority_SPX = np.stack([majority_scores(each, [k]) for each in votes])

    def share(values_SPX: np.ndarray) -> Band:
        return share_band(values_SPX, confidence)

    def gain(values_SPX: np.ndarray) -> Band:
        return within(difference_noise(values_SPX, majority_SPX, paired=True).band(confidence), -1.0)

    return Selection(
        arm=arm,
        benchmark=benchmark,
        num_seeds=len(runs),
        k=k,
        one=share(np.stack([pass_scores(each, [1]) for each in votes])),
        majority=share(majority_SPX),
        weighted=share(weighted_SPX),
        best=share(best_SPX),
        any_right=share(np.stack([pass_scores(each, [k]) for each in votes])),
        weighted_gain=gain(weighted_SPX),
        best_gain=gain(best_SPX),
    )


def _chosen_by_problem(samples: pd.DataFrame, k: int) -> list[tuple[float, float]]:
    """`_chosen` of each problem, ordered by problem id as `count_votes` has them."""
    problem_N = column(samples, "problem_id").astype(object)
    order = np.argsort(problem_N, kind="stable")
    starts = np.flatnonzero(problem_N[order][1:] != problem_N[order][:-1]) + 1
    right_N = column(samples, "verdict") == "CORRECT"
    score_N = column(samples, "score").astype(float)
    class_N = column(samples, "answer_class").astype(object)
    return [_chosen(right_N[rows], score_N[rows], class_N[rows], k) for rows in np.split(order, starts)]


def _chosen(right_N: np.ndarray, score_N: np.ndarray, class_N: np.ndarray, k: int) -> tuple[float, float]:
    """(best of K, weighted Maj@K) of one problem's samples."""
    weights = np.rint(GRID * np.clip(score_N, 0.0, 1.0)).astype(int)
    silent = ~right_N & (class_N == "")
    names = dict.fromkeys(class_N[~right_N & ~silent].tolist())
    wrong = [weights[~right_N & (class_N == name)].tolist() for name in names]
    answers = [*wrong, weights[right_N].tolist()] if right_N.any() else wrong
    voted = weighted_maj_at_k(answers, len(answers) - 1 if right_N.any() else None, k, int(silent.sum()))
    return best_of_k(right_N, score_N, k), voted
