"""The miniature on a real Ray cluster of two nodes: workers, a node and the command itself are killed on the way."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.numpy import load_file

from analysis.records.schema import TIME_COLUMNS
from experiments.clusters import on_ray
from experiments.clusters.on_ray import RayCluster
from experiments.recipes.arms import select_arms
from experiments.recipes.config import Recipe
from experiments.records.lock import lock_folder
from experiments.schedule import nodes
from experiments.schedule.compare import compare
from experiments.schedule.door import check_recipe
from experiments.schedule.places import Job, Place, PlaceError
from experiments.schedule.progress import Board
from experiments.schedule.workers import THIS_MACHINE
from tests.experiments.clusters.counting import Broken, Count, worker_of
from tests.experiments.clusters.counting import run as counted
from tests.experiments.miniature import recipe

ray = pytest.importorskip("ray", reason="Ray is not installed: nothing of --ray is tested (pip install 'coeflab[ray]')")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = pytest.mark.timeout(900)  # what is waited for imports torch in several processes, beside other tests
PATIENCE = 240.0  # seconds, on a busy machine
STORE = 80_000_000  # bytes; nothing of ours goes through it
ARMS = ("online_rft", "grpo")


def small() -> Recipe:
    """Two arms and their start policy, on the engine that is built fastest."""
    full = recipe()
    arms = {
        name: replace(arm, training=replace(arm.training, steps=6)) for name, arm in select_arms(full, ARMS).items()
    }
    return replace(full, arms=arms, engine=replace(full.engine, name="transformers"))


def run(out: Path, place: Place, workers: int) -> None:
    with lock_folder(out):
        compare(check_recipe(small()), out, workers=workers, board=Board(None), place=place, evaluate_start=False)


def run_on(address: str, out: Path) -> None:
    """The command, in a process of its own."""
    run(out, RayCluster(address=address), workers=2)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The comparison on this machine, two runs side by side."""
    out = tmp_path_factory.mktemp("whole")
    run(out, THIS_MACHINE, workers=2)
    return out


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """A head that takes no jobs, and a node; a lost one is noticed within seconds.

    Ray's workers give way to everything else on a machine (niceness 15), to the tests beside these too: not here.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    fast = {"health_check_period_ms": 500, "health_check_failure_threshold": 2, "health_check_initial_delay_ms": 0}
    fast["worker_niceness"] = 0
    head = {"num_cpus": 1, "include_dashboard": False, "object_store_memory": STORE, "_system_config": fast}
    made = cluster_utils.Cluster(initialize_head=True, connect=False, head_node_args=head)
    made.add_node(num_cpus=1, object_store_memory=STORE)
    try:
        yield made
    finally:
        ray.shutdown()
        made.shutdown()


def start(command: Callable[[str, Path], None], address: str, out: Path) -> Any:
    process = multiprocessing.get_context("spawn").Process(target=command, args=(address, out))
    process.start()
    return process


def wait_for(happened: Callable[[], Any], process: Any) -> Any:
    deadline = time.monotonic() + PATIENCE
    while not (found := happened()):
        assert time.monotonic() < deadline and process.is_alive()
        time.sleep(0.02)
    return found


def rows(out: Path, arm: str) -> list[dict[str, Any]]:
    file = out / "runs" / f"{arm}-seed0" / "metrics.jsonl"
    lines = file.read_text().splitlines() if file.is_file() else []
    return [{name: value for name, value in json.loads(line).items() if name not in TIME_COLUMNS} for line in lines]


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def assert_same(out: Path, whole: Path) -> None:
    """Files, numbers, samples and weights, to the last bit."""
    for arm in ARMS:
        assert rows(out, arm) == rows(whole, arm) and len(rows(out, arm)) == 6
        frames = [
            pd.read_parquet(folder / "runs" / f"{arm}-seed0" / "samples.parquet").sort_values(
                ["step", "problem_id", "sample_index"], ignore_index=True
            )
            for folder in (out, whole)
        ]
        pd.testing.assert_frame_equal(frames[0], frames[1], check_exact=True)
        last = [
            load_file(each / "runs" / f"{arm}-seed0/checkpoints/step-000006/model.safetensors") for each in (out, whole)
        ]
        assert all((last[0][name] == last[1][name]).all() for name in last[1])
    assert all(0 < row["reward_mean"] < 1 and row["grad_norm"] > 0 for row in rows(whole, "grpo")), (
        "else no fault shows"
    )
    names = [
        {str(path.relative_to(each)) for path in each.rglob("*") if "logs" not in path.parts} for each in (out, whole)
    ]
    assert names[0] == names[1]


def test_the_comparison_with_a_worker_killed_ends_in_the_folder_and_the_numbers_of_one_machine(
    cluster: Any, whole: Path, tmp_path: Path
) -> None:
    command = start(run_on, cluster.address, tmp_path)
    wait_for(lambda: len(rows(tmp_path, "grpo")) >= 2, command)
    killed = worker_of(tmp_path / "logs", "grpo-seed0")
    assert killed is not None and parent(killed) != command.pid
    os.kill(killed, signal.SIGKILL)
    assert not (tmp_path / "runs" / "grpo-seed0" / "finished.json").exists()
    command.join(PATIENCE)
    assert command.exitcode == 0
    assert_same(tmp_path, whole)


def raylet(node: Any) -> int:
    [process] = node.all_processes["raylet"]
    return process.process.pid


def wait_until_gone(pids: set[int]) -> None:
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its command"
        time.sleep(0.05)


def test_jobs_wait_for_one_another_fail_alone_and_say_how_far_they_are(cluster: Any, tmp_path: Path) -> None:
    first = Count(name="first", folder=tmp_path, until=3)
    jobs: list[Job] = [
        first,
        Count(name="second", folder=tmp_path, until=4, after=("first",)),
        Broken(name="broken"),
        Count(name="never", folder=tmp_path, until=1, after=("broken",)),
    ]
    told = counted(jobs, RayCluster(address=cluster.address), tmp_path / "logs")
    assert told["done"] == {"first": 0 + 1 + 2, "second": 0 + 1 + 2 + 3}
    assert told["failed"]["broken"].startswith("ZeroDivisionError: no such number")
    assert told["failed"]["never"] == "not started, because broken failed"
    assert told["retried"] == []
    assert ("second", "count", 4, 4, "numbers") in told["moved"]
    assert not list((tmp_path / "logs").glob(".coeflab*"))


def count_on(address: str, folder: Path) -> None:
    """A command that is killed: one job on either node."""
    told = counted(two_counts(folder), RayCluster(address=address), folder / "logs")
    (folder / "told.json").write_text(json.dumps(told))


def two_counts(folder: Path) -> list[Count]:
    return [Count(name=name, folder=folder, until=40, gate=folder / "gate") for name in ("left", "right")]


def test_killed_workers_commands_and_nodes_are_gone_on_from(cluster: Any, tmp_path: Path) -> None:
    """Each job counts every number once, whoever dies: a worker, the command with all its workers, a whole node."""
    jobs = two_counts(tmp_path)

    def workers() -> dict[str, int] | None:
        """Of all jobs, once each has counted as far as it may."""
        found = {job.name: pid for job in jobs if (pid := worker_of(tmp_path / "logs", job.name)) is not None}
        return found if len(found) == 2 and all(len(job.numbers()) == 39 for job in jobs) else None

    command = start(count_on, cluster.address, tmp_path)
    first = wait_for(workers, command)
    assert all(parent(pid) not in (command.pid, os.getpid()) for pid in first.values())  # an actor's, each
    os.kill(first["left"], signal.SIGKILL)
    second = wait_for(lambda: found if (found := workers()) and found["left"] != first["left"] else None, command)
    assert second["right"] == first["right"]
    command.kill()
    command.join()
    wait_until_gone(set(second.values()))
    command = start(count_on, cluster.address, tmp_path)
    third = wait_for(workers, command)
    lost = next(node for node in cluster.list_all_nodes() if node is not cluster.head_node)
    [gone] = [name for name, pid in third.items() if parent(parent(pid)) == raylet(lost)]
    cluster.remove_node(lost, allow_graceful=False)
    cluster.add_node(num_cpus=1, object_store_memory=STORE)
    wait_for(lambda: found if (found := workers()) and found[gone] != third[gone] else None, command)
    (tmp_path / "gate").touch()
    command.join(PATIENCE)
    assert command.exitcode == 0
    assert [job.numbers() for job in jobs] == [list(range(40))] * 2
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["done"] == {"left": 780, "right": 780} and told["failed"] == {}
    assert [job for job, _ in told["retried"]] == [gone]


def test_what_cannot_be_is_refused_before_anything_runs(
    cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = RayCluster(address=cluster.address)
    assert place.room(tmp_path / "not" / "there", None) == 2
    assert place.room(tmp_path, 7) == 7
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(PlaceError, match=r"no node .* has 99 CPUs, 0 GPUs for a job; it has .*1 CPUs.*--job-cpus"):
        replace(place, cpus=99).room(tmp_path, None)
    with pytest.raises(PlaceError, match=r"0 CPUs, 1 GPUs|1 CPUs, 1 GPUs"):
        replace(place, gpus=1).room(tmp_path, None)
    for wrong, message in (
        ("code", r"node \S+ has other code of coeflab in .* \(digest [0-9a-f]{12}, here 123\); bring both to the same"),
        ("versions", r"has other versions: .*torch \S+ \(here 0\.1\), .*; install the same lock"),
        ("token", r"does not share the folder .* \(No such file or directory\); expected storage that every node"),
    ):
        with monkeypatch.context() as patch:
            if wrong == "code":
                patch.setattr(nodes, "code_digest", lambda: "123")
            elif wrong == "versions":
                patch.setattr(nodes, "_versions", lambda: {"torch": "0.1"})
            else:
                patch.setattr(nodes.Ground, "mark", property(lambda self: tmp_path / f"here-{os.getpid()}"))
                patch.setattr(on_ray, "common_ground", elsewhere)
            with pytest.raises(PlaceError, match=message):
                place.room(tmp_path, None)


@contextmanager
def elsewhere(folder: Path) -> Iterator[nodes.Ground]:
    """A folder that nodes do not see."""
    yield nodes.Ground(folder=Path("/not/shared"), working=Path.cwd(), token="0")


def test_addresses_where_no_cluster_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"  # bound and not listening
        with pytest.raises(PlaceError, match=rf"no Ray cluster at {address}: .*refused; expected the address"):
            RayCluster(address=address).room(tmp_path, None)
    with pytest.raises(ValueError, match="--ray is 'somewhere'; expected host:port of the head"):
        RayCluster(address="somewhere").room(tmp_path, None)
    with pytest.raises(ValueError, match="the address of Ray's client; expected host:port"):
        RayCluster(address="ray://head:10001")
