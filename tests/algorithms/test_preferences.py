"""SimPO, ORPO and KTO: autograd of the published objective, written from the papers, and numbers by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms import KTO, ORPO, Need, SimPO, build_algorithm
from tests.algorithms.batches import CORRECT, LENGTHS, assert_same_gradient, make_batch

PAIRS = ((0, 1), (2, 3), (4, 5))


def means(logprobs: Tensor) -> list[Tensor]:
    return [logprobs[i, :n].sum() / n for i, n in enumerate(LENGTHS)]


@pytest.mark.parametrize(("beta", "margin"), [(2.0, 1.0), (0.5, 0.0)])
def test_simpo_is_its_eq_6(beta: float, margin: float) -> None:
    batch, logprobs = make_batch()
    m = means(logprobs)
    gains = [torch.sigmoid(beta * m[chosen] - beta * m[rejected] - margin).log() for chosen, rejected in PAIRS]
    algorithm = SimPO(simpo_beta=beta, simpo_margin=margin)
    assert_same_gradient(torch.stack(gains).mean(), algorithm, batch, logprobs)


@pytest.mark.parametrize("weight", [0.1, 3.0])
def test_orpo_is_likelihood_plus_the_log_sigmoid_of_its_odds_ratio(weight: float) -> None:
    """Eq. 6 and 7: the likelihood of the chosen completion is a mean over its tokens, as P is (Eq. 3)."""
    batch, logprobs = make_batch()
    m = means(logprobs)
    gains = []
    for chosen, rejected in PAIRS:
        odds = [m[row].exp() / (1 - m[row].exp()) for row in (chosen, rejected)]
        gains.append(m[chosen] + weight * torch.sigmoid((odds[0] / odds[1]).log()).log())
    assert_same_gradient(torch.stack(gains).mean(), ORPO(orpo_weight=weight), batch, logprobs)


@pytest.mark.parametrize("point", ["kl", "zero"])
@pytest.mark.parametrize(("desirable", "undesirable"), [(1.0, 1.0), (1.5, 0.25)])
def test_kto_is_its_value_function(point: str, desirable: float, undesirable: float) -> None:
    batch, logprobs = make_batch()
    assert batch.reference_logprobs is not None
    gains = []
    for i, n in enumerate(LENGTHS):
        r = (logprobs[i, :n] - batch.reference_logprobs[i, :n]).sum()
        above = 0.7 * (r - (0.4 if point == "kl" else 0.0))
        gains.append(desirable / (1 + torch.exp(-above)) if CORRECT[i] else undesirable / (1 + torch.exp(above)))
    settings = {"kto_beta": 0.7, "desirable_weight": desirable, "undesirable_weight": undesirable}
    algorithm = build_algorithm("kto", {**settings, "reference_point": point})
    assert_same_gradient(torch.stack(gains).mean(), algorithm, batch, logprobs)


def test_numbers_by_hand() -> None:
    """Means −ln 2 and −ln 4, so P = 1/2 and 1/4, odds 1 and 1/3, their ratio 3.

    SimPO: β·gap − γ = 2 ln 2 − 1, GC = ±2/(1 + 4/e). ORPO: σ(−ln 3) = 1/4; GC⁺ = 1 + 0.1·(1/4)/(1/2), GC⁻ = −0.1/3.
    KTO: r = 3 and −3 nats over a reference at which they are 0, z₀ = 1: p = σ(0.2) and σ(−0.4), p(1 − p) each.
    """
    batch, _ = make_batch()
    pair = replace(batch.rows(torch.tensor([0, 1])).cut(3), completion_mask=torch.ones(2, 3, dtype=torch.bool))
    logprobs = -torch.tensor([[1.0], [2.0]]).double() * math.log(2) * torch.ones(2, 3).double()

    def first(algorithm: Any, given: Tensor, **arrays: Any) -> list[float]:
        held = replace(pair, **arrays)
        return algorithm.coefficients(held, algorithm.credit(held), given).values[:, 0].tolist()

    pull = 2 / (1 + 4 / math.e)
    assert first(SimPO(), logprobs) == pytest.approx([pull, -pull])
    assert first(ORPO(), logprobs) == pytest.approx([1.05, -0.1 / 3])
    given = torch.tensor([[0.0], [-2.0]]).double().expand(2, 3)
    above = [1 / (1 + math.exp(-0.1 * (r - 1))) for r in (3, -3)]
    found = first(KTO(), given, reference_logprobs=torch.full((2, 3), -1.0).double(), kl_estimate=1.0)
    assert found == pytest.approx([0.1 * above[0] * (1 - above[0]), -0.1 * above[1] * (1 - above[1])])


def test_a_completion_that_is_certain_leaves_the_odds_finite() -> None:
    batch, logprobs = make_batch()
    for dtype in (torch.float32, torch.float64):
        certain = torch.zeros_like(logprobs).to(dtype)
        algorithm = ORPO()
        values = algorithm.coefficients(batch, algorithm.credit(batch).to(dtype), certain).values
        assert torch.isfinite(values).all()


def test_what_each_needs() -> None:
    assert SimPO().needs == ORPO().needs == {Need.PAIRS} and ORPO(pairing="reward").needs == {Need.RANKED_PAIRS}
    assert KTO().needs == {Need.CORRECT, Need.REFERENCE_LOGPROBS, Need.KL_ESTIMATE}
    assert KTO(reference_point="zero", correct_threshold=0.5).needs == {Need.REFERENCE_LOGPROBS}
    batch, logprobs = make_batch()
    with pytest.raises(ValueError, match=r"kto needs kl_estimate, .*; add it beside the sequences"):
        KTO().coefficients(replace(batch, kl_estimate=None), KTO().credit(batch), logprobs)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (SimPO, {"simpo_beta": 0.0}, "simpo_beta is 0.0; expected a number above 0"),
        (SimPO, {"simpo_margin": -1.0}, "simpo_margin is -1.0; expected 0 or more"),
        (SimPO, {"data_source": "P_sft"}, "pairs are sampled"),
        (ORPO, {"pairing": "best"}, "pairing is 'best'; expected 'correct' or 'reward'"),
        (ORPO, {"orpo_weight": 0.0}, "orpo_weight is 0.0; expected a number above 0"),
        (KTO, {"kto_beta": -0.1}, "kto_beta is -0.1; expected a number above 0"),
        (KTO, {"undesirable_weight": 0.0}, "undesirable_weight is 0.0; expected a number above 0"),
        (KTO, {"data_source": "P_sft"}, "completions are judged"),
        (KTO, {"reference_point": "k3"}, "reference_point is 'k3'; expected 'kl' or 'zero'"),
    ],
)
def test_fields_that_make_no_sense_are_refused(method: type, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        method(**settings)
