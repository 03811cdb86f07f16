"""A whole comparison of seconds, run in a forked child that can be killed, lose its power or fill its disk.

It runs from a server process that has imported everything and computed nothing, so that a child costs a fork.
"""

from __future__ import annotations

import errno
import os
import random
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import experiments.runs.setup
import experiments.schedule.compare
from experiments.recipes.config import Recipe
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import Job
from experiments.schedule.compare import compare
from experiments.schedule.progress import Board
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from tests.experiments.miniature import recipe
from training.config import SupervisedConfig

ARMS = ("grpo", "rft")
MOST_MEMORY = 6 << 30  # bytes of address space beyond what the child begins with


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What happens to a child at work.

    Attributes:
        kind: "none"; "kill" by SIGKILL; "power": all that was not forced to the disk is gone; "sync": the disk refuses
            to take what was written; "file": it takes no file longer than `at` bytes.
        at: number of the event at which it happens: a sync, a rename, a report of progress; or bytes.
        seed: of what a power cut leaves.
    """

    kind: Literal["none", "kill", "power", "sync", "file"] = "none"
    at: int = 0
    seed: int = 0


def small(place: Path) -> Recipe:
    """A start policy of six steps, an online and an offline arm of three, with a reward that is often earned."""
    full = recipe()
    arms = {
        name: replace(arm, training=replace(arm.training, max_completion_tokens=6))
        for name, arm in full.arms.items()
        if name in ARMS
    }
    return replace(
        full,
        name="small",
        arms=arms,
        reward=f"{place / 'seven.py'}:reward",
        supervised=SupervisedConfig(
            demonstrations=8, batch_size=4, warmup_steps=1, target_pass_at_1=None, max_steps=4, decay_steps=2
        ),
        task=replace(full.task, date="2024-02-29"),
        evaluation=replace(
            full.evaluation, problems=3, samples=2, curve_samples=1, max_tokens=6, decoding_temperatures=(0.0,)
        ),
        engine=EngineConfig(name="transformers", vllm=VllmConfig(dtype="float32")),
    )


def write_reward(place: Path) -> None:
    """The user's reward file that `small` names."""
    text = "def reward(rollout, verdict):\n    return float('7' in rollout.completion)\n"
    (place / "seven.py").write_text(text, encoding="utf-8")


class Events:
    """Counts what a process does to its disk, and lets a fault happen at one of them.

    Args:
        fault: which, and when.
        folder: what lies below it is lost by a power cut.
    """

    def __init__(self, fault: Fault, folder: Path) -> None:
        self.count, self._fault, self._folder = 0, fault, folder
        self._synced: dict[int, int] = {}  # bytes on the disk, by inode
        self._renames: list[tuple[str, str, str | None]] = []  # not yet on the disk: source, target, what it replaced
        self._sync, self._rename = os.fsync, os.rename
        os.fsync, os.rename, os.replace = self.sync, self.rename, self.rename  # type: ignore[assignment]

    def happen(self) -> None:
        """One event; the last one where it is the fault's."""
        self.count += 1
        if self.count != self._fault.at:
            return
        if self._fault.kind == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if self._fault.kind == "power":
            self.lose()
            os.kill(os.getpid(), signal.SIGKILL)

    def sync(self, descriptor: int) -> None:
        """In place of `os.fsync`."""
        self.happen()
        if self._fault.kind == "sync" and self.count >= self._fault.at:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        found = os.fstat(descriptor)
        self._synced[found.st_ino] = found.st_size
        folder = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        self._renames = [entry for entry in self._renames if os.path.dirname(entry[1]) != folder]  # noqa: PTH120
        self._sync(descriptor)

    def rename(self, source: Any, target: Any) -> None:
        """In place of `os.rename`; keeps what is replaced for a power cut to bring back."""
        self.happen()
        kept = None
        if self._fault.kind == "power" and os.path.isfile(target):  # noqa: PTH113
            kept = f"{self._folder}.replaced-{self.count}"
            os.link(target, kept)
        self._rename(source, target)
        self._renames.append((os.path.realpath(source), os.path.realpath(target), kept))

    def lose(self) -> None:
        """What a power cut leaves: the last renames undone, every file cut to what was synced, or zeros after it."""
        draw = random.Random(self._fault.seed)
        for source, target, kept in reversed(self._renames[draw.randrange(len(self._renames) + 1) :]):
            if os.path.exists(target) and not os.path.exists(source):  # noqa: PTH110
                self._rename(target, source)
                if kept is not None:
                    self._rename(kept, target)
        for path in [path for path in self._folder.rglob("*") if path.is_file() and not path.is_symlink()]:
            found = path.stat()
            safe = min(found.st_size, self._synced.get(found.st_ino, 0))
            os.truncate(path, safe)
            if draw.random() < 0.3:
                os.truncate(path, found.st_size)  # the length was on the disk, the pages were not


def run_here(events: Events) -> Callable[..., None]:
    """In place of `run_jobs`: one after another in this process."""

    def run_jobs(jobs: Sequence[Job], *, on_done: Any, on_failed: Any, **ignored: Any) -> None:
        samplers, failed = SamplerCache(), set[str]()
        for job in jobs:
            if failed & set(job.after):
                failed.add(job.name)
                on_failed(job.name, f"not started: {sorted(failed & set(job.after))}")
                continue
            try:
                on_done(job.name, job.run(samplers, lambda *progress: events.happen()))
            except Exception as error:  # as a worker tells it
                failed.add(job.name)
                on_failed(job.name, f"{type(error).__name__}: {error}")

    return run_jobs


def work(place: Path, folder: Path, fault: Fault, told: Path) -> None:
    """Run the comparison in `folder`, in a child of its own; `told` gets what it prints, and how it ended."""
    with told.open("w", encoding="utf-8") as out:
        os.dup2(out.fileno(), 1)
        os.dup2(out.fileno(), 2)
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        room = pages * resource.getpagesize() + MOST_MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (room, resource.RLIM_INFINITY))
        events = Events(fault, folder)
        experiments.runs.setup.warm_up_checker = lambda: None  # sums of numbers never need it
        experiments.schedule.compare.run_jobs = run_here(events)
        if fault.kind == "file":
            resource.setrlimit(resource.RLIMIT_FSIZE, (fault.at, resource.RLIM_INFINITY))
        try:
            compare(small(place), folder, workers=1, board=Board(None), evaluate_start=False)
        except Exception as error:  # what the campaign is for
            resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            traceback.print_exc()
            print(f"\nENDED {type(error).__module__}.{type(error).__name__}: {error}", flush=True)
            sys.exit(1)
        print(f"\nDONE {events.count}", flush=True)
