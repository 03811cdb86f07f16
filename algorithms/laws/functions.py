"""A plain function ``advantages(rewards, groups) -> array``, of numpy or torch, as a method that laws can judge."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need, TokenBatch

__all__ = ["AdvantageFunction", "FunctionError"]


class FunctionError(ValueError):
    """A function did not return one number a reward."""


@dataclass(frozen=True, kw_only=True)
class AdvantageFunction:
    """Credit of a function of rewards (B,) and group labels (B,), int64; its coefficients are its credit.

    Attributes:
        function: called with torch tensors, or with numpy arrays where `numpy` says so.
        numpy: whether it takes and returns numpy arrays.
    """

    function: Callable[[Any, Any], Any]
    numpy: bool = False

    data_source: DataSource = field(default=DataSource.ONLINE, init=False)
    batch_unit: BatchUnit = field(default=BatchUnit.SEQUENCE, init=False)
    aggregation: Aggregation = field(default=Aggregation.SEQUENCE_MEAN, init=False)
    needs: frozenset[Need] = field(default=frozenset({Need.GROUPS}), init=False)
    exclude: frozenset[Exclusion] = field(default=frozenset(), init=False)

    @classmethod
    def of(cls, function: Callable[[Any, Any], Any]) -> AdvantageFunction:
        """The function with the arrays that it takes: torch's, or numpy's where it cannot work with torch's.

        Raises:
            FunctionError: it fails on two rewards of one group with either; the message has both reasons.
        """
        rewards, group, failed = torch.tensor([0.0, 1.0], dtype=torch.float64), torch.tensor([0, 0]), []
        for numpy in (False, True):
            method = cls(function=function, numpy=numpy)
            try:
                method.advantages(rewards, group)
            except Exception as error:  # the user's own code: anything may come
                failed.append(f"with {'numpy' if numpy else 'torch'} arrays {type(error).__name__}: {error}")
            else:
                return method
        raise FunctionError(
            f"{getattr(function, '__name__', function)}([0.0, 1.0], [0, 0]) failed {'; '.join(failed)}. Expected "
            "advantages(rewards, groups) -> one number a reward."
        )

    @property
    def claims(self) -> frozenset[str]:
        """The function's own ``claims``; without them `AttributeError`, as of a method that has none."""
        return frozenset(self.function.claims)  # pyright: ignore[reportFunctionMemberAccess]

    def advantages(self, rewards: Tensor, group: Tensor) -> Tensor:
        """What the function returns, as a tensor. (B,).

        Raises:
            FunctionError: it is not one number a reward.
        """
        given = (rewards.clone(), group.clone())  # a function that works in place must not reach the batch
        found = self.function(*(array.numpy() for array in given)) if self.numpy else self.function(*given)
        advantages = torch.as_tensor(found).detach().cpu()
        if not advantages.is_floating_point():
            advantages = advantages.double()
        if advantages.shape != rewards.shape:
            raise FunctionError(
                f"it returned shape {tuple(advantages.shape)} for {len(rewards)} rewards; expected (B,)."
            )
        return advantages

    def credit(self, batch: TokenBatch) -> Tensor:
        """The function's advantage of a sequence at each of its tokens. (B, T)."""
        return self.advantages(batch.rewards, batch.group)[:, None] * batch.completion_mask

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """The credit as the coefficient of each token. (B, T)."""
        return Coefficients(values=credit)
