"""Laws of rewards: what happens to credit when rewards change.

A law returns ``None`` where it holds on a case and otherwise what went wrong, in words. A is the credit of a sequence's
tokens; a plain function of rewards and groups is a method that gives one number a sequence. What is not finite breaks
`finite` and `equal_rewards_give_zero`; the other laws pass over it, so that one fault does not hide the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from algorithms.interface import Algorithm
from algorithms.laws.cases import Case, numbers

__all__ = [
    "bounded",
    "credit_of",
    "differ",
    "equal_rewards_give_zero",
    "finite",
    "first",
    "group_mean_zero",
    "monotone",
    "other_groups_do_not_matter",
    "scale_invariant",
    "scales_with_rewards",
    "shift_invariant",
]


def differ(found: Tensor, expected: Tensor) -> bool:
    """Whether two arrays differ by more than the rounding of the coarser dtype; not where one is not finite."""
    if not bool(torch.isfinite(found).all() and torch.isfinite(expected).all()):
        return False
    coarse = any(array.dtype != torch.float64 for array in (found, expected))
    size = 1 + max(float(found.abs().max()), float(expected.abs().max()))
    return float((found.double() - expected.double()).abs().max()) > (1e-4 if coarse else 1e-9) * size


def credit_of(method: Algorithm, case: Case, dtype: torch.dtype = torch.float64) -> Tensor:
    """(B, T) credit of the case's batch."""
    return method.credit(case.batch(dtype)[0])


def first(credit: Tensor) -> str:
    """The credit of each sequence's first token, printed."""
    return numbers(credit[:, 0].tolist())


def with_rewards(case: Case, change: Callable[[float], float]) -> Case:
    """The case with every reward changed: of outcomes, of steps, of greedy completions."""
    changed = {name: tuple(map(change, getattr(case, name))) for name in ("rewards", "step_rewards", "greedy")}
    return replace(case, **changed)


def group_mean_zero(method: Algorithm, case: Case) -> str | None:
    """Σ_i A_i = 0 over a group, at the first token, where process credit is the sum over all steps."""
    credit, group = credit_of(method, case), torch.tensor(case.group)
    for label in sorted(set(case.group)):
        own = credit[group == label][:, :1]
        if differ(own.double().mean(), torch.zeros((), dtype=own.dtype)):
            return f"{case.described()}: credit {first(credit)}, mean {float(own.mean()):.4g} in group {label}"
    return None


def shift_invariant(method: Algorithm, case: Case) -> str | None:
    """A(r + c) = A(r)."""
    before = credit_of(method, case)
    after = credit_of(method, with_rewards(case, lambda reward: reward + case.amount))
    if differ(after, before):
        return f"{case.described()}: credit {first(before)}; with {case.amount:g} added, {first(after)}"
    return None


def scale_invariant(method: Algorithm, case: Case) -> str | None:
    """A(c·r) = A(r) for c > 0."""
    return _scaled(method, case, lambda credit: credit)


def scales_with_rewards(method: Algorithm, case: Case) -> str | None:
    """A(c·r) = c·A(r) for c > 0."""
    return _scaled(method, case, lambda credit: credit * case.amount)


def _scaled(method: Algorithm, case: Case, expected: Callable[[Tensor], Tensor]) -> str | None:
    before = credit_of(method, case)
    after = credit_of(method, with_rewards(case, lambda reward: reward * case.amount))
    if differ(after, expected(before)):
        return f"{case.described()}: credit {first(before)}; with rewards times {case.amount:g}, {first(after)}"
    return None


def equal_rewards_give_zero(method: Algorithm, case: Case) -> str | None:
    """A = 0, exactly, in a group whose rewards are all equal, whatever the others; in float64 and float32."""
    equal, own = _one_group_equal(case)
    for dtype in (torch.float64, torch.float32):
        credit = credit_of(method, equal, dtype)
        if bool((credit[own] != 0).any()):
            return f"{equal.described()}: credit {first(credit)} in {str(dtype).removeprefix('torch.')}"
    return None


def _one_group_equal(case: Case) -> tuple[Case, Tensor]:
    """The case with equal rewards in the picked group, and which sequences are in it. (B,) bool."""
    label = case.group[case.row]
    rewards, steps = (
        tuple(
            equal if number == label else value
            for value, equal, number in zip(values, case.equal, case.group, strict=True)
        )
        for values in (case.rewards, case.step_rewards)
    )
    return replace(case, rewards=rewards, step_rewards=steps), torch.tensor(case.group) == label


def monotone(method: Algorithm, case: Case) -> str | None:
    """A completion's credit does not sink where its reward, and that of its last step, rises."""
    row, rewards = case.row, list(case.rewards)
    rewards[row] += case.amount
    before = credit_of(method, case)
    after = credit_of(method, replace(case, rewards=tuple(rewards)))
    if differ(torch.minimum(after[row], before[row]), before[row]):
        shown = f"{numbers(before[row].tolist())} to {numbers(after[row].tolist())}"
        return f"{case.described()}: with {case.amount:g} more for sequence {row} its credit goes from {shown}"
    return None


def bounded(method: Algorithm, case: Case) -> str | None:
    """|A| ≤ completion tokens of the batch, with rewards of millions."""
    large = with_rewards(case, lambda reward: reward * case.amount * 2.0**20)
    batch, _ = large.batch()
    most, limit = float(method.credit(batch).abs().max()), int(batch.completion_mask.sum())
    return f"{large.described()}: credit up to {most:.4g} from {limit} tokens" if limit < most < torch.inf else None


def finite(method: Algorithm, case: Case) -> str | None:
    """Credit is finite: in groups of one, of equal rewards, and of both."""
    for tried in (case, _one_group_equal(case)[0]):
        credit = credit_of(method, tried)
        if not bool(torch.isfinite(credit).all()):
            return f"{tried.described()}: credit {first(credit)}"
    return None


def other_groups_do_not_matter(method: Algorithm, case: Case) -> str | None:
    """Other rewards in one group leave the credit of the others as it is."""
    changed = case.group[case.row]
    others = torch.tensor([label != changed for label in case.group])
    if not bool(others.any()):
        return None
    rewards, steps = (
        tuple(
            value + case.amount * place if label == changed else value
            for place, (value, label) in enumerate(zip(values, case.group, strict=True), start=1)
        )
        for values in (case.rewards, case.step_rewards)
    )
    before, after = credit_of(method, case), credit_of(method, replace(case, rewards=rewards, step_rewards=steps))
    if differ(after[others], before[others]):
        return f"{case.described()}: credit {first(before)}; with rewards {numbers(rewards)}, {first(after)}"
    return None
