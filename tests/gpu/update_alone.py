"""The update alone, by variants that take turns on one card (docs/performance.md).

    python -m tests.gpu.update_alone 135M 1 3 10
    python -m tests.gpu.update_alone 0.5B 1 1:PYTORCH_CUDA_ALLOC_CONF=expandable_segments:True

A variant is the number of decoder layers that are compiled as one, with what is set in its environment. Each has a
process of its own; all compile side by side, then take `ROUNDS` updates in turn. Models are random, the completions
random tokens, the same at every step; nothing is sampled. A line of JSON a variant.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import torch
from torch import Tensor, nn
from transformers import LlamaConfig, LlamaForCausalLM

import training.trainer
from experiments.speed.sizes import random_rollouts, trainer_without_engine
from training.config import TrainingConfig
from training.loop import take_step

ROUNDS = 8
FREE = 2  # steps before them: compile, and give the allocator its blocks
PROMPT = 115  # tokens


@dataclass(frozen=True, kw_only=True)
class Shape:
    """A Llama, and the completions it is trained on."""

    layers: int
    hidden: int
    intermediate: int
    heads: int
    kv_heads: int
    vocabulary: int
    groups: int
    group_size: int
    completion: tuple[int, int]
    microbatch_tokens: int = 16384


SHAPES = {
    "135M": Shape(
        layers=30,
        hidden=576,
        intermediate=1536,
        heads=9,
        kv_heads=3,
        vocabulary=49152,
        groups=16,
        group_size=64,
        completion=(40, 172),
    ),
    "0.5B": Shape(
        layers=30,
        hidden=896,
        intermediate=4864,
        heads=14,
        kv_heads=2,
        vocabulary=49152,
        groups=16,
        group_size=64,
        completion=(1000, 1024),
    ),
    "tiny": Shape(  # to try it on a CPU
        layers=4,
        hidden=32,
        intermediate=64,
        heads=2,
        kv_heads=1,
        vocabulary=512,
        groups=2,
        group_size=8,
        completion=(20, 60),
        microbatch_tokens=512,
    ),
}


class _Together(nn.Module):
    """Decoder layers one behind the other, as one piece that is compiled."""

    def __init__(self, layers: Sequence[nn.Module]) -> None:
        super().__init__()
        self.inner = nn.ModuleList(layers)

    def forward(self, hidden: Tensor, **inputs: Any) -> Tensor:
        for layer in self.inner:
            hidden = type(layer).forward(layer, hidden, **inputs)
        return hidden


def compile_together(model: Any, count: int) -> None:
    """Compile `count` layers as one; the first of them does the work of all, the others hand on what they get.

    Right for models whose layers all get the same beside the hidden states, and hand on nothing else.
    """
    layers = list(model.model.layers)
    for start in range(0, len(layers), count):
        first, *others = layers[start : start + count]
        together = _Together([first, *others])
        together.compile(dynamic=True)
        first.forward = lambda hidden, _held=(together,), **inputs: _held[0](hidden, **inputs)
        for other in others:
            other.forward = lambda hidden, **inputs: hidden
    for layer in layers:
        layer._compiled_call_impl = layer._call_impl  # `is_compiled` asks for it


def work(pipe: Connection, shape: Shape, together: int) -> None:
    """A variant's process: a row for each step, after the free ones one for each message."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if together > 1:
        training.trainer.compile_layers = lambda model: compile_together(model, together)  # type: ignore[attr-defined]
    torch.manual_seed(0)
    with device:
        model = LlamaForCausalLM(
            LlamaConfig(
                vocab_size=shape.vocabulary,
                hidden_size=shape.hidden,
                intermediate_size=shape.intermediate,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                num_key_value_heads=shape.kv_heads,
                tie_word_embeddings=True,
                max_position_embeddings=4096,
                dtype="float32",
            )
        ).eval()
    config = TrainingConfig(
        steps=FREE + ROUNDS,
        problems_per_step=shape.groups,
        group_size=shape.group_size,
        learning_rate=1e-6,
        microbatch_tokens=shape.microbatch_tokens,
        max_completion_tokens=shape.completion[1],
        use_autocast=device.type == "cuda",
        packed=True,
        compiled=True,
    )
    given = random_rollouts(
        shape.vocabulary,
        problems=shape.groups,
        group_size=shape.group_size,
        prompt=PROMPT,
        completion=shape.completion,
    )
    trainer = trainer_without_engine(model, config, given)
    for step in range(FREE + ROUNDS):
        started = time.perf_counter()
        row = take_step(trainer, step)
        told = {name: row[name] for name in ("update_seconds", "grad_norm", "loss")} | {
            "whole_seconds": time.perf_counter() - started
        }
        if device.type == "cuda":
            told |= {"peak_gib": row["peak_memory_gib"], "reserved_gib": torch.cuda.memory_reserved() / 2**30}
        pipe.send(told)
        if FREE - 1 <= step < FREE + ROUNDS - 1:
            pipe.recv()  # its turn


def main(shape: str, variants: Sequence[str]) -> None:
    """Start every variant, let them take turns, print a line each."""
    context = multiprocessing.get_context("spawn")
    pipes = {}
    for variant in variants:
        together, _, setting = variant.partition(":")
        name, _, value = setting.partition("=")
        before = dict(os.environ)
        if name:
            os.environ[name] = value
        ours, theirs = context.Pipe()
        context.Process(target=work, args=(theirs, SHAPES[shape], int(together)), daemon=True).start()
        theirs.close()
        os.environ.clear()
        os.environ.update(before)
        pipes[variant] = ours
    rows: dict[str, list[dict[str, Any]]] = {}
    for variant, pipe in pipes.items():
        try:
            rows[variant] = [pipe.recv() for _ in range(FREE)]
        except EOFError:  # what it said is above
            print(json.dumps({"variant": variant, "failed": True}), flush=True)
    for _ in range(ROUNDS):
        for variant, found in rows.items():
            pipes[variant].send("go")
            found.append(pipes[variant].recv())
    for variant, found in rows.items():
        print(json.dumps({"variant": variant, **{name: [row[name] for row in found] for name in found[0]}}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
