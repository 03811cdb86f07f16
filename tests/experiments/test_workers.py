"""Jobs that fail or are killed take only those with them that wait for them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from experiments.workers import Job, run_jobs


def succeed(context: dict[str, Any], value: int, report: Any) -> tuple[int, int]:
    return value, os.getpid()


def fail(context: dict[str, Any], report: Any) -> None:
    raise ZeroDivisionError("no such number")


def be_killed(context: dict[str, Any], report: Any) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def run(jobs: list[Job], logs: Path, workers: int) -> tuple[dict[str, Any], dict[str, str]]:
    done: dict[str, Any] = {}
    failed: dict[str, str] = {}
    run_jobs(
        jobs,
        workers=workers,
        threads=1,
        logs=logs,
        on_progress=lambda *progress: None,
        on_done=done.__setitem__,
        on_failed=failed.__setitem__,
    )
    return done, failed


def job(name: str, function: Any, *arguments: Any, after: tuple[str, ...] = ()) -> Job:
    return Job(name=name, function=function, arguments=arguments, after=after)


def test_failures_are_isolated(tmp_path: Path) -> None:
    jobs = [
        job("raises", fail),
        job("killed", be_killed),
        job("waits", succeed, 1, after=("raises",)),
        job("waits longer", succeed, 2, after=("waits", "first")),
        job("first", succeed, 3),
        job("second", succeed, 4, after=("first",)),
    ]
    done, failed = run(jobs, tmp_path, workers=1)
    assert {name: value for name, (value, _) in done.items()} == {"first": 3, "second": 4}
    assert done["first"][1] == done["second"][1]  # a worker goes on after a job that ended well
    assert set(failed) == {"raises", "killed", "waits", "waits longer"}
    assert failed["raises"].startswith("ZeroDivisionError: no such number")
    assert "exit code -9" in failed["killed"]
    assert failed["waits"] == failed["waits longer"] == "not started, because raises failed"
    assert "ZeroDivisionError" in (tmp_path / "worker-0.log").read_text()


@pytest.mark.parametrize(
    ("jobs", "message"),
    [
        ([job("a", succeed, 1), job("a", succeed, 2)], "different names"),
        ([job("a", succeed, 1, after=("b",))], "wait for jobs that are not there"),
        ([job("a", succeed, 1, after=("b",)), job("b", succeed, 1, after=("a",))], "wait for each other"),
    ],
)
def test_plans_that_cannot_end_are_refused(jobs: list[Job], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        run(jobs, tmp_path, workers=1)
