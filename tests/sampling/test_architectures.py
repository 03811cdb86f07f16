"""vLLM holds the weights it is given where checkpoints have names of their own. Slow: engines start."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampling.engines import EngineConfig, build_sampler
from sampling.replicas import ReplicatedSampler
from sampling.vllm_engine import VllmConfig, changes_transformers
from tests.training.models.tiny import save_tiny, tiny_policy
from training.models.engine_check import check_weight_loading
from training.models.policy import load_policy

ENGINE = EngineConfig(vllm=VllmConfig(dtype="float32", max_model_len=64, max_num_seqs=8))


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["qwen3_moe", "mixtral", "gpt_neox"])
def test_an_engine_answers_with_the_disturbed_and_then_with_the_true_policy(kind: str, tmp_path: Path) -> None:
    """Also the trap of the CPU build: it packs experts once, and a load wrote plain numbers over them."""
    policy = tiny_policy(kind, tmp_path)
    sampler = build_sampler(tmp_path, ENGINE, eos_token_ids=(2,), max_positions=policy.max_positions)
    try:
        check = check_weight_loading(sampler, policy, [(5, 6, 7), (20, 21)], tolerance=1e-4, policy_version=0)
        assert max(check.mean_difference, check.disturbed_mean_difference) < 1e-5
        load_policy(tmp_path)  # vLLM's own GPT-NeoX forbids this in its process
    finally:
        if isinstance(sampler, ReplicatedSampler):
            sampler.close()


def test_an_engine_that_would_change_transformers_classes_is_known_before_it_is_built(tmp_path: Path) -> None:
    changed = {
        kind: changes_transformers(save_tiny(kind, tmp_path / kind)) for kind in ("llama", "mixtral", "gpt_neox")
    }
    assert changed == {"llama": False, "mixtral": False, "gpt_neox": True}
