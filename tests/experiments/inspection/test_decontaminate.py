"""`coeflab decontaminate`: clean file, hits with both texts, table; and the known overlaps of the data are found."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from benchmarks.files import DataFileError
from experiments.commands.problems import Decontaminate
from experiments.inspection.decontaminate import Found, decontaminate, read_against

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
with_data = pytest.mark.skipif(not DATA.is_dir(), reason="the data folder does not lie beside this checkout")
LONG = "Tom has three red apples and two green pears in his basket today"


def write(path: Path, rows: Iterable[object]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def test_clean_file_hits_and_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [
        {"id": "a", "question": "What is  one\u2028half of nine?", "answer": "4.5"},  # a copy of a short question
        {"id": "b", "messages": [{"role": "user", "content": f"Listen: {LONG}, how many?"}]},  # ten words of a long one
        {"id": "c", "question": "What is one half of ten?", "solution": "Five."},
        {"id": LONG, "question": "What?"},  # an id is no text
    ]
    train = write(tmp_path / "train.jsonl", rows)
    tests = [{"problem": f"{LONG}. How many?"}, {"id": "t2", "question": "What is one half of nine"}]
    write(tmp_path / "test.jsonl", tests)
    Decontaminate(train=train, against=(str(tmp_path / "test.jsonl"),), out=tmp_path / "clean.jsonl").run()
    kept = train.read_text(encoding="utf-8").split("\n")
    assert (tmp_path / "clean.jsonl").read_text(encoding="utf-8") == f"{kept[2]}\n{kept[3]}\n"
    hits = [
        json.loads(line) for line in (tmp_path / "clean.hits.jsonl").read_text(encoding="utf-8").split("\n") if line
    ]
    assert [(hit["line"], hit["test_id"], hit["copy"]) for hit in hits] == [(1, "t2", True), (2, "line 1", False)]
    assert hits[1]["text"] == f"user\nListen: {LONG}, how many?"
    assert hits[1]["test_text"] == f"{LONG}. How many?"
    assert hits[1]["words"] == "tom has three red apples and two green pears in"
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].split() == ["test", "2", "2", "2", "1"]
    assert printed[2] == "2 of 4 rows are clean of all of them"


@pytest.mark.parametrize(
    ("train", "test", "message"),
    [
        ("{}\n{\n", '{"question": "?"}', r"train.jsonl, line 2: not JSON"),
        ("[1]\n", '{"question": "?"}', r"train.jsonl, line 1: no JSON object"),
        ("\n", '{"question": "?"}', r"train.jsonl holds no row"),
        ('{"a": "b"}', '{"prompt": "?"}', r"test.jsonl, line 1: no text in 'question' or 'problem', only .* prompt"),
        ('{"a": "b"}', "", r"test.jsonl holds no row"),
    ],
)
def test_broken_files_are_named_with_their_line(tmp_path: Path, train: str, test: str, message: str) -> None:
    (tmp_path / "train.jsonl").write_text(train)
    (tmp_path / "test.jsonl").write_text(test)
    with pytest.raises(DataFileError, match=message):
        decontaminate(tmp_path / "train.jsonl", read_against([str(tmp_path / "test.jsonl")], None))


def test_a_training_file_is_not_written_over(tmp_path: Path) -> None:
    train = write(tmp_path / "train.jsonl", [{"question": "?"}])
    with pytest.raises(ValueError, match="is the training file itself; name another"):
        Decontaminate(train=train, against=("gsm8k",), out=train).run()


def lines(name: str) -> list[dict]:
    path = DATA / name
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def found_in(path: Path, *against: str) -> Found:
    return decontaminate(path, read_against(against, str(DATA)))


@with_data
def test_the_problem_that_is_in_both_splits_of_math_is_found() -> None:
    found = found_in(DATA / "math" / "train.jsonl.gz", "math")
    copies = {hit.test_id for hit in found.hits if hit.copy}
    assert "math-test-4656" in copies
    row = next(hit for hit in found.hits if hit.test_id == "math-test-4656" and hit.copy)
    assert lines("math/train.jsonl.gz")[row.line - 1]["id"] == "math-train-2948"


@with_data
def test_prm800ks_split_holds_4500_test_problems_of_math_and_none_of_math500(tmp_path: Path) -> None:
    test = lines("math/test.jsonl.gz")
    split = write(tmp_path / "prm800k.jsonl", [row for row in test if not row["in_math500"]])
    found = found_in(split, "math", "math500")
    copies = [hit for hit in found.hits if hit.copy]
    whole = {hit.line for hit in copies if hit.against == "math"}
    assert len(test) == 5000 and found.rows == 4500
    assert len(whole) >= 4490  # a question of one or two words is not looked for
    assert not [hit for hit in copies if hit.against == "math500"]


@with_data
def test_minif2f_holds_math_and_mgsm_processbench_and_cmath_hold_their_sources(tmp_path: Path) -> None:
    minif2f = write(tmp_path / "minif2f.jsonl", [{"question": row["question"]} for row in minif2f_rows()])
    assert len(found_in(minif2f, "math").hits) >= 262  # of 488, by the text match of the data's own page
    assert len(found_in(DATA / "mgsm" / "mgsm_en.jsonl", "gsm8k").hits) == 250
    processbench = [{"question": row["question"]} for row in lines("processbench/gsm8k.jsonl")]
    found = found_in(write(tmp_path / "processbench.jsonl", processbench), "gsm8k")
    assert len({hit.line for hit in found.hits}) == 400
    assert sum(hit.copy for hit in found_in(DATA / "cmath" / "dev.jsonl", "cmath").hits) == 3


def minif2f_rows() -> list[dict]:
    folder = DATA / "minif2f"
    return [row for file in sorted(folder.glob("*.jsonl*")) for row in lines(f"minif2f/{file.name}")]
