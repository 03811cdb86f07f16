"""Figures of calibration by hand and against scipy's."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from analysis.verification.calibration import area_under_curve, brier_score, reliability_curve


def test_a_brier_score_by_hand() -> None:
    """(0.1² + 0.2² + 0.3²) / 3."""
    assert brier_score([0.9, 0.2, 0.7], [1, 0, 1]) == pytest.approx((0.01 + 0.04 + 0.09) / 3)
    assert brier_score([0.5, 0.5], [0, 1]) == 0.25


def test_a_reliability_curve_by_hand() -> None:
    """Two bins: 0.1, 0.3, 0.49 with one right of three; 0.5 and 1.0 with two of two."""
    curve = reliability_curve([0.1, 0.3, 0.49, 0.5, 1.0], [0, 1, 0, 1, 1], bins=2)
    assert curve.count.tolist() == [3, 2]
    assert curve.probability.tolist() == pytest.approx([0.89 / 3, 0.75])
    assert curve.frequency.tolist() == pytest.approx([1 / 3, 1.0])
    assert curve.expected_error == pytest.approx(3 / 5 * abs(0.89 / 3 - 1 / 3) + 2 / 5 * 0.25)


def test_empty_bins_are_left_out_and_probabilities_that_are_true_have_no_error() -> None:
    curve = reliability_curve([0.0] * 4 + [0.75] * 4, [0] * 4 + [1, 1, 1, 0])
    assert curve.probability.tolist() == [0.0, 0.75] == curve.frequency.tolist()
    assert curve.expected_error == 0


def test_the_area_is_mann_whitneys() -> None:
    draw = np.random.default_rng(0)
    p, y = np.round(draw.random(60), 1), draw.integers(0, 2, 60)  # with ties
    theirs = mannwhitneyu(p[y == 1], p[y == 0]).statistic / ((y == 1).sum() * (y == 0).sum())
    assert area_under_curve(p, y) == pytest.approx(float(theirs), rel=1e-12)
    assert area_under_curve([0.3, 0.7], [1, 1]) is None


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        ([], [], "at least one"),
        ([0.5], [1, 0], "as many of each"),
        ([0.5, 1.5], [0, 1], r"probability 1 is 1\.5"),
        ([0.5, float("nan")], [0, 1], "probability 1 is nan"),
        ([0.5], [2], r"label 0 is 2\.0"),
    ],
)
def test_what_is_no_probability_is_refused(p: list[float], y: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        brier_score(p, y)
