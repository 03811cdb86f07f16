"""Completions as padded arrays: what every method reads.

Axes: B sequences, T completion tokens (right-padded), S steps of a solution.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

__all__ = ["TokenBatch"]

LOGPROBS = ("old_logprobs", "reference_logprobs", "sampler_logprobs")
REAL_ARRAYS = frozenset((*LOGPROBS, "rewards", "values", "step_rewards", "greedy_rewards", "entropies"))


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Completions as arrays. What a method does not need is ``None``; `require` raises where it is missing.

    Attributes:
        completion_mask: (B, T) bool, True where the token is trained on.
        rewards: (B,) outcome reward.
        correct: (B,) bool, True where the completion is right, whatever its reward.
        group: (B,) int64, equal for completions of one problem.
        old_logprobs: (B, T) log π_old, the policy that the batch was drawn from.
        reference_logprobs: (B, T) log π_ref.
        sampler_logprobs: (B, T) log π as the sampling engine computed it.
        values: (B, T) the critic's value before token t.
        entropies: (B, T) entropy of the policy that the update starts from, before token t, in nats.
        step_rewards: (B, S) reward of each step, padded arbitrarily.
        step_ends: (B, S) int64 index of each step's last token, −1 where there is no step.
        pair: (B,) int64, equal for the two completions of a pair.
        chosen: (B,) bool, True for the better completion of a pair.
        truncated: (B,) bool, True where the completion was cut at the token limit.
        greedy_rewards: (B,) reward of the greedy completion of the sequence's problem.
        max_length: token limit of a completion.
        kl_estimate: an estimate of KL(π_θ ‖ π_ref) of a whole completion, in nats, one for the batch.
    """

    completion_mask: Tensor
    rewards: Tensor
    group: Tensor
    correct: Tensor | None = None
    old_logprobs: Tensor | None = None
    reference_logprobs: Tensor | None = None
    sampler_logprobs: Tensor | None = None
    values: Tensor | None = None
    entropies: Tensor | None = None
    step_rewards: Tensor | None = None
    step_ends: Tensor | None = None
    pair: Tensor | None = None
    chosen: Tensor | None = None
    truncated: Tensor | None = None
    greedy_rewards: Tensor | None = None
    max_length: int | None = None
    kl_estimate: float | None = None

    def __post_init__(self) -> None:
        if self.completion_mask.ndim != 2 or self.completion_mask.dtype != torch.bool:
            raise ValueError(
                f"completion_mask has shape {tuple(self.completion_mask.shape)} and dtype "
                f"{self.completion_mask.dtype}; expected (B, T) bool."
            )
        rows, tokens = self.completion_mask.shape
        steps = None if self.step_rewards is None else self.step_rewards.shape[-1]
        per_row = ("rewards", "correct", "group", "pair", "chosen", "truncated", "greedy_rewards")
        axes: dict[str, tuple[int | None, ...]] = dict.fromkeys(per_row, (rows,))
        axes |= dict.fromkeys(("step_rewards", "step_ends"), (rows, steps))
        for name, value in self.arrays().items():
            expected = axes.get(name, (rows, tokens))
            if tuple(value.shape) != expected:
                raise ValueError(f"{name} has shape {tuple(value.shape)}; expected {expected} (B={rows}, T={tokens}).")
            if name in REAL_ARRAYS and not value.is_floating_point():
                raise ValueError(f"{name} is {value.dtype}; expected a floating dtype, which its advantages take over.")

    def arrays(self) -> dict[str, Tensor]:
        """The arrays that this batch holds, by name."""
        held = {item.name: getattr(self, item.name) for item in fields(self)}
        return {name: value for name, value in held.items() if isinstance(value, Tensor)}

    def require(self, name: str, algorithm: str) -> Any:
        """The array `name`.

        Raises:
            ValueError: the batch does not hold it; the message names the field and the algorithm.
        """
        value = getattr(self, name)
        if value is None:
            where = "beside the sequences" if name in ("max_length", "kl_estimate") else "to every sequence"
            raise ValueError(f"{algorithm} needs {name}, which this batch does not hold; add it {where}.")
        return value

    def right(self, threshold: float | None, algorithm: str) -> Tensor:
        """I(o) of Eq. 10: completions that are right, or with a reward above `threshold` where there is one. (B,) bool.

        Raises:
            ValueError: there is no threshold, and the batch does not hold `correct`.
        """
        return self.require("correct", algorithm) if threshold is None else self.rewards > threshold

    def at_step_ends(self, values: Tensor | float) -> Tensor:
        """Values of the steps at their last tokens, 0 at every other token. (B, T).

        Args:
            values: (B, S) one of each step, or one number for all.

        Raises:
            ValueError: the batch does not hold `step_ends`.
        """
        ends = self.require("step_ends", "what is placed at the ends of steps")
        there = ends >= 0
        spread = torch.as_tensor(values, device=ends.device).expand(ends.shape)
        spread = torch.where(there, spread, torch.zeros((), dtype=spread.dtype, device=ends.device))
        placed = torch.zeros(self.completion_mask.shape, dtype=spread.dtype, device=ends.device)
        return placed.scatter_add_(1, ends.clamp_min(0), spread)

    def rows(self, index: Tensor) -> TokenBatch:
        """The sequences at `index` (int64), as a batch of their own."""
        return replace(self, **{name: value[index] for name, value in self.arrays().items()})

    def cut(self, length: int) -> TokenBatch:
        """The first `length` token positions; only padding may be cut off."""
        names = ("completion_mask", *LOGPROBS, "values", "entropies")
        return replace(self, **{name: value[:, :length] for name, value in self.arrays().items() if name in names})

    def to(self, device: torch.device) -> TokenBatch:
        """The same batch on `device`."""
        return replace(self, **{name: value.to(device) for name, value in self.arrays().items()})
