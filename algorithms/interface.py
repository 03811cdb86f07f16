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
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from algorithms.groups import equal_rewards
from algorithms.token_batch import TokenBatch

__all__ = [
    "Aggregation",
    "Algorithm",
    "BatchUnit",
    "Coefficients",
    "Counted",
    "CriticAlgorithm",
    "DataSource",
    "Denominator",
    "Exclusion",
    "Need",
    "TokenBatch",
    "aggregation_weights",
    "compose",
    "counted",
    "surrogate_loss",
]


class DataSource(enum.StrEnum):
    """Origin of (q, o): the first column of Table 10."""

    DEMONSTRATIONS = "P_sft"
    OFFLINE = "π_sft"
    ITERATED = "π_k"  # the policy as it was at the start of the current iteration
    ONLINE = "π_θ"


class Need(enum.StrEnum):
    """Arrays beside masks, rewards and the policy's logprobs that a method reads; checked once, when a run is built."""

    GROUPS = "several completions of each problem"
    CORRECT = "which completions are right"
    PAIRS = "pairs of a right and a wrong completion"
    RANKED_PAIRS = "pairs of a better and a worse completion, by their rewards"
    STEP_REWARDS = "a reward at the end of each step"
    OLD_LOGPROBS = "log π_old of each token, at the update"
    OLD_LOGPROBS_FOR_CREDIT = "log π_old of each token, before credit is computed"
    REFERENCE_LOGPROBS = "log π_ref of each token"
    SAMPLER_LOGPROBS = "log π of each token as the sampling engine computed it"
    ENTROPIES = "the entropy of the policy at each token, before credit is computed"
    KL_ESTIMATE = "an estimate of KL(π_θ ‖ π_ref) of the batch, before the update"
    GREEDY_REWARD = "the reward of each problem's greedy completion"
    CRITIC = "a learned value of each token"


class Exclusion(enum.StrEnum):
    """Completions that a method samples and scores but does not train on."""

    TRUNCATED = "completions cut at the token limit; they count among the sequences, not among the tokens"
    EQUAL_GROUPS = "groups whose rewards are all equal (dynamic sampling); they count nowhere"
    BETWEEN_STEPS = "tokens at which no step ends; they count nowhere (the fit of a reward model)"


class BatchUnit(enum.StrEnum):
    """The unit that no microbatch splits."""

    SEQUENCE = "sequence"
    PAIR = "pair"


class Aggregation(enum.StrEnum):
    """The weighting by which token terms become one number; the denominators are global to the optimiser step."""

    SEQUENCE_MEAN = "sequence_mean"  # 1/(|o|·N): Eq. 5
    TOKEN_MEAN = "token_mean"  # 1/(all tokens): DAPO
    SEQUENCE_SUM = "sequence_sum"  # 1/N: published DPO
    CONSTANT = "constant"  # 1/(N·max_length): Dr. GRPO


@dataclass(frozen=True, kw_only=True)
class Denominator:
    """Counts of the whole optimiser step, to divide by, so that the split into microbatches changes nothing.

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
class Coefficients:
    """Gradient coefficients of a microbatch.

    Attributes:
        values: (B, T), detached, zero outside the completion mask.
        factors: (B, T) or (B, 1) arrays by name, 1 where they change nothing: what credit is multiplied by.
        terms: (B, T) arrays by name: what is added to credit times factors.
        diagnostics: (B, T) arrays, numbers or bools, to be averaged over completion tokens and logged, by name.
    """

    values: Tensor
    factors: Mapping[str, Tensor] = field(default_factory=dict)
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    diagnostics: Mapping[str, Tensor] = field(default_factory=dict)


def compose(
    mask: Tensor,
    credit: Tensor,
    *,
    factors: Mapping[str, Tensor],
    terms: Mapping[str, Tensor],
    diagnostics: Mapping[str, Tensor],
) -> Coefficients:
    """GC = credit · Π factors + Σ terms inside the mask, with its parts kept for whoever asks.

    Factors are finite and multiplied first, bools as 0 and 1, and their product is kept finite: where the credit is 0
    or a clip switches off, the coefficient is 0 however large the rest.
    """
    first, *others = factors.values() if factors else (torch.ones_like(credit),)
    product = first
    for factor in others:
        product = product * factor
        if factor.dtype != torch.bool:
            product.clamp_(max=torch.finfo(product.dtype).max)
    values = credit * product
    for term in terms.values():
        values.add_(term)
    torch.where(mask, values, values.new_zeros(()), out=values)
    return Coefficients(values=values, factors=factors, terms=terms, diagnostics=diagnostics)


class Algorithm(Protocol):
    """A method, as far as the training loop knows it: nothing else of a method is known to it."""

    @property
    def data_source(self) -> DataSource:
        """Origin of the completions."""
        ...

    @property
    def needs(self) -> frozenset[Need]:
        """Arrays that must be in the batch."""
        ...

    @property
    def exclude(self) -> frozenset[Exclusion]:
        """Completions that are sampled and scored and not trained on; see `counted`."""
        ...

    @property
    def batch_unit(self) -> BatchUnit:
        """The unit that no microbatch splits."""
        ...

    @property
    def aggregation(self) -> Aggregation:
        """The weighting of token terms."""
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


@dataclass(frozen=True, kw_only=True)
class Counted:
    """Which completions an optimiser step counts.

    Attributes:
        rows: (B,) bool, False for sequences that count nowhere.
        mask: (B, T) bool, the tokens that are trained on.
    """

    rows: Tensor
    mask: Tensor

    def denominator(self, unit: BatchUnit, max_length: int) -> Denominator:
        """The counts of these completions; at least 1 each, so that a batch with nothing left gives zero."""
        units = int(self.rows.sum()) // (2 if unit == BatchUnit.PAIR else 1)
        return Denominator(units=max(1, units), tokens=max(1, int(self.mask.sum())), max_length=max_length)


def counted(algorithm: Algorithm, batch: TokenBatch) -> Counted:
    """The rows and tokens of the batch that are left after the method's ``exclude``.

    Credit is computed on the whole batch: an excluded completion still counts in its group's mean.

    Raises:
        ValueError: the method leaves out truncated completions and the batch does not say which are.
    """
    rows = torch.ones_like(batch.rewards, dtype=torch.bool)
    mask = batch.completion_mask
    if Exclusion.EQUAL_GROUPS in algorithm.exclude:
        rows = ~equal_rewards(batch.rewards, batch.group)
    if Exclusion.TRUNCATED in algorithm.exclude:
        mask = mask & ~batch.require("truncated", "a method that leaves out truncated completions")[:, None]
    if Exclusion.BETWEEN_STEPS in algorithm.exclude:
        mask = mask & batch.at_step_ends(1.0).bool()
    return Counted(rows=rows, mask=mask & rows[:, None])


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
