"""Differences and crossings as tidy tables, a row a pair of arms, each with its sentence."""

from collections.abc import Sequence

import pandas as pd

from analysis.report.sentences import budget_sentence, crossing_sentence, difference_sentence
from analysis.statistics.budget import BudgetDifference
from analysis.statistics.crossings import Crossing
from analysis.statistics.differences import Difference
from analysis.statistics.intervals import Interval

DIFFERENCE_COLUMNS = (
    "benchmark",
    "quantity",
    "k",
    "arm",
    "baseline",
    "num_seeds",
    "num_baseline_seeds",
    "num_problems",
    "point",
    *(f"{name}_{end}" for name in ("problem", "seed", "total") for end in ("low", "high")),
    "p_value",
    "p_holm",
    "num_comparisons",
    "detectable",
    "improvement",
    "improvement_low",
    "improvement_high",
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
    "share",
    "leads_to",
    "leads_surely_to",
    "largest_k",
    "sentence",
)


def difference_table(differences: Sequence[Difference]) -> pd.DataFrame:
    """The fields of each difference, intervals as two columns, and its sentence."""
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
    """The fields of each crossing and its sentence."""
    rows = [
        {
            **{name: getattr(crossing, name) for name in CROSSING_COLUMNS if name != "sentence"},
            "sentence": crossing_sentence(crossing),
        }
        for crossing in crossings
    ]
    return pd.DataFrame(rows, columns=list(CROSSING_COLUMNS))


def _cells(difference: Difference) -> dict[str, object]:
    cells: dict[str, object] = {}
    for name in DIFFERENCE_COLUMNS:
        if name in ("sentence", "improvement_low", "improvement_high"):
            continue
        value = getattr(difference, name.removesuffix("_low").removesuffix("_high"))
        if name == "improvement":
            cells |= {name: value.point, "improvement_low": value.low, "improvement_high": value.high}
        elif isinstance(value, Interval):
            cells[name] = value.low if name.endswith("_low") else value.high
        else:
            cells[name] = value
    return cells
