"""From evaluation samples to score matrices: votes counted a problem, then Pass@K and Maj@K for every seed and problem.

Answer classes: the samples judged CORRECT are one class, whatever their text; the others vote by `answer_class`; a
sample with an empty class (no answer, not parsable, timed out) abstains.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.frames import column
from analysis.metrics import majority_curve, pass_at_k
from analysis.records import ComparisonRecord, RunRecord


@dataclass(frozen=True, kw_only=True, eq=False)
class VoteTable:
    """The votes of one run at one step on one benchmark; one entry a problem, ordered by problem id."""

    problem_ids: tuple[str | int, ...]
    num_samples_P: np.ndarray
    num_correct_P: np.ndarray
    num_abstaining_P: np.ndarray
    wrong_votes_P: tuple[tuple[int, ...], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArmScores:
    """Scores of one arm at its final step on one benchmark; S seeds, P problems, K values of K."""

    arm: str
    benchmark: str
    seeds: tuple[int, ...]
    ks: tuple[int, ...]
    problem_ids: tuple[str | int, ...]
    num_samples: int  # the fewest that a problem has
    pass_SPK: np.ndarray
    majority_SPK: np.ndarray


def count_votes(samples: pd.DataFrame) -> VoteTable:
    """Count the votes of each problem in the samples of one run, step and benchmark."""
    problem_ids, codes = np.unique(column(samples, "problem_id").astype(object), return_inverse=True)
    classes = column(samples, "answer_class")
    correct = column(samples, "verdict") == "CORRECT"
    abstains = ~correct & (classes == "")
    wrong = ~correct & ~abstains
    num_problems = len(problem_ids)
    votes: list[list[int]] = [[] for _ in range(num_problems)]
    for (problem, _), count in Counter(zip(codes[wrong].tolist(), classes[wrong].tolist(), strict=True)).items():
        votes[problem].append(count)
    return VoteTable(
        problem_ids=tuple(problem_ids.tolist()),
        num_samples_P=np.bincount(codes, minlength=num_problems),
        num_correct_P=np.bincount(codes[correct], minlength=num_problems),
        num_abstaining_P=np.bincount(codes[abstains], minlength=num_problems),
        wrong_votes_P=tuple(tuple(sorted(counts, reverse=True)) for counts in votes),
    )


def pass_scores(votes: VoteTable, ks: Sequence[int]) -> np.ndarray:
    """(P, K): Pass@K of each problem.

    Raises:
        ValueError: some K is beyond the samples of a problem.
    """
    scores = np.empty((len(votes.problem_ids), len(ks)))
    for num_samples in np.unique(votes.num_samples_P):
        rows = votes.num_samples_P == num_samples
        for position, k in enumerate(ks):
            scores[rows, position] = pass_at_k(votes.num_correct_P[rows], int(num_samples), k)
    return scores


def majority_scores(votes: VoteTable, ks: Sequence[int]) -> np.ndarray:
    """(P, K): Maj@K of each problem; problems with the same votes are computed once.

    Raises:
        ValueError: some K is beyond the samples of a problem.
    """
    known: dict[tuple[int, int, tuple[int, ...]], np.ndarray] = {}
    keys = list(zip(votes.num_correct_P.tolist(), votes.num_abstaining_P.tolist(), votes.wrong_votes_P, strict=True))
    for correct, abstaining, wrong in set(keys):
        known[correct, abstaining, wrong] = majority_curve([correct, *wrong], 0, ks, abstaining)
    return np.array([known[key] for key in keys])


def powers_of_two(largest: int) -> tuple[int, ...]:
    """1, 2, 4, … up to `largest`: the values of K at which curves are drawn."""
    return tuple(2**power for power in range(largest.bit_length()))


def score_arm(runs: Sequence[RunRecord], benchmark: str, ks: Sequence[int]) -> ArmScores:
    """Score matrices of one arm's runs at their final step.

    Raises:
        ValueError: some K is beyond the samples of a problem (names the arm).
    """
    tables = [count_votes(run.final_samples_on(benchmark)) for run in runs]
    fewest = min(int(table.num_samples_P.min()) for table in tables)
    if max(ks) > fewest:
        raise ValueError(
            f"{runs[0].arm} on {benchmark}: K={max(ks)} exceeds the {fewest} samples of a problem at step "
            f"{runs[0].final_step}; expected K <= {fewest}; lower K or evaluate with more samples"
        )
    return ArmScores(
        arm=runs[0].arm,
        benchmark=benchmark,
        seeds=tuple(run.seed for run in runs),
        ks=tuple(ks),
        problem_ids=tables[0].problem_ids,
        num_samples=fewest,
        pass_SPK=np.stack([pass_scores(table, ks) for table in tables]),
        majority_SPK=np.stack([majority_scores(table, ks) for table in tables]),
    )


def score_comparison(comparison: ComparisonRecord, ks: Sequence[int] = ()) -> tuple[ArmScores, ...]:
    """Score every arm on every benchmark, benchmark by benchmark, arms in the order of the comparison.

    Args:
        comparison: the finished runs.
        ks: values of K; without any, the powers of two up to the fewest samples that a problem of that benchmark has.

    Raises:
        ValueError: some K is beyond the samples of a problem.
    """
    scores = []
    for benchmark in comparison.benchmarks:
        chosen = tuple(ks) or powers_of_two(_fewest_samples(comparison, benchmark))
        scores += [score_arm(comparison.runs_of(arm), benchmark, chosen) for arm in comparison.arms]
    return tuple(scores)


def _fewest_samples(comparison: ComparisonRecord, benchmark: str) -> int:
    """The fewest samples that any problem of the benchmark has at the final step of any run."""
    return min(
        min(Counter(column(run.final_samples_on(benchmark), "problem_id").tolist()).values()) for run in comparison.runs
    )
