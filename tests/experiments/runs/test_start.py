"""A start policy's training that was killed and taken up again leaves the rows of one that was not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.arithmetic import generate_problems
from experiments.records.config import StartConfig
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import StartJob
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from tests.experiments.miniature import recipe
from training.config import SupervisedConfig


class Killed(BaseException):
    pass


@pytest.mark.parametrize("kill_at", [50, 70])  # after the checkpoint of step 40, and after that of step 60
def test_no_row_is_lost_or_written_twice(kill_at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "experiments.runs.start.load_problems", lambda task, split, count=8: generate_problems(split, count)
    )
    config = StartConfig(
        seed=0,
        embedded=recipe().embedded,
        supervised=SupervisedConfig(
            demonstrations=64, batch_size=4, max_steps=60, measure_from=20, measure_every=20, decay_steps=20
        ),
        task=recipe().task,
        engine=EngineConfig(name="transformers", vllm=VllmConfig(dtype="float32")),
        max_tokens=4,
        arm="sft_start",
    )
    samplers = SamplerCache()

    def train(folder: Path, stop_at: int | None) -> None:
        def report(what: str, done: float, total: float, unit: str) -> None:
            if what.startswith("train") and done == stop_at:
                raise Killed

        StartJob(name="start", config=config, folder=folder).run(samplers, report)

    def rows(folder: Path) -> list[dict]:
        lines = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        return [{name: value for name, value in row.items() if "seconds" not in name} for row in lines]

    train(tmp_path / "whole", None)
    with pytest.raises(Killed):
        train(tmp_path / "parts", kill_at)
    train(tmp_path / "parts", None)
    whole = rows(tmp_path / "whole")
    assert [row["step"] for row in whole] == list(range(1, 81))
    assert [row["step"] for row in whole if "validation_pass_at_1" in row] == [20, 40, 60, 80]
    assert rows(tmp_path / "parts") == whole
