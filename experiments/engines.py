"""Builds the sampling engine that a configuration names."""

from __future__ import annotations

from pathlib import Path

from experiments.config import EngineConfig
from sampling.sampler import Sampler
from training.policy import Policy

__all__ = ["build_sampler"]


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

        return VllmSampler(model, eos_token_ids=policy.eos_token_ids, config=config.vllm)
    from sampling.transformers_engine import TransformersSampler

    return TransformersSampler(model, eos_token_ids=policy.eos_token_ids, dtype=config.vllm.dtype, device=config.device)
