"""`coeflab power`: what a finished comparison says about the next one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import tyro

from benchmarks.naming import did_you_mean

__all__ = ["Power"]

SEEDS = (3, 4, 5, 8, 12, 16)  # columns of the table


@dataclass(frozen=True, kw_only=True)
class Power:
    """The seeds, problems and samples that would tell a given difference apart, and what they cost."""

    comparison: tyro.conf.Positional[Path]
    """A finished comparison of three seeds or more; two state no power."""
    difference: float = 2.0
    """In points of Pass@1."""
    problems: int | None = None
    """Of the proposed design. Default: the comparison's."""
    samples: int | None = None
    """Completions a problem of the proposed design. Default: the comparison's."""
    baseline: str | None = None
    """The start arm, where the comparison does not name it."""

    def run(self) -> None:
        """Detectable differences by number of seeds, what the given one needs, and the cost."""
        from analysis import load_comparison
        from analysis.report.terminal import power_text

        comparison = load_comparison(self.comparison)
        if self.baseline is not None and self.baseline not in comparison.arms:
            near, known = did_you_mean(self.baseline, comparison.arms), ", ".join(comparison.arms)
            raise ValueError(f"baseline {self.baseline!r} is no finished arm of {self.comparison}{near}Known: {known}.")
        baseline = self.baseline or comparison.description.get("baseline")
        text = power_text(
            comparison,
            difference=self.difference / 100,
            problems=self.problems,
            samples=self.samples,
            seeds=SEEDS,
            baseline=baseline if baseline in comparison.arms else None,
        )
        print(text)
