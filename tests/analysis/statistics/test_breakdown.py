"""Groups of problems and of completions: made of what was known before, counted right, in a readable order."""

import pandas as pd
import pytest

from analysis import load_comparison, score_comparison
from analysis.noise.intervals import Resampling
from analysis.records.frames import column, rows_where
from analysis.statistics.breakdown import breakdown, problem_groups


@pytest.fixture
def table(comparison_dir, make_run) -> pd.DataFrame:
    """Four problems of levels 2, 10, 2 and none, with questions of 3, 3, 40 and 50 characters; one arm, two seeds."""
    for seed, votes in ((0, ["CCaa", "aaaa", "CCCC", "Caaa"]), (1, ["CCCC", "Caaa", "CCCC", "CCaa"])):
        run = make_run("rft", seed, {0: votes})
        samples = pd.read_parquet(run / "samples.parquet")
        number = samples["problem_id"].str[-1].astype(int)
        samples["level"] = number.map({0: "2", 1: "10", 2: "2", 3: None})
        samples["question"] = number.map({0: "abc", 1: "abd", 2: "x" * 40, 3: "y" * 50})
        samples["num_tokens"] = [(5, 10, 20, 20)[index] for index in samples["sample_index"]]
        samples.to_parquet(run / "samples.parquet")
    for name in ("sft_start-seed0", "sft_start-seed1", "grpo-seed0", "grpo-seed1"):
        for file in (comparison_dir / "runs" / name).iterdir():
            file.unlink()
        (comparison_dir / "runs" / name).rmdir()
    comparison = load_comparison(comparison_dir)
    assert list(problem_groups(comparison.runs[0], "sums")["level"]) == ["2", "10"]  # by size, not by letters
    return breakdown(comparison, score_comparison(comparison), resampling=Resampling())


def cells(table: pd.DataFrame, by: str) -> list[tuple]:
    rows = rows_where(table, column(table, "by") == by).filter(["group", "problems", "samples", "point"])
    return [tuple(row) for row in rows.itertuples(index=False, name=None)]


def test_levels_are_counted_by_hand(table):
    assert cells(table, "level") == [
        ("2", 2, 16, pytest.approx((2 + 4 + 4 + 4) / 16)),
        ("10", 1, 8, pytest.approx(1 / 8)),
    ]


def test_lengths_of_questions_make_fourths_that_do_not_overlap(table):
    assert cells(table, "question characters") == [
        ("3", 2, 16, pytest.approx((2 + 0 + 4 + 1) / 16)),
        ("4–40", 1, 8, pytest.approx(1.0)),
        ("41–50", 1, 8, pytest.approx(3 / 8)),
    ]


def test_completions_are_grouped_by_their_own_length_and_have_no_interval(table):
    rows = table[table["by"] == "completion tokens"]
    first = 4 + 3  # of seed 0: samples 0 right in problems 0, 2, 3; of seed 1: in all four
    assert cells(table, "completion tokens")[0] == ("5", 0, 8, pytest.approx(first / 8))
    assert list(rows["samples"]) == [8, 8, 16] and rows["low"].isna().all()


def test_without_levels_there_is_no_such_group(comparison_dir):
    comparison = load_comparison(comparison_dir)
    assert "level" not in problem_groups(comparison.runs[0], "sums")
