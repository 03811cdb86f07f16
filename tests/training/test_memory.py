"""The estimate of memory against peaks measured on an H100, and against tensors counted one by one on a CPU."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.training.models.tiny import save_tiny
from tests.training.small_run import TRAINING
from training import memory
from training.memory import ModelSize, estimate_memory, model_size
from training.models import logprobs
from training.models.lora import add_adapters
from training.models.policy import load_policy

# SmolLM2-135M: 30 layers, 576 channels, 1,536 of the MLP, 9 heads and 3 of keys and values of 64, 49,152 tokens, tied.
LAYER = 2 * 576 * 576 + 2 * 576 * 192 + 3 * 576 * 1536 + 2 * 576
SMOL = ModelSize(
    parameters=49152 * 576 + 30 * LAYER + 576,
    layers=30,
    hidden=576,
    intermediate=1536,
    vocabulary=49152,
    adapter_width=30 * (2 * (576 + 576) + 2 * (576 + 192) + 3 * (576 + 1536)),
    matrices=30 * (LAYER - 2 * 576),
)


def peak(**changed: Any) -> float:
    compiled = changed.pop("compiled", False)
    training = dataclasses.replace(TRAINING, use_autocast=True, **changed)
    return estimate_memory(SMOL, training, reference=True, critic=False, compiled=compiled).total


@pytest.mark.parametrize(
    ("tokens", "group", "compiled", "measured"),
    [
        (8192, 1, False, 13.6),  # 2026-11-28, no prompt shared
        (16384, 1, False, 21.1),
        (32768, 1, False, 35.9),
        (12288, 32, True, 12.6),  # 2026-11-29, prompts shared by 32, layers and log-softmax fused
        (16384, 32, True, 15.1),
        (24576, 32, True, 20.2),
    ],
)
def test_the_peak_of_an_update_is_the_one_measured(tokens: int, group: int, compiled: bool, measured: float) -> None:
    """GRPO on SmolLM2-135M with a reference, packed, bfloat16, on an H100 and an H200 (docs/performance.md)."""
    assert SMOL.parameters == 134_515_008 and memory.LOGITS_AT_A_TIME == logprobs.LOGITS_AT_A_TIME
    estimate = peak(microbatch_tokens=tokens, group_size=group, compiled=compiled)
    assert estimate == pytest.approx(measured, rel=0.02)


@pytest.mark.parametrize("kind", ["llama", "qwen2", "qwen3_moe", "gpt_neox"])
def test_sizes_are_those_of_the_model_that_is_loaded(kind: str, tmp_path: Path) -> None:
    size, policy = model_size(save_tiny(kind, tmp_path)), load_policy(tmp_path)
    assert size.parameters == policy.num_parameters
    assert (size.layers, size.hidden, size.vocabulary) == (2, 64, 64)
    assert size.intermediate == (2 * 32 if kind == "qwen3_moe" else 128)
    outside = [weight.numel() for name, weight in policy.model.named_parameters() if ".layers." not in name]
    assert size.outside == sum(outside) > 64 * 64


@pytest.mark.parametrize("option", ["plain", "adamw_8bit", "lora", "lora_autocast"])
def test_weights_gradients_and_moments_are_counted_to_the_number(option: str, tmp_path: Path) -> None:
    pytest.importorskip("peft" if "lora" in option else "torchao" if option == "adamw_8bit" else "torch")
    from training.optimizers import adamw

    size, policy = model_size(save_tiny("llama", tmp_path)), load_policy(tmp_path)
    training = dataclasses.replace(
        TRAINING,
        lora_rank=4 if "lora" in option else None,
        use_autocast=option == "lora_autocast",
        optimizer="adamw_8bit" if option == "adamw_8bit" else "adamw",
    )
    if training.lora_rank is not None:
        add_adapters(policy.model, rank=4, alpha=8.0, seed=0, under_autocast=training.use_autocast)
    learning = [parameter for parameter in policy.model.parameters() if parameter.requires_grad]
    for parameter in learning:
        parameter.grad = torch.ones_like(parameter)
    optimizer = adamw(policy.model, training)
    optimizer.step()
    moments = 0
    for entry in optimizer.state_dict()["state"].values():
        for name in ("exp_avg", "exp_avg_sq"):
            held = entry[name]
            moments += held.numel() * (1 if hasattr(held, "codes") else 4)
    estimate = estimate_memory(size, training, reference=True, critic=False, compiled=False)
    held_by_weights = sum(parameter.numel() * parameter.element_size() for parameter in policy.model.parameters())
    learnt = sum(parameter.numel() for parameter in learning)
    assert estimate.weights * 2**30 == pytest.approx(held_by_weights)
    assert estimate.learning * 2**30 == pytest.approx(4 * learnt + moments, rel=0.03)  # norms keep 4 bytes
    assert estimate.reference * 2**30 == pytest.approx(4 * learnt if "lora" in option else held_by_weights)


def test_a_process_of_a_sharded_run_holds_a_quarter_and_one_layer_at_a_time() -> None:
    size = dataclasses.replace(SMOL, outside=49152 * 576 + 576)
    training = dataclasses.replace(TRAINING, use_autocast=True, gradient_checkpointing=True)
    whole, part = (
        estimate_memory(
            size, dataclasses.replace(training, shard=shard), reference=True, critic=True, compiled=True, ranks=4
        )
        for shard in ("none", "full")
    )
    for name in ("weights", "learning", "reference", "critic"):
        assert getattr(part, name) == getattr(whole, name) / 4
    assert (part.activations, part.logits, whole.gathered) == (whole.activations, whole.logits, 0)
    assert part.gathered * 2**30 == pytest.approx(12 * size.outside + (32 + 2) * LAYER)
    kept = dataclasses.replace(training, shard="full", gradient_checkpointing=False)
    casts = estimate_memory(size, kept, reference=True, critic=True, compiled=True, ranks=4).gathered - part.gathered
    assert casts * 2**30 == pytest.approx(2 * (SMOL.parameters - LAYER))


def test_every_option_saves_what_it_is_for() -> None:
    plain = peak(microbatch_tokens=16384)
    parts = {
        "lora_rank": ({"lora_rank": 16}, "learning"),
        "optimizer": ({"optimizer": "adamw_8bit"}, "learning"),
        "gradient_checkpointing": ({"gradient_checkpointing": True}, "activations"),
    }
    for changed, part in parts.values():
        training = dataclasses.replace(TRAINING, use_autocast=True, **changed)
        without = dataclasses.replace(TRAINING, use_autocast=True)
        ours = estimate_memory(SMOL, training, reference=True, critic=True, compiled=False)
        theirs = estimate_memory(SMOL, without, reference=True, critic=True, compiled=False)
        assert getattr(ours, part) < getattr(theirs, part) / 1.9
    assert peak(microbatch_tokens=16384, gradient_checkpointing=True) < plain / 2


def test_a_policy_that_draws_beside_is_counted_like_a_reference() -> None:
    training = dataclasses.replace(TRAINING, max_staleness=1)
    plain, beside = (
        estimate_memory(SMOL, training, reference=True, critic=False, compiled=False, drawing=drawing)
        for drawing in (False, True)
    )
    assert beside.total - plain.total == pytest.approx(beside.reference) == pytest.approx(beside.drawing)
