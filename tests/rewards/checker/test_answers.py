from __future__ import annotations

import importlib.util
import re
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from benchmarks.problem import Tolerance
from rewards import CORRECT_CLASS, GoldAnswerError, Status, check_answer, check_answers


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CASES: list[tuple[str, str, str, str]] = _load("answer_cases").CASES
FAMILIES: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = [
    *_load("answer_families").FAMILIES,
    *_load("answer_families_of_shapes").FAMILIES,
    *_load("answer_families_of_wording").FAMILIES,
]
ONE_WAY: list[tuple[str, str, tuple[str, ...], tuple[str, ...]]] = _load("answer_families_of_wording").ONE_WAY
COMPLETIONS: list[tuple[str, str, bool, str]] = _load("completions").COMPLETIONS


BOTH_KINDS = [*FAMILIES, *ONE_WAY]


@pytest.mark.parametrize(
    ("gold", "why", "equal", "different"), BOTH_KINDS, ids=[f"{family[0]}|{family[1]}" for family in BOTH_KINDS]
)
def test_a_family(gold: str, why: str, equal: tuple[str, ...], different: tuple[str, ...]) -> None:
    refused = [answer for answer in (gold, *equal) if not check_answer(f"So \\boxed{{{answer}}}.", gold).correct]
    accepted = [answer for answer in different if check_answer(f"So \\boxed{{{answer}}}.", gold).correct]
    assert (refused, accepted) == ([], []), why


@pytest.mark.parametrize(("gold", "why", "equal", "different"), FAMILIES, ids=[f"{f[1]}|{f[0]}" for f in FAMILIES])
def test_a_family_read_the_other_way_round(
    gold: str, why: str, equal: tuple[str, ...], different: tuple[str, ...]
) -> None:
    refused, accepted = [], []
    for answer in (*equal, *different):
        try:
            correct = check_answer(f"So \\boxed{{{gold}}}.", answer).correct
        except GoldAnswerError:
            continue  # no gold answer: it holds nothing that can be read
        if correct != (answer in equal):
            (accepted if correct else refused).append(answer)
    assert (refused, accepted) == ([], []), why


@pytest.mark.parametrize(("gold", "answer", "expected", "why"), CASES, ids=[f"{case[0]}|{case[1]}" for case in CASES])
def test_case(gold: str, answer: str, expected: str, why: str) -> None:
    verdict = check_answer(f"So we get \\boxed{{{answer}}}.", gold)
    if "{" in answer and answer.count("{") != answer.count("}"):
        verdict = check_answer(f"#### {answer}", gold)  # cannot stand in a box
    assert verdict.status == expected, why


@pytest.mark.parametrize(("gold", "answer", "expected", "why"), CASES, ids=[f"{case[1]}|{case[0]}" for case in CASES])
def test_two_bare_answers_are_judged_the_same_both_ways(gold: str, answer: str, expected: str, why: str) -> None:
    if expected == "UNPARSABLE":
        pytest.skip("an unreadable answer is no gold answer")
    swapped = check_answer(f"#### {gold}", answer).status
    assert (swapped is Status.CORRECT) == (expected == "CORRECT"), why


@pytest.mark.parametrize(("gold", "completion", "right", "why"), COMPLETIONS, ids=[case[3] for case in COMPLETIONS])
def test_a_completion(gold: str, completion: str, right: bool, why: str) -> None:
    assert check_answer(completion, gold).correct is right, why


def test_there_are_enough_cases_and_no_duplicates() -> None:
    pairs = [case[:2] for case in CASES]
    pairs += [(gold, answer) for gold, _, equal, different in FAMILIES for answer in (*equal, *different)]
    assert len(set(pairs)) > 900
    assert len({case[:2] for case in CASES}) == len(CASES)


def test_check_answers_keeps_the_order() -> None:
    pairs = [(f"#### {index % 3}", "1") for index in range(9)]
    assert [verdict.correct for verdict in check_answers(pairs)] == [False, True, False] * 3


WITHIN = [
    ("1.6", "1.61", True, "within 1 %"),
    ("1.6", "1.584", True, "at 1 % below"),
    ("1.6", "1.62", False, "past 1 %"),
    ("1000", "x = 1001", True, "a named value"),
    ("1000", "1001 \\text{ m}", True, "with a unit"),
    ("2 \\text{ cm}", "2.01 \\text{ m}", False, "units still must agree"),
    ("\\pi", "3.14", True, "an irrational gold answer"),
    ("\\pi", "3.2", False, "too far"),
    ("(1, 2)", "(1.001, 2.001)", True, "each entry"),
    ("(1, 2)", "(2.001, 1.001)", False, "order counts"),
    ("x / 2", "x / 2.001", False, "no expression has a tolerance"),
    ("0", "0.001", False, "a share of nothing is nothing"),
    ("5", "5 or 6", False, "no candidates"),
    ("-3", "3", False, "sign"),
]


@pytest.mark.parametrize(("gold", "answer", "expected", "why"), WITHIN, ids=[f"{case[0]}|{case[1]}" for case in WITHIN])
def test_a_relative_tolerance(gold: str, answer: str, expected: bool, why: str) -> None:
    tolerance = Tolerance(relative=Fraction(1, 100))
    assert check_answer(f"\\boxed{{{answer}}}", gold, tolerance=tolerance).correct is expected, why
    if expected:
        assert not check_answer(f"\\boxed{{{answer}}}", gold).correct, "and without a tolerance it is another value"


def test_an_absolute_tolerance() -> None:
    tolerance = Tolerance(absolute=Fraction("1e-1"))
    verdicts = [check_answer(f"\\boxed{{{answer}}}", "4.2", tolerance=tolerance) for answer in ("4.3", "4.1", "4.31")]
    assert [verdict.correct for verdict in verdicts] == [True, True, False]
    assert verdicts[0].answer_class == CORRECT_CLASS


def test_a_gold_answer_that_is_no_text_is_named() -> None:
    for gold in (5, ["5"], None):
        with pytest.raises(GoldAnswerError, match=rf"got {re.escape(repr(gold))}, of type \w+; expected text"):
            check_answer("\\boxed{5}", gold)  # type: ignore[arg-type]
