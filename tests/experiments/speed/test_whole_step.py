"""Whole steps of both sides on a tiny model: the run's own times, and a failure that is told."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from experiments.recipes.config import Recipe
from experiments.speed import whole_step
from experiments.speed.whole_step import StepTimes, measure_whole_steps
from tests.experiments.miniature import recipe
from tests.training.models.tiny import save_tiny


@pytest.fixture
def small(tmp_path: Path) -> Recipe:
    made = recipe()
    model = save_tiny("llama", tmp_path / "model", max_position_embeddings=96, initializer_range=0.05)
    engine = dataclasses.replace(made.engine, name="transformers")
    return dataclasses.replace(made.with_model(str(model)), engine=engine)


def test_both_sides_take_their_steps(small: Recipe, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("trl")
    ours, theirs = measure_whole_steps(small, steps=2, peer_steps=1)
    assert len(ours.seconds) == len(ours.sampling_seconds) == 2 and len(theirs.seconds) == 1
    assert all(0 < sampling < whole for sampling, whole in zip(ours.sampling_seconds, ours.seconds, strict=True))
    assert all(0 < update < whole for update, whole in zip(ours.update_seconds, ours.seconds, strict=True))
    times = (ours.sampling_seconds, ours.update_seconds, ours.weight_sync_seconds, ours.other_seconds)
    assert min(ours.weight_sync_seconds) > 0
    parts = zip(*times, strict=True)
    assert [sum(each) for each in parts] == pytest.approx(ours.seconds) and min(ours.other_seconds) > 0
    told = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in told] == ["ours", "trl"]
    assert "16 sequences a pass" in told[1] and "transformers' generate" in told[1]
    assert ", weights " in told[0] and ", the rest " in told[0] and ", the rest " not in told[1]


def test_the_peer_is_tried_with_fewer_sequences_where_memory_runs_out(
    small: Recipe, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tried: list[int] = []

    def stand_in(work: object, *arguments: object) -> StepTimes:
        if work is whole_step.trl_steps:
            tried.append(int(str(arguments[-1])))
            if tried[-1] > 8:
                raise torch.OutOfMemoryError("no room")
        return StepTimes(seconds=(1.0,))

    monkeypatch.setattr(whole_step, "in_a_process", stand_in)
    measure_whole_steps(small)
    assert tried == [16, 8]  # 4 problems × 4: no more than 16, and each divides the batch
    assert "trl at 16 sequences a pass: no room" in capsys.readouterr().out


def _fail() -> StepTimes:
    raise ValueError("no such thing")


def test_a_failure_in_a_process_is_told() -> None:
    with pytest.raises(RuntimeError, match="_fail failed: ValueError: no such thing"):
        whole_step.in_a_process(_fail)
