"""From evaluation samples to score matrices: votes counted a problem, then Pass@K and Maj@K for every seed and problem.

Answer classes: the samples judged CORRECT are one class, whatever their text; the others vote by `answer_class`; a
sample with an empty class (no answer, not parsable, timed out) abstains, or votes with its like where so asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.records.frames import codes_of
from analysis.records.record import ComparisonRecord
from analysis.records.showing import number_of, table_html
from analysis.statistics.metrics import check_draws, pass_at_k
from analysis.statistics.voting import majority_matrix

Unparsed = Literal["abstain", "vote"]


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
    votes_S: tuple[VoteTable, ...]
    pass_SPK: np.ndarray
    majority_SPK: np.ndarray
    temperature: float | None = None  # of the samples; None where it was not recorded

    def _repr_html_(self) -> str:
        means = {name: self.values(name).mean(axis=(0, 1)).tolist() for name in ("pass", "majority")}
        seeds, problems = number_of(len(self.seeds), "seed"), number_of(len(self.problem_ids), "problem")
        size = f"{seeds}, {problems}, {samples_each(self.num_samples, self.most_samples)}"
        columns = {"K": self.ks, "Pass@K": means["pass"], "Maj@K": means["majority"]}
        return table_html(f"{self.arm} on {self.benchmark}: {size}", columns)

    @property
    def most_samples(self) -> int:
        """The most that a problem has."""
        return max(int(votes.num_samples_P.max()) for votes in self.votes_S)

    def values(self, quantity: str) -> np.ndarray:
        """(S, P, K): "pass" or "majority"."""
        return {"pass": self.pass_SPK, "majority": self.majority_SPK}[quantity]


def samples_each(fewest: int, most: int) -> str:
    """How many samples a problem has: "4 samples each", "2 to 7 samples each"."""
    return f"{number_of(fewest, 'sample')} each" if fewest == most else f"{fewest:,} to {most:,} samples each"


def count_votes(samples: pd.DataFrame, *, unparsed: Unparsed = "abstain") -> VoteTable:
    """Count the votes of each problem in the samples of one run, step and benchmark.

    Args:
        samples: rows with problem_id, answer_class and verdict.
        unparsed: what samples without an answer do in a vote: "abstain", or "vote" together for one wrong answer, which
            can then win.
    """
    problem_N, ids = codes_of(samples, "problem_id")
    used, code_N = np.unique(problem_N, return_inverse=True)
    by_id = np.argsort(ids[used], kind="stable")
    rank = np.empty(len(used), dtype=np.int64)
    rank[by_id] = np.arange(len(used))
    code_N = rank[code_N]
    class_N, classes = codes_of(samples, "answer_class")
    verdict_N, verdicts = codes_of(samples, "verdict")
    correct_N = (verdicts == "CORRECT")[verdict_N]
    silent_N = ~correct_N & (classes == "")[class_N]
    wrong_N = ~correct_N if unparsed == "vote" else ~correct_N & ~silent_N
    pairs, counts = np.unique(code_N[wrong_N] * len(classes) + class_N[wrong_N], return_counts=True)
    ballots = [np.sort(votes)[::-1] for votes in _split(counts, pairs // len(classes), len(used))]
    abstaining_N = silent_N & (unparsed == "abstain")
    return VoteTable(
        problem_ids=tuple(ids[used][by_id].tolist()),
        num_samples_P=np.bincount(code_N, minlength=len(used)),
        num_correct_P=np.bincount(code_N[correct_N], minlength=len(used)),
        num_abstaining_P=np.bincount(code_N[abstaining_N], minlength=len(used)),
        wrong_votes_P=tuple(tuple(votes.tolist()) for votes in ballots),
    )


def _split(values_N: np.ndarray, problem_N: np.ndarray, num_problems: int) -> list[np.ndarray]:
    """The values of each problem; `problem_N` ascends."""
    return np.split(values_N, np.searchsorted(problem_N, np.arange(1, num_problems)))


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
    """(P, K): Maj@K of each problem.

    Raises:
        ValueError: some K is beyond the samples of a problem.
    """
    check_draws("maj_at_k", int(votes.num_samples_P.min()), max(ks))
    return majority_matrix(votes.num_correct_P, votes.num_abstaining_P, votes.wrong_votes_P, ks)


def powers_of_two(largest: int) -> tuple[int, ...]:
    """1, 2, 4, … up to `largest`: the values of K at which curves are drawn."""
    return tuple(2**power for power in range(largest.bit_length()))


def score_votes(
    votes_S: Sequence[VoteTable],
    ks: Sequence[int],
    *,
    arm: str,
    benchmark: str,
    seeds: Sequence[int],
    temperature: float | None = None,
) -> ArmScores:
    """Score matrices of one arm from the votes of its seeds.

    Raises:
        ValueError: some K is beyond the samples of a problem (names the arm), or the seeds have different problems.
    """
    fewest = min(int(votes.num_samples_P.min()) for votes in votes_S)
    if max(ks) > fewest or min(ks) < 1:
        raise ValueError(
            f"{arm} on {benchmark}: K={max(ks)} exceeds the {fewest} samples of a problem; expected 1 to {fewest}; "
            "lower K or evaluate with more samples"
        )
    if any(votes.problem_ids != votes_S[0].problem_ids for votes in votes_S):
        raise ValueError(f"{arm} on {benchmark}: its seeds have different problems; expected the same in all of them")
    return ArmScores(
        arm=arm,
        benchmark=benchmark,
        seeds=tuple(seeds),
        ks=tuple(ks),
        problem_ids=votes_S[0].problem_ids,
        num_samples=fewest,
        votes_S=tuple(votes_S),
        pass_SPK=np.stack([pass_scores(votes, ks) for votes in votes_S]),
        majority_SPK=np.stack([majority_scores(votes, ks) for votes in votes_S]),
        temperature=temperature,
    )


def score_comparison(
    comparison: ComparisonRecord, ks: Sequence[int] = (), *, unparsed: Unparsed = "abstain"
) -> tuple[ArmScores, ...]:
    """Score every arm on every benchmark, benchmark by benchmark, arms in the order of the comparison.

    Args:
        comparison: the finished runs.
        ks: values of K; without any, the powers of two up to the fewest samples that a problem of that benchmark has.
        unparsed: as in `count_votes`.

    Raises:
        ValueError: some K is beyond the samples of a problem.
    """
    scores = []
    for benchmark in comparison.benchmarks:
        votes = {
            (run.arm, run.seed): count_votes(run.final_samples_on(benchmark), unparsed=unparsed)
            for run in comparison.runs
        }
        fewest = min(int(table.num_samples_P.min()) for table in votes.values())
        for arm in comparison.arms:
            seeds = [run.seed for run in comparison.runs_of(arm)]
            own = [votes[arm, seed] for seed in seeds]
            chosen = tuple(ks) or powers_of_two(fewest)
            temperature = comparison.runs_of(arm)[0].temperature
            scores.append(score_votes(own, chosen, arm=arm, benchmark=benchmark, seeds=seeds, temperature=temperature))
    return tuple(scores)


def scores_alike(comparison: ComparisonRecord, scores: Sequence[ArmScores]) -> list[list[ArmScores]]:
    """The scores in groups of arms that may be compared (`ComparisonRecord.alike`)."""
    return [[score for score in scores if score.arm in arms] for arms in comparison.alike]
