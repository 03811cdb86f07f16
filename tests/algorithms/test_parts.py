"""The parts of a policy gradient: what stands in one place of the objective and what is taken off the credit."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from algorithms import GRPO, PPO, RAFTPlusPlus, ReinforcePlusPlus, build_algorithm
from algorithms.parts import entropy_term, kl_penalty_of_credit, kl_term, overlong_penalty
from algorithms.policy_gradient import PenalizedPolicyGradient
from rewards.length import soft_overlong_punishment
from tests.algorithms.batches import make_batch


@pytest.mark.parametrize("buffer", [0.2, 0.25, 1 / 3, 1.0])
@pytest.mark.parametrize("limit", [1, 7, 64, 1000])
def test_the_overlong_penalty_is_the_reward_of_the_same_name(limit: int, buffer: float) -> None:
    """`algorithms` imports no rewards, so Eq. 13 of DAPO stands twice; the two agree to the last bit."""
    lengths = list(range(1, limit + 3))
    expected = [soft_overlong_punishment(n, max_tokens=limit, cache_tokens=buffer * limit) for n in lengths]
    assert overlong_penalty(torch.tensor(lengths), max_length=limit, buffer=buffer).tolist() == expected


def test_entropy_and_kl_terms_by_hand() -> None:
    """log π_θ = −1, log π_old = −1.5, log π_ref = −2: ρ = e^½, d = log π_ref/π_θ = −1."""
    policy, old, reference = (torch.full((1, 1), value, dtype=torch.float64) for value in (-1.0, -1.5, -2.0))
    mask, e = torch.ones(1, 1, dtype=torch.bool), torch.tensor(1.0, dtype=torch.float64).exp().item()
    assert entropy_term(policy, old).item() == pytest.approx(e**0.5)
    options: dict[str, Any] = {"form": "k3", "limit": None, "level": "token"}
    found = [
        kl_term(policy, reference, torch.exp(policy - old), mask, gradient=gradient, **options).item()
        for gradient in ("direct", "ratio_weighted", "score")
    ]
    estimate = 1 / e  # e^d − d − 1
    assert found == pytest.approx([1 / e - 1, e**0.5 * (1 / e - 1 - estimate), 1 / e - 1 - estimate])
    penalty = kl_penalty_of_credit(old, reference, mask, form="k1", limit=0.25)
    assert penalty.tolist() == [[0.25]]  # ½ nat, clamped
    assert kl_penalty_of_credit(old, reference, ~mask, form="k1", limit=None).tolist() == [[0.0]]


@pytest.mark.parametrize("name", ["grpo", "ppo", "reinforce_plus_plus"])
def test_the_kl_stands_in_the_objective_or_comes_off_the_credit(name: str) -> None:
    """Never both: a penalty leaves no term, a term leaves the credit as it is without a KL."""
    batch, logprobs = make_batch()
    free = build_algorithm(name, {"kl_coef": 0.0}).credit(batch)
    for place in ("coefficient", "reward"):
        algorithm = build_algorithm(name, {"kl_coef": 0.3, "kl_place": place})
        assert isinstance(algorithm, PenalizedPolicyGradient)
        credit = algorithm.credit(batch)
        terms = algorithm.coefficients(batch, credit, logprobs.detach()).terms
        assert (set(terms), torch.equal(credit, free)) == (({"kl"}, True) if place == "coefficient" else (set(), False))
        assert algorithm.penalizes == (place == "reward") == any("FOR_CREDIT" in need.name for need in algorithm.needs)


@pytest.mark.parametrize(
    ("build", "settings", "message"),
    [
        (PPO, {"kl_place": "advantage"}, "kl_place is 'advantage'; expected 'coefficient' or 'reward'"),
        (ReinforcePlusPlus, {"kl_place": "advantage"}, "kl_place is 'advantage'; expected 'coefficient' or 'reward'"),
        (RAFTPlusPlus, {"kl_place": "reward"}, "kl_place is 'reward'; expected 'coefficient'"),
        (GRPO, {"kl_place": "critic"}, "kl_place is 'critic'; expected 'coefficient' or 'reward' or 'advantage'"),
        (GRPO, {"kl_form": "k4"}, "kl_form is 'k4'; expected 'k1' or 'k2' or 'k3'"),
        (GRPO, {"clip_form": "max"}, "clip_form is 'max'; expected 'min' or 'weight'"),
        (GRPO, {"kl_place": "reward", "kl_gradient": "score"}, "kl_gradient is 'score' with kl_place 'reward'"),
    ],
)
def test_a_choice_that_a_method_does_not_have_is_refused(build: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**settings)
