"""A run in two processes over gloo: the whole of it against one process, and what is refused at the door."""

from __future__ import annotations

import json
import multiprocessing
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from analysis.records.schema import TIME_COLUMNS
from experiments.clusters.ranks import Rank, RankError, rank_of_environment
from experiments.clusters.together import Together, check_together, follow, other_number
from experiments.commands.compare import Train
from experiments.recipes.config import Recipe
from experiments.recipes.fields import apply_settings
from experiments.schedule.compare import compare
from experiments.schedule.door import check_recipe
from experiments.schedule.progress import Board
from tests.experiments.miniature import recipe, run_here

ARMS = ("rft", "grpo", "ppo")
STARTED = {"RANK": "0", "WORLD_SIZE": "2", "LOCAL_RANK": "0", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "1"}


def shared_recipe() -> Recipe:
    """Three arms of the miniature: one trains on offline completions, one has a critic."""
    full = recipe()
    arms = {name: full.arms[name] for name in ARMS}
    return replace(full, name="shared", arms=arms, engine=replace(full.engine, name="transformers"))


def environment(rank: int, port: int) -> dict[str, str]:
    """What torchrun sets."""
    return STARTED | {"RANK": str(rank), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": "2", "MASTER_PORT": str(port)}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def second_rank(environment: Mapping[str, str]) -> None:
    """The process of rank 1."""
    os.environ.update(environment)
    rank = rank_of_environment()
    assert rank is not None
    follow(rank)


def rows_of(out: Path, arm: str) -> list[dict[str, Any]]:
    lines = (out / "runs" / f"{arm}-seed0" / "metrics.jsonl").read_text().splitlines()
    return [{name: value for name, value in json.loads(line).items() if name not in TIME_COLUMNS} for line in lines]


def samples_of(out: Path, arm: str) -> pd.DataFrame:
    return pd.read_parquet(out / "runs" / f"{arm}-seed0" / "samples.parquet")


def weights_of(out: Path, arm: str) -> dict[str, torch.Tensor]:
    return load_file(out / "runs" / f"{arm}-seed0" / "checkpoints" / "step-000003" / "model.safetensors")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison by one process."""
    out = tmp_path_factory.mktemp("one")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("experiments.schedule.compare.run_jobs", run_here)
        compare(check_recipe(shared_recipe()), out, workers=1, board=Board(None), evaluate_start=False)
    return out


def by_two(recipe: Recipe, one: Path, out: Path) -> Path:
    """The same by two from the same start policy; this test is the command, as rank 0 is under torchrun."""
    port = free_port()
    shutil.copytree(one / "start-seed0", out / "start-seed0")
    helper = multiprocessing.get_context("spawn").Process(target=second_rank, args=(environment(1, port),))
    helper.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(0, port).items():
            patch.setenv(name, value)
        patch.setenv("GLOO_SOCKET_IFNAME", "lo")
        rank = rank_of_environment()
        assert rank is not None
        place = Together(rank=rank)
        checked = check_recipe(recipe, ranks=2)
        compare(checked, out, workers=1, board=Board(None), evaluate_start=False, place=place)
    helper.join(timeout=60)
    assert helper.exitcode == 0
    return out


@pytest.fixture(scope="module")
def two(one: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By two processes, each of which holds all weights."""
    return by_two(shared_recipe(), one, tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def sharded(one: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """By two processes, each of which holds a part of the weights."""
    recipe = apply_settings(shared_recipe(), ["shard=full"])
    return by_two(recipe, one, tmp_path_factory.mktemp("sharded"))


@pytest.mark.parametrize("weights", ["two", "sharded"])
@pytest.mark.parametrize("arm", ARMS)
def test_two_processes_run_as_one_does(arm: str, weights: str, one: Path, request: pytest.FixtureRequest) -> None:
    two: Path = request.getfixturevalue(weights)
    pd.testing.assert_frame_equal(samples_of(two, arm), samples_of(one, arm))
    single, shared = rows_of(one, arm), rows_of(two, arm)
    assert [row["step"] for row in shared] == [1, 2, 3] and any(row["grad_norm"] for row in single)
    for mine, theirs in zip(shared, single, strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in theirs.items():
            assert mine[name] == (value if value is None else pytest.approx(value, rel=1e-4, abs=1e-6)), name
    far, farther = (pd.read_parquet(out / "runs" / f"{arm}-seed0" / "start_kl.parquet") for out in (one, two))
    assert max(far["start_kl"].tolist()) > 1e-4
    pd.testing.assert_frame_equal(farther, far, rtol=1e-3, atol=1e-6)
    held, start = weights_of(one, arm), load_file(next(one.glob("start*/checkpoints/*/model.safetensors")))
    assert max((held[name] - start[name]).abs().max().item() for name in held) > 1e-4
    for name, tensor in weights_of(two, arm).items():
        torch.testing.assert_close(tensor, held[name], rtol=1e-4, atol=1e-6)


def test_only_rank_0_leaves_files(one: Path, two: Path) -> None:
    def files(out: Path) -> set[str]:
        return {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}

    logs = {"logs/rank-0.log", "logs/rank-1.log", "logs/locks/ranks"}
    logs |= {f"logs/locks/{file.name}" for file in (two / "logs" / "locks").iterdir()}
    assert files(two) - files(one) == logs and not files(one) - files(two)
    assert json.loads((two / "machine.json").read_text())["ranks"] == 2


def test_another_number_of_processes_is_told(one: Path, two: Path) -> None:
    assert other_number(two, 2) is None and other_number(one, 1) is None and other_number(two / "absent", 3) is None
    assert "begun with 2 processes and goes on with 1" in str(other_number(two, 1))
    assert "begun with 1 processes and goes on with 2" in str(other_number(one, 2))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "0"}, "RANK are set and WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT are not"),
        ({**STARTED, "MASTER_ADDR": None}, "are set and MASTER_ADDR are not"),
        ({**STARTED, "LOCAL_RANK": "first"}, "one is no number"),
        ({**STARTED, "RANK": "2"}, "RANK is 2 and WORLD_SIZE 2; expected a rank from 0 to 1"),
    ],
)
def test_half_of_what_torchrun_sets_is_refused(
    variables: dict[str, str | None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (*STARTED, "LOCAL_WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    assert rank_of_environment() is None
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")  # alone it says nothing: other tools set it too
    assert rank_of_environment() is None
    monkeypatch.delenv("MASTER_ADDR")
    for name, value in variables.items():
        if value is not None:
            monkeypatch.setenv(name, value)
    with pytest.raises(RankError, match=message):
        rank_of_environment()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gpus": 1000}, "--gpus is 1000, and this machine has"),
        ({"gpus": torch.cuda.device_count() + 1}, "--ranks . runs as many processes on CPUs"),
        ({"gpus": 2, "ranks": 2}, "--gpus is for GPUs and --ranks for CPUs; give one of them"),
        ({"ranks": 0}, "--ranks is 0; expected at least 1"),
    ],
)
def test_numbers_of_processes_that_cannot_be(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Train(**options).run()


def test_torchrun_and_the_option_must_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in STARTED.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match="3 processes are asked for, and torchrun started 2"):
        Train(ranks=3).run()


def test_what_several_processes_cannot_do_together() -> None:
    arm = recipe().arms["grpo"]
    check_together(arm, 16, None)
    with pytest.raises(ValueError, match="17 processes are to share steps of 16 completions"):
        check_together(arm, 17, None)
    with pytest.raises(ValueError, match="trl:grpo is trained by TRL in one process"):
        check_together(replace(arm, algorithm="trl:grpo"), 2, None)
    with pytest.raises(ValueError, match="--workers is 2, and processes that share a run do one job at a time"):
        check_together(arm, 2, 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"ranks": 7, "settings": ("problems_per_step=2", "group_size=3")}, "7 processes are to share steps of 6"),
        ({"ranks": 2, "algorithm": "trl:grpo"}, "trl:grpo is trained by TRL in one process"),
        ({"ranks": 2, "workers": 2}, "--workers is 2, and processes that share a run do one job at a time"),
        ({"ranks": 2, "algorithm": "grop"}, "grop.*did you mean 'grpo'"),
    ],
)
def test_what_cannot_be_shared_starts_no_process(
    options: dict[str, Any], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.clusters.ranks.launch", lambda count: pytest.fail(f"{count} were started"))
    with pytest.raises(ValueError, match=message):
        Train(**options).run()


def test_a_rank_takes_its_own_gpu_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    second = Rank(rank=5, world=8, local=1, local_world=4)
    for visible, taken in (("", ""), ("4,6,7,9", "6"), (None, "1")):
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        if visible is not None:
            monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
        second.enter(gpu=True)
        import os

        assert os.environ["CUDA_VISIBLE_DEVICES"] == taken
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3")
    with pytest.raises(RankError, match="rank 5 is process 1 of its machine, and CUDA_VISIBLE_DEVICES has 1 GPUs"):
        second.enter(gpu=True)


def test_an_engine_process_does_not_take_itself_for_one_of_torchruns() -> None:
    """With its agent's variables an engine waits for a store that nobody opened, and the run stands still."""
    script = (
        "import os; from experiments.clusters.ranks import rank_of_environment; rank_of_environment().join(); "
        "print([name for name in os.environ if name in os.environ['GIVEN'].split()])"
    )
    given = STARTED | {"WORLD_SIZE": "1", "MASTER_PORT": str(free_port()), "LOCAL_WORLD_SIZE": "1", "GROUP_RANK": "0"}
    given |= {"TORCHELASTIC_USE_AGENT_STORE": "False", "TORCHELASTIC_RUN_ID": "one", "TORCHELASTIC_MAX_RESTARTS": "0"}
    environment = os.environ | given | {"GIVEN": " ".join(given), "GLOO_SOCKET_IFNAME": "lo"}
    ended = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"
