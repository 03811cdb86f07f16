"""Cells of other tools' files: lists of one, scores, whole numbers with a point."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from analysis import RecordError
from analysis.records.foreign import read_foreign

ROW = {"problem": 1, "completion": "\\boxed{3}", "gold": 3}


def written(path: Path, row: Mapping[str, Any]) -> Path:
    path.write_text(json.dumps(row))
    return path


def test_a_list_of_one_gold_answer_is_that_answer(tmp_path: Path) -> None:
    assert list(read_foreign([written(tmp_path / "a.jsonl", {**ROW, "gold": ["3"]})])["gold"]) == ["3"]


@pytest.mark.parametrize("field", ["gold", "completion"])
def test_a_list_of_several_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(RecordError, match=f"row 1: the {field} is a list of 2"):
        read_foreign([written(tmp_path / "a.jsonl", {**ROW, field: ["3", "4"]})])


def test_a_table_of_texts_has_scores_and_whole_numbers_with_a_point(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("problem,completion,gold,seed,correct,arm\n1,3,3,2.0,0.5,\n1,4,3,2.0,-1.0,\n")
    rows = read_foreign([file])
    assert list(rows["seed"]) == [2, 2]
    assert list(rows["correct"]) == [True, False]
    assert list(rows["arm"]) == ["a", "a"]


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [("step", -1, "of 0 or more"), ("step", 10**20, "of 0 or more"), ("seed", 10**20, "of 64 bits")],
)
def test_a_step_before_the_start_and_a_number_beyond_64_bits_are_refused_with_their_row(
    tmp_path: Path, field: str, value: int, expected: str
) -> None:
    with pytest.raises(RecordError, match=f"row 1: the {field} is {value}; expected a whole number {expected}"):
        read_foreign([written(tmp_path / "a.jsonl", {**ROW, field: value})])
