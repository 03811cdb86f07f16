"""ProcessBench's figures on rows made by hand, and the two baselines whose figures are known beforehand."""

from __future__ import annotations

import pytest

from analysis.verification.process_bench import (
    ALL_RIGHT,
    first_wrong_step,
    process_bench_score,
    random_predictions,
)


def test_the_first_step_below_the_threshold_is_named() -> None:
    assert first_wrong_step([0.9, 0.4, 0.1]) == 1
    assert first_wrong_step([0.9, 0.5]) == ALL_RIGHT  # at the threshold is not below it
    assert first_wrong_step([0.9, 0.5], threshold=0.6) == 1
    assert first_wrong_step([]) == ALL_RIGHT


def test_a_score_by_hand() -> None:
    """Wrong solutions: one of three found (another step, or none, is a miss). Right ones: one of two. F1 = 2/5."""
    score = process_bench_score([2, 1, -1, -1, 0], [2, 0, 1, -1, -1])
    assert (score.wrong, score.right) == (3, 2)
    assert score.wrong_accuracy == pytest.approx(1 / 3) and score.right_accuracy == 0.5
    assert score.f1 == pytest.approx(2 * (1 / 3) * (1 / 2) / (1 / 3 + 1 / 2)) == pytest.approx(0.4)


def test_a_model_that_finds_nothing_wrong_has_f1_0_and_a_perfect_one_1() -> None:
    labels = [0, 3, -1, -1, 1]
    score = process_bench_score([ALL_RIGHT] * 5, labels)
    assert (score.wrong_accuracy, score.right_accuracy, score.f1) == (0.0, 1.0, 0.0)
    assert process_bench_score(labels, labels).f1 == 1.0
    assert process_bench_score([0] * 5, [-1] * 4 + [1]).f1 == 0.0
    assert process_bench_score([-1], [-1]).f1 is None


def test_a_random_model_has_one_over_the_number_of_answers_of_each_kind() -> None:
    """Four steps: five answers, so both accuracies and F1 are 1/5; 20,000 rows, four standard errors."""
    labels = [number % 4 for number in range(10_000)] + [ALL_RIGHT] * 10_000
    score = process_bench_score(random_predictions([4] * 20_000, seed=0), labels)
    bound = 4 * (0.2 * 0.8 / 10_000) ** 0.5
    assert score.wrong_accuracy == pytest.approx(0.2, abs=bound)
    assert score.right_accuracy == pytest.approx(0.2, abs=bound)
    assert score.f1 == pytest.approx(0.2, abs=bound)


def test_what_is_no_step_is_refused() -> None:
    with pytest.raises(ValueError, match="1 predictions and 2 labels"):
        process_bench_score([0], [0, 1])
    with pytest.raises(ValueError, match="a step is -2"):
        process_bench_score([-2], [0])
