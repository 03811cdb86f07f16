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
