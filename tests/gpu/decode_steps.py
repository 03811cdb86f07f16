"""What a decode step takes, by engines on a card and completions an engine (docs/scale.md).

    python -m tests.gpu.decode_steps MODEL 1 3 5
    CUDA_MPS_PIPE_DIRECTORY=/tmp/mps python -m tests.gpu.decode_steps MODEL 1 3 5

As many engines as the largest number are built on the first card that is seen, then the numbers of engines take turns,
each with every number of completions; the other engines wait meanwhile. All completions have the same length, and a
step is the difference of a long and a short one over the difference of their tokens, so that prompts and what comes
before the first token cancel out. Milliseconds; a line of JSON for each number of engines and completions.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from sampling.replicas import ReplicatedSampler
from sampling.sampler import Request, SamplingConfig
from sampling.vllm_engine import VllmConfig, VllmSampler

COMPLETIONS = (171, 341, 683)
GROUP = 64  # completions of one prompt
PROMPT = 115  # tokens
SHORT, LONG = 32, 160  # tokens of a completion
ROUNDS = 3


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
        for generation in engine.answer():
            assert len(generation.completion_ids) == tokens
    return time.perf_counter() - started


def decode_step(sampler: ReplicatedSampler, engines: int, count: int) -> float:
    """Milliseconds of a step in which each of the first `engines` decodes `count` completions."""
    short, long = (seconds(sampler, engines, count, tokens) for tokens in (SHORT, LONG))
    return 1000 * (long - short) / (LONG - SHORT)


def measure(model: Path, numbers: Sequence[int], config: VllmConfig) -> None:
    """Print what a step takes for each number of engines."""
    # No token ends a completion.
    sampler = ReplicatedSampler(
        partial(VllmSampler, model, eos_token_ids=(), config=config), count=max(numbers), dtype="bfloat16"
    )
    cases = [(engines, count) for count in COMPLETIONS for engines in numbers]
    found: dict[tuple[int, int], list[float]] = {case: [] for case in cases}
    for number in range(ROUNDS + 1):
        for case in cases:
            taken = decode_step(sampler, *case)
            if number:  # the first round compiles
                found[case].append(taken)
    for (engines, count), steps in found.items():
        row = {"engines": engines, "completions": count, "step_ms": statistics.median(steps), "rounds_ms": steps}
        print(json.dumps(row), flush=True)
    sampler.close()


if __name__ == "__main__":
    folder, *numbers = sys.argv[1:]
    measure(
        Path(folder),
        [int(number) for number in numbers],
        VllmConfig(max_num_seqs=704, kv_cache_gib=5),
    )
