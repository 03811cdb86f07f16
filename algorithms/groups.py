"""Statistics of the completions of one problem, handed back to each of them."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

__all__ = ["GroupStatistics", "equal_rewards", "lowest_of_group"]


def equal_rewards(rewards_B: Tensor, group_B: Tensor) -> Tensor:
    """Sequences of groups whose rewards are all equal, compared exactly; a group of one is one. (B,) bool."""
    return GroupStatistics(rewards_B.double(), group_B).equal


def lowest_of_group(scores_B: Tensor, group_B: Tensor, count: int) -> Tensor:
    """Sequences with one of the `count` lowest scores of their group; all that tie with the last of them. (B,) bool."""
    better = (group_B[:, None] == group_B[None, :]) & (scores_B[None, :] < scores_B[:, None])
    return better.sum(dim=-1) < count


class GroupStatistics:
    """Statistics of each reward's own group, as (B,) float64 arrays.

    Deviations are kept in units of the largest one of the group, so that their squares neither overflow nor vanish.

    Attributes:
        rewards: (B,) as given.
        size: (B,) G, sequences of the group.
        lowest: (B,) smallest reward of the group.
        highest: (B,) largest reward of the group.
        equal: (B,) bool, whether all rewards of the group are equal, compared exactly.
        unit: (B,) largest absolute deviation of the group; 1 where the rewards are equal.
        deviation: (B,) reward minus the group's mean, in `unit`.
    """

    def __init__(self, rewards: Tensor, group_B: Tensor) -> None:
        _, self._index, counts = torch.unique(group_B, return_inverse=True, return_counts=True)
        self._counts = counts
        self.rewards = rewards
        self.size = counts[self._index].double()
        self.lowest, self.highest = self._reduce(rewards, "amin"), self._reduce(rewards, "amax")
        self.equal = self.lowest == self.highest
        mean = self._reduce(rewards - self.lowest, "sum") / self.size + self.lowest
        deviation = rewards - mean
        unit = self._reduce(deviation.abs(), "amax")
        self.unit = torch.where(unit == 0, torch.ones_like(unit), unit)
        self.deviation = deviation / self.unit

    def std(self, ddof: int) -> Tensor:
        """Standard deviation of the group. (B,)."""
        sum_of_squares = self._reduce(self.deviation.square(), "sum")
        return (sum_of_squares / (self.size - ddof).clamp_min(1)).sqrt() * self.unit

    def std_leave_one_out(self, ddof: int) -> Tensor:
        """Standard deviation of the group without the sequence itself. (B,)."""
        others, present = self._others()  # (B, largest G)
        count = self.size - 1
        lowest = torch.where(present, others, torch.inf).amin(dim=-1, keepdim=True)
        shifted = torch.where(present, others - lowest, 0)
        # Sums from left to right: where a larger group pads the rows with zeros, not even the last digit changes.
        deviation = torch.where(present, shifted - (shifted.cumsum(dim=-1)[:, -1] / count)[:, None], 0)
        unit = deviation.abs().amax(dim=-1)
        unit = torch.where(unit == 0, torch.ones_like(unit), unit)
        squares = (deviation / unit[:, None]).square().cumsum(dim=-1)[:, -1]
        return (squares / (count - ddof).clamp_min(1)).sqrt() * unit

    def others_equal(self) -> Tensor:
        """Sequences whose group is equal without them, compared exactly. (B,) bool."""
        is_lowest, is_highest = self.rewards == self.lowest, self.rewards == self.highest
        all_others_highest = is_lowest & (self._reduce(is_highest.double(), "sum") == self.size - 1)
        all_others_lowest = is_highest & (self._reduce(is_lowest.double(), "sum") == self.size - 1)
        return all_others_highest | all_others_lowest | self.equal

    def _others(self) -> tuple[Tensor, Tensor]:
        """The rewards of each sequence's group and which of them are there and not its own. Both (B, largest G)."""
        largest = int(self._counts.max())
        order = torch.argsort(self._index, stable=True)
        starts = self._counts.cumsum(0) - self._counts
        place = torch.empty_like(order)  # position of a sequence within its group
        place[order] = torch.arange(len(order), device=order.device) - starts[self._index[order]]
        table = self.rewards.new_zeros(len(self._counts), largest)
        table[self._index, place] = self.rewards
        column = torch.arange(largest, device=order.device)
        return table[self._index], (column < self.size[:, None]) & (column != place[:, None])

    def _reduce(self, values: Tensor, how: Literal["sum", "amin", "amax"]) -> Tensor:
        """Reduce within each group and hand the result back to its members. (B,) -> (B,)."""
        reduced = values.new_zeros(len(self._counts)).scatter_reduce_(0, self._index, values, how, include_self=False)
        return reduced[self._index]
