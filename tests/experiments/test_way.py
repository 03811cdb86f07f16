"""The way from `coeflab compare` to the optimiser's step is short: at most 10 frames of ours in 6 files."""

from __future__ import annotations

import sys
import traceback
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from experiments import cli
from experiments.recipes import catalogue
from experiments.recipes.config import Recipe
from experiments.runs.jobs import RunJob
from experiments.schedule import workers
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from tests.experiments.miniature import recipe
from tests.training.small_run import save_start

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("algorithms", "analysis", "benchmarks", "experiments", "rewards", "sampling", "training")


class Arrived(BaseException):
    """There; nothing after it is of interest."""


def frames_of_ours() -> list[str]:
    """``file:function`` of every frame of the rooms, from the outside in."""
    frames = traceback.extract_stack()
    return [
        f"{Path(frame.filename).relative_to(ROOT).as_posix()}:{frame.name}"
        for frame in frames
        if any(Path(frame.filename).is_relative_to(ROOT / room) for room in ROOMS)
    ]


def small(model: Path) -> Recipe:
    engine = EngineConfig(name="transformers", vllm=VllmConfig(dtype="float32"))
    full = recipe()
    grpo = {"grpo": full.arms["grpo"]}
    return replace(full, model=str(model), supervised=None, arms=grpo, engine=engine)


def test_the_way_to_the_optimiser_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = save_start(tmp_path / "model")
    monkeypatch.setitem(catalogue.RECIPES, "miniature", lambda device: small(model))
    sent: list[RunJob] = []
    way: list[str] = []

    class Pipe:
        """Both ends of a worker's pipe."""

        def send(self, message: Any) -> None:
            if isinstance(message, RunJob):
                way.extend(frames_of_ours())
                sent.append(message)
                raise Arrived

        def recv(self) -> RunJob:
            return sent[0]

    def start(self: Any) -> Any:
        pipe, process = Pipe(), SimpleNamespace(kill=lambda: None)
        self._workers[pipe] = workers._Worker(process=process, log=tmp_path / "log")  # type: ignore[arg-type]
        return pipe

    # The command, until it hands the run to a worker.
    monkeypatch.setattr(workers.WorkerPool, "_start", start)
    monkeypatch.setattr(workers, "usable_cores", lambda: 1)
    out = str(tmp_path / "out")
    arguments = ["train", "--recipe", "miniature", "--engine", "transformers", "--out", out, "--workers", "1"]
    monkeypatch.setattr(sys, "argv", ["coeflab", *arguments])
    with pytest.raises(Arrived):
        cli.main()

    # The worker, until the optimiser's step; here in this process.
    def arrive(*args: Any, **options: Any) -> None:
        way.extend(frames_of_ours())
        raise Arrived

    monkeypatch.setattr(torch.optim.AdamW, "step", arrive)
    monkeypatch.setattr(workers.os, "dup2", lambda *ends: None)
    monkeypatch.setattr(workers.multiprocessing, "parent_process", lambda: SimpleNamespace(sentinel=None))
    monkeypatch.setattr(workers, "_end_with", lambda sentinel: None)
    with pytest.raises(Arrived):
        workers._serve(Pipe(), tmp_path / "log", torch.get_num_threads())  # type: ignore[arg-type]
    files = {frame.partition(":")[0] for frame in way}
    print(*way, f"{len(way)} frames in {len(files)} files", sep="\n")
    assert len(way) <= 10
    assert len(files) <= 6
