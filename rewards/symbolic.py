"""The parent's side of the symbolic worker: one process, started at first need, killed and replaced at the deadline.

A thread or an alarm signal cannot stop a computation inside a C extension; a process can be killed. The worker is a
plain subprocess with pipes, so it also works below a daemonic process, from any thread, and next to an initialised
accelerator. Its start-up does not count towards the deadline.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

__all__ = ["DEADLINE_SECONDS", "SymbolicTimeoutError", "SymbolicWorker", "compare_symbolically", "worker_pid"]

DEADLINE_SECONDS = 1.0
_START_SECONDS = 120.0
_ATTEMPTS = 3


class SymbolicTimeoutError(TimeoutError):
    """The comparison did not end within its deadline, or it brought the worker down each time."""


class _WorkerDiedError(ConnectionError):
    """The worker closed its pipes."""


class SymbolicWorker:
    """A worker process behind a lock. Each method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the running worker, ``None`` where there is none."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def compare(self, left: str, right: str, *, deadline: float = DEADLINE_SECONDS) -> dict[str, Any]:
        """The worker's reply on two LaTeX expressions, see `rewards.symbolic_worker`.

        Args:
            left: the one expression.
            right: the other.
            deadline: seconds of wall time from the moment the worker has the question.

        Raises:
            SymbolicTimeoutError: the deadline passed (the worker was killed), or it died `_ATTEMPTS` times on this
            pair. RuntimeError: the worker does not start at all.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                process = self._running()
                try:
                    self._send(process, {"left": left, "right": right})
                    return self._receive(process, time.monotonic() + deadline)
                except _WorkerDiedError:
                    self._kill()
                except BaseException:
                    self._kill()
                    raise
        raise SymbolicTimeoutError(f"the symbolic worker died {_ATTEMPTS} times on one pair")

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._kill()

    def forget(self) -> None:
        """After a fork: lets go of the parent's worker without ending it."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            for pipe in (process.stdin, process.stdout):
                if pipe is not None:
                    pipe.close()
            process.returncode = 0  # not our child: nothing to wait for

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        root = Path(__file__).resolve().parent.parent
        self._process = subprocess.Popen(
            [sys.executable, "-m", "rewards.symbolic_worker"],
            cwd=root,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )
        try:
            self._receive(self._process, time.monotonic() + _START_SECONDS)
        except (_WorkerDiedError, SymbolicTimeoutError) as error:
            code = self._process.poll()
            self._kill()
            raise RuntimeError(
                f"the symbolic worker did not start (exit code {code}, expected a running process); "
                f"try `{sys.executable} -m rewards.symbolic_worker` in {root} to see why."
            ) from error
        return self._process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()

    @staticmethod
    def _send(process: subprocess.Popen[bytes], message: dict[str, str]) -> None:
        assert process.stdin is not None
        body = json.dumps(message).encode()
        try:
            process.stdin.write(struct.pack(">I", len(body)) + body)
        except (BrokenPipeError, ValueError) as error:
            raise _WorkerDiedError from error

    @staticmethod
    def _receive(process: subprocess.Popen[bytes], end: float) -> dict[str, Any]:
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        data, wanted = b"", 4
        while len(data) < wanted:
            if not poll.poll(max(0.0, end - time.monotonic()) * 1000):
                raise SymbolicTimeoutError("the symbolic deadline passed")
            chunk = os.read(descriptor, wanted - len(data))
            if not chunk:
                raise _WorkerDiedError("the worker closed its output")
            data += chunk
            if len(data) == 4 == wanted:
                wanted += struct.unpack(">I", data)[0]
        return json.loads(data[4:])


_WORKER = SymbolicWorker()
atexit.register(_WORKER.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_WORKER.forget)


def compare_symbolically(left: str, right: str, *, deadline: float = DEADLINE_SECONDS) -> dict[str, Any]:
    """`SymbolicWorker.compare` on this process's own worker."""
    return _WORKER.compare(left, right, deadline=deadline)


def worker_pid() -> int | None:
    """Process id of this process's worker, ``None`` before its first use."""
    return _WORKER.pid
