"""Advantage mathematics: group-relative (GRPO, RLOO, …), process supervision, and GAE.

Everything is computed in float64 and returned in the dtype of the rewards. Source: DeepSeekMath (arXiv 2402.03300)
sections 4.1.2 and 4.1.3 for groups, Schulman et al. 2016 (arXiv 1506.02438) for GAE.
"""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import torch
from torch import Tensor

from algorithms.groups import GroupStatistics

__all__ = [
    "Baseline",
    "Scale",
    "check_scale",
    "generalized_advantages",
    "group_advantages",
    "normalize_over_tokens",
    "process_advantages",
    "suffix_sums",
]

Baseline = Literal["mean", "leave_one_out", "none"]
Scale = Literal["std", "std_leave_one_out", "std_batch", "none"]


def group_advantages(
    rewards_B: Tensor,
    group_B: Tensor,
    *,
    baseline: Baseline = "mean",
    scale: Scale = "std",
    std_ddof: int = 1,
    std_eps: float = 0.0,
) -> Tensor:
    """Group-normalised rewards, Â_i = (r_i − baseline) / (scale + std_eps).

    With baseline ``"mean"`` and scale ``"std"`` this is outcome supervision, Â_i = (r_i − mean(r)) / std(r)
    (DeepSeekMath, section 4.1.2). Other inputs give: ``"leave_one_out"``, ``"none"``: RLOO; ``"mean"``, ``"none"``:
    Dr. GRPO; ``"mean"``, ``"std_batch"``: Lite PPO; ``"leave_one_out"``, ``"std_leave_one_out"``: NeMo-RL; ``"none"``,
    ``"none"``: the bare reward.

    A group whose rewards are all equal, compared exactly, has zero advantage wherever a baseline is subtracted, since
    rounding of the mean would otherwise be blown up by a small std. So has a group of one, with a warning.

    Args:
        rewards_B: (B,) rewards, any unit.
        group_B: (B,) integer, equal for the completions of one problem, in any order.
        baseline: mean of the group, mean of the others, or nothing.
        scale: std of the group, std of the others (not divided where that is 0), std of all rewards of the batch, or
            nothing.
        std_ddof: delta degrees of freedom of the std: 1 sample, 0 population. The paper does not say which.
        std_eps: added to the std; 0 is allowed.

    Returns:
        (B,) advantages in the dtype of `rewards_B`, torch's default where that is no floating one; in units of std, or
        of the reward where scale is ``"none"``.

    Raises:
        ValueError: shapes differ, an option is unknown, or a reward is not finite.
    """
    rewards_B = _floating(rewards_B)
    _check_group_inputs(rewards_B, group_B, baseline, scale, std_ddof, std_eps)
    if rewards_B.numel() == 0:
        return rewards_B.clone()
    groups = GroupStatistics(rewards_B.double(), group_B)
    if baseline != "none" and bool((groups.size == 1).any()):
        warnings.warn("a group of one completion has no baseline to compare with: its advantage is 0.", stacklevel=2)
    match baseline:
        case "mean":
            numerator = groups.deviation * groups.unit
        case "leave_one_out":  # r_i − (Σr − r_i)/(n − 1) = (r_i − mean) · n/(n − 1)
            numerator = groups.deviation * groups.unit * groups.size / (groups.size - 1).clamp_min(1)
        case "none":
            numerator = groups.rewards
    match scale:
        case "none":
            advantages = numerator
        case "std":
            advantages = _divide(numerator, groups.std(std_ddof), std_eps, keep=groups.equal)
        case "std_leave_one_out":
            keep = groups.others_equal()
            advantages = _divide(numerator, groups.std_leave_one_out(std_ddof), std_eps, keep=keep)
        case "std_batch":
            batch = GroupStatistics(groups.rewards, torch.zeros_like(group_B))
            advantages = _divide(numerator, batch.std(std_ddof), std_eps, keep=batch.equal)
    if baseline != "none":
        advantages = torch.where(groups.equal, torch.zeros_like(advantages), advantages)
    return advantages.to(rewards_B.dtype)


def process_advantages(
    step_rewards_BS: Tensor,
    step_ends_BS: Tensor,
    group_B: Tensor,
    *,
    num_tokens: int,
    baseline: Baseline = "mean",
    scale: Scale = "std",
    std_ddof: int = 1,
    std_eps: float = 0.0,
) -> Tensor:
    """Process supervision: Â_{i,t} = Σ_{index(j) ≥ t} r̃_i^{index(j)} (DeepSeekMath, section 4.1.3).

    The step rewards of a group are pooled in R and normalised together, r̃ = (r − mean(R)) / std(R), by
    `group_advantages`; a token is credited with the sum over the steps that end at it or later.

    Args:
        step_rewards_BS: (B, S) reward of each step; ignored where there is no step.
        step_ends_BS: (B, S) 0-based index of each step's last token, −1 where there is no step.
        group_B: (B,) integer, equal for the completions of one problem.
        num_tokens: T, completion tokens of the padded batch.
        baseline: see `group_advantages`; the pool takes the place of the group.
        scale: see `group_advantages`.
        std_ddof: see `group_advantages`.
        std_eps: see `group_advantages`.

    Returns:
        (B, T) advantages; zero after a completion's last step, and everywhere where it has none.

    Raises:
        ValueError: shapes differ or a step ends beyond the last token.
    """
    if step_rewards_BS.shape != step_ends_BS.shape or step_rewards_BS.shape[:1] != group_B.shape:
        raise ValueError(
            f"step_rewards {tuple(step_rewards_BS.shape)}, step_ends {tuple(step_ends_BS.shape)} and group "
            f"{tuple(group_B.shape)} disagree; expected (B, S), (B, S) and (B,)."
        )
    step_rewards_BS = _floating(step_rewards_BS)
    is_step = step_ends_BS >= 0
    if bool((step_ends_BS >= num_tokens).any()):
        raise ValueError(f"a step ends at token {int(step_ends_BS.max())}; the batch has only {num_tokens} tokens.")
    pool = group_B[:, None].expand_as(step_ends_BS)[is_step]
    normalised = torch.zeros_like(step_rewards_BS)
    normalised[is_step] = group_advantages(
        step_rewards_BS[is_step], pool, baseline=baseline, scale=scale, std_ddof=std_ddof, std_eps=std_eps
    )
    at_ends = step_rewards_BS.new_zeros(step_rewards_BS.shape[0], num_tokens)
    at_ends.scatter_add_(1, step_ends_BS.clamp_min(0), normalised)
    return suffix_sums(at_ends)


def generalized_advantages(
    rewards_BT: Tensor, values_BT: Tensor, mask_BT: Tensor, *, discount: float = 1.0, gae_lambda: float = 1.0
) -> Tensor:
    """GAE: Â_t = Σ_{l≥0} (γλ)^l δ_{t+l} with δ_t = r_t + γ V_{t+1} − V_t (arXiv 1506.02438, Eq. 16).

    Special cases: λ = 1 gives the discounted return minus V_t, so with V = 0 the return; λ = 0 gives the TD error δ_t.
    Positions outside the mask are skipped: the next position of a token is the next one inside the mask, and the value
    after the last is 0.

    Args:
        rewards_BT: (B, T) reward of each token.
        values_BT: (B, T) critic before each token.
        mask_BT: (B, T) bool completion mask; it may have holes.
        discount: γ in [0, 1].
        gae_lambda: λ in [0, 1].

    Returns:
        (B, T) advantages in the dtype of `rewards_BT`, torch's default where that is no floating one; zero outside the
        mask.

    Raises:
        ValueError: shapes differ, or a factor is outside [0, 1].
    """
    if not rewards_BT.shape == values_BT.shape == mask_BT.shape or rewards_BT.ndim != 2:
        raise ValueError(
            f"rewards {tuple(rewards_BT.shape)}, values {tuple(values_BT.shape)} and mask {tuple(mask_BT.shape)} "
            "disagree; expected (B, T) each."
        )
    for name, value in (("discount", discount), ("gae_lambda", gae_lambda)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} is {value}; expected a number in [0, 1].")
    rewards_BT = _floating(rewards_BT)
    left = _without_holes(mask_BT)
    mask = mask_BT if left is None else mask_BT.gather(1, left)
    values = _packed(values_BT, mask_BT, left)
    deltas = _packed(rewards_BT, mask_BT, left).sub_(values)
    deltas[:, :-1].add_(values[:, 1:], alpha=discount)  # V is 0 after the last token
    advantages = _decayed_sums(deltas, discount * gae_lambda).to(rewards_BT.dtype)
    torch.where(mask, advantages, advantages.new_zeros(()), out=advantages)
    if left is not None:
        advantages = torch.zeros_like(advantages).scatter_(1, left, advantages)
    return advantages


def suffix_sums(values_BT: Tensor) -> Tensor:
    """Σ_{l ≥ t} x_l of each row, summed in float64. (B, T)."""
    return _undecayed_sums(values_BT).to(values_BT.dtype)


def normalize_over_tokens(
    advantages_BT: Tensor, mask_BT: Tensor, *, std_ddof: int = 0, variance_eps: float = 0.0
) -> Tensor:
    """(A − mean) / √(var + variance_eps) over all completion tokens of the batch ("whitening"; REINFORCE++, Eq. 5).

    Tokens that all have the same advantage, compared exactly, get 0.

    Args:
        advantages_BT: (B, T) advantages.
        mask_BT: (B, T) bool completion mask.
        std_ddof: delta degrees of freedom of the variance, 0 or 1.
        variance_eps: added to the variance, under the root.

    Returns:
        (B, T) in the dtype of the advantages, zero outside the mask.

    Raises:
        ValueError: std_ddof is neither 0 nor 1, or variance_eps is negative.
    """
    check_scale(std_ddof, variance_eps)
    count = int(mask_BT.sum())
    if count == 0:
        return torch.zeros_like(advantages_BT)
    highest = torch.where(mask_BT, advantages_BT, -torch.inf).amax()
    if bool(highest == torch.where(mask_BT, advantages_BT, torch.inf).amin()):
        return torch.zeros_like(advantages_BT)
    inside = torch.where(mask_BT, advantages_BT, 0).to(torch.float64)
    inside.sub_(inside.sum() / count)
    torch.where(mask_BT, inside, inside.new_zeros(()), out=inside)
    variance = torch.linalg.vector_norm(inside).square() / (count - std_ddof)
    return inside.div_((variance + variance_eps).sqrt()).to(advantages_BT.dtype)


def _undecayed_sums(values_BT: Tensor) -> Tensor:
    """Σ_{l ≥ t} x_l in float64: the row's total less what came before, exactly 0 where nothing follows. (B, T)."""
    before_and_now = torch.cumsum(values_BT, dim=1, dtype=torch.float64)
    total = before_and_now[:, -1:].clone()
    return before_and_now.neg_().add_(total).add_(values_BT)


BLOCK = 8


def _decayed_sums(values_BT: Tensor, decay: float) -> Tensor:
    """Σ_{l ≥ t} decay^{l−t} x_l, block by block from the end, each block one product with a triangle. (B, T)."""
    rows, tokens = values_BT.shape
    if decay == 1:
        return _undecayed_sums(values_BT)
    num_blocks = -(-tokens // BLOCK)
    padded = torch.nn.functional.pad(values_BT, (0, num_blocks * BLOCK - tokens))
    step = torch.arange(BLOCK, device=values_BT.device)
    powers = torch.full((BLOCK + 1,), decay, dtype=values_BT.dtype, device=values_BT.device).pow(
        torch.arange(BLOCK + 1, device=values_BT.device)
    )
    distance = step[:, None] - step[None, :]  # from a later token (row) back to an earlier one (column)
    triangle = torch.where(distance >= 0, powers[distance.clamp_min(0)], 0)
    sums = (padded.view(-1, BLOCK) @ triangle).view(rows, num_blocks, BLOCK)
    carry_weight = powers[1:].flip(0)  # decay to the first token of the next block
    for block in range(num_blocks - 2, -1, -1):
        sums[:, block] += sums[:, block + 1, :1] * carry_weight
    return sums.view(rows, -1)[:, :tokens]


def _without_holes(mask_BT: Tensor) -> Tensor | None:
    """(B, T) index that moves the masked positions of each row to its left; ``None`` where they lie there already."""
    if not bool((mask_BT[:, 1:] & ~mask_BT[:, :-1]).any()):
        return None
    return torch.argsort(mask_BT.logical_not().to(torch.uint8), dim=1, stable=True)


def _packed(values_BT: Tensor, mask_BT: Tensor, left: Tensor | None) -> Tensor:
    """float64 values without holes, 0 outside the mask. (B, T)."""
    inside = torch.where(mask_BT, values_BT, 0).to(torch.float64)
    return inside if left is None else inside.gather(1, left)


def _floating(rewards: Tensor) -> Tensor:
    """Rewards that can hold advantages: 0 and 1 may come as integers or bools."""
    return rewards if rewards.is_floating_point() else rewards.to(torch.get_default_dtype())


def _divide(numerator: Tensor, std: Tensor, std_eps: float, *, keep: Tensor) -> Tensor:
    """numerator / (std + std_eps), and the numerator itself where the std is exactly zero (`keep`)."""
    divisor = std + std_eps
    return torch.where(keep | (divisor == 0), numerator, numerator / divisor)


def _check_group_inputs(
    rewards_B: Tensor, group_B: Tensor, baseline: str, scale: str, std_ddof: int, std_eps: float
) -> None:
    if rewards_B.ndim != 1 or rewards_B.shape != group_B.shape:
        raise ValueError(
            f"rewards {tuple(rewards_B.shape)} and group {tuple(group_B.shape)} disagree; expected (B,) and (B,)."
        )
    if not bool(torch.isfinite(rewards_B).all()):
        raise ValueError(f"reward of sequence {int((~torch.isfinite(rewards_B)).nonzero()[0])} is not finite.")
    for name, value, allowed in (("baseline", baseline, get_args(Baseline)), ("scale", scale, get_args(Scale))):
        if value not in allowed:
            raise ValueError(f"{name} is {value!r}; expected one of {', '.join(allowed)}.")
    check_scale(std_ddof, std_eps)


def check_scale(std_ddof: int, std_eps: float) -> None:
    """Refuse what `group_advantages` cannot divide by.

    Raises:
        ValueError: std_ddof is neither 0 nor 1, or std_eps is negative.
    """
    if std_ddof not in (0, 1):
        raise ValueError(f"std_ddof is {std_ddof}; expected 0 (population) or 1 (sample).")
    if std_eps < 0:
        raise ValueError(f"std_eps is {std_eps}; expected 0 or more.")
