"""`coeflab plot`: the paper's figures with a comparison's own curves beside the paper's."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

__all__ = ["Plot"]


@dataclass(frozen=True, kw_only=True)
class Plot:
    """Draw figure 5, 6 or 7 of DeepSeekMath, ours beside the paper's: SVG, PDF, PNG, and the numbers as CSV."""

    figure: tyro.conf.Positional[Literal["figure5", "figure6", "figure7"]]
    """5: accuracy against steps; 6: iterative RL; 7: Maj@K and Pass@K before and after RL."""
    comparison: tyro.conf.Positional[Path]
    """What `compare` wrote."""
    out: Path | None = None
    """Folder of the files. Default: the comparison's folder report/."""

    def run(self) -> None:
        """Write the figure in four formats."""
        from analysis.figures.paper_figures import FIGURES
        from analysis.figures.plots import figure_pdf, figure_png, figure_svg
        from analysis.records.load import load_comparison
        from analysis.report.export import csv_text

        drawn = FIGURES[self.figure](load_comparison(self.comparison))
        files = {
            "svg": figure_svg(drawn.figure),
            "pdf": figure_pdf(drawn.figure),
            "png": figure_png(drawn.figure),
            "csv": csv_text(drawn.values).encode("utf-8"),
        }
        folder = self.out or self.comparison / "report"
        folder.mkdir(parents=True, exist_ok=True)
        for kind, content in files.items():
            path = folder / f"{self.figure}.{kind}"
            path.write_bytes(content)
            print(path)
