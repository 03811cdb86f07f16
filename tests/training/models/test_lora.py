"""LoRA: nothing changes at the start, the adapters alone learn and are saved, an engine gets the merged weights."""

from __future__ import annotations

import dataclasses
import importlib.util
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import AutoModelForCausalLM

from algorithms import GRPO
from sampling.transformers_engine import TransformersSampler
from tests.training.models.test_packing import batch_of
from tests.training.models.tiny import save_tiny
from tests.training.small_run import TRAINING, Rows, make_trainer, run, weights
from training.loop import take_step
from training.models.engine_check import check_weight_loading
from training.models.logprobs import token_logprobs
from training.models.lora import add_adapters, frozen_copy, load_adapter_weights
from training.models.merging import merge_adapter
from training.models.packing import pack_attention
from training.models.policy import learnt_weights, load_policy, named_weights
from training.trainer import Trainer

pytestmark = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="the extra `large` is not installed")

LORA = dataclasses.replace(TRAINING, lora_rank=4, lora_alpha=8.0, learning_rate=0.02)
PROMPTS = [(5, 6, 7), (9, 10, 11, 12), (13, 4)]


def trainer_of(start: Path, folder: Path) -> Trainer:
    """As a run makes it: adapters first, then a reference that shares what is frozen."""

    def adapted(model: nn.Module) -> None:
        add_adapters(model, rank=4, alpha=8.0, seed=0)

    return make_trainer(start, GRPO(kl_coef=0.1), folder, LORA, prepare=adapted)


@pytest.fixture(params=["llama", "qwen3_moe", "gpt_neox"])
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return save_tiny(request.param, tmp_path / "start", initializer_range=0.05)


def test_policy_and_reference_start_as_the_model_without_adapters(start: Path) -> None:
    policy, batch = load_policy(start), batch_of()
    before = token_logprobs(policy.model, batch).detach()
    add_adapters(policy.model, rank=4, alpha=8.0, seed=0)
    reference = frozen_copy(policy.model)
    assert torch.equal(token_logprobs(policy.model, batch).detach(), before)
    assert torch.equal(token_logprobs(reference, batch), before)


def test_under_autocast_half_of_the_memory_gives_the_same_to_the_bit(start: Path) -> None:
    """Logprobs, and gradients of the adapters with B away from zero: autocast casts the frozen matrices anyway."""
    found = []
    for half in (False, True):
        model = load_policy(start).model
        add_adapters(model, rank=4, alpha=8.0, seed=0, under_autocast=half)
        adapters = [weight for name, weight in model.named_parameters() if ".lora_" in name]
        with torch.no_grad():
            for weight in adapters:
                weight.add_(0.05)
        logprobs = token_logprobs(model, batch_of(), use_autocast=True)
        logprobs.sum().backward()
        frozen = {w.dtype for n, w in model.named_parameters() if n.endswith("base_layer.weight")}
        assert frozen == {torch.bfloat16 if half else torch.float32}
        found.append((logprobs.detach(), [weight.grad for weight in adapters], dict(named_weights(model))))
    (exact, gradients, merged), (half_logprobs, half_gradients, half_merged) = found
    assert torch.equal(exact, half_logprobs)
    for one, other in zip(gradients, half_gradients, strict=True):
        assert one is not None and other is not None and one.abs().max() > 0 and torch.equal(one, other)
    for name, tensor in merged.items():  # a bfloat16 rounding of W before the sum, not of the sum
        assert half_merged[name].dtype == torch.float32
        torch.testing.assert_close(half_merged[name], tensor, rtol=2**-8, atol=2**-8)


def test_the_reference_shares_every_frozen_weight_and_none_that_learns(start: Path) -> None:
    policy = load_policy(start)
    add_adapters(policy.model, rank=4, alpha=8.0, seed=0)
    reference = dict(frozen_copy(policy.model).named_parameters())
    learning = {name for name, weight in policy.model.named_parameters() if weight.requires_grad}
    assert learning == {name for name in reference if ".lora_" in name} != set()
    for name, weight in policy.model.named_parameters():
        assert (weight.data_ptr() == reference[name].data_ptr()) == (name not in learning)
        assert not reference[name].requires_grad


def test_a_step_is_a_step_on_a_product_of_two_matrices(tmp_path: Path) -> None:
    """The gradients of A and B against those of W by the chain rule: dA = s Bᵀ dW, dB = s dW Aᵀ."""
    start, batch = save_tiny("llama", tmp_path, initializer_range=0.05), batch_of()
    plain, adapted = load_policy(start).model, load_policy(start).model
    add_adapters(adapted, rank=4, alpha=8.0, seed=0)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for name, weight in adapted.named_parameters():
            if ".lora_B." in name:
                weight.copy_(0.1 * torch.randn(weight.shape, generator=generator))
        for name, tensor in named_weights(adapted):
            plain.get_parameter(name).copy_(tensor)
    for model in (plain, adapted):
        token_logprobs(model, batch).sum().backward()
    for layer in ("model.layers.0.self_attn.q_proj", "model.layers.1.mlp.down_proj"):
        gradient = plain.get_parameter(f"{layer}.weight").grad
        a, b = (adapted.get_parameter(f"{layer}.lora_{which}.default.weight") for which in "AB")
        assert gradient is not None and a.grad is not None and b.grad is not None
        torch.testing.assert_close(a.grad, 2.0 * b.T @ gradient, rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(b.grad, 2.0 * gradient @ a.T, rtol=1e-3, atol=1e-4)


def test_training_moves_the_adapters_alone(start: Path, tmp_path: Path) -> None:
    trainer = trainer_of(start, tmp_path)
    before = {name: weight.clone() for name, weight in trainer.policy.model.named_parameters()}
    for step in range(3):  # of some, all groups have equal rewards
        take_step(trainer, step)
    moved = {n for n, weight in trainer.policy.model.named_parameters() if not torch.equal(weight, before[n])}
    assert moved and all(".lora_" in name for name in moved)
    [optimizer] = trainer.policy_optimizers.values()
    held = sum(weight.numel() for group in optimizer.param_groups for weight in group["params"])
    assert held == sum(weight.numel() for name, weight in before.items() if ".lora_" in name)


def test_an_engine_receives_the_merged_weights_by_the_checkpoints_names(start: Path, tmp_path: Path) -> None:
    trainer = trainer_of(start, tmp_path)
    for step in range(3):  # of some, all groups have equal rewards
        take_step(trainer, step)
    sent, held = dict(named_weights(trainer.policy.model)), load_file(start / "model.safetensors")
    assert {name: tensor.shape for name, tensor in sent.items()} == {n: tensor.shape for n, tensor in held.items()}
    assert any(not torch.equal(sent[name], held[name]) for name in held)
    sampler = TransformersSampler(start, eos_token_ids=(2,))
    check = check_weight_loading(sampler, trainer.policy, PROMPTS, tolerance=1e-4, policy_version=1)
    assert check.mean_difference < 1e-5 and check.disturbed_mean_difference < 1e-4


def test_a_checkpoint_holds_adapters_alone_that_peft_reads(start: Path, tmp_path: Path) -> None:
    from peft import PeftModel

    trainer = trainer_of(start, tmp_path)
    for step in range(3):  # of some, all groups have equal rewards
        take_step(trainer, step)
    trainer.policy.save(tmp_path / "saved")
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= names
    assert not names & {"model.safetensors", "config.json"}
    size = (tmp_path / "saved" / "adapter_model.safetensors").stat().st_size
    assert size < (start / "model.safetensors").stat().st_size

    batch = batch_of()
    expected = token_logprobs(trainer.policy.model, batch).detach()
    loaded: Any = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(start).eval(), tmp_path / "saved")
    torch.testing.assert_close(token_logprobs(loaded.base_model.model, batch).detach(), expected, rtol=0, atol=1e-6)
    merged = load_policy(merge_adapter(tmp_path / "saved", tmp_path / "merged"))
    torch.testing.assert_close(token_logprobs(merged.model, batch).detach(), expected, rtol=0, atol=1e-5)
    with pytest.raises(FileExistsError, match="already holds a model"):
        merge_adapter(tmp_path / "saved", tmp_path / "merged")


def test_stop_and_resume_is_bit_for_bit_the_whole_run(start: Path, tmp_path: Path) -> None:
    """With a reference that follows the policy: its adapters are saved too, and no more."""
    whole = trainer_of(start, tmp_path)
    run(whole, tmp_path / "whole", Rows())
    rows = Rows()
    run(trainer_of(start, tmp_path), tmp_path / "parts", rows, stop_after=2)
    resumed = trainer_of(start, tmp_path)
    assert run(resumed, tmp_path / "parts", rows) == 2
    assert torch.equal(weights(resumed.policy.model), weights(whole.policy.model))
    assert resumed.reference is not None and whole.reference is not None
    assert torch.equal(weights(resumed.reference), weights(whole.reference))
    assert not torch.equal(weights(whole.reference), weights(trainer_of(start, tmp_path).policy.model))
    kept = load_file(tmp_path / "whole" / "step-000005" / "training" / "reference.safetensors")
    assert kept.keys() == learnt_weights(whole.policy.model).keys()


def test_packed_rows_and_adapters_go_together(tmp_path: Path) -> None:
    start, batch = save_tiny("llama", tmp_path, initializer_range=0.05), batch_of()
    padded, packed = load_policy(start).model, load_policy(start).model
    pack_attention(packed)
    for model in (padded, packed):
        add_adapters(model, rank=4, alpha=8.0, seed=0)
        load_adapter_weights(model, {name: tensor + 0.05 for name, tensor in learnt_weights(model).items()})
    torch.testing.assert_close(token_logprobs(packed, batch), token_logprobs(padded, batch), rtol=0, atol=1e-4)


def test_a_rank_without_adapters_is_refused(tmp_path: Path) -> None:
    start = save_tiny("llama", tmp_path)
    with pytest.raises(ValueError, match="lora_rank is 4 and the policy has no adapters"):
        make_trainer(start, GRPO(), tmp_path, LORA)
