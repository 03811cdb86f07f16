from __future__ import annotations

from itertools import pairwise

import pytest

from benchmarks.arithmetic import generate_problems
from rewards import check_next_operations, check_steps

QUESTION = "((12+7)*3)-5="
RIGHT = "12+7=19\n19*3=57\n57-5=52\n\\boxed{52}"

CASES: list[tuple[str, list[int], str]] = [
    (RIGHT, [1, 1, 1, 1], "one operation a line"),
    ("12 + 7 = 19\n19 * 3 = 57\n57 - 5 = 52\n\\boxed{52}", [1, 1, 1, 1], "blanks"),
    ("(12+7)*3=57\n57-5=52\n\\boxed{52}", [1, 1, 1], "two merged"),
    ("12+7=19\n(19*3)-5=52\n\\boxed{52}", [1, 1, 1], "the last two merged"),
    ("((12+7)*3)-5=52\n\\boxed{52}", [1, 1], "all merged"),
    ("12+7=18\n18*3=54\n54-5=49\n\\boxed{49}", [-1, 1, 1, 1], "an early slip is the only mistake"),
    ("12+7=18\n19*3=57\n57-5=52\n\\boxed{52}", [-1, -1, 1, 1], "the next line must go on from what was written"),
    ("(12+7)*3=56\n56-5=51\n\\boxed{51}", [-1, 1, 1], "a wrong shortcut"),
    ("12+7=19\n19*4=76\n76-5=71\n\\boxed{71}", [1, -1, 1, 1], "another operand"),
    ("12+7=19\n19+3=22\n22-5=17\n\\boxed{17}", [1, -1, 1, 1], "another operator"),
    ("12+7=19\n19-5=14\n14*3=42\n\\boxed{42}", [1, -1, 1, -1], "an operation left out"),
    ("12+7=19\n19*3=57\n\\boxed{57}", [1, 1, -1], "boxed before the end"),
    ("\\boxed{52}", [-1], "boxed without work"),
    ("12+7=19\n19*3=57\n57-5=52\n\\boxed{53}", [1, 1, 1, -1], "another value boxed"),
    ("12+7=19\n12+7=19\n19*3=57\n57-5=52\n\\boxed{52}", [1, -1, 1, 1, 1], "a repeated line"),
    ("hello\n12+7=19\n19*3=57\n57-5=52\n\\boxed{52}", [-1, 1, 1, 1, 1], "a line of words"),
    ("12+7=19\n19*3=57\n57-5=5", [1, 1, -1], "cut off"),
    ("12+7=19=19", [-1], "two equals signs"),
    ("19=12+7", [-1], "turned round"),
    ("", [], "empty"),
]


@pytest.mark.parametrize(("completion", "expected", "why"), CASES, ids=[case[2] for case in CASES])
def test_lines(completion: str, expected: list[int], why: str) -> None:
    verdicts = check_next_operations(QUESTION, completion)
    assert [verdict.reward for verdict in verdicts] == expected, why
    assert [verdict.end for verdict in verdicts] == [verdict.end for verdict in check_steps(completion)]


def test_every_worked_solution_is_right_and_no_other_problems() -> None:
    problems = generate_problems("train", 300, seed=3)
    for problem, other in pairwise(problems):
        assert problem.solution is not None
        assert other.solution is not None
        assert all(verdict.reward == 1.0 for verdict in check_next_operations(problem.question, problem.solution))
        assert check_next_operations(problem.question, other.solution)[0].reward == -1.0 or (
            problem.solution.split("\n")[0] == other.solution.split("\n")[0]
        )


@pytest.mark.parametrize("question", ["", "what is 2+2?", "(1+2)*(3+4)=", "5-(3+4)="])
def test_a_question_that_is_no_chain_raises(question: str) -> None:
    with pytest.raises(ValueError, match="expected a chain"):
        check_next_operations(question, RIGHT)
