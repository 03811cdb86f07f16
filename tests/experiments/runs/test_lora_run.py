"""A whole run with adapters: trained, killed, resumed, evaluated; its checkpoint is merged by `coeflab convert`."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from experiments.commands.convert import Convert
from experiments.runs.engines import SamplerCache
from tests.experiments.runs.test_faults import PowerCut, job, nothing, stop_at
from tests.training.small_run import save_start
from training.models.policy import load_policy

pytestmark = pytest.mark.skipif(importlib.util.find_spec("peft") is None, reason="the extra `large` is not installed")


def test_a_run_with_adapters_is_resumed_and_leaves_adapters_alone(tmp_path: Path) -> None:
    save_start(tmp_path / "start")
    (tmp_path / "seven.py").write_text("def reward(rollout, verdict):\n    return float('7' in rollout.completion)\n")
    samplers, plain = SamplerCache(), job(tmp_path, tmp_path / "whole")
    assert plain.config.training is not None
    training = replace(plain.config.training, lora_rank=2, gradient_checkpointing=True, learning_rate=0.01)
    whole = replace(plain, config=replace(plain.config, training=training))
    parts = replace(whole, folder=tmp_path / "parts")
    whole.run(samplers, nothing)
    with pytest.raises(PowerCut):
        parts.run(samplers, stop_at(14))
    parts.run(samplers, nothing)
    last = Path("checkpoints") / "step-000004"
    ours, theirs = (load_file(tmp_path / name / last / "adapter_model.safetensors") for name in ("parts", "whole"))
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert any(bool(tensor.any()) for name, tensor in ours.items() if "lora_B" in name), "else nothing was learnt"
    assert not (tmp_path / "whole" / last / "model.safetensors").exists()
    Convert(source=str(tmp_path / "whole" / last), out=tmp_path / "merged").run()
    merged, start = load_policy(tmp_path / "merged").model, load_policy(tmp_path / "start").model
    moved = {
        name
        for (name, weight), old in zip(merged.named_parameters(), start.parameters(), strict=True)
        if not torch.equal(weight, old)
    }
    assert moved and all("_proj" in name for name in moved)
