"""Jobs through submitit, its local executor in place of Slurm: the same processes without the queue."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from experiments.clusters import on_slurm
from experiments.clusters.on_slurm import Slurm, slurm_settings
from experiments.schedule import nodes
from experiments.schedule.places import Job, PlaceError
from tests.experiments.clusters.counting import Broken, Count, run, worker_of

submitit = pytest.importorskip(
    "submitit", reason="submitit is not installed: nothing of --slurm is tested (pip install 'coeflab[slurm]')"
)
pytestmark = pytest.mark.timeout(900)  # see test_on_ray
LOCAL = Slurm(cluster="local")


def wait_for(happened: Callable[[], Any], process: Any) -> Any:
    deadline = time.monotonic() + 240
    while not (found := happened()):
        assert time.monotonic() < deadline and process.is_alive()
        time.sleep(0.02)
    return found


def test_jobs_wait_for_one_another_fail_alone_and_say_how_far_they_are(tmp_path: Path) -> None:
    jobs: list[Job] = [
        Count(name="first", folder=tmp_path, until=3),
        Count(name="second", folder=tmp_path, until=4, after=("first",)),
        Broken(name="broken"),
        Count(name="never", folder=tmp_path, until=1, after=("broken",)),
    ]
    told = run(jobs, LOCAL, tmp_path / "logs")
    assert told["done"] == {"first": 3, "second": 6}
    assert told["failed"]["broken"].startswith("ZeroDivisionError: no such number")
    assert told["failed"]["never"] == "not started, because broken failed"
    assert ("second", "count", 4, 4, "numbers") in told["moved"]
    assert not list((tmp_path / "logs").glob(".coeflab*"))


def command(folder: Path) -> None:
    told = run([Count(name="job", folder=folder, until=9, gate=folder / "gate")], LOCAL, folder / "logs")
    (folder / "told.json").write_text(json.dumps(told))


def test_a_killed_job_is_gone_on_from_and_one_that_its_command_left_is_waited_for(tmp_path: Path) -> None:
    job = Count(name="job", folder=tmp_path, until=9)

    def at_the_gate() -> int | None:
        return worker_of(tmp_path / "logs", "job") if len(job.numbers()) == 8 else None

    context = multiprocessing.get_context("spawn")
    first = context.Process(target=command, args=(tmp_path,))
    first.start()
    killed = wait_for(at_the_gate, first)
    os.kill(killed, signal.SIGKILL)
    left = wait_for(lambda: pid if (pid := at_the_gate()) != killed else None, first)
    first.kill()
    first.join()
    second = context.Process(target=command, args=(tmp_path,))
    second.start()
    said = tmp_path / "logs" / "slurm" / "job.said"
    wait_for(lambda: "wait for another process" in said.read_text(), second)
    assert at_the_gate() == left  # Slurm keeps what it has; nobody else writes meanwhile
    (tmp_path / "gate").touch()
    second.join(240)
    assert second.exitcode == 0
    assert job.numbers() == list(range(9))
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["done"] == {"job": 36} and told["failed"] == {}


def test_a_job_that_is_still_there_is_not_submitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reading of Slurm's own states, on a stand-in for its job: there is no Slurm here."""
    said, submitted = list[str](), list[Any]()
    state = {"7": "PENDING"}
    monkeypatch.setattr(
        submitit, "SlurmJob", lambda folder, job_id: SimpleNamespace(job_id=job_id, state=state[job_id])
    )
    monkeypatch.setattr(
        Slurm,
        "executor",
        lambda self, folder: SimpleNamespace(
            update_parameters=lambda **named: None,
            submit=lambda call: submitted.append(call.job.name) or SimpleNamespace(job_id="8"),
        ),
    )
    ground = nodes.Ground(folder=tmp_path, working=tmp_path, token="t", code="c", versions={})
    (tmp_path / "slurm").mkdir()
    note = tmp_path / "slurm" / "job.json"
    for held, expected in (({"id": "7", "code": "c"}, []), ({"id": "7", "code": "other"}, ["job"]), (None, ["job"])):
        submitted.clear()
        note.unlink(missing_ok=True)
        if held is not None:
            note.write_text(json.dumps(held))
        pool = on_slurm._SlurmPool(Slurm(say=said.append), ground=ground, threads=1)
        assert pool.send(Count(name="job", folder=tmp_path, until=1)) is None
        assert submitted == expected
    state["7"] = "FAILED"
    note.write_text(json.dumps({"id": "7", "code": "c"}))
    pool = on_slurm._SlurmPool(Slurm(say=said.append), ground=ground, threads=1)
    assert pool.send(Count(name="job", folder=tmp_path, until=1)) is None
    assert submitted == ["job", "job"] and json.loads(note.read_text()) == {"id": "8", "code": "c"}
    assert said == ["job: still there as Slurm job 7"]


def test_what_slurm_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """submitit's own batch file names every setting; Slurm itself is not needed to write it."""
    monkeypatch.setattr(submitit.slurm.slurm.shutil, "which", lambda name: f"/usr/bin/{name}")
    cluster, settings = slurm_settings(("partition=gpu", "account=lab", "timeout_min=90"))
    executor = Slurm(settings=settings, cpus=4, gpus=2, cluster=cluster).executor(tmp_path)
    text = executor._executor._make_submission_file_text("command", "id")
    for line in ("--partition=gpu", "--account=lab", "--time=90", "--cpus-per-task=4", "--gpus-per-node=2"):
        assert f"#SBATCH {line}\n" in text
    with pytest.raises(ValueError, match=r"--slurm: .*partitoin.*; expected timeout_min=MINUTES, mem_gb=N, or options"):
        Slurm(settings={"partitoin": "gpu"}).executor(tmp_path)


def test_what_cannot_be_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_slurm.shutil, "which", lambda name: None)
    with pytest.raises(PlaceError, match="there is no sbatch on this machine; start the command on a login node"):
        Slurm().room(tmp_path, None)
    assert LOCAL.room(tmp_path, None) == 16
    assert LOCAL.room(tmp_path, 3) == 3
    for word, message in (
        ("gpu", "--slurm has 'gpu'; expected name=value"),
        ("mem_gb=much", "--slurm has 'mem_gb=much'; expected a whole number, such as mem_gb=60"),
        ("timeout_min=1.5", "--slurm has 'timeout_min=1.5'; expected a whole number"),
        ("cluster=moon", "--slurm has cluster=moon; expected cluster=local"),
    ):
        with pytest.raises(ValueError, match=message):
            slurm_settings((word,))
