"""The commands that look at what is there: `show` a recipe, the `status` of a folder, `twins` side by side."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

__all__ = ["Show", "Status", "Twin"]


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
class Status:
    """Say what is finished, running, stopped or failed in a folder of results: one line a run, its state first."""

    folder: tyro.conf.Positional[Path]
    """What `compare`, `sweep`, `train` or `evaluate` writes; it may be half-finished or damaged."""

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
