"""Progress bars with rate and time left, in the terminal; plain lines where there is none."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = ["Board", "console", "progress_board"]

console = Console(stderr=True, highlight=False)

QUIET_SECONDS = 30.0  # between two plain lines of one bar, where no bar can be drawn


class RateColumn(ProgressColumn):
    """Units a second."""

    def render(self, task: Task) -> Text:
        """The speed of the last moments."""
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.1f} {task.fields.get('unit', 'it')}/s", style="cyan")


class Board:
    """Bars by name; in a terminal drawn by rich, elsewhere a line now and then."""

    def __init__(self, progress: Progress | None) -> None:
        self._progress = progress
        self._bars: dict[str, object] = {}
        self._plain: dict[str, tuple[float, float, float]] = {}  # name -> (started, done, last line at)

    def update(self, name: str, done: float, total: float, unit: str) -> None:
        """Show that bar `name` is at `done` of `total`; the bar is made on first use and goes when it is full."""
        if self._progress is None:
            self._plain_line(name, done, total, unit)
            return
        bar = self._bars.get(name)
        if bar is None:
            bar = self._bars[name] = self._progress.add_task(name, total=total, unit=unit)
        self._progress.update(bar, completed=done, total=total)  # type: ignore[arg-type]
        if done >= total:
            self._progress.remove_task(self._bars.pop(name))  # type: ignore[arg-type]

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
            bar = self._bars.pop(name)
            if self._progress is not None:
                self._progress.remove_task(bar)  # type: ignore[arg-type]

    def _plain_line(self, name: str, done: float, total: float, unit: str) -> None:
        now = time.monotonic()
        started, before, spoken = self._plain.get(name, (now, 0.0, now))
        if done < before:  # the same bar again, for the next piece of work
            started = spoken = now
        if now - spoken >= QUIET_SECONDS and done:
            rate = done / (now - started)
            left = (total - done) / rate if rate else 0.0
            line = f"{name}: {done:,.0f}/{total:,.0f} {unit}, {rate:,.1f} {unit}/s, {left:,.0f} s left"
            console.print(line, markup=False, soft_wrap=True)
            spoken = now
        self._plain[name] = (started, done, spoken)


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
