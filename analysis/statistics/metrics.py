"""Pass@K and Maj@K: exact expectations over K draws without replacement from the n samples of one problem.

Both are the curves of DeepSeekMath Figure 7 (arXiv 2402.03300), which does not say how they were estimated. Here
nothing is drawn: the n samples are an urn, and each function returns the expectation over all C(n, K) subsets.
"""

from collections.abc import Sequence
from math import comb
from typing import overload

import numpy as np

from analysis.statistics.voting import majority_matrix


@overload
def pass_at_k(num_correct: int, num_samples: int, k: int) -> float: ...
@overload
def pass_at_k(num_correct: np.ndarray, num_samples: int, k: int) -> np.ndarray: ...
def pass_at_k(num_correct: int | np.ndarray, num_samples: int, k: int) -> float | np.ndarray:
    """Probability that at least one of k samples is correct: `1 - C(n-c, k) / C(n, k)`.

    Chen et al. 2021 (arXiv 2107.03374), Eq. 1. Evaluated in integers, so each value is the correctly rounded float for
    any n; `C(m-1, k) = C(m, k)·(m-k)/m` gives all counts in one sweep.

    Args:
        num_correct: c, how many samples are correct; an int, or an integer array of any shape (one entry a problem).
        num_samples: n, how many samples each problem has.
        k: how many of them are drawn, without replacement.

    Returns:
        A float for an int, else a float64 array of the shape of `num_correct`.

    Raises:
        ValueError: k outside 1..num_samples, or num_correct outside 0..num_samples.
    """
    check_draws("pass_at_k", num_samples, k)
    counts = np.asarray(num_correct)
    if counts.dtype.kind not in "iu":
        raise ValueError(f"pass_at_k: num_correct is {counts.dtype}; expected integers; pass counts, not rates")
    if counts.size and (counts.min() < 0 or counts.max() > num_samples):
        raise ValueError(
            f"pass_at_k: num_correct reaches from {counts.min()} to {counts.max()}; expected "
            f"0..num_samples={num_samples}; check that the two count the same samples"
        )
    subsets = misses = comb(num_samples, k)  # misses = C(n-c, k)
    largest = int(counts.max()) if counts.size else 0
    table = np.empty(largest + 1)  # (C+1,) by c
    for c in range(largest + 1):
        table[c] = (subsets - misses) / subsets
        remaining = num_samples - c
        misses = misses * (remaining - k) // remaining if remaining > k else 0
    values = table[counts]
    return float(values) if np.ndim(num_correct) == 0 else values


def maj_at_k(answer_counts: Sequence[int], correct_index: int | None, k: int, num_abstaining: int = 0) -> float:
    """Probability that the plurality vote of k samples is the correct answer, ties split uniformly.

    See `majority_curve`, of which this is one point.

    Args:
        answer_counts: votes for each distinct answer among the n samples; zeros are allowed.
        correct_index: which of them is correct; None where no sample is right (the result is then 0).
        k: how many samples are drawn, without replacement, from `sum(answer_counts) + num_abstaining`.
        num_abstaining: samples without an answer: they are drawn but do not vote; if all k abstain, the vote is lost.

    Raises:
        ValueError: k beyond the number of samples, a negative count, or an index out of range.
    """
    return float(majority_curve(answer_counts, correct_index, [k], num_abstaining)[0])


def majority_curve(
    answer_counts: Sequence[int], correct_index: int | None, ks: Sequence[int], num_abstaining: int = 0
) -> np.ndarray:
    """Maj@K at several K, exactly, without enumerating subsets: one problem of `voting.majority_matrix`.

    Args:
        answer_counts, correct_index, num_abstaining: as in `maj_at_k`.
        ks: the values of K, each in 1..n.

    Returns:
        (K,) float64, in the order of `ks`.
    """
    counts = [int(count) for count in answer_counts]
    if any(whole != count for whole, count in zip(counts, answer_counts, strict=True)):
        raise ValueError(f"maj_at_k: answer_counts={list(answer_counts)}; expected integers; pass counts, not rates")
    total = sum(counts) + num_abstaining
    if min([*counts, num_abstaining]) < 0:
        raise ValueError(
            f"maj_at_k: a count is negative in answer_counts={counts}, num_abstaining={num_abstaining}; expected "
            "counts >= 0"
        )
    for k in ks:
        check_draws("maj_at_k", total, k)
    if correct_index is None:
        return np.zeros(len(ks))
    if not 0 <= correct_index < len(counts):
        raise ValueError(
            f"maj_at_k: correct_index={correct_index}, expected 0..{len(counts) - 1}, a position in answer_counts; "
            "pass None where no sample is right"
        )
    wrong = [count for i, count in enumerate(counts) if i != correct_index]
    return majority_matrix(np.array([counts[correct_index]]), np.array([num_abstaining]), [wrong], ks)[0]


def check_draws(name: str, num_samples: int, k: int) -> None:
    """Refuse a K that cannot be drawn from n samples."""
    if not 1 <= k <= num_samples:
        raise ValueError(
            f"{name}: k={k} samples cannot be drawn from {num_samples}; expected 1 <= k <= {num_samples}; "
            "lower k or sample more completions a problem"
        )
