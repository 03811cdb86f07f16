"""The one idea of this project: every method is a data source, a reward and a gradient coefficient.

    ∇J(θ) = E_{(q,o) ~ D} [ 1/|o| · Σ_t  GC(q, o, t, π_rf) · ∇ log π_θ(o_t | q, o_<t) ]      (DeepSeekMath, Eq. 5)

An `Algorithm` says where its data comes from, turns a batch into `credit` (once per rollout batch, no gradient), and
turns credit and the policy's logprobs into coefficients (at every microbatch). There is one loss, `surrogate_loss`,
whose gradient is Eq. 5 by construction:

    L(θ) = − Σ_{i,t} weight_{i,t} · stop_gradient(GC_{i,t}) · log π_θ(o_{i,t} | q, o_{i,<t})

A coefficient is |o| · ∂J/∂log π_θ(o_t) where J has the 1/|o| of Eq. 5 (`SEQUENCE_MEAN`) and ∂J/∂log π_θ(o_t) where J is
a sum over tokens, with J summed over sequences (or pairs). 1/|o|, 1/G, 1/B and 1/pairs are the aggregation weight.

Axes: B sequences, T completion tokens (right-padded), S steps of a solution. Source: arXiv 2402.03300, sections 5.2 and
A.1.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import ClassVar, Protocol

import torch
from torch import Tensor

__all__ = [
    "Aggregation",
    "Algorithm",
    "BatchUnit",
    "Coefficients",
    "CriticAlgorithm",
    "DataSource",
    "Denominator",
    "Need",
    "PaperRow",
    "TokenBatch",
    "aggregation_weights",
    "surrogate_loss",
]


class DataSource(enum.StrEnum):
    """Where (q, o) comes from: the first column of Table 10."""

    DEMONSTRATIONS = "P_sft"
    OFFLINE = "π_sft"
    ONLINE = "π_θ"


class Need(enum.StrEnum):
    """What a method reads beside masks, rewards and the policy's logprobs; checked once, when a run is built."""

    GROUPS = "several completions of each problem"
    PAIRS = "pairs of a right and a wrong completion"
    STEP_REWARDS = "a reward at the end of each step"
    OLD_LOGPROBS = "log π_old of each token, at the update"
    OLD_LOGPROBS_FOR_CREDIT = "log π_old of each token, before credit is computed"
    REFERENCE_LOGPROBS = "log π_ref of each token"
    CRITIC = "a learned value of each token"


class BatchUnit(enum.StrEnum):
    """What a microbatch must not split."""

    SEQUENCE = "sequence"
    PAIR = "pair"


class Aggregation(enum.StrEnum):
    """How token terms become one number; the denominators are global to the optimiser step."""

    SEQUENCE_MEAN = "sequence_mean"  # 1/(|o|·N): Eq. 5
    TOKEN_MEAN = "token_mean"  # 1/(all tokens): DAPO
    SEQUENCE_SUM = "sequence_sum"  # 1/N: published DPO
    CONSTANT = "constant"  # 1/(N·max_length): Dr. GRPO


@dataclass(frozen=True, kw_only=True)
class PaperRow:
    """A method's row of Table 10 and the equation of its coefficient."""

    title: str
    data_source: str
    reward: str
    coefficient: str
    equation: str


@dataclass(frozen=True, kw_only=True)
class Denominator:
    """What the whole optimiser step is divided by, so that the split into microbatches changes nothing.

    Attributes:
        units: sequences (or pairs, for a pairwise method) of the optimiser step.
        tokens: completion tokens of the optimiser step.
        max_length: token limit of a completion; read by `Aggregation.CONSTANT` only.
    """

    units: int
    tokens: int
    max_length: int

    def __post_init__(self) -> None:
        for name in ("units", "tokens", "max_length"):
            if getattr(self, name) < 1:
                raise ValueError(f"Denominator.{name} is {getattr(self, name)}; expected at least 1.")


@dataclass(frozen=True, kw_only=True)
class TokenBatch:
    """Completions as arrays. What a method does not need is ``None``; `require` raises where it is missing.

    Attributes:
        completion_mask: (B, T) bool, True where the token is trained on.
        rewards: (B,) outcome reward; correct means reward > 0.
        group: (B,) int64, equal for completions of one problem.
        old_logprobs: (B, T) log π_old, the policy that the batch was drawn from.
        reference_logprobs: (B, T) log π_ref.
        sampler_logprobs: (B, T) log π as the sampling engine computed it.
        values: (B, T) the critic's value before token t.
        step_rewards: (B, S) reward of each step, padded arbitrarily.
        step_ends: (B, S) int64 index of each step's last token, −1 where there is no step.
        pair: (B,) int64, equal for the two completions of a pair.
        chosen: (B,) bool, True for the better completion of a pair.
    """

    completion_mask: Tensor
    rewards: Tensor
    group: Tensor
    old_logprobs: Tensor | None = None
    reference_logprobs: Tensor | None = None
    sampler_logprobs: Tensor | None = None
    values: Tensor | None = None
    step_rewards: Tensor | None = None
    step_ends: Tensor | None = None
    pair: Tensor | None = None
    chosen: Tensor | None = None

    def __post_init__(self) -> None:
        if self.completion_mask.ndim != 2 or self.completion_mask.dtype != torch.bool:
            raise ValueError(
                f"completion_mask has shape {tuple(self.completion_mask.shape)} and dtype "
                f"{self.completion_mask.dtype}; expected (B, T) bool."
            )
        rows, tokens = self.completion_mask.shape
        steps = None if self.step_rewards is None else self.step_rewards.shape[-1]
        axes = {"rewards": (rows,), "group": (rows,), "pair": (rows,), "chosen": (rows,)}
        axes |= dict.fromkeys(("step_rewards", "step_ends"), (rows, steps))
        for item in fields(self):
            value = getattr(self, item.name)
            expected = axes.get(item.name, (rows, tokens))
            if value is not None and tuple(value.shape) != expected:
                raise ValueError(
                    f"{item.name} has shape {tuple(value.shape)}; expected {expected} (B={rows}, T={tokens})."
                )

    def require(self, name: str, algorithm: str) -> Tensor:
        """The array `name`.

        Raises:
            ValueError: the batch does not hold it; the message names the field and the algorithm.
        """
        value = getattr(self, name)
        if value is None:
            raise ValueError(f"{algorithm} needs {name}, which this batch does not hold; add it to every sequence.")
        return value

    def rows(self, index: Tensor) -> TokenBatch:
        """The sequences at `index` (int64), as a batch of their own."""
        picked = {item.name: getattr(self, item.name) for item in fields(self)}
        return replace(self, **{name: value[index] for name, value in picked.items() if value is not None})

    def cut(self, length: int) -> TokenBatch:
        """The first `length` token positions; only padding may be cut off."""
        names = ("completion_mask", "old_logprobs", "reference_logprobs", "sampler_logprobs", "values")
        cut = {name: getattr(self, name)[:, :length] for name in names if getattr(self, name) is not None}
        return replace(self, **cut)


@dataclass(frozen=True, kw_only=True)
class Coefficients:
    """Gradient coefficients of a microbatch.

    Attributes:
        values: (B, T), detached, zero outside the completion mask.
        diagnostics: (B, T) arrays to be averaged over completion tokens and logged, by name.
    """

    values: Tensor
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)


class Algorithm(Protocol):
    """What the training loop knows of a method; nothing else of a method is known to it."""

    paper: ClassVar[PaperRow]

    @property
    def data_source(self) -> DataSource:
        """Where the completions come from."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """What must be in the batch."""
        ...

    @property
    def batch_unit(self) -> BatchUnit:
        """What a microbatch must not split."""
        ...

    @property
    def aggregation(self) -> Aggregation:
        """How token terms become one number."""
        ...

    def credit(self, batch: TokenBatch) -> Tensor:
        """(B, T) credit of each token, without gradient; computed once, on the whole rollout batch."""
        ...

    def coefficients(self, batch: TokenBatch, credit: Tensor, policy_logprobs: Tensor) -> Coefficients:
        """Coefficients of a microbatch at the current policy.

        Args:
            batch: the microbatch.
            credit: (B, T) its rows of `credit`.
            policy_logprobs: (B, T) log π_θ now; its gradient is not used.
        """
        ...


class CriticAlgorithm(Algorithm, Protocol):
    """A method with `Need.CRITIC`, which also says what its critic learns."""

    def value_targets(self, batch: TokenBatch) -> Tensor:
        """(B, T) regression target of the critic before each token."""
        ...


def aggregation_weights(mask: Tensor, aggregation: Aggregation, denominator: Denominator) -> Tensor:
    """(B, T) float64 weight of each token term; zero outside the mask.

    Args:
        mask: (B, T) bool completion mask.
        aggregation: which tokens and sequences are averaged.
        denominator: counts of the whole optimiser step, never of the microbatch.
    """
    ones = mask.to(torch.float64)
    match aggregation:
        case Aggregation.SEQUENCE_MEAN:
            return ones / (mask.sum(dim=-1, keepdim=True).clamp_min(1) * denominator.units)
        case Aggregation.TOKEN_MEAN:
            return ones / denominator.tokens
        case Aggregation.SEQUENCE_SUM:
            return ones / denominator.units
        case Aggregation.CONSTANT:
            return ones / (denominator.units * denominator.max_length)
    raise ValueError(f"aggregation is {aggregation!r}; expected one of {', '.join(Aggregation)}.")


def surrogate_loss(
    coefficients: Tensor, logprobs: Tensor, mask: Tensor, aggregation: Aggregation, denominator: Denominator
) -> Tensor:
    """−Σ weight · stop_gradient(coefficient) · log π_θ: the only policy loss of the project (Eq. 5).

    Args:
        coefficients: (B, T); no gradient flows into them.
        logprobs: (B, T) log π_θ of each completion token, with gradient.
        mask: (B, T) bool completion mask.
        aggregation: see `aggregation_weights`.
        denominator: counts of the whole optimiser step; losses of microbatches add up.

    Returns:
        Scalar, in nats.
    """
    weights = aggregation_weights(mask, aggregation, denominator).to(logprobs.dtype)
    terms = weights * coefficients.detach() * logprobs
    return -torch.where(mask, terms, torch.zeros_like(terms)).sum()
