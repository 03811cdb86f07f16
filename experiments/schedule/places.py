"""The contracts between a plan of jobs and the machines that do them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from experiments.runs.engines import Report, SamplerCache

__all__ = ["Job", "Kind", "News", "Place", "PlaceError", "Pool"]

Kind = Literal["progress", "done", "failed", "lost", "died"]
"""What is told of a job: how far it is; its result; why it failed; that it lost its device or its memory; that its
process died."""


class PlaceError(RuntimeError):
    """Jobs cannot run where they were asked to."""


class News(NamedTuple):
    """What is told of a job.

    Attributes:
        job: its name.
        kind: see `Kind`.
        payload: the arguments of a `Report`, the result, or a reason in words.
    """

    job: str
    kind: Kind
    payload: Any


class Job(Protocol):
    """One piece of work; picklable."""

    @property
    def name(self) -> str:
        """Unique; shown beside its progress."""
        ...

    @property
    def after(self) -> tuple[str, ...]:
        """Names of jobs that must be done first."""
        ...

    def run(self, samplers: SamplerCache, report: Report, /) -> Any:
        """The work itself, in a worker.

        Args:
            samplers: the worker's own, kept between its jobs.
            report: told of progress: `(what, done, total, unit)`.

        Returns:
            What the reader is told.
        """
        ...


class Pool(Protocol):
    """Processes that take a job at a time each."""

    @property
    def tries(self) -> Mapping[Kind, int]:
        """How often a job is tried that ended so; once where it is not named."""
        ...

    def grow(self, count: int) -> int:
        """See to it that there are `count` processes; how many of them are free to take a job now."""
        ...

    def send(self, job: Job) -> str | None:
        """Give the job to a free process; why that could not be."""
        ...

    def receive(self, *, block: bool) -> list[News]:
        """What the jobs have to say, waited for where `block` is; may be empty where only a process became free."""
        ...

    def end(self) -> None:
        """Let the free processes end by themselves."""
        ...


class Place(Protocol):
    """Where jobs run: this machine, a Ray cluster, Slurm."""

    def machine(self, out: Path, *, cores: int, workers: int) -> dict[str, Any]:
        """The conditions that a new folder is to keep: threads of a job, cores, processor.

        Args:
            out: the folder; it is there.
            cores: that this process may run on.
            workers: jobs side by side.
        """
        ...

    def open(self, *, threads: int, logs: Path) -> AbstractContextManager[Pool]:
        """Processes with so many threads each for linear algebra; on leaving, those that are left are killed.

        Args:
            threads: of each process.
            logs: folder that gets what each process prints; it is there.
        """
        ...
