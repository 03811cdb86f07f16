"""The temperature of a reward model: the one number that makes its scores probabilities (Guo et al. 2017).

    T = argmin Σ_k BCE(y_k, σ(z_k / T))          (arXiv 1706.04599, section 4.2, for one class)

Fitted on problems that the model has not seen; it changes no ranking.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

__all__ = ["HOTTEST", "fit_temperature"]

HOTTEST = 100.0  # and the coldest is its inverse: beyond, every probability is 1/2, or 0 and 1, to two digits


def fit_temperature(scores: Sequence[float], labels: Sequence[float]) -> float:
    """The temperature of least cross-entropy, within 1/`HOTTEST` and `HOTTEST`.

    The cross-entropy is convex in 1/T; the zero of its slope, Σ (σ(z/T) − y)·z, is found by bisection.

    Args:
        scores: z of each held-out label.
        labels: in [0, 1], as many.

    Returns:
        T; 1 where there are no labels, or every score is 0.

    Raises:
        ValueError: another number of scores than of labels, a score that is not finite, or a label outside [0, 1].
    """
    if len(scores) != len(labels):
        raise ValueError(f"{len(scores)} scores and {len(labels)} labels; expected as many.")
    z, y = torch.tensor(list(scores), dtype=torch.float64), torch.tensor(list(labels), dtype=torch.float64)
    if not bool(z.isfinite().all()):
        raise ValueError(f"score {int(z.isfinite().logical_not().nonzero()[0])} is not finite; expected numbers.")
    outside = ~((y >= 0) & (y <= 1))
    if bool(outside.any()):
        raise ValueError(f"label {int(outside.nonzero()[0])} is {float(y[outside][0])}; expected a number in [0, 1].")
    if not bool((z != 0).any()):
        return 1.0

    def slope(inverse: float) -> float:
        return float(((torch.sigmoid(z * inverse) - y) * z).sum())

    low, high = 1 / HOTTEST, HOTTEST
    if slope(low) >= 0:  # the scores point the wrong way, or say nothing
        return HOTTEST
    if slope(high) <= 0:  # the scores part the labels without a mistake
        return 1 / HOTTEST
    for _ in range(200):
        middle = (low * high) ** 0.5
        if middle in (low, high):
            break
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return 1 / ((low * high) ** 0.5)
