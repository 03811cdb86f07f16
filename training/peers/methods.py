"""TRL's methods by name, ``trl:grpo`` and the like, with the fields that make them; free of torch and of TRL.

What a comparison holds equal (rate, batch, steps, temperature, lengths, seed) is the arm's `TrainingConfig`; what makes
the method is a field here, under TRL's name and with TRL's default (TRL 1.16).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from algorithms import configure
from algorithms.interface import DataSource, Need
from benchmarks.naming import did_you_mean
from training.config import TrainingConfig

__all__ = [
    "PREFIX",
    "TRL_METHODS",
    "TrlDPO",
    "TrlGRPO",
    "TrlMethod",
    "TrlRLOO",
    "TrlSFT",
    "check_trl",
    "is_trl",
    "trl_method",
]

PREFIX = "trl:"


@dataclass(frozen=True, kw_only=True)
class TrlMethod:
    """What every trainer of TRL has here.

    Attributes:
        trainer: name of TRL's trainer and config, without these words.
        data_source: where its completions come from (Table 10, first column).
        equation: preset of ours with the same coefficient on the same arrays.
    """

    trainer: ClassVar[str]
    data_source: ClassVar[DataSource]
    equation: ClassVar[str]

    @property
    def needs(self) -> frozenset[Need]:
        """What it holds beside the policy, for the estimate of memory."""
        return frozenset()

    @property
    def fields(self) -> dict[str, Any]:
        """Its fields as TRL's config takes them."""
        return {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}


@dataclass(frozen=True, kw_only=True)
class TrlGRPO(TrlMethod):
    """TRL's `GRPOTrainer`. Its correction for an engine's logprobs acts with TRL's own vLLM alone, and is off here.

    Attributes:
        beta: weight of the KL to the start policy; 0 holds no reference.
        epsilon: clip below, and above where `epsilon_high` is not given.
        epsilon_high: clip above.
        delta: upper bound of the ratio where the advantage is negative.
        loss_type: how tokens are weighed.
        importance_sampling_level: ratio of a token or of a sequence.
        scale_rewards: what rewards less their mean are divided by.
        mask_truncated_completions: leaves out completions that were cut off.
        top_entropy_quantile: share of tokens, the most uncertain, that are trained.
    """

    trainer: ClassVar[str] = "GRPO"
    data_source: ClassVar[DataSource] = DataSource.ONLINE
    equation: ClassVar[str] = "grpo@trl-1.16"

    beta: float = 0.0
    epsilon: float = 0.2
    epsilon_high: float | None = None
    delta: float | None = None
    loss_type: str = "dapo"
    importance_sampling_level: Literal["token", "sequence"] = "token"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    mask_truncated_completions: bool = False
    top_entropy_quantile: float = 1.0

    @property
    def needs(self) -> frozenset[Need]:
        """A reference where the KL has a weight."""
        return frozenset({Need.GROUPS} | ({Need.REFERENCE_LOGPROBS} if self.beta else set()))


@dataclass(frozen=True, kw_only=True)
class TrlRLOO(TrlMethod):
    """TRL's `RLOOTrainer`.

    Attributes:
        beta: weight of the KL penalty in the reward.
        epsilon: clip below, and above where `epsilon_high` is not given.
        epsilon_high: clip above.
        normalize_advantages: to mean 0 and standard deviation 1 over the batch.
        mask_truncated_completions: leaves out completions that were cut off.
    """

    trainer: ClassVar[str] = "RLOO"
    data_source: ClassVar[DataSource] = DataSource.ONLINE
    equation: ClassVar[str] = "rloo@trl-1.16"

    beta: float = 0.05
    epsilon: float = 0.2
    epsilon_high: float | None = None
    normalize_advantages: bool = False
    mask_truncated_completions: bool = False

    @property
    def needs(self) -> frozenset[Need]:
        """A reference where the KL has a weight."""
        return frozenset({Need.GROUPS} | ({Need.REFERENCE_LOGPROBS} if self.beta else set()))


@dataclass(frozen=True, kw_only=True)
class TrlDPO(TrlMethod):
    """TRL's `DPOTrainer`, on the pairs of each step that our DPO trains on.

    Attributes:
        beta: of the margin.
        loss_type: one of TRL's.
        label_smoothing: share of pairs that are taken to be the wrong way round.
    """

    trainer: ClassVar[str] = "DPO"
    data_source: ClassVar[DataSource] = DataSource.OFFLINE
    equation: ClassVar[str] = "dpo@trl-1.16"

    beta: float = 0.1
    loss_type: str = "sigmoid"
    label_smoothing: float = 0.0

    @property
    def needs(self) -> frozenset[Need]:
        """Pairs and logprobs of a reference, for the estimate of memory."""
        return frozenset({Need.PAIRS, Need.REFERENCE_LOGPROBS})


@dataclass(frozen=True, kw_only=True)
class TrlSFT(TrlMethod):
    """TRL's `SFTTrainer` on the solutions alone, not on their prompts.

    Attributes:
        loss_type: one of TRL's.
    """

    trainer: ClassVar[str] = "SFT"
    data_source: ClassVar[DataSource] = DataSource.DEMONSTRATIONS
    equation: ClassVar[str] = "sft"

    loss_type: str = "nll"


TRL_METHODS: dict[str, type[TrlMethod]] = {
    "trl:grpo": TrlGRPO,
    "trl:rloo": TrlRLOO,
    "trl:dpo": TrlDPO,
    "trl:sft": TrlSFT,
}

# Fields of a training that TRL's trainers have no part for here, with the value that says so.
_NOT_OF_TRL: dict[str, tuple[Any, ...]] = {
    "packed": (None, False),
    "compiled": (None, False),
    "lora_rank": (None,),
    "optimizer": ("adamw",),
    "iteration_steps": (None,),
    "max_staleness": (0,),
    "shard": ("none",),
}


def is_trl(name: str) -> bool:
    """True for the name of one of TRL's trainers, also of one that there is not."""
    return name.startswith(PREFIX)


def trl_method(name: str, settings: Mapping[str, Any]) -> TrlMethod:
    """A method of `TRL_METHODS` with its settings.

    Raises:
        ValueError: no such method or field, or a value that a field does not take.
    """
    if name not in TRL_METHODS:
        near = did_you_mean(name, TRL_METHODS)
        raise ValueError(f"unknown method {name!r}{near}TRL's trainers here: {', '.join(TRL_METHODS)}.")
    return configure(TRL_METHODS[name], settings, name)  # type: ignore[return-value, arg-type]


def check_trl(method: TrlMethod, training: TrainingConfig, name: str) -> None:
    """Refuse what could only fail later.

    Args:
        method: what is trained.
        training: how.
        name: the arm's name, for the message.

    Raises:
        ValueError: TRL is not installed, one completion a problem where completions are compared, or a field of the
            training that TRL's trainer has no part for.
    """
    if find_spec("trl") is None:
        raise ValueError(
            f"{name} trains with the package trl, which is not installed; expected the extra `train`: "
            "pip install 'coeflab[train]'."
        )
    if not training.truncation.silent:
        raise ValueError(f"{name} does not take top_k, top_p or min_p of its training here; expected none of them.")
    if method.needs & {Need.GROUPS, Need.PAIRS} and training.group_size < 2:
        raise ValueError(
            f"{name} compares completions of a problem; group_size is {training.group_size}, expected 2 or more."
        )
    if method.data_source is not DataSource.ONLINE and training.updates_per_batch > 1:
        raise ValueError(
            f"{name} sees every batch once; updates_per_batch is {training.updates_per_batch}, expected 1."
        )
    for field, allowed in _NOT_OF_TRL.items():
        value = getattr(training, field)
        if value not in allowed:
            raise ValueError(
                f"{name}: {field} is {value!r}, which this laboratory's loop has and TRL's trainer as it is used here "
                f"has not; expected {' or '.join('null' if each is None else repr(each) for each in allowed)}."
            )
