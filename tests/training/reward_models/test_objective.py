"""The coefficients of a reward model's fit are the gradient of its binary cross-entropy, by autograd in float64."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from algorithms import Aggregation, counted, surrogate_loss
from tests.algorithms.batches import STEP_ENDS, make_batch
from training.reward_models.calibration import HOTTEST, fit_temperature
from training.reward_models.objective import Pointwise, ranking_loss

LABELS = [[1.0, 0.0], [0.25, 0.0], [0.0, 1.0], [1.0, 0.0], [0.5, 0.75], [0.0, 0.0]]  # of the steps in STEP_ENDS


def cross_entropy(score: Tensor, label: float) -> Tensor:
    p = 1 / (1 + torch.exp(-score))
    return -(label * torch.log(p) + (1 - label) * torch.log(1 - p))


@pytest.mark.parametrize("aggregation", [Aggregation.TOKEN_MEAN, Aggregation.SEQUENCE_SUM, Aggregation.SEQUENCE_MEAN])
def test_the_coefficients_are_the_gradient_of_the_cross_entropy(aggregation: Aggregation) -> None:
    batch, scores = make_batch()
    batch.step_rewards.copy_(torch.tensor(LABELS, dtype=torch.float64))  # type: ignore[union-attr]
    terms = [
        [cross_entropy(scores[row, end], label) for end, label in zip(ends, labels, strict=True) if end >= 0]
        for row, (ends, labels) in enumerate(zip(STEP_ENDS, LABELS, strict=True))
    ]
    match aggregation:
        case Aggregation.TOKEN_MEAN:  # over all labelled tokens
            published = torch.stack([term for row in terms for term in row]).mean()
        case Aggregation.SEQUENCE_SUM:  # Math-Shepherd, Eq. 2, averaged over solutions
            published = torch.stack([torch.stack(row).sum() for row in terms]).mean()
        case _:
            published = torch.stack([torch.stack(row).mean() for row in terms]).mean()
    expected = torch.autograd.grad(published, scores)[0]
    fit = Pointwise(aggregation=aggregation)
    left = counted(fit, batch)
    coefficients = fit.coefficients(batch, fit.credit(batch), scores.detach())
    denominator = left.denominator(fit.batch_unit, 1)
    loss = surrogate_loss(coefficients.values, scores, left.mask, aggregation, denominator)
    found = torch.autograd.grad(loss, scores)[0]
    assert found.abs().max() > 1e-2
    torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-15)
    told = torch.where(left.mask, coefficients.diagnostics["binary_cross_entropy"], 0).sum() / denominator.tokens
    if aggregation is Aggregation.TOKEN_MEAN:
        assert float(told) == pytest.approx(float(published.detach()), rel=1e-12)


def test_a_ranking_loss_by_hand() -> None:
    """Margins ln 3 and 0: −ln(3/4) and −ln(1/2)."""
    loss = ranking_loss(torch.tensor([math.log(3.0), 1.0]), torch.tensor([0.0, 1.0]))
    assert float(loss) == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-6)


def test_a_temperature_by_hand() -> None:
    """Three of four are right where the score is 2·ln 3: σ(2·ln 3 / T) = 3/4 at T = 2."""
    score = 2 * math.log(3)
    assert fit_temperature([score] * 4, [1, 1, 1, 0]) == pytest.approx(2, rel=1e-9)
    assert fit_temperature([-score] * 4, [0, 0, 0, 1]) == pytest.approx(2, rel=1e-9)
    assert fit_temperature([score] * 2, [0.75, 0.75]) == pytest.approx(2, rel=1e-9)


def test_scores_that_part_the_labels_or_point_the_wrong_way_have_the_last_temperatures() -> None:
    assert fit_temperature([1.0, -1.0], [1, 0]) == 1 / HOTTEST
    assert fit_temperature([1.0, -1.0], [0, 1]) == HOTTEST
    assert fit_temperature([0.0, 0.0], [0, 1]) == 1
    with pytest.raises(ValueError, match="2 scores and 1 labels"):
        fit_temperature([0.0, 1.0], [1])
    with pytest.raises(ValueError, match="score 1 is not finite"):
        fit_temperature([0.5, float("nan")], [1, 0])
    with pytest.raises(ValueError, match=r"label 1 is 5\.0; expected a number in \[0, 1\]"):
        fit_temperature([0.5, 1.0], [1, 5])
