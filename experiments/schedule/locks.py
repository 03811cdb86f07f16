"""Who may write to a run's folder: one process, on whichever machine it is."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.records.lock import FolderBusyError
from experiments.runs.engines import Report

__all__ = ["lock_job"]

PATIENCE = 120.0  # seconds that a job waits for another process that still writes to its run


@contextmanager
def lock_job(logs: Path, name: str, report: Report, *, patience: float = PATIENCE) -> Iterator[None]:
    """Hold a job for this process, whichever machine it is on; the lock goes with the process, however it ends.

    A worker that its command lost sight of may still be at work when the command comes back and gives the job to
    another one: that one waits.

    Args:
        logs: folder that all workers of a comparison share.
        name: of the job.
        report: told that it waits.
        patience: seconds.

    Raises:
        FolderBusyError: another process holds it all the time.
    """
    folder = logs / "locks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as file:
        end = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                left = end - time.monotonic()
                if left <= 0:
                    raise FolderBusyError(
                        f"another process has worked on {name} for {patience:.0f} s and still does (it holds "
                        f"{folder / name}); end it, or wait for it, and start the same command again."
                    ) from error
                report("wait for another process", patience - left, patience, "s")
            time.sleep(0.2)
        yield
