"""The command that tests advantage mathematics: `coeflab laws`."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import Annotated

import tyro

from experiments.commands.options import Repeated

__all__ = ["Laws"]


@dataclass(frozen=True, kw_only=True)
class Laws:
    """Hold methods, presets or your own advantage function against the laws of docs/laws.md; 1 where a claim breaks."""

    methods: tyro.conf.Positional[tuple[str, ...]] = ()
    """Methods or presets, or path/to/file.py:Name of a method or of a function advantages(rewards, groups).
    Default: every method (minutes)."""
    settings: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="set")] = ()
    """field=value of the methods, the value a JSON literal. May be repeated."""
    claim: Repeated[tuple[str, ...]] = ()
    """A law that must hold, in place of what the fields (or an attribute `claims`) say. May be repeated."""
    examples: int = 100
    """Batches tried a law."""
    seed: int = 0
    """Seed of the batches; the same seed finds the same."""
    group_size: int | None = None
    """Completions of every group, for code that needs groups of one size. Default: 2 to 4, and 1 for `finite`."""
    counterexamples: bool = False
    """Show the smallest counterexamples to laws that are not claimed too."""
    json: bool = False
    """Print a JSON list instead, an object a method and law."""

    def run(self) -> None:
        """Judge, print, and end with code 1 where a claimed law breaks."""
        from rich.console import Console

        from algorithms import METHODS
        from algorithms.laws import judge
        from experiments.inspection.laws import as_objects, load_subject, print_findings
        from experiments.recipes.fields import parse_setting

        for name, value in (("examples", self.examples), ("group-size", self.group_size)):
            if value is not None and value < 1:
                raise ValueError(f"--{name} is {value}; expected at least 1.")
        settings = dict(parse_setting(setting) for setting in self.settings)
        subjects = {name: load_subject(name, settings) for name in self.methods or METHODS}
        found = {
            name: judge(
                subject,
                claims=self.claim or None,
                examples=self.examples,
                seed=self.seed,
                group_size=self.group_size,
            )
            for name, subject in subjects.items()
        }
        if self.json:
            print(json.dumps(as_objects(found), ensure_ascii=False, indent=1))
        else:
            console = Console(markup=False, emoji=False, highlight=False)
            if not console.is_terminal:
                console = Console(markup=False, emoji=False, highlight=False, width=200)
            print_findings(found, console, everything=self.counterexamples)
        if any(finding.failed for findings in found.values() for finding in findings):
            sys.exit(1)
