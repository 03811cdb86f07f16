"""Differences and crossings as tidy tables, a row a pair of arms, each with its sentence."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.report.sentences import budget_sentence, crossing_sentence, difference_sentence
from analysis.statistics.budget import BudgetDifference
from analysis.statistics.crossings import Crossing
from analysis.statistics.differences import Difference

DIFFERENCE_COLUMNS = (
    "name",
    "benchmark",
    "quantity",
    "k",
    "temperature",
    "arm",
    "baseline",
    "num_seeds",
    "num_baseline_seeds",
    "num_problems",
    "point",
    "low",
    "high",
    "seed_points",
    "p_value",
    "p_holm",
    "num_comparisons",
    "detectable",
    "verdict",
    "sentence",
)
CROSSING_COLUMNS = (
    "benchmark",
    "arm",
    "baseline",
    "leader",
    "k",
    "low",
    "high",
    "sure",
    "num_seeds",
    "largest_k",
    "temperature",
    "sentence",
)


def difference_table(differences: Sequence[Difference]) -> pd.DataFrame:
    """The fields of each difference, its interval as two columns, each seed's own separated by ";", and its
    sentence."""
    rows = [{**_cells(difference), "sentence": difference_sentence(difference)} for difference in differences]
    return pd.DataFrame(rows, columns=list(DIFFERENCE_COLUMNS))


def budget_difference_table(differences: Sequence[BudgetDifference]) -> pd.DataFrame:
    """`difference_table` with the budget and its level in front."""
    rows = [
        {"x": found.x, "level": found.level, **_cells(found.difference), "sentence": budget_sentence(found)}
        for found in differences
    ]
    return pd.DataFrame(rows, columns=["x", "level", *DIFFERENCE_COLUMNS])


def crossing_table(crossings: Sequence[Crossing]) -> pd.DataFrame:
    """The fields of each crossing, and its sentence where it may be claimed."""
    rows = [
        {
            **{name: getattr(crossing, name) for name in CROSSING_COLUMNS if name != "sentence"},
            "temperature": np.nan if crossing.temperature is None else crossing.temperature,
            "sentence": crossing_sentence(crossing),
        }
        for crossing in crossings
    ]
    return pd.DataFrame(rows, columns=list(CROSSING_COLUMNS))


def _cells(difference: Difference) -> dict[str, object]:
    cells: dict[str, object] = {"low": difference.interval.low, "high": difference.interval.high}
    cells["seed_points"] = ";".join(f"{value:.6g}" for value in difference.seed_points)
    cells["temperature"] = np.nan if difference.temperature is None else difference.temperature
    taken = {*cells, "sentence"}
    return cells | {name: getattr(difference, name) for name in DIFFERENCE_COLUMNS if name not in taken}
