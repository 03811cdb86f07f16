"""A reward model's fit is the one loop: it learns, it resumes bit for bit, and it refuses what teaches nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from rewards.verdict import ScoredRollout
from tests.training.reward_models.small_model import larger_model, planted, rollout_of, scalar_model
from tests.training.small_run import Rows, weights
from training.loop import train
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy
from training.restore import restore
from training.reward_models.config import RewardModelConfig
from training.reward_models.examples import (
    LabelError,
    check_two_classes,
    labelled,
    read_labelled,
    replayed,
    shuffled_labels,
    write_labelled,
)
from training.reward_models.fit import HeldOut, fit_trainer, held_out

CONFIG = RewardModelConfig(supervision="process", batch_size=8, epochs=2, learning_rate=3e-3, warmup_steps=2)


def fit(model: Policy, examples: list[ScoredRollout], config: RewardModelConfig, folder: Path, rows: Rows) -> Policy:
    """From where `folder` can be gone on from to the end."""
    trainer, rule = fit_trainer(model, examples, config, seed="0")
    done = restore(trainer, rule, folder, agreed=len(rows)).step
    rows.drop_after(done)
    train(trainer, rule, done=done, checkpoints=folder, log=rows)
    return trainer.policy


class Killed(Exception):
    """A process that dies."""


class DyingRows(Rows):
    """A log in whose third row the process dies."""

    def append(self, row: dict) -> None:  # type: ignore[override]
        super().append(row)
        if len(self) == 3:
            raise Killed


def test_stop_and_resume_is_bit_for_bit_the_whole_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("training.reward_models.fit.CHECKPOINT_EVERY", 2)
    examples = planted(scalar_model(tmp_path / "start"), 24, seed=0)
    rows, parts = Rows(), DyingRows()
    whole = fit(scalar_model(tmp_path / "start"), examples, CONFIG, tmp_path / "whole", rows)
    with pytest.raises(Killed):
        fit(scalar_model(tmp_path / "start"), examples, CONFIG, tmp_path / "parts", parts)
    later = Rows(parts)
    resumed = fit(scalar_model(tmp_path / "start"), examples, CONFIG, tmp_path / "parts", later)
    assert torch.equal(weights(resumed.model), weights(whole.model))
    assert [row["binary_cross_entropy"] for row in later] == [row["binary_cross_entropy"] for row in rows]
    assert not torch.equal(weights(whole.model), weights(scalar_model(tmp_path / "start").model))
    assert len(rows) == 6  # 24 completions, batches of 8, two epochs


def test_the_first_row_of_a_fit_is_the_entropy_of_a_coin(tmp_path: Path) -> None:
    """Every probability is 1/2 before training: the cross-entropy is ln 2, whatever the labels."""
    model = scalar_model(tmp_path / "start")
    rows = Rows()
    fit(model, planted(model, 8, seed=0), replace(CONFIG, epochs=1), tmp_path / "fit", rows)
    assert rows[0]["binary_cross_entropy"] == pytest.approx(0.693147, abs=1e-5)
    assert "nll" not in rows[0] and rows[0]["completions_sampled"] == 0


def test_shuffled_labels_are_the_same_labels_elsewhere(tmp_path: Path) -> None:
    examples = planted(scalar_model(tmp_path / "start"), 40, seed=0)
    shuffled = shuffled_labels(examples, "0")

    def labels(of: list[ScoredRollout]) -> list[float]:
        return [label for item in of for label in item.step_rewards]

    assert sorted(labels(shuffled)) == sorted(labels(examples)) and labels(shuffled) != labels(examples)
    assert [item.rollout for item in shuffled] == [item.rollout for item in examples]
    assert shuffled_labels(examples, "0") == shuffled and shuffled_labels(examples, "1") != shuffled


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.1, 4), (0.5, 20), (1.0, 40)])
def test_the_replayed_share_is_exact(tmp_path: Path, share: float, count: int) -> None:
    history = planted(scalar_model(tmp_path / "start"), 40, seed=0)
    again = replayed(history, share, "seed")
    assert len(again) == count
    assert len({id(item) for item in again}) == count and all(item in history for item in again)
    if 0 < share < 1:
        assert replayed(history, share, "another seed") != again == replayed(history, share, "seed")


def test_what_teaches_nothing_is_refused(tmp_path: Path) -> None:
    examples = planted(scalar_model(tmp_path / "start"), 6, seed=0)
    right = [replace(item, step_rewards=(1.0,) * len(item.step_rewards)) for item in examples]
    with pytest.raises(LabelError, match=r"all \d+ labels of the completions are right; a reward model needs both"):
        check_two_classes(right, "the completions")
    with pytest.raises(LabelError, match="hold no label"):
        check_two_classes([], "the completions")
    check_two_classes(examples, "the completions")
    with pytest.raises(LabelError, match=r"replay is 0\.1 and the history is empty"):
        replayed([], 0.1, "seed")
    with pytest.raises(LabelError, match=r"label 1 is nan; expected a number in \[0, 1\]"):
        labelled(rollout_of("1=", "2"), [float("nan")], [0], correct=True)
    with pytest.raises(ValueError, match=r"step_ends \(5,\) must be strictly increasing token indices below 2"):
        labelled(rollout_of("1=", "2"), [1.0], [5], correct=True)
    with pytest.raises(ValueError, match="labels is 'monte_carlo' with supervision 'outcome'"):
        RewardModelConfig(labels="monte_carlo")


def test_labelled_completions_survive_the_disk_and_damage_is_seen(tmp_path: Path) -> None:
    examples = planted(scalar_model(tmp_path / "start"), 6, seed=0)
    file = tmp_path / "examples.jsonl"
    write_labelled(file, examples)
    assert read_labelled(file) == examples
    whole = file.read_text()
    for damaged in (whole.replace("1.0", "0.0", 1), whole[: len(whole) // 2], "", whole.rpartition("{")[0]):
        file.write_text(damaged)
        with pytest.raises(LabelError, match="damaged"):
            read_labelled(file)


def area_under_curve(probabilities: tuple[float, ...], labels: tuple[float, ...]) -> float:
    """Share of pairs of a right and a wrong step in which the right one has the higher score, ties half."""
    right = [p for p, y in zip(probabilities, labels, strict=True) if y > 0.5]
    wrong = [p for p, y in zip(probabilities, labels, strict=True) if y < 0.5]
    return sum((a > b) + (a == b) / 2 for a in right for b in wrong) / (len(right) * len(wrong))


def test_a_process_reward_model_finds_planted_errors(tmp_path: Path) -> None:
    """Wrong lines of solutions that it has not seen. One fitted to shuffled labels would find none: 0.5."""
    config = replace(CONFIG, batch_size=64, epochs=16, learning_rate=4e-3, warmup_steps=20)
    model = larger_model(tmp_path / "start")
    examples, others = planted(model, 1500, seed=0), planted(model, 200, seed=1)
    assert area_under_curve(*parts(held_out(model, others, ForwardOptions()))) == 0.5  # before: nobody is told apart
    fit(model, examples, config, tmp_path / "fit", Rows())
    assert area_under_curve(*parts(held_out(model, others, ForwardOptions()))) > 0.9


def test_held_out_probabilities_are_at_the_temperature_that_fits_them_best(tmp_path: Path) -> None:
    """By transformers' own passes of one sequence each, and the cross-entropy at temperatures around."""
    model = scalar_model(tmp_path / "start", head_seed=1)
    examples = planted(model, 30, seed=0)
    found = held_out(model, examples, ForwardOptions())
    scores = []
    for item in examples:
        ids = torch.tensor([[*item.rollout.prompt_ids, *item.rollout.completion_ids]])
        with torch.no_grad():
            hidden = model.model.base_model(ids).last_hidden_state  # type: ignore[operator]
            own = model.model.score(hidden)[0, len(item.rollout.prompt_ids) :, 0]  # type: ignore[operator]
        scores += own[list(item.step_ends)].tolist()
    labels = torch.tensor([label for item in examples for label in item.step_rewards])

    def cross_entropy(temperature: float) -> float:
        return float(torch.nn.functional.binary_cross_entropy_with_logits(torch.tensor(scores) / temperature, labels))

    assert found.labels == tuple(labels.tolist())
    assert abs(found.temperature - 1) > 0.05
    assert cross_entropy(found.temperature) <= min(cross_entropy(found.temperature * by) for by in (0.9, 1.1))
    expected = torch.sigmoid(torch.tensor(scores) / found.temperature).tolist()
    assert found.probabilities == pytest.approx(expected, abs=1e-5)


def parts(found: HeldOut) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Probabilities and labels."""
    return found.probabilities, found.labels
