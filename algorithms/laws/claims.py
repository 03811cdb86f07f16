"""Which laws a method claims, read off its fields.

A claim follows from a choice: a baseline that is the mean claims a group mean of zero, an eps in the divisor gives up
invariance to scale. Nothing here looks at a method's name, so a preset or a user's subclass claims what its fields say;
a user's own method or function may say it itself, with an attribute ``claims``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from algorithms.grpo import GRPO
from algorithms.laws.catalogue import Law
from algorithms.laws.objectives import objective_of
from algorithms.policy_gradient import PolicyGradient
from algorithms.ppo import PPO
from algorithms.preference.kto import KTO
from algorithms.preference.pairs import PairwiseMethod
from algorithms.reinforce_plus_plus import ReinforcePlusPlus
from algorithms.rft import RFT, RAFTPlusPlus
from algorithms.sft import SFT
from benchmarks.naming import did_you_mean

__all__ = ["claims_of", "named_laws"]

EVERYWHERE = frozenset(
    {
        Law.FINITE,
        Law.PERMUTATION_EQUIVARIANT,
        Law.PADDING_DOES_NOT_MATTER,
        Law.MICROBATCH_SPLIT,
        Law.CREDIT_ONLY_ON_THE_MASK,
    }
)


def named_laws(names: Iterable[str]) -> frozenset[Law]:
    """Laws by name.

    Raises:
        ValueError: no such law.
    """
    known = [str(law) for law in Law]
    for name in names:
        if name not in known:
            raise ValueError(f"there is no law {str(name)!r}{did_you_mean(str(name), known)}Known: {', '.join(known)}.")
    return frozenset(map(Law, names))


def claims_of(method: Any) -> frozenset[Law] | None:
    """The laws that a method claims; ``None`` where neither an attribute ``claims`` nor a known class says so.

    Raises:
        ValueError: its ``claims`` name no law.
    """
    if hasattr(method, "claims"):
        return named_laws(method.claims)
    own = _claims_of_credit(method)
    if own is None:
        return None
    claims = EVERYWHERE | own
    if objective_of(method) is not None:
        claims |= {Law.GRADIENT_OF_THE_OBJECTIVE}
    if isinstance(method, SFT | RFT) or (isinstance(method, PolicyGradient) and _plain_on_policy(method)):
        claims |= {Law.RATIO_ONE_ON_POLICY}
    return claims


def _claims_of_credit(method: Any) -> frozenset[Law] | None:
    """Laws of rewards, by what the credit is made of."""
    reads_no_rewards = {Law.SHIFT_INVARIANT, Law.SCALE_INVARIANT, Law.MONOTONE, Law.BOUNDED}
    match method:
        case GRPO():
            return _claims_of_groups(method)
        case SFT():
            return frozenset(reads_no_rewards | {Law.OTHER_GROUPS_DO_NOT_MATTER})
        case PairwiseMethod():  # ±1 in pairs, which lie within a group
            return frozenset(reads_no_rewards | {Law.OTHER_GROUPS_DO_NOT_MATTER, Law.GROUP_MEAN_ZERO})
        case RFT() | RAFTPlusPlus() | KTO():  # I(o) or ±λ, by the verdict or by a threshold on the reward
            lost = set() if method.correct_threshold is None else {Law.SHIFT_INVARIANT}
            if method.correct_threshold:  # a threshold of 0 is one in any unit
                lost.add(Law.SCALE_INVARIANT)
            if isinstance(method, KTO) and max(method.desirable_weight, method.undesirable_weight) > 1:
                lost.add(Law.BOUNDED)
            return frozenset(reads_no_rewards - lost | {Law.OTHER_GROUPS_DO_NOT_MATTER})
        case ReinforcePlusPlus():
            return _claims_of_batch_statistics(method)
        case PPO():
            if not method.normalize_advantages:
                return frozenset({Law.MONOTONE, Law.OTHER_GROUPS_DO_NOT_MATTER})
            reaches_every_token = method.discount * method.gae_lambda == 1  # a shift is the same at each, and goes
            return frozenset({Law.BOUNDED, Law.SHIFT_INVARIANT} if reaches_every_token else {Law.BOUNDED})
    return None


def _claims_of_groups(method: GRPO) -> frozenset[Law]:
    """GRPO and its descendants: baseline, divisor and what is taken off decide."""
    tokens_of_unequal = method.top_entropy < 1 and method.exclude_equal_groups  # among which the quantile is taken
    mixes = method.scale == "std_batch" or tokens_of_unequal
    claims = set() if mixes else {Law.OTHER_GROUPS_DO_NOT_MATTER}
    centred = method.baseline in ("mean", "leave_one_out")
    in_reward = method.overlong_buffer > 0 or (method.penalizes and method.kl_place == "reward")
    in_advantage = method.penalizes and method.kl_place == "advantage"
    clamped = method.advantage_limit is not None
    others_divide = method.scale == "std_leave_one_out"
    by_reward = method.retained is not None and method.retained_by == "reward_per_token"
    if centred and not (in_advantage or clamped or others_divide or method.top_entropy < 1):
        claims.add(Law.GROUP_MEAN_ZERO)
    if (centred or (method.baseline == "greedy" and method.scale == "none")) and not by_reward:
        claims.add(Law.SHIFT_INVARIANT)
    if method.scale in ("std", "std_batch") and method.std_eps == 0 and centred and not in_reward:
        claims.add(Law.SCALE_INVARIANT)
    if method.scale == "none" and not (in_reward or in_advantage or clamped):
        claims.add(Law.SCALES_WITH_REWARDS)
    if (centred and not (in_reward or in_advantage)) or tokens_of_unequal:
        claims.add(Law.EQUAL_REWARDS_GIVE_ZERO)
    of_group = method.scale != "std_batch" and not by_reward
    if method.supervision == "outcome" and (centred or method.scale == "none") and of_group:
        claims.add(Law.MONOTONE)
    if (centred and method.scale in ("std", "std_batch")) or (clamped and not in_advantage):
        claims.add(Law.BOUNDED)
    return frozenset(claims)


def _claims_of_batch_statistics(method: ReinforcePlusPlus) -> frozenset[Law]:
    """REINFORCE++: whitened over the batch, so a shift of all rewards goes and a bound comes, but groups mix."""
    claims = {Law.SHIFT_INVARIANT, Law.BOUNDED}
    if not method.penalizes and method.normalize_eps == 0:
        claims.add(Law.SCALE_INVARIANT)
    return frozenset(claims)


def _plain_on_policy(method: PolicyGradient) -> bool:
    """Whether ratio, clip, mismatch weight, KL and entropy all vanish where every policy is the same."""
    in_band = method.mismatch_correction == "none" or method.mismatch_min <= 1 <= method.mismatch_max
    no_kl = method.objective_kl_coef == 0 or method.kl_form != "k1"
    return in_band and no_kl and method.entropy_coef == 0
