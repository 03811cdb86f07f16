"""Pass@K and Maj@K: exact expectations over K draws without replacement from the n samples of one problem.

Both are the curves of DeepSeekMath Figure 7 (arXiv 2402.03300), which does not say how they were estimated. Here
nothing is drawn: the n samples are an urn, and each function returns the expectation over all C(n, K) subsets.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import comb
from typing import overload

import numpy as np
from scipy.special import gammaln, xlogy

SHARED_INCLUSION_LIMIT = 512  # with p = 1/2 the smallest product is 2^-n; beyond this n, p = k/n keeps it off underflow


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
    _check_draws("pass_at_k", num_samples, k)
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
    """Maj@K at several K, exactly, without enumerating subsets.

    The votes drawn are multivariate hypergeometric: independent binomials X_i ~ Bin(c_i, p), conditioned on their sum
    being K, whatever p. With the correct class at j votes and t other classes tied with it, the vote is won with
    probability 1/(1+t) = ∫₀¹ yᵗ dy, so

        Maj@K = Σ_{j≥1} P(X_correct = j) · ∫₀¹ [x^{K-j}] A(x) · Π_i ( P_i,<j(x) + y·P(X_i = j)·x^j ) dy / P(ΣX = K)

    with P_i,<j(x) = Σ_{v<j} P(X_i = v)·x^v and A(x) the abstaining samples, which may take any number of draws. The
    integrand is a polynomial in y: Gauss-Legendre quadrature is exact. Every term is positive, so nothing cancels
    (about 1e-13).

    Args:
        answer_counts, correct_index, num_abstaining: as in `maj_at_k`.
        ks: the values of K, each in 1..n.

    Returns:
        (K,) float64, in the order of `ks`.
    """
    counts = [int(count) for count in answer_counts]
    total = sum(counts) + num_abstaining
    if min([*counts, num_abstaining]) < 0:
        raise ValueError(
            f"maj_at_k: a count is negative in answer_counts={counts}, num_abstaining={num_abstaining}; expected "
            "counts >= 0"
        )
    for k in ks:
        _check_draws("maj_at_k", total, k)
    if correct_index is None:
        return np.zeros(len(ks))
    if not 0 <= correct_index < len(counts):
        raise ValueError(
            f"maj_at_k: correct_index={correct_index}, expected 0..{len(counts) - 1}, a position in answer_counts; "
            "pass None where no sample is right"
        )
    correct = counts[correct_index]
    wrong = [count for i, count in enumerate(counts) if i != correct_index and count > 0]
    if total <= SHARED_INCLUSION_LIMIT:
        return _win_probability(correct, wrong, num_abstaining, ks, 0.5)
    each = [_win_probability(correct, wrong, num_abstaining, [k], k / total) for k in ks]
    return np.concatenate([np.zeros(0), *each])


def _win_probability(
    correct: int, wrong: Sequence[int], abstaining: int, ks: Sequence[int], inclusion: float
) -> np.ndarray:
    """The formula of `majority_curve` for all `ks` in one pass; (K,). `inclusion` is p, the binomials' parameter."""
    largest = max(ks, default=0)
    correct_pmf = _binomial_pmf(correct, inclusion, largest)
    wrong_pmf = {count: _binomial_pmf(count, inclusion, largest) for count in set(wrong)}
    joint = np.zeros(largest + 1)  # [K] = P(the vote is won and K samples are drawn)
    for votes in range(1, min(correct, largest) + 1):
        rest = _share_of_draws(wrong_pmf, wrong, abstaining, votes, largest - votes, inclusion)
        joint[votes:] += correct_pmf[votes] * rest
    drawn = list(ks)
    won = joint[drawn] / _binomial_pmf(correct + sum(wrong) + abstaining, inclusion, largest)[drawn]
    return np.clip(won, 0.0, 1.0)


def _share_of_draws(
    wrong_pmf: dict[int, np.ndarray],
    wrong: Sequence[int],
    abstaining: int,
    votes: int,
    degree: int,
    inclusion: float,
) -> np.ndarray:
    """(degree+1,): at x^r, E[1/(1+ties) · 1(no wrong class exceeds `votes`) · 1(r samples drawn that are not correct)].

    Classes with fewer than `votes` samples can neither win nor tie: with the abstaining ones they are a single
    binomial.
    """
    rivals = [count for count in wrong if count >= votes]
    harmless = abstaining + sum(wrong) - sum(rivals)
    most_ties = min(len(rivals), degree // votes)
    nodes, weights = _unit_quadrature(most_ties)  # (Q,), (Q,)
    product = np.tile(_binomial_pmf(harmless, inclusion, degree), (len(nodes), 1))  # (Q, degree+1)
    for count in rivals:
        pmf = wrong_pmf[count]
        below = _multiply_below(product, pmf[: min(votes, degree + 1)])
        if votes <= degree:
            below[:, votes:] += nodes[:, None] * pmf[votes] * product[:, : degree + 1 - votes]
        product = below
    return weights @ product


def _multiply_below(product: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Each row of `product` (Q, D) times the polynomial `factor` (F,), F <= D, kept to degree D-1."""
    if len(factor) == 1:
        return product * factor[0]
    length = product.shape[1]
    padded = np.zeros(2 * length - 1)
    padded[length - 1 : length - 1 + len(factor)] = factor
    shifted = np.lib.stride_tricks.sliding_window_view(padded, length)[::-1]  # [a, b] = factor[b-a]
    return product @ np.ascontiguousarray(shifted)


def _binomial_pmf(count: int, inclusion: float, degree: int) -> np.ndarray:
    """(degree+1,): P(Bin(count, inclusion) = v) at v = 0..degree, zero beyond `count`."""
    taken = np.arange(min(count, degree) + 1)
    log_pmf = gammaln(count + 1) - gammaln(taken + 1) - gammaln(count - taken + 1)
    log_pmf += xlogy(taken, inclusion) + xlogy(count - taken, 1 - inclusion)
    return np.pad(np.exp(log_pmf), (0, degree + 1 - len(taken)))


@lru_cache(maxsize=256)
def _unit_quadrature(degree: int) -> tuple[np.ndarray, np.ndarray]:
    """Gauss-Legendre nodes and weights on [0, 1], exact for polynomials up to `degree`."""
    nodes, weights = np.polynomial.legendre.leggauss(degree // 2 + 1)
    return (nodes + 1) / 2, weights / 2


def _check_draws(name: str, num_samples: int, k: int) -> None:
    if not 1 <= k <= num_samples:
        raise ValueError(
            f"{name}: k={k} samples cannot be drawn from {num_samples}; expected 1 <= k <= {num_samples}; "
            "lower k or sample more completions a problem"
        )
