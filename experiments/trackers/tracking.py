"""Trackers beside a run, each in a thread of its own: one that fails, hangs or is slow takes nothing from the run."""

from __future__ import annotations

import math
import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from experiments.trackers.clients import TrackedRun, Tracker, open_tracker

__all__ = ["Tell", "tracking"]

Tell = Callable[[int, Mapping[str, Any]], None]
"""Takes a step and its numbers."""

PATIENCE = 60.0  # seconds that a run waits for a tracker when all is done


@contextmanager
def tracking(
    names: Sequence[str],
    run: TrackedRun,
    say: Callable[[str], None],
    *,
    opener: Callable[[str, TrackedRun], Tracker] = open_tracker,
    patience: float = PATIENCE,
) -> Iterator[Tell]:
    """What is told within the block goes to every tracker.

    Args:
        names: of `TRACKERS`.
        run: what is tracked; its first step is that of the first telling.
        say: told once of each tracker that fails or is not done in time.
        opener: opens a tracker.
        patience: seconds that are waited for each at the end.
    """
    threads = [_Thread(name, run, say, opener) for name in names]

    def tell(step: int, numbers: Mapping[str, Any]) -> None:
        finite = {
            name: float(value)
            for name, value in numbers.items()
            if isinstance(value, int | float) and math.isfinite(value) and name != "step"
        }
        for thread in threads:
            thread.told.put((step, finite))

    try:
        yield tell
    finally:
        for thread in threads:
            thread.told.put(None)
        for thread in threads:
            thread.join(patience)
            if thread.is_alive():
                say(f"tracker {thread.name} was not done {patience:g} s after the run, and was left")


class _Thread(threading.Thread):
    """One tracker at work; a daemon, so that one that hangs keeps no process alive."""

    def __init__(
        self, name: str, run: TrackedRun, say: Callable[[str], None], opener: Callable[[str, TrackedRun], Tracker]
    ) -> None:
        super().__init__(name=name, daemon=True)
        self.told: queue.SimpleQueue[tuple[int, Mapping[str, float]] | None] = queue.SimpleQueue()
        self._run, self._say, self._opener = run, say, opener
        self.start()

    def run(self) -> None:
        """Open at the first telling, log, and close at the end."""
        tracker = None
        try:
            while (message := self.told.get()) is not None:
                step, numbers = message
                if tracker is None:
                    tracker = self._opener(self.name, replace(self._run, first_step=step))
                tracker.log(step, numbers)
            if tracker is not None:
                tracker.close()
        except (Exception, SystemExit) as error:  # whatever a tracker raises is no reason to stop a run
            why = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
            self._say(f"tracker {self.name} failed ({why}); the run went on without it")
