"""What the processes of one run do together: rank 0's jobs, which the others take part in."""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

from experiments.clusters.ranks import Rank
from experiments.recipes.config import ArmConfig
from experiments.records.environment import processor_name
from experiments.records.same import read_json
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.jobs import EvaluationJob, OfflineJob, RewardFitJob, RunJob, StartJob
from experiments.schedule.places import Job, Kind, News, Pool
from experiments.schedule.workers import WorkerPool, fix_threads, usable_cores

__all__ = ["Together", "check_together", "follow", "other_number"]

GRACE = 5.0  # seconds that a rank which failed leaves rank 0 to say why


def other_number(out: Path, world: int) -> str | None:
    """A warning where the results in `out` were begun with another number of processes than `world`."""
    file = out / "machine.json"
    held = read_json(file, remedy="remove that file").get("ranks", 1) if file.is_file() else world
    if held == world:
        return None
    return (
        f"{out} was begun with {held} processes and goes on with {world}: sums over a batch are added in another "
        "order, so the last digits are not those of a run without that change."
    )


def follow(rank: Rank) -> NoReturn:
    """Do what rank 0 does, until it has done all; the end of this process."""
    fix_threads(max(1, usable_cores() // rank.local_world))  # before torch is loaded
    try:
        ranks = rank.join()
        samplers = SamplerCache(ranks)
        _take_part(samplers)
    except Exception as error:  # whatever it is, it is told here, and ends the others too
        from training.parallel.ranks import LeaderError

        if isinstance(error, LeaderError):  # which rank 0 says itself
            _leave(0)
        traceback.print_exc()
        sys.stderr.flush()
        time.sleep(GRACE)
        _leave(1)
    _leave(0)


def _leave(code: int) -> NoReturn:
    """End at once: what waits for a lost rank in a thread of torch would wait for long."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _take_part(samplers: SamplerCache) -> None:
    import torch

    ranks = samplers.ranks
    while (word := ranks.hear()) is not None:
        if isinstance(word, _Conditions):
            torch.set_num_threads(word.threads)
            output = os.open(word.logs / f"rank-{ranks.rank}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, sys.stdout.fileno())
            os.dup2(output, sys.stderr.fileno())
            os.close(output)
            continue
        with TemporaryDirectory(prefix=f"coeflab-rank-{ranks.rank}-") as folder:
            _elsewhere(word, Path(folder)).run(samplers, lambda what, done, total, unit: None)


def _elsewhere(job: StartJob | OfflineJob | RewardFitJob | RunJob | EvaluationJob, folder: Path) -> Job:
    """The same job with another folder for its results, and untold."""
    if isinstance(job, OfflineJob):
        return replace(job, file=folder / "drawn.jsonl")
    if isinstance(job, RunJob):
        return replace(job, folder=folder / job.name, trackers=())
    return replace(job, folder=folder / job.name)


@dataclass(frozen=True, kw_only=True)
class _Conditions:
    """How the other ranks work.

    Attributes:
        threads: for linear algebra.
        logs: folder that gets what each prints.
    """

    threads: int
    logs: Path


def check_together(arm: ArmConfig, world: int, workers: int | None) -> None:
    """Refuse what `world` processes cannot do together.

    Args:
        arm: what is trained.
        world: number of processes.
        workers: of ``--workers``; ``None`` where it is not given.

    Raises:
        ValueError: TRL's trainer, fewer completions a step than processes, or several jobs at once.
    """
    from training.peers.methods import is_trl

    sequences = arm.training.problems_per_step * arm.training.group_size
    if is_trl(arm.algorithm):
        raise ValueError(f"{arm.algorithm} is trained by TRL in one process; leave out --gpus, --ranks or torchrun.")
    if world > sequences:
        raise ValueError(
            f"{world} processes are to share steps of {sequences} completions (problems_per_step × group_size); "
            f"expected at most {sequences} processes."
        )
    if workers not in (None, 1):
        raise ValueError(f"--workers is {workers}, and processes that share a run do one job at a time; leave it out.")


@dataclass(frozen=True, kw_only=True)
class Together:
    """The processes that torchrun started, as a place where one job at a time is done by all of them.

    Attributes:
        rank: of this process, which is 0.
    """

    rank: Rank

    def machine(self, out: Path, *, cores: int, workers: int) -> dict[str, Any]:
        """See `Place.machine`."""
        threads = max(1, cores // self.rank.local_world)
        return {"threads": threads, "cores": cores, "processor": processor_name(), "ranks": self.rank.world}

    @contextmanager
    def open(self, *, threads: int, logs: Path) -> Iterator[Pool]:
        """See `Place.open`."""
        fix_threads(threads)  # of the worker, which is not started yet; this command computes nothing afterwards
        with closing(_Pool(self.rank, threads=threads, logs=logs)) as pool:
            yield pool


class _Pool(WorkerPool):
    """One worker, rank 0 of the process group."""

    def __init__(self, rank: Rank, *, threads: int, logs: Path) -> None:
        super().__init__(threads=threads, logs=logs, prefix="rank")
        self._rank, self._conditions, self._lost = rank, _Conditions(threads=threads, logs=logs.resolve()), ""

    @property
    def tries(self) -> Mapping[Kind, int]:
        """See `Pool.tries`: a fresh process could not join the others."""
        return {}

    def send(self, job: Job) -> str | None:
        """See `Pool.send`."""
        if self._lost:
            return f"not started, because {self._lost} failed"
        return super().send(_Shared(job=job, rank=self._rank, conditions=self._conditions))

    def receive(self, *, block: bool) -> list[News]:
        """See `Pool.receive`."""
        news = super().receive(block=block)
        self._lost = next((name for name, kind, _ in news if kind not in ("progress", "done")), self._lost)
        return news

    def end(self) -> None:
        """See `Pool.end`; the other ranks too."""
        if not self._lost:
            super().send(_Dismissal())
            super().receive(block=True)
        super().end()


@dataclass(frozen=True, kw_only=True)
class _Shared:
    """A job that rank 0 does, once it has joined the others."""

    job: Job
    rank: Rank
    conditions: _Conditions

    @property
    def name(self) -> str:
        """See `Job.name`."""
        return self.job.name

    @property
    def after(self) -> tuple[str, ...]:
        """See `Job.after`."""
        return self.job.after

    def run(self, samplers: SamplerCache, report: Report) -> Any:
        """See `Job.run`."""
        if samplers.ranks.world == 1:
            samplers.join(self.rank.join())
            samplers.ranks.call(self.conditions)
        return self.job.run(samplers, report)


@dataclass(frozen=True, kw_only=True)
class _Dismissal:
    """The other ranks may end."""

    name: str = "ranks"
    after: tuple[str, ...] = ()

    def run(self, samplers: SamplerCache, report: Report) -> None:
        """See `Job.run`."""
        samplers.ranks.call(None)
