"""Jobs that need no model: they count, keep how far they are, and go on from it; and who works on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.schedule.places import Job, Place
from experiments.schedule.workers import run_jobs


@dataclass(frozen=True, kw_only=True)
class Count:
    """Counts to `until`, a line a number in a file of its own; the last one once the gate is there."""

    name: str
    folder: Path
    until: int
    gate: Path | None = None
    after: tuple[str, ...] = ()

    @property
    def file(self) -> Path:
        return self.folder / f"{self.name}.txt"

    def run(self, samplers: Any, report: Any) -> int:
        for number in range(len(self.numbers()), self.until):
            while number == self.until - 1 and self.gate is not None and not self.gate.exists():
                time.sleep(0.05)
            with self.file.open("a") as out:
                out.write(f"{number}\n")
            report("count", number + 1, self.until, "numbers")
        return sum(self.numbers())

    def numbers(self) -> list[int]:
        """Those that are counted."""
        return [int(line) for line in self.file.read_text().splitlines()] if self.file.is_file() else []


@dataclass(frozen=True, kw_only=True)
class Broken:
    """Fails."""

    name: str
    after: tuple[str, ...] = ()

    def run(self, samplers: Any, report: Any) -> None:
        raise ZeroDivisionError("no such number")


def run(jobs: Sequence[Job], place: Place, logs: Path, *, workers: int = 2) -> dict[str, Any]:
    """All that was told: results under ``done``, reasons under ``failed`` and ``retried``, bars under ``moved``."""
    told: dict[str, Any] = {"done": {}, "failed": {}, "retried": [], "moved": []}
    run_jobs(
        jobs,
        workers=workers,
        threads=1,
        logs=logs,
        on_progress=lambda job, what, done, total, unit: told["moved"].append((job, what, done, total, unit)),
        on_done=told["done"].__setitem__,
        on_failed=told["failed"].__setitem__,
        on_retry=lambda job, why: told["retried"].append((job, why)),
        place=place,
    )
    return told


def worker_of(logs: Path, name: str) -> int | None:
    """The process that holds the lock of a job."""
    lock = (logs / "locks" / name).resolve()
    for place in Path("/proc").iterdir():
        try:
            if place.name.isdigit() and any(link.resolve() == lock for link in (place / "fd").iterdir()):
                return int(place.name)
        except OSError:
            continue
    return None
