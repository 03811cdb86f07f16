"""Loading problems from JSON Lines: what comes through, and what each kind of broken file is told."""

from __future__ import annotations

import gzip
import json
from fractions import Fraction
from pathlib import Path

import pytest

from benchmarks.files import DataFileError, DataFileMissingError, load_from_folder, read_problems
from benchmarks.problem import Problem, Tolerance

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def row(number: int = 0, **fields: object) -> dict[str, object]:
    return {"id": f"toy-{number}", "question": f"What is {number} + 1?", "answer": str(number + 1), **fields}


def write(path: Path, *rows: object) -> Path:
    """One line a row; a string is written as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in rows]
    text = "".join(line + "\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)
    return path


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_all_fields_come_through_in_order(tmp_path, suffix):
    path = write(
        tmp_path / f"toy{suffix}",
        row(1, solution="1 + 1 = <<1+1=2>>2", level=5, subject="Algebra", unique_id="ignored"),
        row(0, solution=None, level="hard"),
    )
    assert read_problems(path, benchmark="toy") == [
        Problem(
            problem_id="toy-1",
            benchmark="toy",
            question="What is 1 + 1?",
            gold_answer="2",
            solution="1 + 1 = <<1+1=2>>2",
            level="5",
            subject="Algebra",
        ),
        Problem(problem_id="toy-0", benchmark="toy", question="What is 0 + 1?", gold_answer="1", level="hard"),
    ]


def test_choices_stand_behind_the_question_with_their_letters(tmp_path):
    path = write(tmp_path / "toy.jsonl", row(1, options=["2", "3", 4.5], answer="A"))
    assert read_problems(path, benchmark="sat_math")[0].question == "What is 1 + 1?\n(A) 2\n(B) 3\n(C) 4.5"


def test_tolerances_come_from_the_row_or_from_the_benchmark_and_nowhere_else(tmp_path):
    path = write(tmp_path / "toy.jsonl", row(0, tolerance="1e-1"), row(1, tolerance=None))
    assert [problem.tolerance for problem in read_problems(path, benchmark="olympiadbench")] == [
        Tolerance(absolute=Fraction(1, 10)),
        None,
    ]
    path = write(tmp_path / "minerva.jsonl", row(0))
    assert read_problems(path, benchmark="minerva_math")[0].tolerance == Tolerance(relative=Fraction(1, 100))
    assert read_problems(path, benchmark="math")[0].tolerance is None


@pytest.mark.parametrize("absolute", [0, -1])
def test_a_tolerance_of_nothing_or_less_is_refused(absolute):
    with pytest.raises(ValueError, match="expected one of them above zero"):
        Tolerance(absolute=Fraction(absolute))


def test_only_line_feeds_end_a_line(tmp_path):
    question = "One\u2028two\x85three\u2029four\x0cfive π"
    path = write(tmp_path / "toy.jsonl", row(0, question=question), row(1))
    assert [problem.question for problem in read_problems(path, benchmark="toy")] == [question, "What is 1 + 1?"]


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_are_harmless(tmp_path):
    path = tmp_path / "toy.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(row(0)).encode() + b"\r\n\r\n" + json.dumps(row(1)).encode())
    assert [problem.problem_id for problem in read_problems(path, benchmark="toy")] == ["toy-0", "toy-1"]


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ('{"id": "a", "question": "b"', "line 2: not JSON, Expecting ',' delimiter at column 28"),
        ('["a"]', "line 2: got a list, expected an object"),
        ("null", "line 2: got null, expected an object"),
        ({"id": "a", "question": "b"}, "line 2: the field 'answer' is missing, there are only id, question"),
        (row(1, answer=7), "line 2: the field 'answer' is the number 7, expected text; put it in quotes"),
        (row(1, answer=None), "line 2: the field 'answer' is null, expected text"),
        (row(1, answer="  "), "line 2: the field 'answer' is empty; fill it in or remove the line"),
        (row(1, question=""), "line 2: the field 'question' is empty"),
        (row(1, id=["a"]), "line 2: the field 'id' is a list, expected text"),
        (row(1, solution=["a"]), "line 2: the field 'solution' is a list, expected text or null"),
        (row(1, options="2, 3"), "line 2: the field 'options' is no list of at most 26 texts or numbers"),
        (row(1, tolerance="much"), "line 2: the field 'tolerance' is 'much', expected a positive number"),
        (row(1, tolerance="-1"), "line 2: the field 'tolerance' is '-1', expected a positive number"),
        (row(1, level=True), "line 2: the field 'level' is the truth value true, expected text or null"),
        (row(0), "line 2: the id 'toy-0' is already that of line 1"),
    ],
)
def test_a_broken_line_is_named(tmp_path, line, what):
    path = write(tmp_path / "toy.jsonl", row(0), line, row(2))
    with pytest.raises(DataFileError) as raised:
        read_problems(path, benchmark="toy")
    assert str(raised.value).startswith(f"{path}, {what}")


def test_a_file_without_problems(tmp_path):
    with pytest.raises(DataFileError, match=r"toy\.jsonl holds no problem"):
        read_problems(write(tmp_path / "toy.jsonl", ""), benchmark="toy")


def test_bytes_that_are_not_utf8(tmp_path):
    path = write(tmp_path / "toy.jsonl", row(0))
    path.write_bytes(path.read_bytes() + b'{"id": "\xff"}\n')
    with pytest.raises(DataFileError, match=r"not UTF-8 \(invalid start byte\)"):
        read_problems(path, benchmark="toy")


@pytest.mark.parametrize("damage", [lambda whole: whole[:-12], lambda whole: b"plain text", lambda whole: whole[:30]])
def test_a_damaged_gzip_file(tmp_path, damage):
    path = write(tmp_path / "toy.jsonl.gz", *(row(number) for number in range(50)))
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(DataFileError, match=r"toy\.jsonl\.gz, after line \d+: not a whole gzip file .*copy it again"):
        read_problems(path, benchmark="toy")


def test_a_missing_file_lists_what_is_there(tmp_path):
    write(tmp_path / "other.jsonl", row(0))
    with pytest.raises(DataFileMissingError, match=r"toy\.jsonl does not exist; .* holds other\.jsonl"):
        read_problems(tmp_path / "toy.jsonl", benchmark="toy")
    with pytest.raises(FileNotFoundError, match=r"nor does .*nowhere"):
        read_problems(tmp_path / "nowhere" / "toy.jsonl", benchmark="toy")


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_benchmark_from_a_folder(tmp_path, suffix):
    write(tmp_path / f"gsm8k/test{suffix}", row(4))
    problems = load_from_folder("gsm8k", "test", tmp_path)
    assert [(problem.benchmark, problem.gold_answer) for problem in problems] == [("gsm8k", "5")]


def test_a_folder_without_the_file_lists_what_is_there(tmp_path):
    write(tmp_path / "gsm8k/train.jsonl.gz", row(0))
    with pytest.raises(DataFileMissingError) as raised:
        load_from_folder("math", "test", tmp_path)
    assert str(raised.value) == (
        f"math test: neither {tmp_path}/math/test.jsonl nor test.jsonl.gz exists. "
        f"{tmp_path} holds gsm8k/train.jsonl.gz; name the folder that holds math/test.jsonl."
    )
    with pytest.raises(DataFileMissingError, match="nowhere does not exist"):
        load_from_folder("math", "test", tmp_path / "nowhere")


def test_unknown_names_get_the_nearest(tmp_path):
    with pytest.raises(ValueError, match=r"There is no benchmark 'gms8k' here, only .*; did you mean 'gsm8k'"):
        load_from_folder("gms8k", "test", tmp_path)
    with pytest.raises(ValueError, match="math500 has no split 'train', only test"):
        load_from_folder("math500", "train", tmp_path)


@pytest.mark.skipif(not DATA.is_dir(), reason="the data folder does not lie beside this checkout")
@pytest.mark.parametrize(
    ("name", "split", "count"),
    [
        ("gsm8k", "train", 7473),
        ("gsm8k", "test", 1319),
        ("math", "train", 7498),
        ("math", "test", 5000),
        ("math500", "test", 500),
        ("svamp", "test", 1000),
        ("cmath", "test", 1098),
        ("cmath", "validation", 600),
        ("sat_math", "test", 32),
        ("mmlu_stem", "test", 3018),
        ("gaokao_mathcloze", "test", 118),
        ("gaokao_mathqa", "test", 351),
        ("minerva_math", "test", 272),
        ("olympiadbench", "test", 675),
        ("aime2024", "test", 30),
        ("aime2025", "test", 30),
        ("amc23", "test", 40),
        ("gsm_hard", "test", 1319),
        ("mgsm_bn", "test", 250),
        ("mgsm_zh", "test", 250),
    ],
)
def test_the_real_files_are_whole(name, split, count):
    problems = load_from_folder(name, split, DATA)
    assert len({problem.problem_id for problem in problems}) == len(problems) == count
    assert {problem.benchmark for problem in problems} == {name}
    if name in ("gsm8k", "math", "math500", "svamp", "minerva_math", "olympiadbench"):
        assert all(problem.solution for problem in problems)
