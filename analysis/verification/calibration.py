"""How well probabilities of being right agree with who is right: Brier score, reliability curve, AUC.

Pure functions of arrays. Axes: N probabilities with a label each.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

__all__ = ["ReliabilityCurve", "area_under_curve", "brier_score", "reliability_curve"]


@dataclass(frozen=True, kw_only=True)
class ReliabilityCurve:
    """Mean label against mean probability, by bins of probability; empty bins are left out.

    Attributes:
        probability: (bins,) mean probability of a bin.
        frequency: (bins,) mean label of it.
        count: (bins,) labels in it.
        expected_error: Σ count/N · |probability − frequency|, the expected calibration error.
    """

    probability: NDArray[np.float64]
    frequency: NDArray[np.float64]
    count: NDArray[np.int64]
    expected_error: float


def brier_score(probabilities: ArrayLike, labels: ArrayLike) -> float:
    """Mean squared difference of probability and label (Brier 1950), in [0, 1]; always saying 1/2 has 0.25.

    Args:
        probabilities: (N,) in [0, 1].
        labels: (N,) in [0, 1]: 0 and 1, or shares.

    Raises:
        ValueError: none, not as many, or outside [0, 1].
    """
    p, y = _checked(probabilities, labels)
    return float(np.mean((p - y) ** 2))


def reliability_curve(probabilities: ArrayLike, labels: ArrayLike, *, bins: int = 10) -> ReliabilityCurve:
    """The curve over bins of equal width (Guo et al. 2017, arXiv 1706.04599, section 2).

    Args:
        probabilities: see `brier_score`.
        labels: see `brier_score`.
        bins: of [0, 1]; a probability of 1 is in the last.

    Raises:
        ValueError: see `brier_score`; or no bins.
    """
    if bins < 1:
        raise ValueError(f"bins is {bins}; expected at least 1.")
    p, y = _checked(probabilities, labels)
    index = np.minimum((p * bins).astype(np.int64), bins - 1)
    count = np.bincount(index, minlength=bins)
    held = count > 0
    mean_p = np.bincount(index, weights=p, minlength=bins)[held] / count[held]
    mean_y = np.bincount(index, weights=y, minlength=bins)[held] / count[held]
    error = float(np.sum(count[held] * np.abs(mean_p - mean_y)) / len(p))
    return ReliabilityCurve(probability=mean_p, frequency=mean_y, count=count[held], expected_error=error)


def area_under_curve(probabilities: ArrayLike, labels: ArrayLike) -> float | None:
    """Probability that a right one has more than a wrong one, ties counted half (Mann–Whitney).

    Args:
        probabilities: see `brier_score`.
        labels: see `brier_score`; right is above 1/2.

    Returns:
        In [0, 1]; ``None`` where all are right or none is.
    """
    p, y = _checked(probabilities, labels)
    right = y > 0.5
    num_right, num_wrong = int(right.sum()), int((~right).sum())
    if not num_right or not num_wrong:
        return None
    return float((rankdata(p)[right].sum() - num_right * (num_right + 1) / 2) / (num_right * num_wrong))


def _checked(probabilities: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    p, y = np.asarray(probabilities, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    if p.ndim != 1 or p.shape != y.shape or not len(p):
        raise ValueError(f"{p.shape} probabilities and {y.shape} labels; expected as many of each, at least one.")
    for name, values in (("probability", p), ("label", y)):
        outside = ~((values >= 0) & (values <= 1))
        if outside.any():
            raise ValueError(f"{name} {int(np.argmax(outside))} is {values[outside][0]}; expected a number in [0, 1].")
    return p, y
