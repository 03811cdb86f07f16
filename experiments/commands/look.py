"""The commands that look at what is there: `show` a recipe, `status` and `watch` a folder, `twins` side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from experiments.commands.options import Repeated

__all__ = ["Show", "ShowStatus", "Twin", "Watch"]


@dataclass(frozen=True, kw_only=True)
class Show:
    """Print a recipe as it is resolved: every field with its value and meaning, as `--set` and `--vary` name it."""

    recipe: tyro.conf.Positional[str] = "arithmetic"
    """A name, or path/to/file.py:function."""

    def run(self) -> None:
        """Print the recipe for this machine's device."""
        from experiments.recipes.catalogue import find_recipe

        make = find_recipe(self.recipe)
        from experiments.commands.options import current_device
        from experiments.inspection.recipe import recipe_lines

        print("\n".join(recipe_lines(make(current_device()))))


@dataclass(frozen=True, kw_only=True)
class ShowStatus:
    """Say what is finished, running, stopped or failed in a folder of results: one line a run, its state first."""

    folder: tyro.conf.Positional[Path]
    """Folder of `compare`, `sweep`, `train` or `evaluate`; it may be half-finished or damaged."""

    def run(self) -> None:
        """Print a line a run and one that counts them."""
        from experiments.schedule.status import status_lines

        print("\n".join(status_lines(self.folder)))


@dataclass(frozen=True, kw_only=True)
class Twin:
    """Say where two folders that should hold the same numbers part: run by run the first metric, sample or token."""

    first: tyro.conf.Positional[Path]
    """A run or a comparison."""
    second: tyro.conf.Positional[Path]
    """The same one, made again or elsewhere."""

    def run(self) -> None:
        """Print in what they were set up otherwise, a line a run, and one on all."""
        from experiments.inspection.twins import twin_lines

        print("\n".join(twin_lines(self.first, self.second)))


@dataclass(frozen=True, kw_only=True)
class Watch:
    """Show live curves of all arms in the terminal, until every run has finished or Ctrl-C."""

    folder: tyro.conf.Positional[Path]
    """What `compare`, `sweep` or `train` is writing, or has written."""
    metric: Repeated[tuple[str, ...]] = ()
    """pass@1, reward, entropy, kl, length, gradient, clip, loss. May be repeated. Default: pass@1, reward, entropy and
    length."""
    every: float = 5.0
    """Seconds between two looks at the files."""
    height: int = 10
    """Rows of a panel."""
    once: bool = False
    """Print what is there and stop."""

    def run(self) -> None:
        """Draw, wait, draw again."""
        import time

        from rich.console import Console
        from rich.live import Live

        from experiments.schedule.status import read_status

        if self.every <= 0 or self.height < 2:
            raise ValueError(
                f"--every {self.every:g} --height {self.height}; expected more than 0 s and 2 rows or more."
            )
        console = Console()
        if self.once or not console.is_terminal:
            console.print(self.view(console.width), soft_wrap=True)
            return
        with Live(self.view(console.width), console=console, auto_refresh=False) as live:
            while any(run.state in ("running", "waiting") for run in read_status(self.folder)):
                time.sleep(self.every)
                live.update(self.view(console.width), refresh=True)

    def view(self, width: int) -> Any:
        """The panels, the legend and how many runs are in which state, as text with colours."""
        from rich.text import Text

        from analysis.report.live_view import DEFAULT, live_lines
        from experiments.schedule.status import status_lines

        lines = live_lines(self.folder, width=width, height=self.height, metrics=self.metric or DEFAULT)
        text = Text()
        for line in lines:
            for span in line:
                text.append(span.text, style=span.color or None)
            text.append("\n")
        return text.append(status_lines(self.folder)[-1])
