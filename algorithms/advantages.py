"""Advantage mathematics: group-relative (GRPO, RLOO, …), process supervision, and GAE.

Everything is computed in float64 and returned in the dtype of the rewards. Source: DeepSeekMath (arXiv 2402.03300)
sections 4.1.2 and 4.1.3 for groups, Schulman et al. 2016 (arXiv 1506.02438) for GAE.
"""

from __future__ import annotations

import warnings
from typing import Literal, get_args

import torch
from torch import Tensor

__all__ = ["Baseline", "Scale", "generalized_advantages", "group_advantages", "process_advantages"]

Baseline = Literal["mean", "leave_one_out", "none"]
Scale = Literal["std", "std_leave_one_out", "none"]


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
    Dr. GRPO; ``"leave_one_out"``, ``"std_leave_one_out"``: NeMo-RL; ``"none"``, ``"none"``: the bare reward.

    A group whose rewards are all equal, compared exactly, has zero advantage wherever a baseline is subtracted, since
    rounding of the mean would otherwise be blown up by a small std. So has a group of one, with a warning.

    Args:
        rewards_B: (B,) rewards, any unit.
        group_B: (B,) integer, equal for the completions of one problem, in any order.
        baseline: mean of the group, mean of the others, or nothing.
        scale: std of the group, std of the others (not divided where that is 0), or nothing.
        std_ddof: delta degrees of freedom of the std: 1 sample, 0 population. The paper does not say which.
        std_eps: added to the std; 0 is allowed.

    Returns:
        (B,) advantages in the dtype of `rewards_B`, in units of std, or of the reward where scale is ``"none"``.

    Raises:
        ValueError: shapes differ, an option is unknown, or a reward is not finite.
    """
    _check_group_inputs(rewards_B, group_B, baseline, scale, std_ddof, std_eps)
    if rewards_B.numel() == 0:
        return rewards_B.clone()
    groups = _Groups(rewards_B.double(), group_B)
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
            keep = groups.equal | groups.others_equal()
            advantages = _divide(numerator, groups.std_leave_one_out(std_ddof), std_eps, keep=keep)
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
    return at_ends.flip(-1).cumsum(-1).flip(-1)


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
        (B, T) advantages in the dtype of `rewards_BT`, zero outside the mask.

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
    # Time first: each row of the loop below is then contiguous.
    mask = mask_BT.T.contiguous()
    rewards = torch.where(mask_BT, rewards_BT, 0).double().T.contiguous()
    values = torch.where(mask_BT, values_BT, 0).double().T.contiguous()
    advantages = torch.zeros_like(rewards)
    next_value = next_advantage = rewards.new_zeros(rewards.shape[1])
    for t in reversed(range(rewards.shape[0])):
        delta = rewards[t] + discount * next_value - values[t]
        advantage = delta + discount * gae_lambda * next_advantage
        advantages[t] = torch.where(mask[t], advantage, 0)
        next_advantage = torch.where(mask[t], advantage, next_advantage)
        next_value = torch.where(mask[t], values[t], next_value)
    return advantages.T.contiguous().to(rewards_BT.dtype)


class _Groups:
    """Statistics of each reward's own group, as (B,) float64 arrays.

    Deviations are kept in units of the largest one of the group, so that their squares neither overflow nor vanish.
    """

    def __init__(self, rewards: Tensor, group_B: Tensor) -> None:
        _, self._index, counts = torch.unique(group_B, return_inverse=True, return_counts=True)
        self._num_groups = len(counts)
        self.rewards = rewards
        self.size = counts[self._index].double()
        self.lowest, self.highest = self._reduce(rewards, "amin"), self._reduce(rewards, "amax")
        self.equal = self.lowest == self.highest
        mean = self._reduce(rewards - self.lowest, "sum") / self.size + self.lowest
        deviation = rewards - mean
        unit = self._reduce(deviation.abs(), "amax")
        self.unit = torch.where(self.equal | (unit == 0), torch.ones_like(unit), unit)
        self.deviation = deviation / self.unit
        self._sum_of_squares = self._reduce(self.deviation.square(), "sum")

    def std(self, ddof: int) -> Tensor:
        """Standard deviation of the group."""
        return (self._sum_of_squares / (self.size - ddof).clamp_min(1)).sqrt() * self.unit

    def std_leave_one_out(self, ddof: int) -> Tensor:
        """Standard deviation of the group without the sequence itself."""
        without = self._sum_of_squares - self.deviation.square() * self.size / (self.size - 1).clamp_min(1)
        return (without.clamp_min(0) / (self.size - 1 - ddof).clamp_min(1)).sqrt() * self.unit

    def others_equal(self) -> Tensor:
        """Whether the other rewards of the group are all equal, compared exactly. (B,) bool."""
        is_lowest, is_highest = self.rewards == self.lowest, self.rewards == self.highest
        all_others_highest = is_lowest & (self._reduce(is_highest.double(), "sum") == self.size - 1)
        all_others_lowest = is_highest & (self._reduce(is_lowest.double(), "sum") == self.size - 1)
        return all_others_highest | all_others_lowest | (self.size <= 2)

    def _reduce(self, values: Tensor, how: Literal["sum", "amin", "amax"]) -> Tensor:
        """Reduce within each group and hand the result back to its members. (B,) -> (B,)."""
        reduced = values.new_zeros(self._num_groups).scatter_reduce_(0, self._index, values, how, include_self=False)
        return reduced[self._index]


def _divide(numerator: Tensor, std: Tensor, std_eps: float, *, keep: Tensor) -> Tensor:
    """numerator / (std + std_eps), and the numerator itself where the std is exactly zero (`keep`)."""
    divisor = std + std_eps
    return torch.where(keep | (divisor == 0), numerator, numerator / torch.where(divisor == 0, 1, divisor))


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
