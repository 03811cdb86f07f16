"""Loading from the hub: rows as the real data sets hold them, and the error where there is no network.

Only `datasets.load_dataset` is replaced, by one that returns a real `datasets.Dataset` of hand-written rows.
"""

from __future__ import annotations

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import hub
from benchmarks.hub import BenchmarkUnavailableError, last_boxed, load_from_hub, number_after_hashes
from benchmarks.problem import Problem

datasets = pytest.importorskip("datasets")

GSM8K_ROWS = [
    {
        "question": "Ann has 3 boxes of 4 pens. How many pens has she?\n",
        "answer": "She has 3*4=<<3*4=12>>12 pens.\n#### 12",
    },
    {"question": "A farm of 9 fields has 120 trees each.", "answer": "9*120 = $<<9*120=1080>>1080\n#### 1,080"},
]
MATH_ROWS = [
    {
        "problem": "What is half of $\\frac{1}{2}$?",
        "level": "Level 2",
        "type": "Prealgebra",
        "solution": "Not $\\boxed{1}$ but $\\frac{1}{4} = \\boxed{\\frac{1}{4}}$.",
    },
    {"problem": "Empty.", "level": "Level 1", "type": "Algebra", "solution": "The answer is $\\boxed{}$."},
    {"problem": "One and one?", "level": "Level ?", "type": "Algebra", "solution": "It is $\\boxed 2$."},
]
MATH500_ROWS = [
    {
        "problem": "What is $1+1$?",
        "solution": "It is $\\boxed{2}$.",
        "answer": "2",
        "subject": "Algebra",
        "level": 1,
        "unique_id": "test/algebra/1.json",
    }
]


@pytest.fixture
def hub_holds(monkeypatch):
    """Puts rows behind one split of the hub and returns the list of calls that reached it."""

    def put(name: str, split: str, there: list[dict[str, object]], **changes: object) -> list[tuple[object, ...]]:
        source = dataclasses.replace(hub.SOURCES[name][split], **{"rows": len(there), **changes})  # pyright: ignore[reportArgumentType]
        monkeypatch.setitem(hub.SOURCES[name], split, source)
        calls: list[tuple[object, ...]] = []

        def load_dataset(path, name=None, *, split, revision):
            calls.append((path, name, split, revision))
            return datasets.Dataset.from_list(there)

        monkeypatch.setattr(datasets, "load_dataset", load_dataset)
        return calls

    return put


def test_gsm8k_rows(hub_holds):
    calls = hub_holds("gsm8k", "train", GSM8K_ROWS)
    assert load_from_hub("gsm8k", "train") == [
        Problem(
            problem_id="gsm8k-train-hub-0000",
            benchmark="gsm8k",
            question="Ann has 3 boxes of 4 pens. How many pens has she?",
            gold_answer="12",
            solution="She has 3*4=<<3*4=12>>12 pens.",
        ),
        Problem(
            problem_id="gsm8k-train-hub-0001",
            benchmark="gsm8k",
            question="A farm of 9 fields has 120 trees each.",
            gold_answer="1080",
            solution="9*120 = $<<9*120=1080>>1080",
        ),
    ]
    assert calls == [("openai/gsm8k", "main", "train", "740312add88f781978c0658806c59bc2815b9866")]


def test_math_rows_without_the_one_that_has_no_answer(hub_holds):
    hub_holds("math", "train", MATH_ROWS, without_answer=1)
    problems = load_from_hub("math", "train")
    assert [(p.problem_id, p.gold_answer, p.level, p.subject) for p in problems] == [
        ("math-train-hub-0000", "\\frac{1}{4}", "2", "Prealgebra"),
        ("math-train-hub-0002", "2", None, "Algebra"),
    ]
    assert problems[0].solution == MATH_ROWS[0]["solution"]


def test_math500_rows(hub_holds):
    hub_holds("math500", "test", MATH500_ROWS)
    assert load_from_hub("math500", "test") == [
        Problem(
            problem_id="math500-test-hub-0000",
            benchmark="math500",
            question="What is $1+1$?",
            gold_answer="2",
            solution="It is $\\boxed{2}$.",
            level="1",
            subject="Algebra",
        )
    ]


def test_every_source_is_pinned_to_a_commit_and_has_the_published_size():
    sources = {(name, split): source for name, splits in hub.SOURCES.items() for split, source in splits.items()}
    assert {key: source.rows - source.without_answer for key, source in sources.items()} == {
        ("gsm8k", "train"): 7473,
        ("gsm8k", "test"): 1319,
        ("math", "train"): 7498,
        ("math", "test"): 5000,
        ("math500", "test"): 500,
    }
    assert all(len(source.revision) == 40 and int(source.revision, 16) for source in sources.values())


def test_rows_that_are_not_those_of_the_commit(hub_holds):
    hub_holds("gsm8k", "test", GSM8K_ROWS, rows=1319)
    with pytest.raises(BenchmarkUnavailableError, match="got 2 rows, 0 of them without an answer, expected 1319 and 0"):
        load_from_hub("gsm8k", "test")
    hub_holds("math", "test", MATH_ROWS)
    with pytest.raises(BenchmarkUnavailableError, match="got 3 rows, 1 of them without an answer, expected 3 and 0"):
        load_from_hub("math", "test")
    hub_holds("math", "test", GSM8K_ROWS)
    with pytest.raises(BenchmarkUnavailableError, match=r"row 0 has the fields \['answer', 'question'\]"):
        load_from_hub("math", "test")


def test_unknown_names_get_the_nearest():
    with pytest.raises(ValueError, match="did you mean 'math500'"):
        load_from_hub("math5000", "test")
    with pytest.raises(ValueError, match="gsm8k has no split 'validation', only train, test"):
        load_from_hub("gsm8k", "validation")


def test_a_real_call_without_network_says_what_to_do(tmp_path):
    code = "from benchmarks.hub import load_from_hub; load_from_hub('math', 'test')"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(hub.__file__).parents[1],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        "benchmarks.hub.BenchmarkUnavailableError: DigitalLearningGmbH/MATH-lighteval at 0530c78699ea, split test, "
        "could not be had from the hub: Couldn't reach 'DigitalLearningGmbH/MATH-lighteval' on the Hub"
    )
    assert "(--data-dir DIR, with DIR/math/test.jsonl in it)" in done.stderr


def test_without_the_package_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(BenchmarkUnavailableError, match=r"the package 'datasets' is not installed.*--data-dir"):
        load_from_hub("gsm8k", "test")


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("so 5\n#### 5", "5"),
        ("#### 1 is a title\n#### -2,500", "-2500"),
        ("#### 27.0", "27"),
        ("#### 0.5", "0.5"),
        ("no mark", ""),
    ],
)
def test_number_after_hashes(text, answer):
    assert number_after_hashes(text) == answer


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"$\boxed{1}$ and then $\boxed{\frac{1}{2}}$.", r"\frac{1}{2}"),
        (r"\boxed{\left\{1, 2\right\}}", r"\left\{1, 2\right\}"),
        (r"\boxed{x \in \{1}", r"x \in \{1"),
        (r"\boxed{a \\{b} c}", r"a \\{b} c"),
        (r"\fbox{17}", "17"),
        (r"it is $\boxed 9$ apples", "9"),
        (r"\boxed{}", ""),
        (r"\boxed{1", ""),
        ("none", ""),
    ],
)
def test_last_boxed(text, answer):
    assert last_boxed(text) == answer
