"""A tracker is told every number, and whatever it does, the run goes on."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from analysis.records.schema import TIME_COLUMNS
from experiments.commands.compare import Compare
from experiments.runs import jobs
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import RunJob
from experiments.trackers import clients
from experiments.trackers.clients import TrackedRun, check_trackers
from experiments.trackers.tracking import tracking as tracked
from tests.experiments.runs.test_run import nothing, run_job, save_model

RUN = TrackedRun(folder=Path("/nowhere"), project="recipe", name="arm-seed0", config={"seed": 0}, first_step=0)


class Told:
    """A tracker that remembers."""

    def __init__(self, run: TrackedRun) -> None:
        self.run, self.numbers, self.closed = run, list[tuple[int, dict[str, float]]](), False

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self.numbers.append((step, dict(numbers)))

    def close(self) -> None:
        self.closed = True


class Failing(Told):
    """Fails at its second number."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        super().log(step, numbers)
        if len(self.numbers) == 2:
            raise ConnectionError("no route to the dashboard\nand more")


def opener(opened: dict[str, Any], **kinds: Any) -> Any:
    def open_one(name: str, run: TrackedRun) -> Any:
        opened[name] = kinds[name](run)
        return opened[name]

    return open_one


def test_every_tracker_gets_every_finite_number_and_the_first_step() -> None:
    opened: dict[str, Any] = {}
    said: list[str] = []
    with tracked(["one", "two"], RUN, said.append, opener=opener(opened, one=Told, two=Told)) as tell:
        tell(3, {"step": 3, "loss": 0.5, "kl": None, "note": "text", "norm": float("nan"), "tokens": 7})
        tell(4, {"loss": 0.25})
    for tracker in opened.values():
        assert tracker.numbers == [(3, {"loss": 0.5, "tokens": 7.0}), (4, {"loss": 0.25})]
        assert tracker.run.first_step == 3 and tracker.closed
    assert said == []


def test_one_that_fails_is_left_out_and_the_others_go_on() -> None:
    opened: dict[str, Any] = {}
    said: list[str] = []

    def never(run: TrackedRun) -> Any:
        raise SystemExit(3)

    kinds = opener(opened, good=Told, failing=Failing, never=never)
    with tracked(["failing", "never", "good"], RUN, said.append, opener=kinds) as tell:
        for step in range(1, 5):
            tell(step, {"loss": step})
    assert [step for step, _ in opened["good"].numbers] == [1, 2, 3, 4]
    assert [step for step, _ in opened["failing"].numbers] == [1, 2]
    assert sorted(said) == [
        "tracker failing failed (ConnectionError: no route to the dashboard); the run went on without it",
        "tracker never failed (SystemExit: 3); the run went on without it",
    ]


def test_one_that_hangs_is_left_when_patience_ends() -> None:
    held = threading.Event()
    said: list[str] = []

    class Hanging(Told):
        def log(self, step: int, numbers: Mapping[str, float]) -> None:
            held.wait(60)

    with tracked(["slow"], RUN, said.append, opener=opener({}, slow=Hanging), patience=0.05) as tell:
        tell(1, {"loss": 1.0})
    held.set()
    assert said == ["tracker slow was not done 0.05 s after the run, and was left"]


def test_a_run_with_a_tracker_that_fails_is_the_run_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    start = save_model(tmp_path / "start")
    opened: dict[str, Any] = {}
    kinds = opener(opened, tensorboard=Told, wandb=Failing)

    def own(names: Any, run: TrackedRun, say: Any) -> Any:
        return tracked(names, run, say, opener=kinds)

    monkeypatch.setattr(jobs, "tracking", own)
    plain = run_job(start, tmp_path / "plain")
    watched = replace(run_job(start, tmp_path / "watched"), trackers=("tensorboard", "wandb"))
    for job in (plain, watched):
        job.run(SamplerCache(), nothing)
    rows = [_rows(job) for job in (plain, watched)]
    assert rows[0] == rows[1]
    samples = [(job.folder / "samples.parquet").read_bytes() for job in (plain, watched)]
    assert samples[0] == samples[1]
    told: dict[int, dict[str, float]] = {}
    for step, numbers in opened["tensorboard"].numbers:
        told.setdefault(step, {}).update(numbers)
    for row in _rows(watched):
        held = {name: value for name, value in row.items() if value is not None and name != "step"}
        assert told[row["step"]].items() >= held.items()
    finished = json.loads((watched.folder / "finished.json").read_text())
    assert told[3]["evaluation/pass_at_1"] == finished["pass_at_1"]
    assert 0 in told and 2 in told, "the learning curve is told too"
    log = [note for note in finished["notes"] if "tracker" in note]
    assert log == ["tracker wandb failed (ConnectionError: no route to the dashboard); the run went on without it"]


def _rows(job: RunJob) -> list[dict[str, Any]]:
    times = TIME_COLUMNS
    lines = [json.loads(line) for line in (job.folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in times} for row in lines]


@pytest.mark.parametrize(
    ("names", "missing", "why"),
    [
        (("tensorbord",), (), r"unknown tracker 'tensorbord'; did you mean 'tensorboard'"),
        (("wandb",), ("wandb",), r"--track wandb needs the package wandb, .* pip install 'coeflab\[wandb\]'"),
        (("wandb", "wandb-offline"), (), r"names a tracker twice: wandb, wandb-offline"),
    ],
)
def test_what_could_only_fail_later_is_refused(
    names: tuple[str, ...], missing: tuple[str, ...], why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clients, "find_spec", lambda package: None if package in missing else object())
    with pytest.raises(ValueError, match=why):
        check_trackers(names)
    with pytest.raises(ValueError, match=why):
        Compare(track=names).run()


def test_tensorboard_holds_what_it_was_told_and_a_step_told_again_once(tmp_path: Path) -> None:
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="TensorBoard is not installed"
    )
    run = replace(RUN, folder=tmp_path)
    with tracked(["tensorboard"], run, pytest.fail) as tell:
        for step in (1, 2, 3):
            tell(step, {"loss": step / 4, "reward/format": 1.0})
    with tracked(["tensorboard"], run, pytest.fail) as tell:  # a killed run goes on from step 1
        tell(2, {"loss": 10.0})
        tell(3, {"loss": 20.0})
    held = accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(each.step, each.value) for each in held.Scalars("loss")] == [(1, 0.25), (2, 10.0), (3, 20.0)]
    assert [each.step for each in held.Scalars("reward/format")] == [1]


def test_weights_and_biases_offline_keeps_the_numbers_on_disk(tmp_path: Path) -> None:
    pytest.importorskip("wandb", reason="Weights & Biases is not installed")
    with tracked(["wandb-offline"], replace(RUN, folder=tmp_path), pytest.fail) as tell:
        tell(1, {"loss": 0.25})
    [file] = tmp_path.glob("wandb/offline-run-*/*.wandb")
    assert b"loss" in file.read_bytes()


def test_trackio_keeps_the_numbers_in_its_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "store"))
    pytest.importorskip("trackio", reason="trackio is not installed")
    with tracked(["trackio"], replace(RUN, folder=tmp_path), pytest.fail) as tell:
        tell(1, {"loss": 0.25})
        tell(2, {"loss": 0.125})
    from trackio.sqlite_storage import SQLiteStorage  # pyright: ignore[reportMissingImports]

    [name] = SQLiteStorage.get_runs("recipe")
    assert [(row["step"], row["loss"]) for row in SQLiteStorage.get_logs("recipe", name)] == [(1, 0.25), (2, 0.125)]
