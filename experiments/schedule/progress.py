"""Progress bars with rate and time left, in the terminal; few short lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["Board", "JobProgress", "console", "progress_board", "rate_text", "time_text"]

console = Console(stderr=True, highlight=False)

QUIET_SECONDS = 60.0  # between two lines on how far everything is, where no bar can be drawn
WITHIN_A_STEP = ("sample", "update")  # too many to have lines of a log


class RateColumn(ProgressColumn):
    """The speed of the last moments."""

    def render(self, task: Task) -> Text:
        """Units a second, or the time of a unit where it takes longer than that."""
        speed = task.finished_speed or task.speed
        return Text("" if not speed else rate_text(speed, task.fields.get("unit", "it")), style="cyan")


def rate_text(per_second: float, unit: str) -> str:
    """``12.3 steps/s``; ``2.1 s a step`` or ``3.5 min a run`` where there is less than one a second.

    Args:
        per_second: units a second, above 0.
        unit: in the plural; of several words (``completions of validation problems``) what is counted comes first, and
            a rate is told in that alone.
    """
    counted = unit.partition(" ")[0]
    if per_second >= 1:
        return f"{per_second:,.1f} {counted}/s"
    one = counted.removesuffix("es") if counted.endswith("ches") else counted.removesuffix("s")
    return f"{time_text(1 / per_second)} a {one}"


def time_text(seconds: float) -> str:
    """``2.1 s``, ``38 s``, ``3.5 min``, ``2.5 h``: a number that is neither 0 nor long."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


@dataclass(kw_only=True)
class _Bar:
    """The progress of one thing, and the time it began."""

    started: float
    done: float
    total: float
    unit: str


class Board:
    """Bars by name, ``job: what`` each; in a terminal drawn by rich, elsewhere lines of a log.

    A log has one line when a job begins something, and every `QUIET_SECONDS` one short line on all that are at work.
    """

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._drawn: dict[str, TaskID] = {}
        self._bars: dict[str, _Bar] = {}
        self._told: set[str] = set()
        self._last_line = time.monotonic()

    def update(self, name: str, done: float, total: float, unit: str) -> None:
        """Show that bar `name` is at `done` of `total`; the bar is made on first use and goes when it is full."""
        if self._progress is None:
            self._log(name, done, total, unit)
            return
        if name not in self._drawn:
            self._drawn[name] = self._progress.add_task(name, total=total, unit=unit)
        self._progress.update(self._drawn[name], completed=done, total=total)
        if done >= total:
            self._progress.remove_task(self._drawn.pop(name))

    def counter(self, name: str, total: int, unit: str) -> Callable[[int], None]:
        """A function that moves bar `name` on by what it is called with."""
        done = 0

        def advance(amount: int) -> None:
            nonlocal done
            done += amount
            self.update(name, done, total, unit)

        return advance

    def say(self, text: str) -> None:
        """Print a line above the bars."""
        target = self._progress.console if self._progress is not None else console
        target.print(text, markup=False, soft_wrap=True)

    def drop(self, prefix: str) -> None:
        """Take away the bars whose name starts with `prefix`."""
        for name in [name for name in self._bars if name.startswith(prefix)]:
            del self._bars[name]
        for name in [name for name in self._drawn if name.startswith(prefix)]:
            bar = self._drawn.pop(name)
            if self._progress is not None:
                self._progress.remove_task(bar)

    def _log(self, name: str, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        bar = self._bars.get(name)
        if bar is None or done < bar.done:  # the same bar again is the next piece of work
            bar = self._bars[name] = _Bar(started=now, done=done, total=total, unit=unit)
        bar.done, bar.total = done, total
        what = name.rpartition(": ")[2]
        if name not in self._told and what not in WITHIN_A_STEP and ": " in name:
            self._told.add(name)
            self.say(f"{name}, {total:,.0f} {unit}")
        if now - self._last_line >= QUIET_SECONDS:
            self._last_line = now
            self.say("at work: " + "; ".join(_line(*item, now) for item in self._outermost()))

    def _outermost(self) -> list[tuple[str, _Bar]]:
        """Of each job the bar that is at work the longest."""
        first: dict[str, tuple[str, _Bar]] = {}
        for name, bar in self._bars.items():
            if bar.done < bar.total:
                first.setdefault(name.partition(":")[0], (name, bar))
        return list(first.values())


def _line(name: str, bar: _Bar, now: float) -> str:
    passed = now - bar.started
    if not bar.done or passed <= 0:
        return f"{name} 0/{bar.total:,.0f} {bar.unit}"
    rate = bar.done / passed
    left = time_text((bar.total - bar.done) / rate)
    return f"{name} {bar.done:,.0f}/{bar.total:,.0f} ({rate_text(rate, bar.unit)}, {left} left)"


@dataclass(kw_only=True)
class JobProgress:
    """The board of a comparison: a line for every job at work, and one for all."""

    board: Board
    num_jobs: int
    num_ended: int = 0

    def moved(self, job: str, what: str, done: float, total: float, unit: str) -> None:
        """A job says how far it is."""
        self.board.update(f"{job}: {what}", done, total, unit)

    def retried(self, job: str, why: str) -> None:
        """A job lost its device or its memory and is taken up again."""
        self.board.drop(f"{job}:")
        self.board.say(f"{job}: goes on from its last checkpoint in a fresh process after {why}")

    def ended(self, job: str, result: Any) -> None:
        """A job is done or has failed; what it says stays on the screen."""
        self.num_ended += 1
        self.board.drop(f"{job}:")
        self.board.update("all runs", self.num_ended, self.num_jobs, "runs")
        self.board.say(f"{job}: {result}")


@contextmanager
def progress_board() -> Iterator[Board]:
    """Bars on stderr while the block runs."""
    if not (console.is_terminal and sys.stderr.isatty()):
        yield Board(None)
        return
    columns = (
        TextColumn("{task.description:<34}"),
        BarColumn(bar_width=None),
        MofNCompleteColumn(),
        RateColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield Board(progress)
