"""The parent's side of the symbolic workers: processes started at first need, killed and replaced at the deadline.

A thread or an alarm signal cannot stop a computation inside a C extension; a process can be killed. A worker is a plain
subprocess with pipes that runs one file, so it works below a daemonic process, from any thread, in a notebook, next to
an initialised accelerator, and never imports the caller's ``__main__``. Its start-up (0.8 s, once) does not count
towards the deadline; to replace it after a deadline takes milliseconds.

The verdict must not depend on load, and must come in time. So there are three limits, the first that is met decides:

1. Bounds on the expressions (`symbolic_worker`): past them there is no computation; the same on any machine.
2. The deadline, in processor time of the worker: other processes on the machine slow it down and do not use it up. The
   kernel keeps it (an interval timer whose signal ends the process).
3. Wall time, only against a worker that does not run at all: one that got less than `_LEAST_SHARE` of a processor for
   `_STALLED_SECONDS` (stopped by hand, say) is replaced, and the pair is asked again.
"""

from __future__ import annotations

import atexit
import contextlib
import contextvars
import json
import os
import select
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rewards.algebra.symbolic_worker import EXHAUSTED

__all__ = [
    "DEADLINE_SECONDS",
    "SymbolicNeededError",
    "SymbolicTimeoutError",
    "SymbolicWorker",
    "compare_symbolically",
    "num_workers",
    "warm_up",
    "without_workers",
    "worker_pids",
]

DEADLINE_SECONDS = 1.0
_START_SECONDS = 120.0
_STALLED_SECONDS = 1.5
_LEAST_SHARE = 0.02
_ATTEMPTS = 3
_FROM_OUTSIDE = (-signal.SIGKILL, -signal.SIGTERM)
_MAX_WORKERS = 8  # of about 80 MB each
_MAY_ASK = contextvars.ContextVar("_MAY_ASK", default=True)
_WORKER_FILE = Path(__file__).with_name("symbolic_worker.py")


class SymbolicNeededError(LookupError):
    """A worker would have to be asked, inside `without_workers`."""


class SymbolicTimeoutError(TimeoutError):
    """The comparison did not end within its deadline, ran out of memory, or brought the worker down."""


class _WorkerLostError(ConnectionError):
    """The worker closed its pipes, or something outside ended it."""


class _WorkerStalledError(TimeoutError):
    """The worker is there and does not run."""


class SymbolicWorker:
    """A worker process behind a lock. Each method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._child = 0
        self._fresh = True
        self._asked = 0  # pairs, so that no reply is taken for that to another one

    @property
    def pids(self) -> tuple[int, ...]:
        """Process ids of the worker and of its child that answers, none where it does not run."""
        process = self._process
        return () if process is None else (process.pid, self._child)

    def compare(self, left: str, right: str, *, deadline: float = DEADLINE_SECONDS) -> dict[str, Any]:
        """The worker's reply on two LaTeX expressions, see `symbolic_worker`.

        A worker killed from outside is replaced and asked again, so that no pair is lost; one that runs out of memory
        after earlier pairs too.

        Args:
            left: the one expression.
            right: the other.
            deadline: seconds of processor time that the worker may spend on it.

        Raises:
            SymbolicTimeoutError: the deadline passed, memory ran out, or the pair brought the worker down; or something
            outside ended it `_ATTEMPTS` times. RuntimeError: the worker does not start at all.
        """
        with self._lock:
            for _ in range(_ATTEMPTS):
                self._asked += 1
                try:
                    process = self._running()
                    _send(process, {"id": self._asked, "left": left, "right": right, "deadline": deadline})
                    reply = self._receive(process, max(deadline, _STALLED_SECONDS))
                    if reply.get("died") in _FROM_OUTSIDE:
                        raise _WorkerLostError("the worker's child was ended, before or after it took this pair")
                    if reply.get("id", self._asked) != self._asked:
                        raise _WorkerLostError("the worker answers another pair")
                    if "died" in reply or reply["retired"]:
                        self._child = self._receive(process, _START_SECONDS)["ready"]
                except (_WorkerLostError, _WorkerStalledError):
                    self._kill()
                    continue
                except BaseException:
                    self._kill()
                    raise
                fresh, self._fresh = self._fresh, "died" in reply or reply["retired"]
                if "died" not in reply:
                    return reply
                if fresh or reply["died"] != EXHAUSTED:
                    raise SymbolicTimeoutError(f"the symbolic worker ended with code {reply['died']}")
        raise SymbolicTimeoutError(f"the symbolic worker was ended from outside {_ATTEMPTS} times on one pair")

    def start(self) -> None:
        """Starts the process ahead of its first pair.

        Raises:
            RuntimeError: the worker does not start.
        """
        with self._lock, contextlib.suppress(_WorkerLostError, _WorkerStalledError):  # the first pair tries again
            self._running()

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            self._kill()

    def forget(self) -> None:
        """After a fork: lets go of the parent's worker without ending it."""
        self._lock = threading.Lock()
        process, self._process = self._process, None
        if process is not None:
            _close_pipes(process)
            process.returncode = 0  # not our child: nothing to wait for

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            return self._process
        self._process = process = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER_FILE)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            start_new_session=True,  # Ctrl-C does not reach it, and one signal ends it with its child
            env={**os.environ, "PYTHONHASHSEED": "0"},  # sympy's order of simplification follows set order
        )
        try:
            self._child, self._fresh = self._receive(process, _START_SECONDS)["ready"], True
        except (_WorkerLostError, _WorkerStalledError) as error:
            code = self._kill()
            if code in _FROM_OUTSIDE:
                raise
            raise RuntimeError(
                f"the symbolic worker did not start (exit code {code}, expected a running process); "
                f"try `{sys.executable} -P {_WORKER_FILE}` to see why."
            ) from error
        return process

    def _kill(self) -> int | None:
        """Ends the process and its child; returns its exit code, its own where it had ended already."""
        process, self._process = self._process, None
        if process is None:
            return None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)  # not waited for yet, so that the number is still its own
        code = process.wait()
        _close_pipes(process)
        return code

    def _receive(self, process: subprocess.Popen[bytes], patience: float) -> dict[str, Any]:
        """The next message; `patience` is how long a worker may take that gets next to no processor time."""
        assert process.stdout is not None
        data, wanted = b"", 4
        while len(data) < wanted:
            used = _processor_seconds(self._child)
            while not _readable(process.stdout.fileno(), patience):
                before, used = used, _processor_seconds(self._child)
                if used - before < _LEAST_SHARE * patience:
                    raise _WorkerStalledError("the symbolic worker does not run")
            chunk = os.read(process.stdout.fileno(), wanted - len(data))
            if not chunk:
                raise _WorkerLostError("the worker closed its output")
            data += chunk
            if len(data) == 4 == wanted:
                wanted += struct.unpack(">I", data)[0]
        return json.loads(data[4:])


class _Pool:
    """The workers of this process: as many as there are callers at once, up to `limit`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._changed = threading.Condition()
        self._workers: list[SymbolicWorker] = []
        self._idle: list[SymbolicWorker] = []

    def compare(self, left: str, right: str, deadline: float) -> dict[str, Any]:
        """On the worker that was used last among the idle ones; waiting for one is not counted."""
        with self._changed:
            while not self._idle and len(self._workers) >= self.limit:
                self._changed.wait()
            if self._idle:
                worker = self._idle.pop()
            else:
                worker = SymbolicWorker()
                self._workers.append(worker)
        try:
            return worker.compare(left, right, deadline=deadline)
        finally:
            with self._changed:
                self._idle.append(worker)
                self._changed.notify()

    def warm_up(self) -> None:
        """Starts one worker where there is none yet; who asks in the meantime starts or awaits another."""
        with self._changed:
            if self._workers:
                return
            worker = SymbolicWorker()
            self._workers.append(worker)
        try:
            worker.start()
        finally:
            with self._changed:
                self._idle.append(worker)
                self._changed.notify()

    def pids(self) -> list[int]:
        """Process ids of the running workers."""
        return [pid for worker in self._workers for pid in worker.pids]

    def close(self) -> None:
        """Ends all workers."""
        for worker in self._workers:
            worker.close()

    def forget(self) -> None:
        """After a fork: lets go of the parent's workers."""
        for worker in self._workers:
            worker.forget()
        self.__init__(self.limit)


def _num_processors() -> int:
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available else os.cpu_count() or 1


_POOL = _Pool(min(_MAX_WORKERS, _num_processors()))
atexit.register(_POOL.close)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_POOL.forget)


def compare_symbolically(left: str, right: str, *, deadline: float = DEADLINE_SECONDS) -> dict[str, Any]:
    """`SymbolicWorker.compare` on one of this process's own workers; `SymbolicNeededError` inside `without_workers`."""
    if not _MAY_ASK.get():
        raise SymbolicNeededError
    return _POOL.compare(left, right, deadline)


def warm_up() -> threading.Thread:
    """Starts a worker in the background, so that the first comparison does not wait for it.

    Returns:
        The thread that starts it. A worker that does not start is told of by the first comparison, as without this.
    """

    def start() -> None:
        with contextlib.suppress(RuntimeError):
            _POOL.warm_up()

    thread = threading.Thread(target=start, name="symbolic-warm-up", daemon=True)
    thread.start()
    return thread


@contextlib.contextmanager
def without_workers() -> Iterator[None]:
    """Code inside that would ask a worker raises `SymbolicNeededError` instead."""
    token = _MAY_ASK.set(False)
    try:
        yield
    finally:
        _MAY_ASK.reset(token)


def num_workers() -> int:
    """How many comparisons this process runs side by side at most."""
    return _POOL.limit


def worker_pids() -> list[int]:
    """Process ids of this process's running workers, none before their first use."""
    return _POOL.pids()


def _send(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    assert process.stdin is not None
    body = json.dumps(message).encode()
    try:
        process.stdin.write(struct.pack(">I", len(body)) + body)
    except BrokenPipeError as error:
        raise _WorkerLostError from error


def _close_pipes(process: subprocess.Popen[bytes]) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _readable(descriptor: int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _processor_seconds(pid: int) -> float:
    """Processor time that a process has used; wall time where the system does not tell."""
    try:
        return time.clock_gettime((~pid << 3) | 2)  # Linux: the clock of another process, as clock_getcpuclockid(3)
    except (AttributeError, OSError):
        return time.monotonic()
