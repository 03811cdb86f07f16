"""A number that is not finite stops a run before it reaches the weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from training.models.shards import whole

__all__ = ["NotFiniteError", "check_finite", "check_weights"]

LOOK_AT = {
    "credit": "the rewards of the step and what the method makes of them (a logarithm or a division?)",
    "coefficient": "the method's coefficients: a ratio, a logarithm or a division of credit, ratio and penalty",
    "loss": "the coefficients and π_θ's logprobs: columns coefficient_abs_mean, entropy or nll of metrics.jsonl",
    "gradient norm": "grad_norm and learning_rate of the steps before in metrics.jsonl; a lower rate, or float32 "
    "(use_autocast false)",
    "critic's loss": "the method's value targets and the critic's rate (critic_learning_rate)",
    "critic's gradient norm": "the method's value targets and the critic's rate (critic_learning_rate)",
}


class NotFiniteError(FloatingPointError):
    """A run computed NaN or infinity; that reached no weight, and its last checkpoint is from before the step.

    Earlier updates on the step's batch, and the policy's where the critic's number is meant, have been made.
    """


def check_finite(step: int, what: str, value: float | Tensor) -> None:
    """Stop at the first number that is not finite.

    Args:
        step: optimiser step, counted from 0.
        what: one of `LOOK_AT`.
        value: a number, or an array of them.

    Raises:
        NotFiniteError: with the step and what to look at.
    """
    if isinstance(value, Tensor):
        bad = value[~torch.isfinite(value)]
        shown, count = (float(bad[0]), f" at {len(bad)} of {value.numel()} places") if len(bad) else (0.0, "")
    else:
        shown, count = value, ""
    if not math.isfinite(shown):
        raise NotFiniteError(
            f"the {what} of step {step + 1} is {shown}{count}; expected finite numbers. The run stopped before it "
            f"reached a weight, and the last checkpoint is from before this step. Look at {LOOK_AT[what]}."
        )


def check_weights(model: nn.Module, step: int) -> None:
    """Refuse to keep weights that are not finite.

    Raises:
        NotFiniteError: names the first such weight.
    """
    for name, weight in model.named_parameters():
        if int(whole((~torch.isfinite(weight)).sum())):  # of all ranks' parts
            raise NotFiniteError(
                f"{name} holds numbers that are not finite after step {step}; no checkpoint of it was written, and the "
                f"last one is from before. Look at {LOOK_AT['gradient norm']}."
            )
