"""One embedded checkpoint and one vLLM engine for all tests of this room."""

from __future__ import annotations

from pathlib import Path

import pytest

from sampling.vllm_engine import VllmConfig, VllmSampler
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.policy import Policy


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("embedded")
    policy = Policy(
        model=build_embedded_model(EmbeddedModelConfig(), seed=3),
        tokenizer=build_embedded_tokenizer(),
        eos_token_ids=(2,),
        pad_token_id=0,
    )
    policy.save(folder)
    return folder


@pytest.fixture(scope="session")
def vllm_engine(checkpoint: Path) -> VllmSampler:
    return VllmSampler(
        checkpoint, eos_token_ids=(2,), config=VllmConfig(dtype="float32", max_model_len=96, max_num_seqs=64)
    )
