"""Choosing one of K samples with a score: best-of-K and the weighted vote, exact over K draws without replacement.

Scores come from outside (a reward model, a likelihood, minus the length), one a sample.
"""

from collections.abc import Sequence
from itertools import pairwise
from math import comb

import numpy as np

from analysis.statistics.circle import Circle, circle_of_draws, unit_quadrature
from analysis.statistics.metrics import check_draws


def best_of_k(correct_N: np.ndarray, scores_N: np.ndarray, k: int) -> float:
    """Probability that the sample with the highest score among k is right; equal scores split uniformly.

    The highest score of k samples is at most s for C(m, k) of the C(n, k) subsets, m being how many samples score at
    most s. So with g samples of equal score s, of which r are right, and m₀ below them,

        best@K = Σ_s r/g · ( C(m₀+g, K) - C(m₀, K) ) / C(n, K)

    Args:
        correct_N: for each sample of one problem, whether it is right.
        scores_N: its score; higher is better.
        k: how many samples are drawn.

    Raises:
        ValueError: k outside 1..n, lengths that differ, a verdict that is no truth value, or a score that is not
            finite.
    """
    scores = np.asarray(scores_N, dtype=float)
    correct = np.asarray(correct_N)
    if not np.isin(correct, (0, 1)).all():
        raise ValueError(
            f"best_of_k: verdicts {correct[:5].tolist()} …; expected True or False for each sample; compare first, "
            'such as verdicts == "CORRECT"'
        )
    correct = correct.astype(bool)
    if scores.shape != correct.shape or scores.ndim != 1:
        raise ValueError(
            f"best_of_k: {correct.shape} verdicts and {scores.shape} scores; expected one of each a sample"
        )
    if not np.isfinite(scores).all():
        raise ValueError("best_of_k: a score is not finite; expected a number for each sample; score every completion")
    check_draws("best_of_k", len(scores), k)
    _, group_N, size_G = np.unique(scores, return_inverse=True, return_counts=True)
    right_G = np.bincount(group_N, correct, minlength=len(size_G))
    at_most = [0, *np.cumsum(size_G).tolist()]
    subsets = [comb(below, k) for below in at_most]
    chance_G = [(upper - lower) / subsets[-1] for lower, upper in pairwise(subsets)]
    return float(np.dot(chance_G, right_G / size_G))


def weighted_maj_at_k(
    answer_weights: Sequence[Sequence[int]], correct_index: int | None, k: int, num_abstaining: int = 0
) -> float:
    """Probability that the answer with the largest total weight among k samples is right; ties split uniformly.

    As `voting.majority_matrix`, with a second variable for the weight: a class is Π_samples ((1-p) + p·x·z^weight), and
    the right answer at total weight W wins against the other classes' terms below W, with 1/(1+t) for t equal ones.
    With all weights 1 this is Maj@K. Real scores have too many different sums for an exact result: round them to a grid
    first, such as `np.rint(100 * score)`. Time and memory grow with the total weight.

    Args:
        answer_weights: for each distinct answer, the weights of its samples: integers >= 0.
        correct_index: which of the answers is right; None where no sample is (the result is then 0).
        k: how many samples are drawn, without replacement.
        num_abstaining: samples without an answer: they are drawn but do not vote.

    Raises:
        ValueError: k beyond the number of samples, a weight or count that is negative, a weight that is no integer, or
            an index out of range.
    """
    if num_abstaining < 0:
        raise ValueError(f"weighted_maj_at_k: num_abstaining={num_abstaining}; expected a count >= 0")
    weights = [_grid(answer) for answer in answer_weights]
    num_samples = sum(map(len, weights)) + num_abstaining
    check_draws("weighted_maj_at_k", num_samples, k)
    if correct_index is None:
        return 0.0
    if not 0 <= correct_index < len(weights):
        raise ValueError(
            f"weighted_maj_at_k: correct_index={correct_index}, expected 0..{len(weights) - 1}, a position in "
            "answer_weights; pass None where no sample is right"
        )
    rivals = [answer for i, answer in enumerate(weights) if i != correct_index and len(answer)]
    if k == num_samples:
        return _vote_of_all(weights[correct_index], rivals)
    circle = circle_of_draws(num_samples, k)
    top = int(weights[correct_index].sum())
    nodes_Q, weights_Q = unit_quadrature(min(len(rivals), k) // 2 + 1)
    none_F, right_FW = _totals(weights[correct_index], circle, top)
    right_FW[:, 0] -= none_F
    product_QFW = np.repeat(right_FW[None], len(nodes_Q), axis=0)
    for answer in rivals:
        none_F, tied_FW = _totals(answer, circle, top)
        below_FW = np.cumsum(tied_FW, axis=1) - tied_FW
        below_FW[:, 0] = none_F  # an answer that was not drawn is below any that was, also at weight 0
        tied_FW[:, 0] -= none_F
        product_QFW *= below_FW + nodes_Q[:, None, None] * tied_FW
    abstaining_F = circle.binomials(np.array([num_abstaining]))[0]
    back_F = circle.points(np.array([-k]))[0] * circle.weight_F * abstaining_F
    won = weights_Q @ (product_QFW.sum(axis=2) @ back_F).real
    return float(np.clip(won / circle.chance, 0.0, 1.0))


def _totals(weights: np.ndarray, circle: Circle, top: int) -> tuple[np.ndarray, np.ndarray]:
    """(F,): nothing drawn; (F, top+1): the law of the total weight of the drawn samples, beyond `top` cut off."""
    x_F = circle.inclusion * circle.points(np.array([1]))[0]
    law_FW = np.zeros((len(x_F), top + 1), dtype=complex)
    law_FW[:, 0] = 1.0
    for weight in weights:
        drawn_FW = law_FW * x_F[:, None]
        law_FW *= 1 - circle.inclusion
        if weight <= top:
            law_FW[:, weight:] += drawn_FW[:, : top + 1 - weight]
    return np.full(len(x_F), (1 - circle.inclusion) ** len(weights), dtype=complex), law_FW


def _vote_of_all(right: np.ndarray, rivals: Sequence[np.ndarray]) -> float:
    totals = [int(answer.sum()) for answer in rivals]
    if len(right) == 0 or int(right.sum()) < max(totals, default=0):
        return 0.0
    return 1 / (1 + totals.count(int(right.sum())))


def _grid(answer: Sequence[int]) -> np.ndarray:
    weights = np.asarray(answer)
    if len(weights) and (weights.dtype.kind not in "iu" or weights.min() < 0):
        raise ValueError(
            f"weighted_maj_at_k: weights {weights[:5].tolist()} …; expected integers >= 0; round scores to a grid "
            "first, such as np.rint(100 * score).astype(int)"
        )
    return weights.astype(int)
