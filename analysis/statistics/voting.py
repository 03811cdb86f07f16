"""Maj@K of many problems at once, exactly: the multivariate hypergeometric vote by dynamic programming over classes.

The K votes drawn from n samples are multivariate hypergeometric: independent binomials X_i ~ Bin(c_i, p), conditioned
on their sum being K, whatever p. With the correct class at j votes and t other classes tied with it, the vote is won
with probability 1/(1+t) = ∫₀¹ yᵗ dy, so

    Maj@K = Σ_{j≥1} P(X_correct = j) · ∫₀¹ [x^{K-j}] H(x) · Π_i ( P_i,<j(x) + y·P(X_i = j)·x^j ) dy / P(ΣX = K)

with P_i,<j(x) = Σ_{v<j} P(X_i = v)·x^v over the rivals (classes with at least j samples) and H(x) the binomial of the
samples that can do no harm: those of smaller classes and the abstaining ones.

The product over classes is taken on a circle (`analysis.statistics.circle`). In y the integrand is a polynomial, and
Gauss-Legendre quadrature with enough nodes is exact. Terms below `NEGLIGIBLE` are left out. The result is
good to about 1e-13.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from analysis.statistics.circle import NEGLIGIBLE, Circle, binomial_pmf, circle_of_draws, unit_quadrature

BLOCK_PROBLEMS = 1024
CHUNK_NUMBERS = 1 << 17  # complex numbers multiplied at a time: 2 MiB stay in the cache


@dataclass(frozen=True, kw_only=True, eq=False)
class _Urn:
    """Problems with the same n: correct and harmless votes, and the wrong classes by distinct count, largest first.

    `count_PD` and `classes_PD` are padded with zeros: `classes_PD[p, d]` classes of problem p have `count_PD[p, d]`
    samples each.
    """

    num_samples: int
    correct_P: np.ndarray
    abstaining_P: np.ndarray
    count_PD: np.ndarray
    classes_PD: np.ndarray


def majority_matrix(
    correct_P: np.ndarray, abstaining_P: np.ndarray, wrong_P: Sequence[Sequence[int]], ks: Sequence[int]
) -> np.ndarray:
    """(P, K): Maj@K of each problem; see the head of this module.

    Args:
        correct_P: votes for the right answer.
        abstaining_P: samples that are drawn but do not vote; if all K abstain, the vote is lost.
        wrong_P: for each problem, the votes of each wrong answer class.
        ks: the values of K, each in 1..n of every problem.
    """
    keys = [
        (int(correct), int(abstaining), tuple(sorted(wrong)))
        for correct, abstaining, wrong in zip(correct_P, abstaining_P, wrong_P, strict=True)
    ]
    position = {key: row for row, key in enumerate(dict.fromkeys(keys))}  # problems with equal votes are computed once
    problems = list(position)
    totals = np.array([correct + abstaining + sum(wrong) for correct, abstaining, wrong in problems])
    won = np.empty((len(problems), len(ks)))
    for total in np.unique(totals):
        rows = np.flatnonzero(totals == total)
        for start in range(0, len(rows), BLOCK_PROBLEMS):
            block = rows[start : start + BLOCK_PROBLEMS]
            urn = _urn([problems[row] for row in block], int(total))
            for column, k in enumerate(ks):
                won[block, column] = _win_probability(urn, k)
    return won[[position[key] for key in keys]]


def _urn(problems: Sequence[tuple[int, int, tuple[int, ...]]], num_samples: int) -> _Urn:
    tallies = []
    for _, _, wrong in problems:
        counts, classes = np.unique(np.array([count for count in wrong if count > 0], dtype=int), return_counts=True)
        tallies.append((counts[::-1], classes[::-1]))
    width = max(len(counts) for counts, _ in tallies)
    count_PD, classes_PD = np.zeros((2, len(problems), width), dtype=int)
    for row, (counts, classes) in enumerate(tallies):
        count_PD[row, : len(counts)], classes_PD[row, : len(counts)] = counts, classes
    return _Urn(
        num_samples=num_samples,
        correct_P=np.array([correct for correct, _, _ in problems]),
        abstaining_P=np.array([abstaining for _, abstaining, _ in problems]),
        count_PD=count_PD,
        classes_PD=classes_PD,
    )


def _win_probability(urn: _Urn, k: int) -> np.ndarray:
    """(P,): Maj@k."""
    if k == urn.num_samples:
        return _vote_of_all(urn)
    circle = circle_of_draws(urn.num_samples, k)
    rivals = _rival_polynomials(urn, circle, k)
    pairs = _pairs(urn, rivals, circle.inclusion, k)
    share_T = np.empty(len(pairs.problem_T))
    for nodes in np.unique(pairs.nodes_T):
        rows = np.flatnonzero(pairs.nodes_T == nodes)
        share_T[rows] = _coefficients(urn, rivals, circle, pairs, rows, int(nodes), k)
    joint_P = np.bincount(pairs.problem_T, pairs.chance_T * share_T, minlength=len(urn.correct_P))
    return np.clip(joint_P / circle.chance, 0.0, 1.0)


def _vote_of_all(urn: _Urn) -> np.ndarray:
    """(P,): the vote with every sample drawn."""
    largest_P = urn.count_PD.max(axis=1, initial=0)
    tied_P = np.where(urn.count_PD == urn.correct_P[:, None], urn.classes_PD, 0).sum(axis=1)
    return np.where((urn.correct_P > 0) & (urn.correct_P >= largest_P), 1 / (1.0 + tied_P), 0.0)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rivals:
    """Row `first_of[c] + j - 1` belongs to a class of c samples when the right answer has j votes, 1 <= j <= c."""

    first_of: np.ndarray
    below_UF: np.ndarray  # the polynomial of fewer than j votes
    tied_UF: np.ndarray  # the term of exactly j votes


def _rival_polynomials(urn: _Urn, circle: Circle, k: int) -> _Rivals:
    most = min(k, int(urn.correct_P.max(initial=0)))
    points_VF = circle.points(np.arange(most + 1))
    first_of = np.zeros(urn.num_samples + 1, dtype=int)
    below, tied, rows = [np.zeros((0, len(circle.weight_F)))], [np.zeros((0, len(circle.weight_F)))], 0
    for count in np.unique(urn.count_PD[urn.count_PD > 0]):
        votes = np.arange(min(count, most) + 1)
        terms_VF = binomial_pmf(count, votes, circle.inclusion)[:, None] * points_VF[: len(votes)]
        first_of[count] = rows
        below.append(np.cumsum(terms_VF[:-1], axis=0))
        tied.append(terms_VF[1:])
        rows += len(votes) - 1
    return _Rivals(first_of=first_of, below_UF=np.concatenate(below), tied_UF=np.concatenate(tied))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Pairs:
    """(problem, votes j of the right answer) with a chance that counts; T of them, those with most rivals first."""

    problem_T: np.ndarray
    votes_T: np.ndarray
    chance_T: np.ndarray  # P(X_correct = j)
    harmless_T: np.ndarray
    distinct_T: np.ndarray  # how many columns of `count_PD` are rivals
    nodes_T: np.ndarray  # quadrature nodes needed, rounded up to a power of two


def _pairs(urn: _Urn, rivals: _Rivals, inclusion: float, k: int) -> _Pairs:
    most_P = np.minimum(urn.correct_P, k)
    problem_T = np.repeat(np.arange(len(most_P)), most_P)
    votes_T = np.arange(len(problem_T)) - np.repeat(np.cumsum(most_P) - most_P, most_P) + 1
    chance_T = binomial_pmf(urn.correct_P[problem_T], votes_T, inclusion)
    bound_T = chance_T.copy()
    if urn.count_PD.shape[1]:
        leader_T = urn.count_PD[problem_T, 0]
        challenged = np.flatnonzero(leader_T >= votes_T)
        rows = rivals.first_of[leader_T[challenged]] + votes_T[challenged] - 1
        bound_T[challenged] *= np.real(
            rivals.below_UF[rows, 0] + rivals.tied_UF[rows, 0]
        )  # P(the leader has at most j)
    kept = np.flatnonzero(bound_T >= NEGLIGIBLE)
    problem_T, votes_T = problem_T[kept], votes_T[kept]
    distinct_T = (urn.count_PD[problem_T] >= votes_T[:, None]).sum(axis=1)
    order = np.argsort(-distinct_T, kind="stable")
    kept, problem_T, votes_T, distinct_T = kept[order], problem_T[order], votes_T[order], distinct_T[order]
    is_rival_TD = urn.count_PD[problem_T] >= votes_T[:, None]
    classes_T = np.where(is_rival_TD, urn.classes_PD[problem_T], 0)
    voters_T = (classes_T * urn.count_PD[problem_T]).sum(axis=1)
    most_ties_T = np.minimum(classes_T.sum(axis=1), (k - votes_T) // votes_T)
    return _Pairs(
        problem_T=problem_T,
        votes_T=votes_T,
        chance_T=chance_T[kept],
        harmless_T=urn.num_samples - urn.correct_P[problem_T] - voters_T,
        distinct_T=distinct_T,
        nodes_T=2 ** np.ceil(np.log2(most_ties_T // 2 + 1)).astype(int),
    )


def _coefficients(
    urn: _Urn, rivals: _Rivals, circle: Circle, pairs: _Pairs, rows: np.ndarray, num_nodes: int, k: int
) -> np.ndarray:
    """∫₀¹ [x^{k-j}] H · Π_i (…) dy for the pairs `rows`, all of which use `num_nodes` nodes; in their order."""
    nodes_Q, weights_Q = unit_quadrature(num_nodes)
    ranks = np.arange(int(pairs.distinct_T[rows[0]]))
    is_rival_TD = pairs.distinct_T[rows][:, None] > ranks
    counts_TD = urn.count_PD[pairs.problem_T[rows]][:, : len(ranks)]
    classes_TD = urn.classes_PD[pairs.problem_T[rows]][:, : len(ranks)]
    row_TD = np.where(is_rival_TD, rivals.first_of[counts_TD] + pairs.votes_T[rows][:, None] - 1, 0)
    keys, key_N = np.unique((row_TD * (urn.num_samples + 1) + classes_TD)[is_rival_TD], return_inverse=True)
    key_TD = np.zeros(is_rival_TD.shape, dtype=int)
    key_TD[is_rival_TD] = key_N
    factor_MQF = _factors(rivals, keys // (urn.num_samples + 1), keys % (urn.num_samples + 1), nodes_Q)
    counts_H, harmless_T = np.unique(pairs.harmless_T[rows], return_inverse=True)
    harmless_HF = circle.binomials(counts_H)
    back_VF = circle.points(-np.arange(k + 1)) * circle.weight_F
    result = np.empty(len(rows))
    size = max(1, CHUNK_NUMBERS // (num_nodes * len(circle.weight_F)))
    for start in range(0, len(rows), size):
        chunk = slice(start, min(start + size, len(rows)))
        product_BF = harmless_HF[harmless_T[chunk]] * back_VF[k - pairs.votes_T[rows[chunk]]]
        product_BQF = np.repeat(product_BF[:, None, :], num_nodes, axis=1)
        for rank in ranks:
            active = int(np.count_nonzero(is_rival_TD[chunk, rank]))  # sorted: the first ones
            if active == 0:
                break
            product_BQF[:active] *= factor_MQF[key_TD[chunk, rank][:active]]
        result[chunk] = np.real(product_BQF).sum(axis=2) @ weights_Q
    return result


def _factors(rivals: _Rivals, row_M: np.ndarray, classes_M: np.ndarray, nodes_Q: np.ndarray) -> np.ndarray:
    """(M, Q, F): (P_<j + y·P_j)^classes."""
    factor_MQF = rivals.below_UF[row_M][:, None, :] + nodes_Q[:, None] * rivals.tied_UF[row_M][:, None, :]
    several = np.flatnonzero(classes_M > 1)
    factor_MQF[several] **= classes_M[several, None, None]
    return factor_MQF
