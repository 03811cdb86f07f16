"""The laws by name: a sentence, a column's heading and the function that looks for a breach."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass

from algorithms.interface import Algorithm
from algorithms.laws.cases import Case
from algorithms.laws.of_rewards import (
    bounded,
    equal_rewards_give_zero,
    finite,
    group_mean_zero,
    monotone,
    other_groups_do_not_matter,
    scale_invariant,
    scales_with_rewards,
    shift_invariant,
)
from algorithms.laws.of_tokens import (
    credit_only_on_the_mask,
    gradient_of_the_objective,
    microbatch_split,
    padding_does_not_matter,
    permutation_equivariant,
    ratio_one_on_policy,
)

__all__ = ["LAWS", "Law", "LawStatement"]


class Law(enum.StrEnum):
    """Names of the laws, as ``--claim`` and a user's ``claims`` give them."""

    GROUP_MEAN_ZERO = "group_mean_zero"
    SHIFT_INVARIANT = "shift_invariant"
    SCALE_INVARIANT = "scale_invariant"
    SCALES_WITH_REWARDS = "scales_with_rewards"
    EQUAL_REWARDS_GIVE_ZERO = "equal_rewards_give_zero"
    MONOTONE = "monotone"
    BOUNDED = "bounded"
    FINITE = "finite"
    OTHER_GROUPS_DO_NOT_MATTER = "other_groups_do_not_matter"
    PERMUTATION_EQUIVARIANT = "permutation_equivariant"
    PADDING_DOES_NOT_MATTER = "padding_does_not_matter"
    MICROBATCH_SPLIT = "microbatch_split"
    CREDIT_ONLY_ON_THE_MASK = "credit_only_on_the_mask"
    RATIO_ONE_ON_POLICY = "ratio_one_on_policy"
    GRADIENT_OF_THE_OBJECTIVE = "gradient_of_the_objective"


@dataclass(frozen=True, kw_only=True)
class LawStatement:
    """A law as it is judged and printed.

    Attributes:
        heading: its column in tables.
        says: the law in one sentence.
        broken: what goes wrong on a case, in words, or ``None``.
        of_tokens: a plain function of rewards and groups has no part in it.
        smallest_group: least completions of a group among its cases.
    """

    heading: str
    says: str
    broken: Callable[[Algorithm, Case], str | None]
    of_tokens: bool = False
    smallest_group: int = 2


LAWS: dict[Law, LawStatement] = {
    Law.GROUP_MEAN_ZERO: LawStatement(
        heading="mean 0",
        says="The credit of a group's completions, at their first tokens, has mean 0.",
        broken=group_mean_zero,
    ),
    Law.SHIFT_INVARIANT: LawStatement(
        heading="shift",
        says="A constant added to every reward changes no credit.",
        broken=shift_invariant,
    ),
    Law.SCALE_INVARIANT: LawStatement(
        heading="scale",
        says="Rewards in another unit give the same credit, to 1e-9.",
        broken=scale_invariant,
    ),
    Law.SCALES_WITH_REWARDS: LawStatement(
        heading="linear in unit",
        says="Rewards times c give credit times c.",
        broken=scales_with_rewards,
    ),
    Law.EQUAL_REWARDS_GIVE_ZERO: LawStatement(
        heading="equal → 0",
        says="A group whose rewards are all equal has credit of exactly 0, in float64 and float32.",
        broken=equal_rewards_give_zero,
    ),
    Law.MONOTONE: LawStatement(
        heading="monotone",
        says="A completion's credit does not sink where its reward, and that of its last step, rises.",
        broken=monotone,
    ),
    Law.BOUNDED: LawStatement(
        heading="bounded",
        says="No credit is larger than the number of completion tokens of the batch, with rewards of millions.",
        broken=bounded,
    ),
    Law.FINITE: LawStatement(
        heading="finite",
        says="Credit is finite, in groups of one and of equal rewards too.",
        broken=finite,
        smallest_group=1,
    ),
    Law.OTHER_GROUPS_DO_NOT_MATTER: LawStatement(
        heading="own group",
        says="Other rewards in one group leave the credit of the other groups as it is.",
        broken=other_groups_do_not_matter,
    ),
    Law.PERMUTATION_EQUIVARIANT: LawStatement(
        heading="order",
        says="Sequences in another order have the same credit and coefficients, in that order.",
        broken=permutation_equivariant,
    ),
    Law.PADDING_DOES_NOT_MATTER: LawStatement(
        heading="padding",
        says="More padding, and NaN in it, changes nothing.",
        broken=padding_does_not_matter,
        of_tokens=True,
    ),
    Law.MICROBATCH_SPLIT: LawStatement(
        heading="split",
        says="Weights times coefficients of two microbatches are those of the whole optimiser step.",
        broken=microbatch_split,
        of_tokens=True,
    ),
    Law.CREDIT_ONLY_ON_THE_MASK: LawStatement(
        heading="mask",
        says="Credit and coefficients are exactly 0 outside the completion mask, at a hole in it too.",
        broken=credit_only_on_the_mask,
        of_tokens=True,
    ),
    Law.RATIO_ONE_ON_POLICY: LawStatement(
        heading="on-policy",
        says="Where all policies are one, the coefficient is the credit: every ratio is 1, every KL term 0.",
        broken=ratio_one_on_policy,
        of_tokens=True,
    ),
    Law.GRADIENT_OF_THE_OBJECTIVE: LawStatement(
        heading="∇J",
        says="Weights times coefficients are the gradient of the objective, by autograd, off-policy too.",
        broken=gradient_of_the_objective,
        of_tokens=True,
    ),
}
