"""The values of the paper's Figures 5 to 7, as data: `paper_curves.json`, which names its source."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

PAPER_VALUES = Path(__file__).parent / "paper_curves.json"


@dataclass(frozen=True, kw_only=True)
class PaperCurve:
    """A line of a panel of the paper: x (steps or K) and the accuracy as a share."""

    benchmark: str
    line: str
    x: tuple[int, ...]
    y: tuple[float, ...]


@cache
def paper_curves(figure: str) -> tuple[PaperCurve, ...]:
    """The paper's curves of "figure5", "figure6" or "figure7", panel by panel."""
    content = json.loads(PAPER_VALUES.read_text(encoding="utf-8"))
    return tuple(
        PaperCurve(benchmark=benchmark, line=line, x=tuple(points["x"]), y=tuple(y / 100 for y in points["y"]))
        for benchmark, lines in content[figure].items()
        for line, points in lines.items()
    )


def value_table(curve: PaperCurve) -> pd.DataFrame:
    """The curve as rows beside ours: source, benchmark, line, x, point, and no band."""
    nothing = np.full(len(curve.x), np.nan)
    about = {"source": "paper", "benchmark": curve.benchmark, "line": curve.line}
    return pd.DataFrame({**about, "x": curve.x, "point": curve.y, "low": nothing, "high": nothing})
