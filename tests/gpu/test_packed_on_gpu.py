"""On a GPU: packed bfloat16 against float32 on the CPU, and memory that does not grow. Skipped, loudly, without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from algorithms import SFT
from algorithms.interface import BatchUnit
from tests.training.models.test_packing import BATCHES, SIZE, batch_of
from training.models.logprobs import ForwardOptions, token_logprobs
from training.models.microbatches import microbatches
from training.models.packing import compile_layers, pack_attention
from training.update import accumulate_gradients

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="NO GPU HERE: packed attention is not tested on one"
)


def make() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**{**SIZE, "hidden_size": 64, "head_dim": 16, "dtype": "float32"})).eval()


@pytest.mark.parametrize("kind", BATCHES)
@pytest.mark.parametrize("compiled", [False, True])
def test_packed_bfloat16_is_the_float32_policy_within_rounding(compiled: bool, kind: str) -> None:
    model, batch = make(), BATCHES[kind]()
    exact = token_logprobs(model, batch).detach()
    model.cuda()
    pack_attention(model)
    if compiled:
        compile_layers(model)
    packed = token_logprobs(model, batch.to(torch.device("cuda")), use_autocast=True).detach().cpu()
    torch.testing.assert_close(packed, exact, rtol=0, atol=0.05)


def test_memory_is_flat_over_200_updates() -> None:
    model, batch, algorithm = make().cuda(), batch_of().to(torch.device("cuda")), SFT()
    pack_attention(model)
    peaks = []
    for _ in range(200):
        torch.cuda.reset_peak_memory_stats()
        model.zero_grad(set_to_none=True)
        split = microbatches(batch, BatchUnit.SEQUENCE, tokens=20, packed=True)
        options = ForwardOptions(use_autocast=True)
        accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), split, options)
        peaks.append(torch.cuda.max_memory_allocated())
    assert max(peaks[5:]) <= peaks[5] * 1.01
