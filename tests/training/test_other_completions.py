"""KTO's reference point: each prompt with the completion of another problem, scored under policy and reference."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch

from algorithms import TokenBatch, build_algorithm
from tests.training.small_run import TRAINING, make_trainer, save_start
from training.models.batches import TrainingBatch, with_other_completions
from training.models.logprobs import ForwardOptions
from training.models.policy import load_policy
from training.models.scores import score_kl, score_log_ratios


def batch_of(prompts: list[list[int]], completions: list[list[int]], group: list[int]) -> TrainingBatch:
    sequences = [torch.tensor([*prompt, *own]) for prompt, own in zip(prompts, completions, strict=True)]
    counts = torch.tensor([len(own) for own in completions])
    return TrainingBatch(
        input_ids=torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True),
        prompt_lengths=torch.tensor([len(prompt) for prompt in prompts]),
        lengths=torch.tensor([len(sequence) for sequence in sequences]),
        tokens=TokenBatch(
            completion_mask=torch.arange(int(counts.max())) < counts[:, None],
            rewards=torch.zeros(len(prompts)),
            group=torch.tensor(group),
        ),
    )


def sequences(batch: TrainingBatch) -> list[tuple[list[int], list[int]]]:
    rows = zip(batch.input_ids.tolist(), batch.prompt_lengths.tolist(), batch.lengths.tolist(), strict=True)
    return [(ids[:prompt], ids[prompt:length]) for ids, prompt, length in rows]


def test_a_prompt_gets_a_completion_of_the_next_problem() -> None:
    """Problems 7, 3 and 5 with 2, 3 and 1 completions, of different lengths; the last takes the first one's."""
    prompts = [[11], [12, 12], [11], [13], [12, 12], [12, 12]]
    batch = batch_of(prompts, [[21], [22, 22], [23, 23, 23], [24], [25], [26, 26]], [7, 3, 7, 5, 3, 3])
    found = with_other_completions(batch)
    others = [[22, 22], [24], [25], [21], [24], [24]]  # rank by rank: 7 → 3, 3 → 5 (one only), 5 → 7
    assert sequences(found) == list(zip(prompts, others, strict=True))
    assert found.tokens.completion_mask.sum(dim=1).tolist() == [len(own) for own in others]


def test_one_problem_alone_takes_its_own_next() -> None:
    batch = batch_of([[11]] * 3, [[21], [22], [23]], [0, 0, 0])
    assert [own for _, own in sequences(with_other_completions(batch))] == [[22], [23], [21]]


def test_the_estimate_is_the_mean_log_ratio_and_never_negative(tmp_path: Path) -> None:
    start = save_start(tmp_path / "start")
    trainer = make_trainer(start, build_algorithm("kto"), tmp_path, TRAINING)
    other = load_policy(start).model
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in other.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator)
    batch = trainer.batch(trainer.draw(0).kept)
    assert batch is not None and batch.tokens.kl_estimate == 0.0  # the policy is its reference yet

    def logprob(model: torch.nn.Module, prompt: list[int], completion: list[int]) -> float:
        with torch.no_grad():
            logits = model(torch.tensor([[*prompt, *completion]])).logits[0, len(prompt) - 1 : -1]
        return float(logits.double().log_softmax(-1).gather(1, torch.tensor(completion)[:, None]).sum())

    policy = trainer.policy.model
    rows = sequences(with_other_completions(batch))
    mean = sum(logprob(other, *row) - logprob(policy, *row) for row in rows) / len(rows)
    options = ForwardOptions()
    both = [
        score_kl(batch, partial(score_log_ratios, *models, options=options))
        for models in ((other, policy), (policy, other))
    ]
    assert abs(mean) > 0.01
    assert both == pytest.approx([max(0.0, mean), max(0.0, -mean)], rel=1e-4, abs=1e-6)
