"""Jobs by how far they are: which wait, for what, which are at work, and which can never run any more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from experiments.schedule.places import Job, Kind

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

    def ready(self) -> Job | None:
        """The first job that waits for a process alone, the jobs before it done; ``None`` where there is none."""
        return next((job for job in self._waiting if self._done.issuperset(job.after)), None)

    def take(self, job: Job, *, sent: bool) -> None:
        """Count a job as at work where it was sent to a process, and as gone where it could not be."""
        self._waiting.remove(job)
        if sent:
            self._running.add(job.name)

    def check(self) -> None:
        """Refuse to wait for nothing.

        Raises:
            ValueError: all jobs that are left wait for each other.
        """
        if self._waiting and not self._running and self.ready() is None:
            raise ValueError(f"jobs {[job.name for job in self._waiting]} wait for each other.")

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
