"""Edges that small faults would move: what needs a group, a tie, and a bound itself."""

from __future__ import annotations

from dataclasses import replace

import torch

from algorithms import GRPO, Need, build_algorithm
from algorithms.ratios import clip_active, mismatch_weights
from tests.algorithms.batches import make_batch


def test_what_groups_are_needed_for() -> None:
    """Whatever subtracts or divides by the group needs it; nothing else does."""
    for settings in ({}, {"scale": "none"}, {"baseline": "none"}, {"baseline": "leave_one_out", "scale": "none"}):
        assert Need.GROUPS in GRPO(**settings).needs  # type: ignore[arg-type]
    for name, needed in (("reinforce", False), ("reinforce_plus_plus", False), ("reinforce_plus_plus_baseline", True)):
        assert (Need.GROUPS in build_algorithm(name).needs) == needed


def test_a_pair_is_ranked_right_where_its_gap_is_above_zero() -> None:
    batch, logprobs = make_batch()
    algorithm = build_algorithm("ipo")
    tied = replace(batch, reference_logprobs=logprobs.detach())
    assert not algorithm.coefficients(tied, algorithm.credit(batch), logprobs).diagnostics["pair_accuracy"].any()
    chosen = torch.tensor([1.0, 0.0] * 3).double()[:, None]
    better = algorithm.coefficients(tied, algorithm.credit(batch), logprobs.detach() + chosen)
    assert better.diagnostics["pair_accuracy"].all()


def test_a_bound_itself_is_inside() -> None:
    mask, half = torch.ones(1, 2, dtype=torch.bool), torch.full((1, 2), 0.5).double().log()
    for lowest, highest in ((0.5, 2.0), (0.1, 0.5)):
        weights = mismatch_weights(half, torch.zeros(1, 2).double(), mask, "token_mask", lowest=lowest, highest=highest)
        torch.testing.assert_close(weights, torch.full((1, 2), 0.5).double())
    down = torch.full((1, 2), -1.0)
    assert clip_active(torch.full((1, 2), 3.0), down, clip_low=0.2, clip_high=0.2, dual_clip=3.0).all()
