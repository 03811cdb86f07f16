"""The choice of the engine that samples, and that engine built."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Literal

from sampling.sampler import Sampler
from sampling.vllm_engine import VllmConfig

__all__ = ["EngineConfig", "build_sampler", "check_room", "longest_sequence"]


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """The engine that samples, and the place where everything runs.

    Attributes:
        name: ``"vllm"``, or ``"transformers"``, the slow reference.
        device: ``"cpu"`` or ``"cuda"``.
        vllm: size and precision of the vLLM engine.
        replicas: engines that share the requests, each in a process of its own; 1 is one engine in this process, or
            in one of its own where vLLM builds the architecture from transformers' classes. Two on one card need
            `VllmConfig.kv_cache_gib`.
        logprob_tolerance: largest mean |log π_sampler − log π_θ| in nats a token at the start of a run.
    """

    name: Literal["vllm", "transformers"] = "vllm"
    device: Literal["cpu", "cuda"] = "cpu"
    vllm: VllmConfig = field(default_factory=VllmConfig)
    logprob_tolerance: float = 1e-4
    replicas: int = 1

    def __post_init__(self) -> None:
        if self.replicas < 1:
            raise ValueError(f"engine.replicas is {self.replicas}; expected at least 1.")
        if self.replicas > 1 and self.device == "cuda" and self.vllm.kv_cache_gib is None:
            raise ValueError(
                f"engine.replicas is {self.replicas} and engine.vllm.kv_cache_gib is null: a share of the card's "
                "memory counts what the other engine holds. Give each engine the size of its cache, say 8."
            )


def build_sampler(
    model: Path, config: EngineConfig, *, eos_token_ids: tuple[int, ...], max_positions: int, apart: bool = False
) -> Sampler:
    """The engine on the weights in `model`.

    Args:
        model: folder of a checkpoint.
        config: which engine, on which device.
        eos_token_ids: tokens that end a completion.
        max_positions: most tokens that the model takes.
        apart: vLLM gets a process of its own, since it would take the process group of this one for its own.

    Raises:
        VllmUnavailableError: vLLM is asked for and not installed.
    """
    build = partial(_build_here, model, config, eos_token_ids=eos_token_ids, max_positions=max_positions)
    if config.replicas == 1 and not (apart and config.name == "vllm") and not _needs_a_process(model, config):
        return build()
    from sampling.replicas import ReplicatedSampler

    return ReplicatedSampler(build, count=config.replicas, dtype=config.vllm.dtype)


def _needs_a_process(model: Path, config: EngineConfig) -> bool:
    """True for an engine that would spoil this process for the models that are trained in it."""
    if config.name != "vllm":
        return False
    from sampling.vllm_engine import changes_transformers

    return changes_transformers(model)


def _build_here(model: Path, config: EngineConfig, *, eos_token_ids: tuple[int, ...], max_positions: int) -> Sampler:
    """One engine in this process."""
    if config.name == "vllm":
        from sampling.vllm_engine import VllmSampler

        vllm = replace(config.vllm, max_model_len=longest_sequence(max_positions, config))
        return VllmSampler(model, eos_token_ids=eos_token_ids, config=vllm)
    from sampling.transformers_engine import TransformersSampler

    return TransformersSampler(model, eos_token_ids=eos_token_ids, dtype=config.vllm.dtype, device=config.device)


def longest_sequence(max_positions: int, config: EngineConfig) -> int:
    """Most tokens of prompt and completion together: the model's limit, or the engine's where that is lower."""
    return min(config.vllm.max_model_len, max_positions)


def check_room(
    prompts: Iterable[tuple[int, ...]], field: str, max_tokens: int, max_positions: int, config: EngineConfig
) -> None:
    """Refuse prompts that leave no room for a whole completion.

    Args:
        prompts: token ids of each.
        field: of the configuration, where `max_tokens` comes from; for the message.
        max_tokens: longest completion.
        max_positions: most tokens that the model takes.
        config: the engine.

    Raises:
        ValueError: the longest prompt and `max_tokens` are more than `longest_sequence`.
    """
    longest, limit = max(map(len, prompts)), longest_sequence(max_positions, config)
    if longest + max_tokens > limit:
        raise ValueError(
            f"the longest prompt has {longest} tokens and completions may have {max_tokens} ({field}); the model and "
            f"the engine take {limit} together. Expected {field} of at most {max(1, limit - longest)}."
        )
