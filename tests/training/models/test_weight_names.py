"""What is sent, saved and read goes by a checkpoint's names, also where the module has others (experts, GPT-NeoX)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from algorithms import GRPO
from sampling.transformers_engine import TransformersSampler
from sampling.weights import WeightNamesError, load_checkpoint_weights
from tests.training.models.tiny import OWN, save_tiny, tiny_policy
from tests.training.small_run import Rows, make_trainer, run, weights
from training.checkpoints import read_weights
from training.models.engine_check import check_weight_loading
from training.models.policy import Policy, load_policy, named_weights
from training.restore import restore
from training.stopping import AtStep

KINDS = tuple(OWN)
PROMPTS = [(5, 6, 7), (9, 10, 11, 12), (13, 4)]


def disturb(policy: Policy) -> None:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("kind", KINDS)
def test_an_engine_receives_the_names_and_values_that_a_model_folder_holds(kind: str, tmp_path: Path) -> None:
    policy = tiny_policy(kind, tmp_path / "start")
    disturb(policy)
    policy.save(tmp_path / "now")
    saved, sent = load_file(tmp_path / "now" / "model.safetensors"), dict(named_weights(policy.model))
    assert saved.keys() == load_file(tmp_path / "start" / "model.safetensors").keys()
    assert sent.keys() == saved.keys()
    assert all(torch.equal(sent[name], saved[name]) for name in saved)
    assert sum(tensor.numel() for tensor in sent.values()) == policy.num_parameters


@pytest.mark.parametrize(
    ("kind", "of_checkpoint"),
    [
        ("qwen3_moe", "model.layers.1.mlp.experts.3.up_proj.weight"),
        ("mixtral", "model.layers.1.block_sparse_moe.experts.3.w2.weight"),
        ("gpt_neox", "embed_out.weight"),
    ],
)
def test_these_architectures_have_other_names_in_the_module(kind: str, of_checkpoint: str, tmp_path: Path) -> None:
    """Else the tests beside this one prove nothing."""
    policy = tiny_policy(kind, tmp_path)
    assert of_checkpoint in dict(named_weights(policy.model))
    assert of_checkpoint not in policy.model.state_dict()


@pytest.mark.parametrize("kind", KINDS)
def test_the_weight_check_is_satisfied_by_an_engine_that_loads_them(kind: str, tmp_path: Path) -> None:
    policy = tiny_policy(kind, tmp_path)
    sampler = TransformersSampler(tmp_path, eos_token_ids=(2,))
    disturb(policy)
    before = weights(policy.model)
    check = check_weight_loading(sampler, policy, PROMPTS, tolerance=1e-4, policy_version=3)
    assert max(check.mean_difference, check.disturbed_mean_difference) < 1e-5 < 0.1 < check.disturbance
    assert torch.equal(weights(policy.model), before)


@pytest.mark.parametrize("kind", ["qwen3_moe", "mixtral", "gpt_neox"])
def test_stop_and_resume_is_bit_for_bit_the_whole_run(kind: str, tmp_path: Path) -> None:
    """With a reference that follows the policy, so that it is saved and read too."""
    start, algorithm = save_tiny(kind, tmp_path / "start", initializer_range=0.02), GRPO(kl_coef=0.1)
    whole = make_trainer(start, algorithm, tmp_path)
    run(whole, tmp_path / "whole", Rows())

    rows = Rows()
    run(make_trainer(start, algorithm, tmp_path), tmp_path / "parts", rows, stop_after=2)
    resumed = make_trainer(start, algorithm, tmp_path)
    assert run(resumed, tmp_path / "parts", rows) == 2
    assert torch.equal(weights(resumed.policy.model), weights(whole.policy.model))
    assert not torch.equal(weights(resumed.policy.model), weights(load_policy(start).model))
    assert resumed.reference is not None and whole.reference is not None
    assert torch.equal(weights(resumed.reference), weights(whole.reference))

    restored = make_trainer(start, algorithm, tmp_path)
    restore(restored, AtStep(restored.config, checkpoint_every=1), tmp_path / "whole", agreed=99)
    assert torch.equal(weights(restored.policy.model), weights(whole.policy.model))
    for ours, theirs in zip(restored.optimizers.values(), whole.optimizers.values(), strict=True):
        read, kept = ours.state_dict()["state"], theirs.state_dict()["state"]
        assert read.keys() == kept.keys()
        assert all(torch.equal(read[index][name], kept[index][name]) for index in kept for name in kept[index])


@pytest.mark.parametrize("kind", ["llama", "qwen3_moe"])
def test_a_folder_of_several_files_is_read_whole(kind: str, tmp_path: Path) -> None:
    policy = tiny_policy(kind, tmp_path / "one")
    model: Any = policy.model
    model.save_pretrained(tmp_path / "many", max_shard_size="100KB")
    assert len(list((tmp_path / "many").glob("*.safetensors"))) > 1
    found, expected = read_weights(tmp_path / "many"), load_file(tmp_path / "one" / "model.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


@pytest.mark.parametrize("kind", ["llama", "mixtral"])
@pytest.mark.parametrize("fault", ["missing", "unknown", "shape"])
def test_weights_of_another_model_are_refused_and_nothing_is_overwritten(kind: str, fault: str, tmp_path: Path) -> None:
    policy = tiny_policy(kind, tmp_path)
    before, named = weights(policy.model), {name: 2 * tensor for name, tensor in named_weights(policy.model)}
    name = "model.layers.0.self_attn.q_proj.weight"
    if fault == "missing":
        del named[name]
    elif fault == "unknown":
        named["model.layers.9.self_attn.q_proj.weight"] = named[name]
    else:
        named[name] = named[name][:7]
    with pytest.raises(WeightNamesError, match=f"{fault if fault != 'shape' else 'another shape'} .*q_proj"):
        load_checkpoint_weights(policy.model, named)
    assert torch.equal(weights(policy.model), before)
