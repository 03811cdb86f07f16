"""`coeflab new`: a commented file to start from, for a recipe, a method or a reward."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import tyro

__all__ = ["New", "starting_file"]


@dataclass(frozen=True, kw_only=True)
class New:
    """Write a commented Python file to start from: a recipe, a method or a reward that runs as it is."""

    kind: tyro.conf.Positional[Literal["recipe", "method", "reward"]]
    """Its content."""
    file: tyro.conf.Positional[Path | None] = None
    """Where to write it. Default: my_recipe.py, my_method.py or my_reward.py."""

    def run(self) -> None:
        """Write the file, which must not be there yet."""
        path = self.file or Path(f"my_{self.kind}.py")
        if path.suffix != ".py":
            raise ValueError(f"{path} is no Python file; expected a name that ends in .py.")
        if not path.parent.is_dir():
            raise ValueError(f"{path} cannot be written: there is no folder {path.parent}; make it first.")
        text = starting_file(self.kind, path)
        with path.open("x", encoding="utf-8") as out:
            out.write(text)
        commands = [line.strip() for line in text.splitlines() if line.startswith("    coeflab ")]
        print(f"wrote {path}; try\n  " + "\n  ".join(commands))


def starting_file(kind: str, path: Path) -> str:
    """The text of a starting file, with the commands that run it under its own name."""
    template = resources.files("experiments.commands") / "assets" / f"{kind}.py.txt"
    return template.read_text(encoding="utf-8").replace("FILE:", f"{path}:")
