"""Options that save memory: gradient checkpointing changes nothing, AdamW in 8 bits little; what lacks is named."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from algorithms import GRPO
from tests.training.models.test_packing import batch_of
from tests.training.models.tiny import save_tiny
from tests.training.small_run import TRAINING, Rows, make_trainer, run, save_start, weights
from training.config import SupervisedConfig, TrainingConfig
from training.loop import take_step
from training.models.logprobs import token_logprobs
from training.models.packing import checkpoint_layers, pack_attention
from training.models.policy import load_policy
from training.optimizers import adamw
from training.requirements import check_requirements

EIGHT_BITS = pytest.mark.skipif(
    importlib.util.find_spec("torchao") is None, reason="the extra `large` is not installed"
)


def gradients(model: nn.Module) -> torch.Tensor:
    token_logprobs(model, batch_of()).sum().backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("kind", ["llama", "qwen3_moe", "gpt2"])
def test_layers_that_are_computed_again_give_the_same_loss_and_gradient(
    kind: str, packed: bool, tmp_path: Path
) -> None:
    """GPT-2 has dropout, which must stay off: the policy that is trained is the one that is sampled."""
    if packed and kind == "gpt2":
        pytest.skip("GPT-2's attention is not the kind that is packed")
    start = save_tiny(kind, tmp_path, initializer_range=0.05)
    plain, again = load_policy(start).model, load_policy(start).model
    for model in (plain, again):
        if packed:
            pack_attention(model)
    passes = 0

    def count(module: Any, inputs: Any) -> None:
        nonlocal passes
        passes += 1

    checkpoint_layers(again)
    layers = [module for module in again.modules() if isinstance(module, GradientCheckpointingLayer)]
    inner = next(module for module in layers[0].modules() if isinstance(module, nn.Linear) or "Conv1D" in repr(module))
    inner.register_forward_pre_hook(count)
    expected = token_logprobs(plain, batch_of())
    assert torch.equal(token_logprobs(again, batch_of()), expected)
    passes = 0
    assert torch.equal(gradients(again), gradients(plain))
    assert passes == 2, "once forward and once more backward"


def test_a_step_with_checkpointed_layers_is_the_same_step(tmp_path: Path) -> None:
    start = save_start(tmp_path / "start")
    stepped = []
    for on in (False, True):
        training = dataclasses.replace(TRAINING, gradient_checkpointing=on)
        trainer = make_trainer(start, GRPO(kl_coef=0.1), tmp_path, training)
        take_step(trainer, 0)
        stepped.append(weights(trainer.policy.model))
    assert torch.equal(*stepped)
    assert not torch.equal(stepped[0], weights(load_policy(start).model))


@EIGHT_BITS
def test_adamw_in_eight_bits_stays_within_a_stated_bound() -> None:
    """A regression of 4,096 weights in 60 steps: the loss ends within 0.5 % of its start of where AdamW's ends, and the
    weights within 5 % of the way that they went (measured: 0.3 % and 3.8 %)."""
    ends: dict[str, tuple[float, torch.Tensor]] = {}
    for name in ("adamw", "adamw_8bit"):
        torch.manual_seed(0)
        model, inputs, target = nn.Linear(64, 64, bias=False), torch.randn(256, 64), torch.randn(64, 64)
        began, optimizer = model.weight.detach().clone(), adamw(model, settings(optimizer=name, learning_rate=0.02))
        losses = []
        with torch._dynamo.config.patch(disable=True):  # as vLLM's CPU build has it
            for _ in range(60):
                loss = (model(inputs) - inputs @ target).square().mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                losses.append(float(loss.detach()))
        assert losses[-1] < losses[0] / 5
        ends[name] = losses[-1] / losses[0], model.weight.detach() - began
    (loss, way), (their_loss, their_way) = ends["adamw_8bit"], ends["adamw"]
    assert abs(loss - their_loss) < 0.005
    assert 0 < float((way - their_way).norm() / their_way.norm()) < 0.05


@EIGHT_BITS
def test_moments_of_eight_bits_take_a_quarter_and_are_resumed_bit_for_bit(tmp_path: Path) -> None:
    start = save_tiny("llama", tmp_path / "start", initializer_range=0.02)

    def trainer() -> Any:
        return make_trainer(start, GRPO(kl_coef=0.1), tmp_path, settings(optimizer="adamw_8bit"))

    whole, rows = trainer(), Rows()
    run(whole, tmp_path / "whole", Rows())
    run(trainer(), tmp_path / "parts", rows, stop_after=2)
    resumed = trainer()
    assert run(resumed, tmp_path / "parts", rows) == 2
    assert torch.equal(weights(resumed.policy.model), weights(whole.policy.model))
    assert not torch.equal(weights(resumed.policy.model), weights(load_policy(start).model))
    size = (tmp_path / "whole" / "step-000005" / "training" / "optimizer.safetensors").stat().st_size
    parameters = sum(parameter.numel() for parameter in whole.policy.model.parameters())
    assert size < 2.2 * parameters < 8 * parameters  # two bytes a parameter, and a scale every 256


def test_the_training_of_a_start_takes_the_options_too() -> None:
    supervised = SupervisedConfig(optimizer="adamw_8bit", gradient_checkpointing=True)
    assert supervised.as_training().optimizer == "adamw_8bit" and supervised.as_training().gradient_checkpointing
    assert SupervisedConfig(optimizer="muon").as_training().optimizer == "adamw"


def settings(**changed: Any) -> TrainingConfig:
    return dataclasses.replace(TRAINING, **changed)


@pytest.mark.parametrize(("option", "package"), [({"lora_rank": 8}, "peft"), ({"optimizer": "adamw_8bit"}, "torchao")])
def test_an_option_without_its_package_is_refused_at_the_door(
    option: dict[str, Any], package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.requirements.find_spec", lambda name: None if name == package else object())
    check_requirements(GRPO(), TRAINING, "grpo")
    with pytest.raises(ValueError, match=rf"needs the package {package}, .*coeflab\[large\]"):
        check_requirements(GRPO(), settings(**option), "grpo")


@pytest.mark.parametrize(
    ("asked", "shard", "on_gpu", "fused"),
    [
        (None, "none", True, True),
        (None, "full", True, False),
        (None, "none", False, False),
        (True, "full", False, True),
    ],
)
def test_layers_of_which_a_process_has_a_part_are_not_fused_unasked(
    asked: bool | None, shard: Literal["none", "full"], on_gpu: bool, fused: bool
) -> None:
    training = dataclasses.replace(TRAINING, compiled=asked, shard=shard)
    assert training.compiles(on_gpu=on_gpu) is fused
