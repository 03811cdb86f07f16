"""Right is what the verdict says, or a reward above a named threshold: never a reward above 0."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from algorithms import ALGORITHMS, Aggregation, TokenBatch, build_algorithm
from tests.algorithms.batches import LENGTHS, assert_same_gradient, averaged, make_batch

I_OF_O = ["rft", "online_rft", "raft_plus_plus"]  # the methods whose credit is I(o)

# The answer is worth 1 and a box 0.1; the third is right and overlong, which costs it more than it is worth.
GRADED = [1.1, 0.1, -0.5, 0.1, 1.0, 0.0]
RIGHT = [True, False, True, False, True, False]


def graded() -> tuple[TokenBatch, Tensor]:
    """The small batch with rewards whose sign says nothing of the answer, on-policy."""
    batch, logprobs = make_batch()
    rewards = torch.tensor(GRADED, dtype=torch.float64)
    return replace(batch, rewards=rewards, correct=torch.tensor(RIGHT), old_logprobs=logprobs.detach()), logprobs


@pytest.mark.parametrize("name", I_OF_O)
def test_credit_is_the_verdict_and_not_the_sign_of_the_reward(name: str) -> None:
    batch, _ = graded()
    credit = build_algorithm(name).credit(batch)
    assert credit[:, 0].tolist() == [1, 0, 1, 0, 1, 0]
    assert torch.equal(credit != 0, batch.completion_mask & torch.tensor(RIGHT)[:, None])


@pytest.mark.parametrize(
    ("settings", "right"), [({}, RIGHT), ({"correct_threshold": 0.05}, [r > 0.05 for r in GRADED])]
)
@pytest.mark.parametrize("name", I_OF_O)
def test_the_gradient_is_that_of_eq_8_with_that_indicator(
    name: str, settings: dict[str, Any], right: list[bool]
) -> None:
    """Autograd of 1/N Σ_i I(o_i)/|o_i| Σ_t log π, I written out; above 0.05 are the boxes, not the overlong one."""
    batch, logprobs = graded()
    terms = [float(right[row]) * logprobs[row, :length] for row, length in enumerate(LENGTHS)]
    objective = averaged(terms, Aggregation.SEQUENCE_MEAN)
    assert_same_gradient(objective, build_algorithm(name, settings), batch, logprobs)


@pytest.mark.parametrize("name", I_OF_O)
def test_a_batch_that_does_not_say_who_is_right_needs_a_threshold(name: str) -> None:
    batch = replace(graded()[0], correct=None)
    with pytest.raises(ValueError, match="needs correct, which this batch does not hold"):
        build_algorithm(name).credit(batch)
    above = build_algorithm(name, {"correct_threshold": 1.0})
    assert above.credit(batch)[:, 0].tolist() == [1, 0, 0, 0, 0, 0]  # 1.0 itself is not above it
    assert not any(need.name == "CORRECT" for need in above.needs)


@pytest.mark.parametrize("name", sorted(ALGORITHMS))
def test_no_other_method_looks_at_who_is_right(name: str) -> None:
    """What reads `correct` says so in its needs, and changes where it does; nothing but I(o) and KTO's ±λ does."""
    batch, _ = graded()
    algorithm = build_algorithm(name)
    flipped = replace(batch, correct=~torch.tensor(RIGHT))
    reads = not torch.equal(algorithm.credit(batch), algorithm.credit(flipped))
    assert reads == any(need.name == "CORRECT" for need in algorithm.needs) == (name in [*I_OF_O, "kto"])
