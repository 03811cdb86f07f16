"""The commands that look without training: `coeflab methods | benchmarks | coefficients`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.commands.options import Repeated

__all__ = ["Benchmarks", "Methods", "ShowCoefficients"]


@dataclass(frozen=True, kw_only=True)
class Methods:
    """Print every method with its data source, reward and gradient coefficient: Table 10 from the code, and beyond."""

    name: tyro.conf.Positional[str | None] = None
    """One method, or path/to/file.py:Name: its formula, source, fields with their defaults, and what it needs."""
    recipe: str | None = None
    """The arms of a recipe instead, each with the reward that it is really given: a rule or a model."""

    def run(self) -> None:
        """Print the table, or the one method."""
        from experiments.inspection.methods import print_method, print_methods, print_recipe

        if self.recipe is not None:
            print_recipe(self.recipe)
        elif self.name is None:
            print_methods()
        else:
            print_method(self.name)


@dataclass(frozen=True, kw_only=True)
class Benchmarks:
    """Print every benchmark with its sizes, answers, language and the paper's way of asking it."""

    name: tyro.conf.Positional[str | None] = None
    """One benchmark: files, licence, source, overlaps."""

    def run(self) -> None:
        """Print all of them, or one."""
        from experiments.inspection.benchmarks import print_benchmark, print_benchmarks

        if self.name is None:
            print_benchmarks()
        else:
            print_benchmark(self.name)


@dataclass(frozen=True, kw_only=True)
class ShowCoefficients:
    """Compute the gradient coefficient of every token of a frozen batch, under one method or several."""

    batch: Path
    """JSON file of sequences with logprobs and rewards (docs/inspect-your-trainer.md says how to dump one)."""
    algorithm: Repeated[tuple[str, ...]] = ()
    """A method or preset (see `coeflab methods`), or path/to/file.py:Name. May be repeated. Default: grpo."""
    settings: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="set")] = ()
    """field=value of the methods, the value a JSON literal. May be repeated."""
    json: bool = False
    """Print one JSON object, or a list of them for several methods, instead of tables."""
    explain: bool = False
    """Show what each coefficient is made of: credit, ratio and clip, KL, mismatch correction, weight."""

    def run(self) -> None:
        """Print the tables, or JSON where asked."""
        from rich.console import Console

        from experiments.inspection.coefficients import coefficients_of, print_explanations, print_tables
        from experiments.inspection.frozen_batch import read_batch
        from experiments.recipes.fields import parse_setting

        frozen = read_batch(self.batch)
        settings = dict(parse_setting(setting) for setting in self.settings)
        results = [coefficients_of(frozen, name, settings) for name in self.algorithm or ("grpo",)]
        if self.json:
            print(_as_json([result.explained() if self.explain else result.summary() for result in results]))
            return
        console = Console(markup=False, emoji=False)  # tokens such as [INST] are text
        if not console.is_terminal:
            console = Console(markup=False, emoji=False, width=160)
        (print_explanations if self.explain else print_tables)(frozen, results, console)


def _as_json(objects: list[dict[str, object]]) -> str:
    return json.dumps(objects[0] if len(objects) == 1 else objects, allow_nan=False)
