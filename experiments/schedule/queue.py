"""Jobs by how far they are: which wait, for what, which are at work, and which can never run any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments.schedule.places import Job, Kind, Pool

__all__ = ["JobQueue"]


class JobQueue:
    """Jobs that wait for others, for a process, or have been sent to one.

    Args:
        jobs: in the order in which they are preferred.

    Raises:
        ValueError: two jobs of one name, or a job waits for one that is not there.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._jobs = {job.name: job for job in jobs}
        if len(self._jobs) != len(jobs):
            raise ValueError(f"jobs {[job.name for job in jobs]} must have different names.")
        lost = [job.name for job in jobs if not self._jobs.keys() >= set(job.after)]
        if lost:
            raise ValueError(f"jobs {lost} wait for jobs that are not there.")
        self._waiting, self._running, self._done = list(jobs), set[str](), set[str]()
        self._ended = Counter[tuple[str, Kind]]()

    def __len__(self) -> int:
        """Jobs that wait or are at work."""
        return len(self._waiting) + len(self._running)

    def send(self, pool: Pool, workers: int) -> list[tuple[str, str]]:
        """Give the free processes of a pool the jobs that wait for no other; those that could not be given, and why.

        Args:
            pool: grows to as many processes as there are jobs left.
            workers: processes at most.

        Raises:
            ValueError: all jobs that are left wait for each other.
        """
        refused = list[tuple[str, str]]()
        for _ in range(pool.grow(min(workers, len(self)))):
            if (job := self._ready()) is None:
                break
            self._waiting.remove(job)
            if (why := pool.send(job)) is None:
                self._running.add(job.name)
            else:
                refused.append((job.name, why))
        if not self._running and not refused and self._ready() is None:
            raise ValueError(f"jobs {[job.name for job in self._waiting]} wait for each other.")
        return refused

    def _ready(self) -> Job | None:
        """The first job that waits for no other any more."""
        return next((job for job in self._waiting if self._done.issuperset(job.after)), None)

    def finish(self, name: str) -> None:
        """Let those that wait for a job at work go ahead."""
        self._running.remove(name)
        self._done.add(name)

    def retry(self, name: str, kind: Kind, tries: int) -> bool:
        """Put a job at work that ended so at the head of the line, unless it has ended so `tries` times."""
        self._running.remove(name)
        self._ended[name, kind] += 1
        again = self._ended[name, kind] < tries
        if again:
            self._waiting.insert(0, self._jobs[name])
        return again

    def drop_dependents(self, failed: str) -> list[str]:
        """Names of the jobs that can never run after `failed`; they wait no longer."""
        gone = [failed]
        for name in gone:
            for job in [job for job in self._waiting if name in job.after]:
                self._waiting.remove(job)
                gone.append(job.name)
        return gone[1:]
