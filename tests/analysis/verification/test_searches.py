"""The report's figure and table of searches, against a table written by hand."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import RecordError, write_report
from analysis.records.frames import column
from analysis.verification.searches import SEARCH_COLUMNS, read_searches, tokens_table
from tests.analysis.conftest import metric_rows, sample_rows, save_run

# method, budget, tokens, k, tokens of k, found, majority, best, any right
ROWS = [
    ("beam", 512, 430.0, 17, 425.0, 0.25, 0.272, 0.203, 0.817),
    ("beam", 128, 127.0, 5, 125.0, 0.05, 0.193, 0.183, 0.498),
    ("best_first", 512, 408.0, 16, 400.0, 0.283, 0.27, 0.203, 0.805),
    ("best_first", 128, 128.0, 5, 125.0, 0.06, 0.193, 0.183, 0.498),
]


def search_table() -> pd.DataFrame:
    rows = []
    for method, budget, tokens, k, sampled, *shares in ROWS:
        row = {"benchmark": "sums", "problems": 60, "method": method, "width": 4, "branching": 4, "budget": budget}
        row |= {"tokens": tokens, "finished": 0.5, "k": k, "sampled_tokens": sampled}
        for name, share in zip(("found", "majority", "best", "any_right"), shares, strict=True):
            row |= {name: share, f"{name}_low": share - 0.05, f"{name}_high": share + 0.05}
        rows.append(row)
    return pd.DataFrame(rows).filter(items=list(SEARCH_COLUMNS))


def cells(frame: Any, *names: str) -> list[list[float]]:
    """The rows of these columns."""
    return [list(row) for row in zip(*(column(frame, name).tolist() for name in names), strict=True)]


def test_lines_go_by_tokens_and_samples_of_one_k_are_one_point() -> None:
    lines = tokens_table(search_table()).groupby("arm")
    assert cells(lines.get_group("beam search"), "x", "point") == [[127.0, 0.05], [430.0, 0.25]]
    assert cells(lines.get_group("best-first search"), "x", "point") == [[128.0, 0.06], [408.0, 0.283]]
    assert cells(lines.get_group("Maj@K"), "x", "point", "k") == [
        [125.0, 0.193, 5],
        [400.0, 0.27, 16],
        [425.0, 0.272, 17],
    ]
    assert lines.get_group("Pass@K")["low"].tolist() == pytest.approx([0.448, 0.755, 0.767])


def test_the_report_of_a_folder_with_searches_has_their_figure_and_table(tmp_path: Path) -> None:
    save_run(tmp_path / "runs" / "grpo-seed0", sample_rows("grpo", 0, {2: ["Ca", "Ca"]}), metric_rows(2))
    plain = write_report(tmp_path).read_text(encoding="utf-8")
    assert "Search at equal tokens" not in plain and not (tmp_path / "report" / "search.csv").exists()
    search_table().to_csv(tmp_path / "search.csv", index=False)
    html = write_report(tmp_path).read_text(encoding="utf-8")
    text = re.sub(r"<[^>]+>", " ", html[html.index("Search at equal tokens") :])
    assert re.search(r"best-first search\s+60\s+512\s+408\s+50\s+28\.3 \[23\.3, 33\.3\]\s+16\s+400\s+27\.0", text)
    report = tmp_path / "report"
    for ending in ("svg", "pdf", "png", "csv"):
        assert (report / f"accuracy_by_tokens-sums.{ending}").is_file()
    assert "accuracy_by_tokens-sums.svg" in html
    assert pd.read_csv(report / "search.csv").equals(search_table())


def test_a_table_of_something_else_is_refused(tmp_path: Path) -> None:
    assert read_searches(tmp_path).empty
    search_table().drop(columns="k").to_csv(tmp_path / "search.csv", index=False)
    with pytest.raises(RecordError, match="lacks the columns k; it is no table of `coeflab evaluate --search`"):
        read_searches(tmp_path)
    search_table().replace({"method": {"beam": "tree"}}).to_csv(tmp_path / "search.csv", index=False)
    with pytest.raises(RecordError, match="has the method 'tree'"):
        read_searches(tmp_path)
