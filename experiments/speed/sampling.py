"""Time of sampling with vLLM beside the transformers engine: the same tiny checkpoint, prompts and numbers of tokens.

No token ends a completion here, so that each engine makes exactly `completion_tokens` tokens for each request.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.arithmetic import generate_problems
from sampling.sampler import Request, Sampler, SamplingConfig
from sampling.transformers_engine import TransformersSampler
from sampling.vllm_engine import VllmConfig, VllmSampler
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer

__all__ = ["SamplingSize", "measure_sampling"]


@dataclass(frozen=True, kw_only=True)
class SamplingSize:
    """The amount that is sampled from the embedded model, and its longest sequence."""

    max_length: int = 96
    requests: int = 256
    completion_tokens: int = 48


def measure_sampling(
    peer: str = "transformers", size: SamplingSize = SamplingSize(), num_rounds: int = 3
) -> tuple[float, float, dict[str, object]]:
    """Seconds for all requests, each engine's median of `num_rounds` taken in turn after a first one.

    Returns:
        vLLM's seconds, the peer's, and details: tokens a round, and the device.

    Raises:
        ValueError: no such peer. VllmUnavailableError: vLLM is not installed.
        RuntimeError: an engine made another number of tokens.
    """
    if peer != "transformers":
        raise ValueError(f"got --peer {peer!r} for sampling, expected transformers.")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokenizer = build_embedded_tokenizer()
    requests = [
        Request(prompt_ids=tuple(tokenizer(problem.question, add_special_tokens=False)["input_ids"]), seed=index)
        for index, problem in enumerate(generate_problems("train", size.requests))
    ]
    config = SamplingConfig(max_tokens=size.completion_tokens)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model = build_embedded_model(EmbeddedModelConfig(max_length=size.max_length), seed=0)
        model.config.eos_token_id = model.generation_config.eos_token_id = None  # engines read it from the files
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        vllm = VllmConfig(dtype="float32", max_model_len=size.max_length)
        engines: list[Sampler] = [
            VllmSampler(folder, eos_token_ids=(), config=vllm),
            TransformersSampler(folder, eos_token_ids=(), device=device),
        ]
        seconds: list[list[float]] = [[], []]
        for _ in range(num_rounds + 1):
            for which, engine in enumerate(engines):
                start = time.perf_counter()
                generations = engine.generate(requests, config)
                seconds[which].append(time.perf_counter() - start)
                made = sum(len(generation.completion_ids) for generation in generations)
                if made != size.requests * size.completion_tokens:
                    raise RuntimeError(f"{type(engine).__name__} made {made} tokens; the work is not the same.")
    tokens = size.requests * size.completion_tokens
    ours, theirs = (sorted(times[1:])[num_rounds // 2] for times in seconds)
    print(
        f"{size.requests} requests, {tokens} tokens, {device}: {tokens / ours:,.0f} and {tokens / theirs:,.0f} a second"
    )
    return ours, theirs, {"tokens": tokens, "device": device}
