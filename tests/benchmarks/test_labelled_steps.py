"""PRM800K and ProcessBench as they lie on the disk, and lines that are neither."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from benchmarks.files import DataFileError, DataFileMissingError
from benchmarks.labelled_steps import PROCESS_BENCH, load_prm800k, load_process_bench

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def path_row() -> dict:
    """A path of two steps; at the second another completion was rated, and one that nobody rated was left."""
    return {
        "id": "one",
        "question": "What is 1 + 1?",
        "answer": "2",
        "steps": [
            [{"text": "Let us add.", "rating": 0, "chosen": True}],
            [
                {"text": "It is 3.", "rating": -1, "chosen": False, "answer": "3"},
                {"text": "Hm.", "rating": None, "chosen": False},
                {"text": "It is 2.", "rating": 1, "chosen": True, "is_solution": True, "answer": "2"},
            ],
        ],
    }


def write(folder: Path, stem: str, rows: list) -> None:
    file = folder / f"{stem}.jsonl.gz"
    file.parent.mkdir(parents=True, exist_ok=True)
    with gzip.open(file, "wt") as out:
        out.writelines(json.dumps(row) + "\n" for row in rows)


def test_a_path_of_prm800k_by_hand(tmp_path: Path) -> None:
    write(tmp_path, "prm800k_phase1/train", [path_row()])
    whole, other = load_prm800k("train", tmp_path)
    assert (whole.steps, whole.ratings, whole.ended) == (("Let us add.", "It is 2."), (0, 1), True)
    assert (other.steps, other.ratings, other.ended) == (("Let us add.", "It is 3."), (None, -1), True)
    assert load_prm800k("train", tmp_path, paths=0) == []


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
@pytest.mark.parametrize(
    ("split", "ratings"),
    [("train", 48_672), ("test", 5_082)],  # counted by those who made the files; see their README
)
def test_every_rating_of_prm800k_is_there_once(split: str, ratings: int) -> None:
    """Blank completions apart, which have no step to rate."""
    found = sum(rating is not None for item in load_prm800k(split, SHARED) for rating in item.ratings)
    assert ratings - 20 <= found <= ratings


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not here")
@pytest.mark.parametrize(
    ("name", "count"),
    [("processbench_gsm8k", (207, 193)), ("processbench_math", (594, 406)), ("processbench_omnimath", (759, 241))],
)
def test_process_bench_has_its_published_numbers_of_wrong_and_right_solutions(
    name: str, count: tuple[int, int]
) -> None:
    """Table 1 of arXiv 2412.06559."""
    solutions = load_process_bench(name, SHARED)
    wrong = sum(solution.first_wrong >= 0 for solution in solutions)
    assert (wrong, len(solutions) - wrong) == count


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"id": "a", "question": "q", "steps": ["x"], "label": 1},
            "'label' is 1; expected the index of one of 1 steps",
        ),
        ({"id": "a", "question": "q", "steps": ["x"], "label": True}, "'label' is True"),
        ({"id": "a", "question": "q", "steps": [], "label": -1}, "'steps' is no list of texts"),
        ({"id": "a", "question": " ", "steps": ["x"], "label": -1}, "'question' is ' '; expected text"),
        ([], "expected an object"),
    ],
)
def test_a_broken_line_of_process_bench_is_named(tmp_path: Path, row: object, message: str) -> None:
    write(tmp_path, "processbench/gsm8k", [{"id": "0", "question": "q", "steps": ["x"], "label": -1}, row])
    with pytest.raises(DataFileError, match=r"line 2: .*") as error:
        load_process_bench("processbench_gsm8k", tmp_path)
    assert message in str(error.value)


def test_a_broken_path_and_a_missing_file_are_named(tmp_path: Path) -> None:
    broken = path_row()
    broken["steps"][1][0]["rating"] = 2
    write(tmp_path, "prm800k_phase1/train", [broken])
    with pytest.raises(DataFileError, match=r"line 1: the field 'steps' is no list of lists"):
        load_prm800k("train", tmp_path)
    with pytest.raises(DataFileMissingError, match=r"test\.jsonl"):
        load_prm800k("test", tmp_path)
    with pytest.raises(ValueError, match=", ".join(PROCESS_BENCH)):
        load_process_bench("processbench", tmp_path)
