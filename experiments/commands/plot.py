"""`coeflab plot`: any figure of a report at a column's width, and the paper's figures beside a comparison's curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from benchmarks.naming import did_you_mean

if TYPE_CHECKING:
    from analysis.figures.canvas import Look

__all__ = ["Plot"]

PAPER = ("figure5", "figure6", "figure7")
FIDELITY = "fidelity"


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Draw a figure for a paper: SVG, PDF, PNG, and its values as CSV.

    figure5, figure6 and figure7 are those of DeepSeekMath, ours beside the paper's: accuracy against steps, iterative
    RL, Maj@K and Pass@K before and after RL. fidelity is the gain over the start policy under a verifier that errs, of
    arms that differ in reward_noise, and says where each method stops beating its start.
    """

    figure: tyro.conf.Positional[str]
    """figure5, figure6, figure7, fidelity, or a figure of the report by its file name (`arms-arithmetic`); `all`: every
    one of the report."""
    comparison: tyro.conf.Positional[Path]
    """Folder that `compare` wrote."""
    out: Path | None = None
    """Folder of the files. Default: the comparison's folder report/."""
    width: float | None = None
    """Of a panel, in inches: a column is about 3.25, a page 6.75. Default: that of the page, 5.6."""
    points: float | None = None
    """Size of the letters. Default: 10 on the page's width, 8 on one of your own."""
    font: str | None = None
    """Family of the letters, as matplotlib knows it. Default: DejaVu Sans."""

    def run(self) -> None:
        """Write the figure in four formats."""
        from analysis.figures.canvas import PAGE, Look

        width = PAGE.width if self.width is None else self.width
        points = self.points or (PAGE.points if self.width is None else 8.0)
        look = Look(width=width, points=points, font=self.font or PAGE.font)
        folder = self.out or self.comparison / "report"
        files = self._files(look)  # drawn before anything is written
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_bytes(content)
            print(folder / name)

    def _files(self, look: Look) -> Mapping[str, bytes]:
        """The files by name."""
        from analysis.figures.canvas import figure_pdf, figure_png, figure_svg
        from analysis.figures.fidelity import draw_fidelity, fidelity_sentences
        from analysis.figures.paper_figures import FIGURES
        from analysis.records.load import load_comparison
        from analysis.report.export import csv_text
        from analysis.report.report import comparison_pictures

        comparison = load_comparison(self.comparison)
        if self.figure in (*PAPER, FIDELITY):
            with look.context():
                drawn = {**FIGURES, FIDELITY: draw_fidelity}[self.figure](comparison)
                if self.figure == FIDELITY:
                    print("\n".join(fidelity_sentences(comparison)))
                return {
                    f"{self.figure}.svg": figure_svg(drawn.figure),
                    f"{self.figure}.pdf": figure_pdf(drawn.figure),
                    f"{self.figure}.png": figure_png(drawn.figure),
                    f"{self.figure}.csv": csv_text(drawn.values).encode("utf-8"),
                }
        pictures = comparison_pictures(comparison, look=look)
        chosen = [each for each in pictures if self.figure in (each.name, "all")]
        if not chosen:
            names = (*PAPER, FIDELITY, *(each.name for each in pictures))
            near = did_you_mean(self.figure, names)
            raise ValueError(f"unknown figure {self.figure!r}{near}Known: {', '.join(names)}, or all.")
        return {name: content for each in chosen for name, content in each.files().items()}
