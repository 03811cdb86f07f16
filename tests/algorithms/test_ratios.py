"""What coefficients are made of, against hand computations: ratios, their clip, KL terms, DPO's margins, weights."""

from __future__ import annotations

from dataclasses import replace
from math import e, log

import pytest
import torch

from algorithms import (
    DPO,
    GRPO,
    PPO,
    RFT,
    SFT,
    Aggregation,
    Denominator,
    Need,
    TokenBatch,
    aggregation_weights,
)
from algorithms.gates import clip_active
from algorithms.preference.pairs import pair_gap
from algorithms.ratios import KlForm, kl_coefficient, kl_penalty, ratio

LOG_2, LOG_3 = log(2), log(3)


def row(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def test_a_ratio_is_policy_over_old() -> None:
    assert ratio(row(LOG_3, -1.0), row(LOG_2, -1.0)).tolist()[0] == pytest.approx([1.5, 1.0])


@pytest.mark.parametrize(
    ("advantage", "probability_ratio", "active"),
    [
        (0.5, 1.25, True),  # on the upper end: not beyond it
        (0.5, 1.375, False),
        (0.5, 0.25, True),  # outside on the other side: min() still takes ρA
        (-0.5, 0.5, True),  # on the lower end
        (-0.5, 0.375, False),
        (-0.5, 4.0, True),
        (0.0, 4.0, True),
        (0.0, 0.25, True),
    ],
)
def test_the_clip_ends_where_the_minimum_is_flat(advantage: float, probability_ratio: float, active: bool) -> None:
    """The band is [1/2, 5/4]."""
    found = clip_active(row(probability_ratio), row(advantage), clip_low=0.5, clip_high=0.25)
    assert found.item() is active


@pytest.mark.parametrize(
    ("form", "penalty", "coefficient"),
    [("k1", -LOG_2, -1.0), ("k2", LOG_2**2 / 2, LOG_2), ("k3", 2 - LOG_2 - 1, 2 - 1)],
)
def test_kl_terms_where_the_reference_is_twice_as_likely(form: KlForm, penalty: float, coefficient: float) -> None:
    """d = log π_ref − log π_θ = log 2: −d, d²/2, exp(d) − d − 1, and minus their derivatives by log π_θ."""
    policy, reference = row(LOG_2), row(2 * LOG_2)
    assert kl_penalty(policy, reference, form).item() == pytest.approx(penalty)
    assert kl_coefficient(policy, reference, form).item() == pytest.approx(coefficient)


def test_an_equal_policy_pays_no_kl() -> None:
    for form in ("k1", "k2", "k3"):
        assert kl_penalty(row(-0.7), row(-0.7), form).item() == 0


def small_batch() -> TokenBatch:
    """Two pairs of two tokens; the second sequence has one. Sums of log π_ref: −2, −1, −4, −4."""
    return TokenBatch(
        completion_mask=torch.tensor([[True, True], [True, False], [True, True], [True, True]]),
        rewards=torch.tensor([1.0, 0.0, 0.5, -1.0], dtype=torch.float64),
        group=torch.tensor([0, 0, 1, 1]),
        old_logprobs=torch.full((4, 2), -1.0, dtype=torch.float64),
        reference_logprobs=torch.tensor([[-1, -1], [-1, -9], [-2, -2], [-2, -2]], dtype=torch.float64),
        pair=torch.tensor([8, 8, 5, 5]),
        chosen=torch.tensor([True, False, False, True]),
    )


@pytest.mark.parametrize(("length_normalized", "first"), [(True, 1.0 - 3.0), (False, 2.0 - 3.0)])
def test_dpo_margin_by_hand(length_normalized: bool, first: float) -> None:
    """Log-ratios: (1, 1) against (3) and, equal in both, (1, 1) against (1, 1); padding does not count; β = 1/2."""
    policy = torch.tensor([[0, 0], [2, 7], [-1, -1], [-1, -1]], dtype=torch.float64)
    algorithm = DPO(dpo_beta=0.5, length_normalized=length_normalized)
    batch = small_batch()
    gap = pair_gap(batch, policy, length_normalized=length_normalized)
    assert gap.tolist() == [first, first, 0.0, 0.0]
    found = algorithm.coefficients(batch, algorithm.credit(batch), policy)
    pull = 0.5 / (1 + e ** (first / 2))  # β σ(−margin); 1/4 for the undecided pair
    expected = [[pull, pull], [-pull, 0.0], [-0.25, -0.25], [0.25, 0.25]]
    torch.testing.assert_close(found.values, torch.tensor(expected, dtype=torch.float64))
    assert not found.diagnostics["pair_accuracy"].any()  # one pair is ranked wrong, a tie is not right
    better = algorithm.coefficients(batch, algorithm.credit(batch), policy + torch.tensor([[9.0], [0], [0], [0.1]]))
    assert better.diagnostics["pair_accuracy"].all()


@pytest.mark.parametrize(
    ("pair", "chosen", "broken"),
    [
        ([0, 0, 1, 1], [True, False, True, True], 1),  # two chosen
        ([0, 0, 1, 1], [False, False, True, False], 0),  # two rejected
        ([0, 1, 1, 1], [True, True, False, False], 0),  # one sequence alone
        ([7, 7, 7, 7], [True, False, True, False], 7),  # two pairs under one number
    ],
)
def test_dpo_names_a_broken_pair(pair: list[int], chosen: list[bool], broken: int) -> None:
    batch = replace(small_batch(), pair=torch.tensor(pair), chosen=torch.tensor(chosen))
    with pytest.raises(ValueError, match=f"pair {broken} is not one chosen and one rejected"):
        pair_gap(batch, torch.zeros(4, 2).double(), length_normalized=True)


def test_the_clip_is_reported_and_padding_has_no_coefficient() -> None:
    """ρ = 2 everywhere, A = 1, −1: clipped above 1.2 where A > 0, ρA = −2 where A < 0, nothing at the padding."""
    batch = small_batch()
    credit = row(1.0, 1.0, -1.0, -1.0).T.expand(4, 2)
    policy = torch.full((4, 2), LOG_2 - 1, dtype=torch.float64)
    for algorithm in (PPO(), GRPO(kl_coef=0)):
        found = algorithm.coefficients(batch, credit, policy)
        torch.testing.assert_close(found.values, torch.tensor([[0.0, 0], [0, 0], [-2, -2], [-2, -2]]).double())
        assert found.diagnostics["clip_fraction"].tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]
        unclipped = algorithm.coefficients(batch, -credit.abs(), policy).values
        torch.testing.assert_close(unclipped, torch.tensor([[-2.0, -2], [-2, 0], [-2, -2], [-2, -2]]).double())


def test_a_kl_weight_needs_the_reference_and_none_does_not() -> None:
    reference = {Need.REFERENCE_LOGPROBS}
    assert PPO(kl_coef=0).needs == {Need.CRITIC, Need.OLD_LOGPROBS}
    assert PPO(kl_coef=0.5).needs == PPO(kl_coef=0).needs | reference | {Need.OLD_LOGPROBS_FOR_CREDIT}
    assert GRPO(kl_coef=0).needs == {Need.GROUPS, Need.OLD_LOGPROBS}
    assert GRPO(kl_coef=0.5).needs == GRPO(kl_coef=0).needs | reference
    assert GRPO(kl_coef=0, supervision="process").needs == GRPO(kl_coef=0).needs | {Need.STEP_REWARDS}
    bare = replace(small_batch(), reference_logprobs=None, values=torch.zeros(4, 2).double())
    policy = torch.zeros(4, 2).double()
    for algorithm in (PPO(kl_coef=0), GRPO(kl_coef=0)):
        algorithm.coefficients(bare, algorithm.credit(bare), policy)  # reads no reference
    with pytest.raises(ValueError, match="PPO with the KL in the reward needs reference_logprobs"):
        PPO(kl_coef=0.5).credit(bare)
    with pytest.raises(ValueError, match="GRPO with kl_coef > 0 needs reference_logprobs"):
        GRPO(kl_coef=0.5).coefficients(bare, policy, policy)


def test_rft_credit_is_1_for_what_is_correct_and_zero_at_the_padding() -> None:
    batch = replace(small_batch(), correct=torch.tensor([False, True, True, False]))
    assert RFT().credit(batch).tolist() == [[0, 0], [1, 0], [1, 1], [0, 0]]


def test_dpo_credit_is_a_sign_and_zero_at_the_padding() -> None:
    assert DPO().credit(small_batch()).tolist() == [[1, 1], [-1, 0], [-1, -1], [1, 1]]


@pytest.mark.parametrize("algorithm", [SFT(), RFT()])
def test_a_coefficient_is_the_credit_and_zero_at_the_padding(algorithm: SFT | RFT) -> None:
    found = algorithm.coefficients(small_batch(), torch.full((4, 2), 3.0), torch.zeros(4, 2))
    assert found.values.tolist() == [[3, 3], [3, 0], [3, 3], [3, 3]]


@pytest.mark.parametrize(
    ("aggregation", "weights"),
    [
        (Aggregation.SEQUENCE_MEAN, [[1 / 10, 1 / 10], [1 / 5, 0], [0, 0]]),
        (Aggregation.TOKEN_MEAN, [[1 / 8, 1 / 8], [1 / 8, 0], [0, 0]]),
        (Aggregation.SEQUENCE_SUM, [[1 / 5, 1 / 5], [1 / 5, 0], [0, 0]]),
        (Aggregation.CONSTANT, [[1 / 20, 1 / 20], [1 / 20, 0], [0, 0]]),
    ],
)
def test_weights_of_a_full_a_short_and_an_empty_sequence(aggregation: Aggregation, weights: list[list[float]]) -> None:
    """Five sequences and eight tokens in the whole step, four tokens at most."""
    mask = torch.tensor([[True, True], [True, False], [False, False]])
    found = aggregation_weights(mask, aggregation, Denominator(units=5, tokens=8, max_length=4))
    torch.testing.assert_close(found, torch.tensor(weights, dtype=torch.float64))


def test_rows_and_the_first_tokens_of_a_batch() -> None:
    picked = small_batch().rows(torch.tensor([3, 1]))
    assert (picked.rewards.tolist(), picked.group.tolist()) == ([-1, 0], [1, 0])
    assert picked.require("reference_logprobs", "a test").tolist() == [[-2, -2], [-1, -9]]
    assert picked.values is None
    cut = picked.cut(1)
    assert cut.completion_mask.tolist() == [[True], [True]]
    assert cut.require("reference_logprobs", "a test").tolist() == [[-2], [-1]]
    assert cut.rewards.tolist() == [-1, 0]
