"""Jobs run side by side, in worker processes that tell how far they are and die with their parent."""

from __future__ import annotations

import itertools
import multiprocessing
import multiprocessing.process
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from experiments.recipes.files import failure_of
from experiments.records.environment import processor_name
from experiments.runs.engines import SamplerCache
from experiments.schedule.cards import card_of, visible_cards
from experiments.schedule.locks import lock_job
from experiments.schedule.places import Job, Kind, News, Place, Pool
from experiments.schedule.queue import JobQueue

__all__ = ["THIS_MACHINE", "Job", "ThisMachine", "WorkerError", "WorkerPool", "fix_threads", "run_jobs", "usable_cores"]


DEVICE_TRIES = 2  # of a job whose process lost its device; what it has done so far it goes on from
FRESH_WORKERS = 3  # processes that are started for a job whose worker died before it could take it


class WorkerError(RuntimeError):
    """A job failed in its worker; the message is the job's own error."""


@dataclass(frozen=True, kw_only=True)
class _Worker:
    process: multiprocessing.process.BaseProcess
    log: Path


def usable_cores() -> int:
    """Cores that this process may run on; `taskset` can make them fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class ThisMachine:
    """The machine that the command runs on: its processes share the cores, and of several GPUs each has one."""

    def machine(self, out: Path, *, cores: int, workers: int) -> dict[str, Any]:
        """See `Place.machine`."""
        return {"threads": max(1, cores // workers), "cores": cores, "processor": processor_name()}

    @contextmanager
    def open(self, *, threads: int, logs: Path) -> Iterator[Pool]:
        """See `Place.open`."""
        pool = WorkerPool(threads=threads, logs=logs, cards=visible_cards())
        with _environment(_thread_settings(threads)), closing(pool):
            yield pool


THIS_MACHINE = ThisMachine()


def run_jobs(
    jobs: Sequence[Job],
    *,
    workers: int,
    threads: int,
    logs: Path,
    on_progress: Callable[[str, str, float, float, str], None],
    on_done: Callable[[str, Any], None],
    on_failed: Callable[[str, str], None],
    on_retry: Callable[[str, str], None] = lambda job, why: None,
    place: Place = THIS_MACHINE,
) -> None:
    """Run all jobs, each as soon as what it waits for is done and a worker is free.

    A job that fails, or whose process is killed, takes only the jobs that wait for it with it; the next job gets a
    fresh process. A job whose process lost its device or ran out of memory is tried once more, in a fresh one: after
    a CUDA error no call of that process succeeds, and what the job left (its checkpoints) is gone on from. On a
    cluster, where nodes come and go, so is a job whose process died (`Pool.tries`).

    Args:
        jobs: in the order in which they are preferred.
        workers: jobs at once.
        threads: threads of each for linear algebra.
        logs: folder that gets what each worker prints.
        on_progress: called with (job, what, done, total, unit).
        on_done: called with (job, its result).
        on_failed: called with (job, why it failed or could not start).
        on_retry: called with (job, why it is tried again).
        place: where.

    Raises:
        ValueError: no workers, two jobs of one name, or a job waits for one that is not there.
        PlaceError: there is no room for a job where they are to run.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; expected at least 1.")
    queue = JobQueue(jobs)
    logs.mkdir(parents=True, exist_ok=True)
    with place.open(threads=threads, logs=logs) as pool:
        while queue:
            failures = list[tuple[str, str]]()
            for _ in range(pool.grow(min(workers, len(queue)))):
                if (job := queue.ready()) is None:
                    break
                why = pool.send(job)
                queue.take(job, sent=why is None)
                if why is not None:
                    failures.append((job.name, why))
            if not failures:
                queue.check()
            for name, kind, payload in pool.receive(block=not failures):
                if kind == "progress":
                    on_progress(name, *payload)
                elif kind == "done":
                    queue.finish(name)
                    on_done(name, payload)
                elif queue.retry(name, kind, pool.tries.get(kind, 1)):
                    on_retry(name, payload)
                else:
                    failures.append((name, payload))
            for name, why in failures:
                on_failed(name, why)
                for dependent in queue.drop_dependents(name):
                    on_failed(dependent, f"not started, because {name} failed")
        pool.end()


def fix_threads(threads: int) -> None:
    """Processes started from now on have so many threads: some libraries read it once, when they are loaded.

    They also take it as told: by default MKL and OpenMP take fewer threads where the machine is busy, and the last
    digits of sums change with that.
    """
    os.environ.update(_thread_settings(threads))


def _thread_settings(threads: int) -> dict[str, str]:
    return {"OMP_NUM_THREADS": str(threads), "OMP_DYNAMIC": "FALSE", "MKL_DYNAMIC": "FALSE"}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    """These variables for processes that are started meanwhile."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class WorkerPool:
    """Worker processes of this machine by the pipe to each, and the job that each one is at; a `Pool`.

    Args:
        threads: of each, for linear algebra.
        logs: see `Place.open`.
        prefix: of the names of what goes there.
        cards: GPUs of the machine; of several each worker sees one, and a fresh one that of the worker that it follows.
    """

    def __init__(self, *, threads: int, logs: Path, prefix: str = "worker", cards: tuple[str, ...] = ()) -> None:
        self._running: dict[Connection, str] = {}
        self._workers: dict[Connection, _Worker] = {}
        self._threads, self._logs, self._prefix, self._cards = threads, logs, prefix, cards
        self._context = multiprocessing.get_context("spawn")

    @property
    def tries(self) -> Mapping[Kind, int]:
        """See `Pool.tries`."""
        return {"lost": DEVICE_TRIES}

    def grow(self, count: int) -> int:
        """See `Pool.grow`."""
        while len(self._workers) < count:
            self._start()
        return len(self._workers) - len(self._running)

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        used = {worker.log for worker in self._workers.values()}
        logs = ((number, self._logs / f"{self._prefix}-{number}.log") for number in itertools.count())
        number, log = next(each for each in logs if each[1] not in used)
        process = self._context.Process(target=_serve, args=(theirs, log, self._threads), daemon=False)
        with _environment(card_of(number, self._cards)):
            process.start()
        theirs.close()
        self._workers[ours] = _Worker(process=process, log=log)
        return ours

    def send(self, job: Job) -> str | None:
        """Give the job to a worker or, where that died while it was idle, to a fresh one; why that could not be."""
        pipe = next(pipe for pipe in self._workers if pipe not in self._running)
        fresh = 0
        while True:
            try:
                pipe.send(job)
                break
            except (BrokenPipeError, ConnectionResetError):
                why = self._bury(pipe)
            if fresh == FRESH_WORKERS:
                return f"{fresh} fresh processes ended before they could take it; of the last: {why}"
            fresh += 1
            pipe = self._start()
        self._running[pipe] = job.name
        return None

    def receive(self, *, block: bool) -> list[News]:
        """See `Pool.receive`."""
        said = wait(list(self._running), timeout=None if block else 0)
        return [self._receive(pipe) for pipe in said if isinstance(pipe, Connection)]

    def _receive(self, pipe: Connection) -> News:
        """What a pipe says that has something to say."""
        name = self._running[pipe]
        try:
            kind, payload = pipe.recv()
        except (EOFError, ConnectionResetError):
            del self._running[pipe]
            return News(name, "died", self._bury(pipe))
        if kind != "progress":
            del self._running[pipe]
        if kind in ("failed", "lost"):
            worker = self._workers.pop(pipe)
            worker.process.join(timeout=20)
            worker.process.kill()
            payload = f"{payload}\n(what the process printed is in {worker.log})"
        return News(name, kind, payload)

    def _bury(self, pipe: Connection) -> str:
        worker = self._workers.pop(pipe)
        worker.process.join(timeout=5)
        return (
            f"its process ended with exit code {worker.process.exitcode} (-9: killed, often for memory); "
            f"its output is in {worker.log}. Start the same command again to go on."
        )

    def end(self) -> None:
        """See `Pool.end`."""
        for pipe in self._workers:
            with suppress(BrokenPipeError, ConnectionResetError):
                pipe.send(None)
        for worker in self._workers.values():
            worker.process.join(timeout=20)

    def close(self) -> None:
        """Kill what is left of them."""
        for worker in self._workers.values():
            worker.process.kill()


def _serve(pipe: Connection, log: Path, threads: int) -> None:
    """A worker's life: take a job, do it, answer; print to the log; end with the parent."""
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(output, sys.stdout.fileno())
    os.dup2(output, sys.stderr.fileno())
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()
    import torch

    from training.pieces import is_device_error

    torch.set_num_threads(threads)
    samplers = SamplerCache()

    def report(what: str, done: float, total: float, unit: str) -> None:
        pipe.send(("progress", (what, done, total, unit)))

    while True:
        job: Job | None = pipe.recv()
        if job is None:
            return
        try:
            with lock_job(log.parent, job.name, report):
                result = job.run(samplers, report)
        except (Exception, SystemExit) as error:  # whatever a job raises is told to the parent
            traceback.print_exc()
            kind = "lost" if is_device_error(error) else "failed"
            pipe.send((kind, failure_of(error)))
            return
        pipe.send(("done", result))


def _end_with(parent_sentinel: int) -> None:
    """End this process at once when its parent is gone, however that went."""
    wait([parent_sentinel])
    os._exit(1)
