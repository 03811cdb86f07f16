"""`coeflab explain`: why two presets give different gradients."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from experiments.commands.options import Repeated

__all__ = ["Explain"]


@dataclass(frozen=True, kw_only=True)
class Explain:
    """Attribute the difference of two presets on a frozen batch to the fields in which they differ."""

    batch: tyro.conf.Positional[Path]
    """JSON file of sequences with logprobs and rewards (docs/inspect-your-trainer.md says how to dump one)."""
    before: Annotated[str, tyro.conf.arg(name="from")]
    """The preset to start from, or path/to/file.py:Name."""
    after: Annotated[str, tyro.conf.arg(name="to")]
    """Another preset of the same class."""
    settings: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="set")] = ()
    """field=value in both, the value a JSON literal. May be repeated."""
    out: Path | None = None
    """Folder for the figure (SVG, PDF, PNG) and the tables (CSV)."""
    json: bool = False
    """Print one JSON object instead of a table."""

    def run(self) -> None:
        """Explain, print, and write what was asked for."""
        from rich.console import Console

        from experiments.inspection.explain import explain
        from experiments.inspection.explained import print_explanation, write_explanation
        from experiments.inspection.frozen_batch import read_batch
        from experiments.recipes.fields import parse_setting

        explanation = explain(
            read_batch(self.batch), self.before, self.after, settings=dict(map(parse_setting, self.settings))
        )
        written = [] if self.out is None else write_explanation(explanation, self.out)
        if self.json:
            shares, totals = (table.to_dict("records") for table in (explanation.shares, explanation.totals))
            print(json.dumps({"shares": shares, "totals": totals}, ensure_ascii=False))
            return
        console = Console(markup=False, emoji=False, highlight=False)
        if not console.is_terminal:
            console = Console(markup=False, emoji=False, highlight=False, width=160)
        print_explanation(explanation, console)
        for path in written:
            print(path)
