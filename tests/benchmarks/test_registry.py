"""The registry against the files it names, the paper's list of benchmarks, and what the README says of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from benchmarks.files import load_from_folder
from benchmarks.registry import BENCHMARKS, PAPER_BENCHMARKS, AnswerKind

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
SPLITS = [(name, split) for name, benchmark in BENCHMARKS.items() for split in benchmark.splits]


@pytest.mark.skipif(not DATA.is_dir(), reason="the benchmark files are not here (../shared/data)")
@pytest.mark.parametrize(("name", "split"), SPLITS)
def test_each_split_has_the_problems_it_says_and_answers_of_its_kind(name: str, split: str) -> None:
    benchmark = BENCHMARKS[name]
    problems = load_from_folder(name, split, DATA)
    assert len(problems) == benchmark.splits[split].problems
    letters = sum(set(problem.gold_answer) <= set("ABCDE,; ") for problem in problems)
    if benchmark.answer is AnswerKind.OPTION:
        assert letters == len(problems)
    elif benchmark.answer is AnswerKind.PROOF:
        assert all([each.language for each in problem.statements] == ["lean4", "isabelle"] for problem in problems)
    else:
        assert letters <= len(problems) / 500  # MATH has a few free answers that are a letter: a point's name
    assert all(problem.tolerance == benchmark.tolerance for problem in problems) or name == "olympiadbench"


def test_the_readme_says_how_many_there_are() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"Of the (\d+) benchmarks", readme) == [str(len(BENCHMARKS))]


def test_the_papers_columns_are_all_there_with_its_shots() -> None:
    """Table 2's eight columns and Table 5's MGSM-zh; shots as the names of the paper's own prompt files have them."""
    shots = {BENCHMARKS[name].paper_name: BENCHMARKS[name].shots for name in PAPER_BENCHMARKS}
    assert shots == {
        "GSM8K": 8,
        "MATH": 4,
        "OCW": 4,
        "SAT": 4,
        "MMLU STEM": 4,
        "CMATH": 6,
        "Gaokao MathCloze": 5,
        "Gaokao MathQA": 5,
        "MGSM-zh": 0,
    }
