"""On a GPU: packed bfloat16 against float32 on the CPU, and memory that does not grow. Skipped, loudly, without one."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from algorithms import SFT
from algorithms.interface import BatchUnit
from tests.training.models.test_packing import BATCHES, SIZE, batch_of
from training.config import TrainingConfig
from training.models.batches import TrainingBatch
from training.models.logprobs import ForwardOptions, token_logprobs
from training.models.microbatches import microbatches
from training.models.packing import compile_layers, pack_attention, pack_batch
from training.optimizers import adamw
from training.update import accumulate_gradients

STEP = TrainingConfig(steps=200, problems_per_step=4, group_size=1, learning_rate=1e-4)

pytestmark = pytest.mark.skipif(
    not torch.cuda.is_available(), reason="NO GPU HERE: packed attention is not tested on one"
)


def make() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**{**SIZE, "hidden_size": 64, "head_dim": 16, "dtype": "float32"})).eval()


def take_step(model: Any, batch: TrainingBatch, optimizer: torch.optim.Optimizer) -> None:
    """An update of SFT and AdamW's step, as the trainer takes them."""
    algorithm = SFT()
    model.zero_grad(set_to_none=True)
    split = microbatches(batch, BatchUnit.SEQUENCE, tokens=20, packed=True)
    options = ForwardOptions(use_autocast=True)
    accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), split, options)
    torch.nn.utils.clip_grad_norm_(model.parameters(), STEP.max_grad_norm)
    optimizer.step()


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


@pytest.mark.parametrize("kind", BATCHES)
def test_no_pass_waits_for_the_one_before_it(kind: str) -> None:
    batch = BATCHES[kind]().to(torch.device("cuda"))
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        packed = pack_batch(batch.rows(torch.arange(len(batch))))
    finally:
        torch.cuda.set_sync_debug_mode(before)
    assert packed.targets.is_cuda and len(packed.targets) == int(batch.tokens.completion_mask.sum())


def test_memory_is_flat_over_200_updates() -> None:
    model, batch = make().cuda(), batch_of().to(torch.device("cuda"))
    pack_attention(model)
    optimizer = adamw(model, STEP)
    before = torch.cat([weight.detach().flatten().clone() for weight in model.parameters()])
    peaks = []
    for _ in range(200):
        torch.cuda.reset_peak_memory_stats()
        take_step(model, batch, optimizer)
        peaks.append(torch.cuda.max_memory_allocated())
    after = torch.cat([weight.detach().flatten() for weight in model.parameters()])
    assert torch.isfinite(after).all() and not torch.equal(after, before)
    assert max(peaks[5:]) <= peaks[5] * 1.01
