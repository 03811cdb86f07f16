"""Builds the sampling engine that a configuration names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.config import EngineConfig
from sampling.sampler import Sampler
from training.policy import Policy

__all__ = ["build_sampler", "longest_sequence"]


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
