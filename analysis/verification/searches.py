"""Searches of a comparison's folder beside sampling at equal tokens: what `coeflab evaluate --search` wrote."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from analysis.records.frames import column
from analysis.records.reading import RecordError

__all__ = ["SEARCH_COLUMNS", "SEARCH_FILE", "SEARCH_NAMES", "read_searches", "tokens_table"]

SEARCH_FILE = "search.csv"
SEARCH_NAMES = {"beam": "beam search", "best_first": "best-first search"}
SAMPLED_NAMES = {"majority": "Maj@K", "best": "best of K", "any_right": "Pass@K"}
SEARCH_COLUMNS = (
    "benchmark",
    "problems",
    "method",
    "width",
    "branching",
    "budget",
    "tokens",
    "finished",
    "k",
    "sampled_tokens",
    *(f"{name}{end}" for name in ("found", *SAMPLED_NAMES) for end in ("", "_low", "_high")),
)


def read_searches(folder: Path) -> pd.DataFrame:
    """The searches that a folder holds, a row each, shares in 0..1; no row without any.

    Raises:
        RecordError: the file is not what `coeflab evaluate --search` writes.
    """
    file = folder / SEARCH_FILE
    if not file.is_file():
        return pd.DataFrame(columns=list(SEARCH_COLUMNS))
    try:
        table = pd.read_csv(file)
    except (ValueError, OSError) as error:
        raise RecordError(f"{file} cannot be read as CSV ({error}); remove it, or search again.") from error
    absent = [name for name in SEARCH_COLUMNS if name not in table]
    unknown = sorted(set(column(table, "method") if "method" in table else ()) - set(SEARCH_NAMES))
    if absent or unknown:
        what = f"lacks the columns {', '.join(absent[:5])}" if absent else f"has the method {unknown[0]!r}"
        raise RecordError(f"{file} {what}; it is no table of `coeflab evaluate --search`: remove it, or search again.")
    return table.filter(items=list(SEARCH_COLUMNS))


def tokens_table(searches: pd.DataFrame) -> pd.DataFrame:
    """Accuracy against tokens spent, tidy: columns benchmark, arm, x (tokens a problem), point, low, high and k.

    A line a search, and a line each of Maj@K, best of K and Pass@K at the tokens that their K samples have.
    """
    parts = []
    for benchmark, own in searches.groupby("benchmark", sort=False):
        for method, searched in own.groupby("method", sort=False):
            parts.append(_line(str(benchmark), SEARCH_NAMES[str(method)], searched, "tokens", "found"))
        once = own.drop_duplicates("k")
        parts += [_line(str(benchmark), name, once, "sampled_tokens", of) for of, name in SAMPLED_NAMES.items()]
    columns = ["benchmark", "arm", "x", "point", "low", "high", "k"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _line(benchmark: str, name: str, rows: pd.DataFrame, x: str, of: str) -> pd.DataFrame:
    rows = rows.sort_values(x, kind="stable")
    k = column(rows, "k") if of in SAMPLED_NAMES else 0
    return pd.DataFrame(
        {
            "benchmark": benchmark,
            "arm": name,
            "x": column(rows, x).astype(float),
            "point": column(rows, of).astype(float),
            "low": column(rows, f"{of}_low").astype(float),
            "high": column(rows, f"{of}_high").astype(float),
            "k": k,
        }
    )
