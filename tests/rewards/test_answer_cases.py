from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from rewards import Status, check_answer, check_answers

_SPEC = importlib.util.spec_from_file_location("answer_cases", Path(__file__).with_name("answer_cases.py"))
assert _SPEC is not None
assert _SPEC.loader is not None
_MODULE = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_MODULE)
CASES: list[tuple[str, str, str, str]] = _MODULE.CASES


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


def test_there_are_enough_cases_and_no_duplicates() -> None:
    assert len({case[:2] for case in CASES}) == len(CASES) >= 150


def test_check_answers_keeps_the_order() -> None:
    pairs = [(f"#### {index % 3}", "1") for index in range(9)]
    assert [verdict.correct for verdict in check_answers(pairs)] == [False, True, False] * 3
