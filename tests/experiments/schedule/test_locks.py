"""The lock that keeps two processes from writing to one run."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from experiments.records.lock import FolderBusyError
from experiments.schedule.locks import lock_job


def hold(logs: Path) -> None:
    with lock_job(logs, "job", lambda *progress: None):
        (logs / "held").touch()
        time.sleep(600)


def test_a_job_waits_for_whoever_still_writes_and_is_free_once_that_is_killed(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=hold, args=(tmp_path,), daemon=True)
    process.start()
    while not (tmp_path / "held").exists():
        assert process.is_alive()
        time.sleep(0.02)
    told: list[tuple[Any, ...]] = []
    with (
        pytest.raises(FolderBusyError, match=r"another process has worked on job for 0 s and still does"),
        lock_job(tmp_path, "job", lambda *progress: told.append(progress), patience=0.3),
    ):
        pytest.fail("two processes hold one job")
    assert told[0][0] == "wait for another process"
    with lock_job(tmp_path, "another", lambda *progress: None, patience=0.0):
        pass

    def kill(*progress: Any) -> None:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)

    with lock_job(tmp_path, "job", kill, patience=30.0):  # the kernel takes the lock from the dead
        process.join()
