"""Entropies of tokens: of the whole distribution, scored before the update, and only where a method reads them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from algorithms import build_algorithm
from tests.training.small_run import make_trainer, save_start
from training.loop import take_step
from training.models.logprobs import token_entropies
from training.models.packing import pack_attention
from training.models.policy import load_policy
from training.trainer import TrainingConfig

TRAINING = TrainingConfig(steps=2, problems_per_step=3, group_size=4, learning_rate=3e-3, max_completion_tokens=10)
TOP = {"top_entropy": 0.3, "exclude_equal_groups": False, "overlong_buffer": 0.0}


@pytest.mark.parametrize("temperature", [1.0, 0.7])
@pytest.mark.parametrize("packed", [False, True])
def test_the_entropy_is_that_of_the_next_token_s_distribution(tmp_path: Path, temperature: float, packed: bool) -> None:
    """−Σ p log p from the whole logits of one sequence at a time, without padding."""
    start = save_start(tmp_path / "start")
    trainer = make_trainer(start, build_algorithm("dapo_top_entropy", TOP), tmp_path, TRAINING)
    batch = trainer.batch(trainer.draw(0).kept)
    assert batch is not None
    model, plain = load_policy(start).model, load_policy(start).model
    if packed:
        pack_attention(model)
    found = token_entropies(model, batch, temperature=temperature)
    for row, (prompt, length) in enumerate(zip(batch.prompt_lengths.tolist(), batch.lengths.tolist(), strict=True)):
        with torch.no_grad():
            logits = plain(batch.input_ids[row : row + 1, :length]).logits[0, prompt - 1 : length - 1] / temperature
        p = logits.double().softmax(dim=-1)
        expected = -(p * p.log()).sum(dim=-1)
        torch.testing.assert_close(found[row, : length - prompt].double(), expected, rtol=1e-5, atol=1e-5)
        assert not found[row, length - prompt :].any()


def test_the_tokens_of_the_highest_entropy_are_trained_on(tmp_path: Path) -> None:
    trainer = make_trainer(save_start(tmp_path / "start"), build_algorithm("dapo_top_entropy", TOP), tmp_path, TRAINING)
    batch = trainer.batch(trainer.draw(0).kept)
    assert batch is not None and batch.tokens.entropies is not None
    torch.testing.assert_close(batch.tokens.entropies, token_entropies(trainer.policy.model, batch).detach())
    credit = trainer.algorithm.credit(batch.tokens)
    whole = build_algorithm("dapo", {name: value for name, value in TOP.items() if name != "top_entropy"})
    inside = batch.tokens.completion_mask
    order = batch.tokens.entropies[inside].argsort(descending=True)
    kept = torch.zeros(len(order), dtype=torch.bool)
    kept[order[: len(order) * 3 // 10]] = True  # no two entropies of an untrained model's contexts tie
    expected = whole.credit(batch.tokens)[inside] * kept
    assert int((credit[inside] != expected).sum()) <= 1  # (N − 1) · 0.7 may take one token more
    trained = take_step(trainer, 0)["tokens_trained"]
    assert trained is not None and 0 < trained <= 0.35 * int(inside.sum())


def test_nothing_is_scored_for_a_method_that_reads_none(tmp_path: Path) -> None:
    trainer = make_trainer(save_start(tmp_path / "start"), build_algorithm("dr_grpo"), tmp_path, TRAINING)
    batch = trainer.batch(trainer.draw(0).kept)
    assert batch is not None and batch.tokens.entropies is None
