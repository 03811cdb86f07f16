"""Plausible files of other tools whose samples must not be counted together, or read as something else."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from analysis import RecordError
from analysis.records.foreign import read_foreign

ROW = {"problem": 1, "completion": "\\boxed{3}", "gold": 3}


def written(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_two_files_of_one_name_are_not_one_arm(tmp_path: Path) -> None:
    files = [written(tmp_path / folder / "samples.jsonl", [ROW]) for folder in ("grpo", "ppo")]
    with pytest.raises(RecordError, match="would both be the arm 'samples'"):
        read_foreign(files)


def test_dumps_of_two_runs_in_folders_of_one_name_are_not_one_arm(tmp_path: Path) -> None:
    row = {"input": "q", "output": "3", "gts": "3", "score": 1.0, "step": 0}
    files = [written(tmp_path / run / "validation" / "0.jsonl", [row]) for run in ("first", "second")]
    with pytest.raises(RecordError, match="would both be the arm 'validation'"):
        read_foreign(files)


def test_a_file_named_twice_is_read_once(tmp_path: Path) -> None:
    file = written(tmp_path / "samples.jsonl", [ROW])
    assert len(read_foreign([file, tmp_path])) == 1


def test_a_list_of_one_gold_answer_is_that_answer(tmp_path: Path) -> None:
    assert list(read_foreign([written(tmp_path / "a.jsonl", [{**ROW, "gold": ["3"]}])])["gold"]) == ["3"]


@pytest.mark.parametrize("field", ["gold", "completion"])
def test_a_list_of_several_is_refused(tmp_path: Path, field: str) -> None:
    with pytest.raises(RecordError, match=f"row 1: the {field} is a list of 2"):
        read_foreign([written(tmp_path / "a.jsonl", [{**ROW, field: ["3", "4"]}])])


def test_a_table_of_texts_has_scores_and_whole_numbers_with_a_point(tmp_path: Path) -> None:
    file = tmp_path / "a.csv"
    file.write_text("problem,completion,gold,seed,correct,arm\n1,3,3,2.0,0.5,\n1,4,3,2.0,-1.0,\n")
    rows = read_foreign([file])
    assert list(rows["seed"]) == [2, 2]
    assert list(rows["correct"]) == [True, False]
    assert list(rows["arm"]) == ["a", "a"]
