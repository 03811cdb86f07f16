"""What a decode step takes, by engines on a card and completions an engine (docs/scale.md).

    python -m tests.gpu.decode_steps MODEL 1 3 5
    python -m tests.gpu.decode_steps MODEL 1 3 5 --mps /tmp/mps

As many engines as the largest number are built on the first card that is seen, with --mps as many again that are
clients of the CUDA MPS daemon of that folder. Then the numbers of engines take turns, each with every number of
completions; the other engines wait meanwhile. A step is the difference of long and short completions' time over the
difference of their tokens, so that prompts and what comes before the first token cancel out. The checkpoint's EOS ends
a completion: take one whose weights are random, of which nearly none ends. Milliseconds; a line of JSON for each case.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from sampling.replicas import ReplicatedSampler
from sampling.sampler import Request, SamplingConfig
from sampling.vllm_engine import VllmConfig, VllmSampler

COMPLETIONS = (8, 171, 341)
GROUP = 64  # completions of one prompt
PROMPT = 115  # tokens
SHORT, LONG = 32, 160  # tokens of a completion
ROUNDS = 3


def build(model: Path, config: VllmConfig, mps: str | None) -> VllmSampler:
    """One engine, which is a client of the MPS daemon of a folder, or of none."""
    os.environ.pop("CUDA_MPS_PIPE_DIRECTORY", None)
    if mps is not None:
        os.environ["CUDA_MPS_PIPE_DIRECTORY"] = mps
    return VllmSampler(model, eos_token_ids=(), config=config)


def requests_of(count: int) -> list[Request]:
    """`count` requests, of which neighbours share prompts."""
    return [
        Request(prompt_ids=tuple(1 + (row // GROUP + place) % 400 for place in range(PROMPT)), seed=row)
        for row in range(count)
    ]


def seconds(sampler: ReplicatedSampler, engines: int, count: int, tokens: int) -> float:
    """Wall time in which each of the first `engines` draws `count` completions of `tokens` tokens."""
    started = time.perf_counter()
    for engine in sampler.engines[:engines]:
        engine.ask("generate", (requests_of(count), SamplingConfig(max_tokens=tokens)))
    for engine in sampler.engines[:engines]:
        assert max(len(generation.completion_ids) for generation in engine.answer()) == tokens
    return time.perf_counter() - started


def decode_step(sampler: ReplicatedSampler, engines: int, count: int) -> float:
    """Milliseconds of a step in which each of the first `engines` decodes `count` completions."""
    short, long = (seconds(sampler, engines, count, tokens) for tokens in (SHORT, LONG))
    return 1000 * (long - short) / (LONG - SHORT)


def measure(model: Path, numbers: Sequence[int], config: VllmConfig, mps: str | None = None) -> None:
    """Print what a step takes for each number of engines."""
    pipes = [None] if mps is None else [None, mps]

    def engines_of(pipe: str | None) -> ReplicatedSampler:
        return ReplicatedSampler(partial(build, model, config, pipe), count=max(numbers), dtype="bfloat16")

    with ThreadPoolExecutor(len(pipes)) as pool:
        samplers = dict(zip(pipes, pool.map(engines_of, pipes), strict=True))
    cases = [(pipe, engines, count) for count in COMPLETIONS for engines in numbers for pipe in pipes]
    found: dict[tuple[str | None, int, int], list[float]] = {case: [] for case in cases}
    for number in range(ROUNDS + 1):
        for pipe, engines, count in cases:
            taken = decode_step(samplers[pipe], engines, count)
            print(f"round {number}, mps {pipe}, {engines} engines, {count}: {taken:.2f} ms", file=sys.stderr)
            if number:  # the first round compiles
                found[pipe, engines, count].append(taken)
    for (pipe, engines, count), steps in found.items():
        case = {"mps": pipe is not None, "engines": engines, "completions": count}
        print(json.dumps({**case, "step_ms": statistics.median(steps), "rounds_ms": steps}), flush=True)
    for sampler in samplers.values():
        sampler.close()


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description="What a decode step takes.")
    parser.add_argument("model", type=Path, help="folder of a checkpoint")
    parser.add_argument("engines", type=int, nargs="+", help="engines that decode at once")
    parser.add_argument("--mps", help="folder of a running CUDA MPS daemon's pipes")
    given = parser.parse_args()
    measure(given.model, given.engines, VllmConfig(max_num_seqs=704, kv_cache_gib=5), given.mps)


if __name__ == "__main__":
    main()
