"""Laws of tokens: order, padding, microbatches, masks, ratios and the objective that a coefficient is the gradient of.

Like those of rewards: ``None`` where the law holds on a case, otherwise what went wrong, in words.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import Aggregation, Algorithm, BatchUnit, TokenBatch, aggregation_weights, counted
from algorithms.laws.cases import Case, numbers
from algorithms.laws.objectives import objective_of
from algorithms.laws.of_rewards import differ, first

__all__ = [
    "credit_only_on_the_mask",
    "gradient_of_the_objective",
    "microbatch_split",
    "padding_does_not_matter",
    "permutation_equivariant",
    "ratio_one_on_policy",
]


def permutation_equivariant(method: Algorithm, case: Case) -> str | None:
    """Sequences in another order have the same credit and coefficients, in that order."""
    batch, policy = case.batch()
    order = torch.arange(len(case.rewards)).flip(0).roll(case.pick)
    for before, after in zip(
        _credit_and_values(method, batch, policy),
        _credit_and_values(method, batch.rows(order), policy[order]),
        strict=True,
    ):
        if differ(after, before[order]):
            return f"{case.described()}: {first(before)}; in the order {numbers(order.tolist())}, {first(after)}"
    return None


def padding_does_not_matter(method: Algorithm, case: Case) -> str | None:
    """More padding, and anything in it, changes nothing."""
    batch, policy = case.batch()
    more = 1 + case.pick % 3
    wide = torch.nn.functional.pad(batch.completion_mask, (0, more))

    def padded(array: Tensor) -> Tensor:
        return torch.where(wide, torch.nn.functional.pad(array, (0, more)), torch.nan)

    arrays = {key: padded(array) for key, array in batch.arrays().items() if array.shape == policy.shape}
    wider = replace(batch, **arrays | {"completion_mask": wide})
    for before, after in zip(
        _credit_and_values(method, batch, policy), _credit_and_values(method, wider, padded(policy)), strict=True
    ):
        inside = after[:, :-more][batch.completion_mask]
        if not bool(torch.isfinite(inside).all()) or differ(inside, before[batch.completion_mask]):
            return f"{case.described()}: {first(before)}; with {more} more columns of NaN, {first(after)}"
    return None


def microbatch_split(method: Algorithm, case: Case) -> str | None:
    """Weights times coefficients of two microbatches are those of the whole optimiser step."""
    batch, policy = case.batch()
    unit = 2 if method.batch_unit == BatchUnit.PAIR else 1
    cut = unit * (1 + case.pick % max(1, len(batch.rewards) // unit - 1))
    credit = method.credit(batch)
    whole = counted(method, batch)
    denominator = whole.denominator(method.batch_unit, batch.max_length or 1)

    def pull(rows: Tensor) -> Tensor:
        values = method.coefficients(batch.rows(rows), credit[rows], policy[rows]).values
        return values * aggregation_weights(whole.mask[rows], Aggregation(method.aggregation), denominator)

    rows = torch.arange(len(batch.rewards))
    together, apart = pull(rows), torch.cat([pull(rows[:cut]), pull(rows[cut:])])
    if differ(apart, together):
        return f"{case.described()}: {first(together)}; cut after sequence {cut - 1}, {first(apart)}"
    return None


def credit_only_on_the_mask(method: Algorithm, case: Case) -> str | None:
    """Credit and coefficients are 0 outside the mask, also at a token left out in the middle."""
    batch, policy = case.batch()
    mask = batch.completion_mask.clone()
    if case.lengths[case.row] > 1:
        mask[case.row, case.pick % (case.lengths[case.row] - 1)] = False
    names = ("credit", "coefficient")
    for name, found in zip(
        names, _credit_and_values(method, replace(batch, completion_mask=mask), policy), strict=True
    ):
        outside = found[~mask]
        if bool((outside != 0).any()):
            row, token = (int(index) for index in ((found != 0) & ~mask).nonzero()[0])
            return f"{case.described()}: {name} {float(found[row, token]):.4g} at token {token} of sequence {row}"
    return None


def ratio_one_on_policy(method: Algorithm, case: Case) -> str | None:
    """Coefficients are the credit where π_θ, π_old, π_ref and the sampler's policy are one."""
    batch, policy = case.batch()
    same = dict.fromkeys(("old_logprobs", "reference_logprobs", "sampler_logprobs"), policy)
    batch = replace(batch, **same)
    credit, values = _credit_and_values(method, batch, policy)
    if differ(values, torch.where(batch.completion_mask, credit, 0)):
        return f"{case.described()}: credit {first(credit)}, coefficients {first(values)}"
    return None


def gradient_of_the_objective(method: Algorithm, case: Case) -> str | None:
    """Weights times coefficients are ∂J/∂log π_θ by autograd of the declared objective."""
    batch, policy = case.batch()
    credit = method.credit(batch).detach()
    left = counted(method, batch)
    denominator = left.denominator(method.batch_unit, batch.max_length or 1)
    weights = aggregation_weights(left.mask, Aggregation(method.aggregation), denominator)
    found = weights * method.coefficients(batch, credit, policy).values
    logprobs = policy.clone().requires_grad_()
    objective = objective_of(method)
    assert objective is not None  # the law is judged only where one is given
    value = objective(batch, credit, logprobs)
    [expected] = torch.autograd.grad(value, logprobs, allow_unused=True) if value.requires_grad else [None]
    expected = torch.zeros_like(policy) if expected is None else expected
    if differ(found, expected):
        row = int((found - expected).abs().amax(dim=1).argmax())
        shown = f"{numbers(found[row].tolist())}, autograd {numbers(expected[row].tolist())}"
        return f"{case.described()}: weight · coefficient of sequence {row} {shown}"
    return None


def _credit_and_values(method: Any, batch: TokenBatch, policy: Tensor) -> tuple[Tensor, Tensor]:
    credit = method.credit(batch)
    return credit, method.coefficients(batch, credit, policy).values
