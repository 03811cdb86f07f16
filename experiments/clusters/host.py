"""A worker process on another machine, and whoever passes on what it says."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from experiments.schedule.nodes import Ground, Node
from experiments.schedule.places import Job, Kind
from experiments.schedule.workers import WorkerPool, fix_threads

__all__ = ["Host"]

TELL_SECONDS = 0.25  # between two messages of one bar


class Host:
    """One worker of `experiments.schedule.workers` on the node that this is made on.

    What trains is the same process as on one machine, started beside its host; so are its numbers. It ends with it.

    Args:
        ground: what the node must share.
        threads: of the worker.
        logs: folder that gets what it prints.
    """

    def __init__(self, *, ground: Ground, threads: int, logs: Path) -> None:
        name = f"{socket.gethostname()}-{os.getpid()}"
        self.node = ground.enter(name)
        fix_threads(threads)  # of the worker, which is not started yet
        self._pool = WorkerPool(threads=threads, logs=logs, prefix=name)

    def look(self) -> Node:
        """What the node says of itself; where it lacks nothing, the worker is started."""
        if not self.node.complaints:
            self._pool.grow(1)
        return self.node

    def run(self, job: Job) -> Iterator[tuple[Kind, Any]]:
        """What the worker says of the job, as it says it; progress of one bar no more often than need be."""
        self._pool.grow(1)
        why = self._pool.send(job)
        if why is not None:
            yield "died", why
            return
        told = dict[str, float]()
        while True:
            for _, kind, payload in self._pool.receive(block=True):
                if kind != "progress":
                    yield kind, payload
                    return
                what, done, total, _ = payload
                if done >= total or time.monotonic() - told.get(what, 0.0) >= TELL_SECONDS:
                    told[what] = time.monotonic()
                    yield kind, payload

    def end(self) -> None:
        """Let the worker end by itself."""
        self._pool.end()
