"""Worker processes that run jobs side by side, tell how far they are, and die with their parent."""

from __future__ import annotations

import multiprocessing
import multiprocessing.process
import os
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

__all__ = ["Job", "WorkerError", "run_jobs"]


_Worker = tuple[multiprocessing.process.BaseProcess, Path]


class WorkerError(RuntimeError):
    """A job failed in its worker; the message is the job's own error."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One piece of work.

    Attributes:
        name: unique; shown beside its progress.
        function: called as ``function(context, *arguments, report)`` in a worker, where `context` is the worker's own
            dictionary (kept between its jobs) and `report(what, done, total, unit)` tells progress.
        arguments: picklable.
        after: names of jobs that must be done first.
    """

    name: str
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    after: tuple[str, ...] = ()


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int,
    threads: int,
    logs: Path,
    on_progress: Callable[[str, str, float, float, str], None],
    on_done: Callable[[str, Any], None],
) -> None:
    """Run all jobs, each as soon as what it waits for is done and a worker is free.

    Args:
        jobs: in the order in which they are preferred.
        workers: processes.
        threads: threads of each for linear algebra.
        logs: folder that gets what each worker prints.
        on_progress: called with (job, what, done, total, unit).
        on_done: called with (job, its result).

    Raises:
        WorkerError: a job failed, or its process was killed; the others are stopped.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; expected at least 1.")
    if len({job.name for job in jobs}) != len(jobs):
        raise ValueError(f"jobs {[job.name for job in jobs]} must have different names.")
    logs.mkdir(parents=True, exist_ok=True)
    context = multiprocessing.get_context("spawn")
    waiting, done = list(jobs), set[str]()
    pipes: dict[Connection, _Worker] = {}
    running: dict[Connection, str] = {}
    threads_before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    try:
        for number in range(min(workers, len(jobs))):
            ours, theirs = context.Pipe()
            log = logs / f"worker-{number}.log"
            process = context.Process(target=_serve, args=(theirs, log, threads), daemon=False)
            process.start()
            theirs.close()
            pipes[ours] = (process, log)
        while len(done) < len(jobs):
            _hand_out(waiting, done, running, pipes)
            if not running:
                raise ValueError(f"jobs {[job.name for job in waiting]} wait for jobs that are not there.")
            for pipe in wait(list(running)):
                assert isinstance(pipe, Connection)
                _receive(pipe, running, done, pipes[pipe], on_progress, on_done)
        for pipe in pipes:
            pipe.send(None)
        for process, _ in pipes.values():
            process.join(timeout=20)
    finally:
        for process, _ in pipes.values():
            process.kill()
        if threads_before is None:
            os.environ.pop("OMP_NUM_THREADS", None)
        else:
            os.environ["OMP_NUM_THREADS"] = threads_before


def _hand_out(
    waiting: list[Job], done: set[str], running: dict[Connection, str], pipes: dict[Connection, _Worker]
) -> None:
    """Give each free worker the first job that is ready."""
    for pipe, worker in pipes.items():
        ready = next((job for job in waiting if done.issuperset(job.after)), None)
        if pipe in running or ready is None:
            continue
        waiting.remove(ready)
        running[pipe] = ready.name
        try:
            pipe.send(ready)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise _died(ready.name, worker) from error


def _receive(
    pipe: Connection,
    running: dict[Connection, str],
    done: set[str],
    worker: _Worker,
    on_progress: Callable[[str, str, float, float, str], None],
    on_done: Callable[[str, Any], None],
) -> None:
    name = running[pipe]
    try:
        kind, payload = pipe.recv()
    except (EOFError, ConnectionResetError) as error:
        raise _died(name, worker) from error
    match kind:
        case "progress":
            on_progress(name, *payload)
        case "failed":
            raise WorkerError(f"{name}: {payload}\n(what the process printed is in {worker[1]})")
        case "done":
            del running[pipe]
            done.add(name)
            on_done(name, payload)


def _died(name: str, worker: _Worker) -> WorkerError:
    process, log = worker
    process.join(timeout=5)
    return WorkerError(
        f"the process of {name} ended with exit code {process.exitcode} (-9: killed, often for memory); "
        f"its output is in {log}. Start the same command again to go on."
    )


def _serve(pipe: Connection, log: Path, threads: int) -> None:
    """A worker's life: take a job, do it, answer; print to the log; end with the parent."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    import torch

    torch.set_num_threads(threads)
    context: dict[str, Any] = {}

    def report(what: str, done: float, total: float, unit: str) -> None:
        pipe.send(("progress", (what, done, total, unit)))

    while True:
        job: Job | None = pipe.recv()
        if job is None:
            return
        try:
            result = job.function(context, *job.arguments, report)
        except (Exception, SystemExit) as error:  # whatever a job raises is told to the parent
            traceback.print_exc()
            pipe.send(("failed", f"{type(error).__name__}: {error}"))
            return
        pipe.send(("done", result))


def _end_with(parent_sentinel: int) -> None:
    """End this process at once when its parent is gone, however that went."""
    wait([parent_sentinel])
    os._exit(1)
