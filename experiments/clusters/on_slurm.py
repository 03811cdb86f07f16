"""Jobs on a Slurm cluster, through submitit: a Slurm job a job, which Slurm queues, places and puts back.

The command waits for them and shows how far they are. Where it is killed, they go on; where it comes back, it waits for
those that are still there.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from experiments.clusters.host import Host
from experiments.records.environment import processor_name
from experiments.schedule.nodes import Ground, common_ground
from experiments.schedule.places import Job, Kind, News, PlaceError, Pool
from experiments.schedule.workers import DEVICE_TRIES
from training.durable import write_whole

__all__ = ["Slurm", "slurm_settings"]

PROCESS_TRIES = 5  # of a job whose Slurm job or node died
MOST_QUEUED = 16  # Slurm jobs at once where nobody says
MINUTES = 1440  # that a Slurm job may take where nobody says; submitit's own default is 5
POLL_SECONDS = {"slurm": 2.0, "local": 0.1}
ALIVE = ("PENDING", "RUNNING", "REQUEUED", "SUSPENDED", "CONFIGURING", "COMPLETING", "RESIZING")
NUMBERS = {"timeout_min": int, "mem_gb": float}  # submitit's own names; any other is an option of sbatch


@dataclass(frozen=True, kw_only=True)
class Slurm:
    """Slurm, as submitit reaches it.

    Attributes:
        settings: of every Slurm job: `timeout_min`, `mem_gb`, and options of sbatch (`partition`, `account`, `qos` …).
        cpus: that a job asks for; its threads.
        gpus: that a job asks for.
        say: tells the reader what happens.
        cluster: ``"local"`` runs Slurm jobs as processes of this machine, to try the whole without a cluster.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    cpus: int = 1
    gpus: int = 0
    say: Callable[[str], None] = print
    cluster: Literal["slurm", "local"] = "slurm"

    def room(self, out: Path, workers: int | None) -> int:
        """Slurm jobs at once: `workers`, or 16; Slurm queues those that it has no room for.

        Raises:
            PlaceError: submitit or Slurm is not here.
            ValueError: a setting that does not exist.
        """
        _submitit()
        if self.cluster == "slurm" and shutil.which("sbatch") is None:
            raise PlaceError(
                "--slurm needs Slurm's commands, and there is no sbatch on this machine; start the command on a login "
                "node, or try it with --slurm cluster=local."
            )
        return MOST_QUEUED if workers is None else workers

    def machine(self, out: Path, *, cores: int, workers: int) -> dict[str, Any]:
        """See `Place.machine`; the nodes are known only when jobs run."""
        where = processor_name() if self.cluster == "local" else f"Slurm, {self.settings.get('partition', 'default')}"
        return {"threads": self.cpus, "cores": self.cpus * workers, "processor": where}

    @contextmanager
    def open(self, *, threads: int, logs: Path) -> Iterator[Pool]:
        """See `Place.open`; on an orderly end what is left is taken off Slurm, a killed command leaves it there."""
        with common_ground(logs) as ground:
            pool = _SlurmPool(self, ground=ground, threads=threads)
            try:
                yield pool
            finally:
                pool.close()

    def executor(self, folder: Path) -> Any:
        """submitit's executor with these settings.

        Raises:
            ValueError: a setting that does not exist.
        """
        submitit = _submitit()
        own = {name: NUMBERS[name](value) for name, value in self.settings.items() if name in NUMBERS}
        asked = {"timeout_min": MINUTES, "cpus_per_task": self.cpus, "gpus_per_node": self.gpus, **own}
        if self.cluster == "slurm":
            asked |= {f"slurm_{name}": value for name, value in self.settings.items() if name not in NUMBERS}
        executor = submitit.AutoExecutor(folder=folder / "%j", cluster=self.cluster)
        try:
            executor.update_parameters(**asked)
        except (NameError, TypeError, ValueError, AssertionError) as error:
            why = str(error).partition("\n")[0].rstrip(".")
            raise ValueError(
                f"--slurm: {why}; expected timeout_min=MINUTES, mem_gb=N, or options of sbatch with _ for -, such as "
                "partition=gpu account=lab."
            ) from error
        return executor


def slurm_settings(words: tuple[str, ...]) -> tuple[Literal["slurm", "local"], dict[str, str]]:
    """The cluster and the settings that the words behind ``--slurm`` name.

    Raises:
        ValueError: a word that is no name=value, or a number that is none.
    """
    settings = dict[str, str]()
    for word in words:
        name, sign, value = word.partition("=")
        if not (sign and name.isidentifier() and value):
            raise ValueError(f"--slurm has {word!r}; expected name=value, such as partition=gpu or timeout_min=600.")
        if name in NUMBERS and not value.isdecimal():
            raise ValueError(f"--slurm has {word!r}; expected a whole number, such as {name}=60.")
        settings[name] = value
    cluster = settings.pop("cluster", "slurm")
    if cluster not in ("slurm", "local"):
        raise ValueError(f"--slurm has cluster={cluster}; expected cluster=local, or nothing for Slurm itself.")
    return ("local" if cluster == "local" else "slurm"), settings


def _submitit() -> Any:
    try:
        import submitit
    except ImportError as error:
        raise PlaceError(
            "--slurm needs submitit, which is not installed; `pip install 'coeflab[slurm]'` brings it."
        ) from error
    return submitit


@dataclass(frozen=True, kw_only=True)
class _Call:
    """What a Slurm job does: one of our jobs, in a worker beside it.

    Attributes:
        job: ours.
        ground: what the node must share.
        threads: of the worker.
        said: file that gets how far it is.
    """

    job: Job
    ground: Ground
    threads: int
    said: Path

    def __call__(self) -> tuple[Kind, Any]:
        """How it ended, and the result or the reason."""
        host = Host(ground=self.ground, threads=self.threads, logs=self.ground.folder)
        if host.node.complaints:
            return "failed", "; ".join(f"node {host.node.name} {each}" for each in host.node.complaints)
        with self.said.open("a", encoding="utf-8") as told:
            for kind, payload in host.run(self.job):
                if kind != "progress":
                    host.end()
                    return kind, payload
                told.write(json.dumps(payload) + "\n")
                told.flush()
        raise AssertionError("a host says how its job ended")

    def checkpoint(self) -> Any:
        """What goes back into the queue when Slurm takes the node away or the time is over: the same once more."""
        return _submitit().helpers.DelayedSubmission(self)


@dataclass(kw_only=True)
class _Submitted:
    """A Slurm job of ours.

    Attributes:
        handle: submitit's.
        said: file with its progress.
        read: bytes of it that were told.
    """

    handle: Any
    said: Path
    read: int = 0


class _SlurmPool:
    """Slurm jobs by the name of ours; a `Pool`."""

    def __init__(self, slurm: Slurm, *, ground: Ground, threads: int) -> None:
        self._slurm, self._ground, self._threads = slurm, ground, threads
        self._folder = ground.folder / "slurm"
        self._folder.mkdir(exist_ok=True)
        self._executor = slurm.executor(self._folder)
        self._running: dict[str, _Submitted] = {}

    @property
    def tries(self) -> Mapping[Kind, int]:
        """See `Pool.tries`."""
        return {"lost": DEVICE_TRIES, "died": PROCESS_TRIES}

    def grow(self, count: int) -> int:
        """See `Pool.grow`; Slurm makes the processes."""
        return count - len(self._running)

    def send(self, job: Job) -> str | None:
        """Wait for the Slurm job that an earlier command left, or submit one; why that could not be."""
        submitit = _submitit()
        note, said = self._folder / f"{job.name}.json", self._folder / f"{job.name}.said"
        held = _left(note)
        if held.get("code") == self._ground.code and self._slurm.cluster == "slurm":
            handle = submitit.SlurmJob(self._folder / "%j", str(held.get("id")))
            if handle.state in ALIVE:
                self._slurm.say(f"{job.name}: still there as Slurm job {handle.job_id}")
                self._running[job.name] = _Submitted(handle=handle, said=said)
                return None
        said.write_bytes(b"")
        self._executor.update_parameters(name=job.name)
        call = _Call(job=job, ground=self._ground, threads=self._threads, said=said)
        try:
            handle = self._executor.submit(call)
        except (submitit.core.utils.FailedSubmissionError, submitit.core.utils.FailedJobError, OSError) as error:
            return f"Slurm did not take it: {error}"
        write_whole(note, json.dumps({"id": handle.job_id, "code": self._ground.code}))
        self._running[job.name] = _Submitted(handle=handle, said=said)
        return None

    def receive(self, *, block: bool) -> list[News]:
        """See `Pool.receive`."""
        while True:
            news = [each for name in list(self._running) for each in self._ask(name)]
            if news or not block:
                return news
            time.sleep(POLL_SECONDS[self._slurm.cluster])

    def _ask(self, name: str) -> Iterator[News]:
        submitted = self._running[name]
        done = submitted.handle.done()
        yield from (News(name, "progress", each) for each in _said(submitted))
        if done:
            del self._running[name]
            yield News(name, *self._result(submitted.handle))

    def _result(self, handle: Any) -> tuple[Kind, Any]:
        errors = _submitit().core.utils
        try:
            return handle.result()
        except errors.FailedJobError as error:
            return (
                "failed",
                f"Slurm job {handle.job_id} failed: {_last(error)} (its output is in {handle.paths.stderr})",
            )
        except errors.UncompletedJobError:
            return (
                "died",
                f"Slurm job {handle.job_id} ended without a result ({handle.state}: its node, time or memory)",
            )

    def end(self) -> None:
        """See `Pool.end`; every Slurm job ends with its job."""

    def close(self) -> None:
        """Take off Slurm what is left."""
        for submitted in self._running.values():
            with suppress(OSError, RuntimeError):
                submitted.handle.cancel(check=False)


def _left(note: Path) -> dict[str, Any]:
    """What an earlier command wrote down of a job."""
    try:
        held = json.loads(note.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return held if isinstance(held, dict) else {}


def _said(submitted: _Submitted) -> Iterator[tuple[str, float, float, str]]:
    """Whole lines that are new in the file of a job's progress."""
    try:
        with submitted.said.open("rb") as file:
            file.seek(0, os.SEEK_END)
            submitted.read = min(submitted.read, file.tell())
            file.seek(submitted.read)
            text = file.read()
    except OSError:
        return
    whole = text.rpartition(b"\n")[0]
    submitted.read += len(whole) + 1 if whole else 0
    for line in whole.splitlines():
        what, done, total, unit = json.loads(line)
        yield what, done, total, unit


def _last(error: BaseException) -> str:
    return str(error).strip().rpartition("\n")[2]
