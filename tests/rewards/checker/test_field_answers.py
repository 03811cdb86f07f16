"""Answers of the field's kinds, judged by hand: each gets the verdict that it deserves."""

from __future__ import annotations

import pytest

from rewards import Status, check_answer
from tests.rewards.checker.field_answers import COMPLETIONS, DIFFERENT, EQUAL


def pairs(table: str) -> list[tuple[str, str]]:
    """Gold answer and answer of every pair of a table."""
    rows = [line.split(" ~~ ") for line in table.strip().splitlines()]
    return [(gold, answer) for gold, *answers in rows for answer in answers]


@pytest.mark.parametrize(("table", "equal"), [(EQUAL, True), (DIFFERENT, False)], ids=["equal", "different"])
def test_answers_in_a_box(table: str, equal: bool) -> None:
    wrong = [
        (gold, answer)
        for gold, answer in pairs(table)
        if check_answer(f"Simplifying, we get \\boxed{{{answer}}}.", gold).correct is not equal
    ]
    assert wrong == []
    assert len(pairs(table)) >= 300


def test_whole_completions() -> None:
    wrong = [(gold, text) for gold, text, right in COMPLETIONS if check_answer(text, gold).correct is not right]
    assert wrong == []
    assert any(check_answer(text, gold).status is Status.NO_ANSWER for gold, text, right in COMPLETIONS if not right)
