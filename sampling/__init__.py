"""Completions: one `Sampler` protocol, the vLLM engine behind it, and a small transformers engine to check it with."""

from sampling.rollout import FinishReason, Rollout
from sampling.sampler import Generation, Request, Sampler, SamplingConfig, sample_rollouts
from sampling.seeds import request_seed

__all__ = [
    "FinishReason",
    "Generation",
    "Request",
    "Rollout",
    "Sampler",
    "SamplingConfig",
    "request_seed",
    "sample_rollouts",
]
