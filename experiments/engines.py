"""Builds the sampling engine that a configuration names."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.config import EngineConfig
from sampling.sampler import Sampler
from training.policy import Policy

__all__ = ["build_sampler", "check_room", "longest_sequence", "model_config"]


def build_sampler(model: Path, policy: Policy, config: EngineConfig) -> Sampler:
    """The engine on the weights in `model`.

    Args:
        model: folder of a checkpoint.
        policy: says which tokens end a completion.
        config: which engine, on which device.

    Raises:
        VllmUnavailableError: vLLM is asked for and not installed.
    """
    if config.name == "vllm":
        from sampling.vllm_engine import VllmSampler

        vllm = replace(config.vllm, max_model_len=longest_sequence(policy, config))
        return VllmSampler(model, eos_token_ids=policy.eos_token_ids, config=vllm)
    from sampling.transformers_engine import TransformersSampler

    return TransformersSampler(model, eos_token_ids=policy.eos_token_ids, dtype=config.vllm.dtype, device=config.device)


def longest_sequence(policy: Policy, config: EngineConfig) -> int:
    """Most tokens of prompt and completion together: the model's limit, or the engine's where that is lower."""
    model: Any = policy.model.config
    return min(config.vllm.max_model_len, model.max_position_embeddings)


def check_room(
    prompts: Iterable[tuple[int, ...]], field: str, max_tokens: int, policy: Policy, config: EngineConfig
) -> None:
    """Refuse prompts that leave no room for a whole completion.

    Args:
        prompts: token ids of each.
        field: of the configuration, where `max_tokens` comes from; for the message.
        max_tokens: longest completion.
        policy: the model.
        config: the engine.

    Raises:
        ValueError: the longest prompt and `max_tokens` are more than `longest_sequence`.
    """
    longest, limit = max(map(len, prompts)), longest_sequence(policy, config)
    if longest + max_tokens > limit:
        raise ValueError(
            f"the longest prompt has {longest} tokens and completions may have {max_tokens} ({field}); the model and "
            f"the engine take {limit} together. Expected {field} of at most {max(1, limit - longest)}."
        )


def model_config(policy: Policy) -> str:
    """What a model's weights do not say (heads, positions, rotation, …), as JSON; not where it was loaded from."""
    model: Any = policy.model.config
    told = {name: value for name, value in model.to_dict().items() if not name.startswith("_")}
    return json.dumps(told, sort_keys=True, default=str)
