"""ProcessBench's protocol: does a process reward model find the first wrong step (Zheng et al. 2024, arXiv 2412.06559)?

Of a solution with steps 0 to n − 1 the prediction is the first step whose probability lies below a threshold, and −1
where none does. Solutions with a wrong step are found where exactly that step is named, right ones where none is; the
figure is F1, the harmonic mean of the two accuracies (section 4.1). The threshold is given, not chosen on what is
reported.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = [
    "ALL_RIGHT",
    "PUBLISHED_F1",
    "ProcessBenchScore",
    "f1_band",
    "first_wrong_step",
    "process_bench_score",
    "random_predictions",
]

PUBLISHED_F1 = {
    "processbench_gsm8k": {
        "Math-Shepherd-PRM-7B": 47.9,
        "Skywork-PRM-1.5B": 59.0,
        "Skywork-PRM-7B": 70.8,
        "Qwen2.5-Math-7B-PRM800K": 68.2,
    },
    "processbench_math": {
        "Math-Shepherd-PRM-7B": 29.5,
        "Skywork-PRM-1.5B": 48.0,
        "Skywork-PRM-7B": 53.6,
        "Qwen2.5-Math-7B-PRM800K": 62.6,
    },
    "processbench_olympiadbench": {
        "Math-Shepherd-PRM-7B": 24.8,
        "Skywork-PRM-1.5B": 19.3,
        "Skywork-PRM-7B": 22.9,
        "Qwen2.5-Math-7B-PRM800K": 50.7,
    },
    "processbench_omnimath": {
        "Math-Shepherd-PRM-7B": 23.8,
        "Skywork-PRM-1.5B": 19.2,
        "Skywork-PRM-7B": 21.0,
        "Qwen2.5-Math-7B-PRM800K": 44.3,
    },
}
"""F1 in % of other process reward models on each subset: arXiv 2412.06559, Table 3."""

RESAMPLES = 2000

ALL_RIGHT = -1  # label and prediction of a solution without a wrong step


@dataclass(frozen=True, kw_only=True)
class ProcessBenchScore:
    """Accuracies of one subset.

    Attributes:
        wrong_accuracy: share of the solutions with a wrong step whose first one was named; ``None`` without any.
        right_accuracy: share of the right solutions in which none was named; ``None`` without any.
        wrong: solutions with a wrong step.
        right: right solutions.
    """

    wrong_accuracy: float | None
    right_accuracy: float | None
    wrong: int
    right: int

    @property
    def f1(self) -> float | None:
        """Harmonic mean of both, 0 where both are 0; ``None`` where a kind is absent."""
        if self.wrong_accuracy is None or self.right_accuracy is None:
            return None
        total = self.wrong_accuracy + self.right_accuracy
        return 2 * self.wrong_accuracy * self.right_accuracy / total if total else 0.0


def first_wrong_step(probabilities: Sequence[float], *, threshold: float = 0.5) -> int:
    """0-based index of the first step with a probability below the threshold, `ALL_RIGHT` where there is none."""
    return next((step for step, number in enumerate(probabilities) if number < threshold), ALL_RIGHT)


def process_bench_score(predictions: Sequence[int], labels: Sequence[int]) -> ProcessBenchScore:
    """The accuracies of predicted first wrong steps.

    Args:
        predictions: a solution each, 0-based, `ALL_RIGHT` for none.
        labels: as many.

    Raises:
        ValueError: not as many, or below −1.
    """
    if len(predictions) != len(labels):
        raise ValueError(f"{len(predictions)} predictions and {len(labels)} labels; expected as many.")
    low = [label for label in (*predictions, *labels) if label < ALL_RIGHT]
    if low:
        raise ValueError(f"a step is {low[0]}; expected its 0-based index, or -1 for none.")
    hits = [(label, found == label) for found, label in zip(predictions, labels, strict=True)]
    of_wrong = [hit for label, hit in hits if label != ALL_RIGHT]
    of_right = [hit for label, hit in hits if label == ALL_RIGHT]
    return ProcessBenchScore(
        wrong_accuracy=sum(of_wrong) / len(of_wrong) if of_wrong else None,
        right_accuracy=sum(of_right) / len(of_right) if of_right else None,
        wrong=len(of_wrong),
        right=len(of_right),
    )


def f1_band(predictions: Sequence[int], labels: Sequence[int], *, level: float = 0.95) -> tuple[float, float] | None:
    """Percentile bootstrap over solutions of the F1, those with a wrong step and those without drawn apart.

    Args:
        predictions: see `process_bench_score`.
        labels: see `process_bench_score`.
        level: of the band.

    Returns:
        Its ends, in [0, 1]; ``None`` where a kind of solution is absent.
    """
    score = process_bench_score(predictions, labels)
    if score.wrong_accuracy is None or score.right_accuracy is None:
        return None
    draw = np.random.default_rng(0)
    # How many of n solutions drawn with replacement are hits is binomial.
    wrong = draw.binomial(score.wrong, score.wrong_accuracy, RESAMPLES) / score.wrong
    right = draw.binomial(score.right, score.right_accuracy, RESAMPLES) / score.right
    total = wrong + right
    f1 = np.divide(2 * wrong * right, total, out=np.zeros_like(total), where=total > 0)
    low, high = np.quantile(f1, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def random_predictions(lengths: Sequence[int], *, seed: int) -> list[int]:
    """A baseline that knows nothing: each of the n steps and "none" with probability 1/(n + 1)."""
    draw = random.Random(f"process bench/{seed}")
    return [draw.randint(ALL_RIGHT, length - 1) for length in lengths]
