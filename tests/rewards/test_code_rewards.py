from __future__ import annotations

import time
from dataclasses import replace
from fractions import Fraction

import pytest

from benchmarks.problem import Tolerance
from experiments.runs.answering import run_programs
from rewards import GoldAnswerError, Status
from rewards.code import (
    CodeReward,
    code_feedback_reward,
    code_reward,
    extract_program,
    judge_program,
    judge_programs,
)
from rewards.sandbox.run import Outcome, SandboxLimits, why_unavailable
from tests.rewards.rollouts import RIGHT, WRONG, rollout_of

REASON = why_unavailable()
needs_namespaces = pytest.mark.skipif(REASON is not None, reason=f"no sandbox here: {REASON}")
LIMITS = SandboxLimits(wall_seconds=20.0, cpu_seconds=2)


def block(program: str, language: str = "python") -> str:
    return f"Let me compute.\n```{language}\n{program}\n```\n"


PROGRAMS: list[tuple[str, str | None, str]] = [
    ("```python\nprint(5)\n```", "print(5)\n", "one block"),
    ("a\n```python\nprint(4)\n```\nb\n```python\nprint(5)\n```\nc", "print(5)\n", "the last block"),
    ("```py\nprint(5)\n```", "print(5)\n", "py"),
    ("```Python3\nprint(5)\n```", "print(5)\n", "Python3"),
    ("```python title=x\nprint(5)\n```", "print(5)\n", "words after the language"),
    ("  ```python\n  print(5)\n  ```", "  print(5)\n", "indented"),
    ("```python\nprint(5)\n```\n```output\n5\n```", "print(5)\n", "an output block after it is no program"),
    ("```\nprint(5)\n```", None, "a block without a language"),
    ("```sh\nls\n```", None, "another language"),
    ("print(5)", None, "no block"),
    ("```python\nprint(4)\n```\n```python\nprint(5", None, "the last block is cut off: no earlier one rescues it"),
    ("```python\n```", "", "an empty block"),
    ("<think>\n```python\nprint(4)\n```\n", None, "a thought that is not closed is no answer"),
    ("<think>\n```python\nprint(4)\n```\n</think>\nIt is 4.", None, "nor is one that is"),
    ("<think>\n```python\nprint(4)\n```\n</think>\n```python\nprint(5)\n```", "print(5)\n", "behind a thought"),
    ("", None, "nothing"),
]


@pytest.mark.parametrize(("completion", "program", "why"), PROGRAMS, ids=[case[2] for case in PROGRAMS])
def test_extract_program(completion: str, program: str | None, why: str) -> None:
    assert extract_program(completion) == program, why


ANSWERS: list[tuple[str, str, Status, str]] = [
    ("print(2 + 3)", "5", Status.CORRECT, "a number"),
    ("print('so:')\nprint(5)\nprint()", "5", Status.CORRECT, "the last line that is not blank"),
    ("print(5)\nprint(6)", "5", Status.INCORRECT, "an earlier right line does not count"),
    ("print(10 / 2)", "5", Status.CORRECT, "a float that is exact"),
    ("print(0.1 + 0.2)", "0.3", Status.INCORRECT, "a float that is not: judged as strictly as any answer"),
    ("from fractions import Fraction\nprint(Fraction(1, 10) + Fraction(2, 10))", "0.3", Status.CORRECT, "fractions"),
    ("print(1 / 3)", "1/3", Status.INCORRECT, "sixteen decimals are no third"),
    ("import sympy\nprint(sympy.sqrt(8))", "2\\sqrt{2}", Status.CORRECT, "what sympy prints"),
    ("print((1, 2))", "(1, 2)", Status.CORRECT, "a tuple"),
    ("print('\\\\boxed{5}')", "5", Status.CORRECT, "a box"),
    ("def solution():\n    apples = 2 + 3\n    return apples", "5", Status.CORRECT, "PAL's solution()"),
    ("print(5)\n1 / 0", "5", Status.NO_ANSWER, "a program that fails has no answer, whatever it printed"),
    ("x = 5", "5", Status.NO_ANSWER, "nothing printed"),
    ("print(5", "5", Status.NO_ANSWER, "no Python"),
]


@needs_namespaces
@pytest.mark.parametrize(("program", "gold", "status", "why"), ANSWERS, ids=[case[3] for case in ANSWERS])
def test_the_printed_result_is_judged_by_the_answer_checker(program: str, gold: str, status: Status, why: str) -> None:
    judged = judge_program(block(program), gold, limits=LIMITS)
    assert judged.verdict.status is status, (why, judged)


@needs_namespaces
def test_a_tolerance_of_the_benchmark_reaches_the_answer() -> None:
    third = block("print(1 / 3)")
    assert not judge_program(third, "0.33333", limits=LIMITS).verdict.correct
    assert judge_program(
        third, "0.33333", tolerance=Tolerance(absolute=Fraction(1, 10_000)), limits=LIMITS
    ).verdict.correct


def test_no_program_is_run_where_there_is_none() -> None:
    judged = judge_program("The answer is 5.", "5", limits=LIMITS)
    assert judged.run is None and judged.verdict.status is Status.NO_ANSWER


def test_a_gold_answer_that_cannot_be_read_raises_without_a_program() -> None:
    with pytest.raises(GoldAnswerError):
        judge_program("no program", "", limits=LIMITS)


FEEDBACK: list[tuple[str, float, float, str]] = [
    (block("print(5)"), 1.0, 1.0, "right"),
    (block("print(6)"), 0.0, -0.3, "wrong"),
    (block("x = 5"), 0.0, -0.3, "runs, no answer"),
    (block("print(5)\n1 / 0"), 0.0, -0.6, "raises"),
    (block("import os\nprint(5)\nos.kill(os.getpid(), 9)"), 0.0, -0.6, "killed"),
    (block("print(5"), 0.0, -1.0, "does not compile"),
    ("The answer is \\boxed{5}.", 0.0, -1.0, "no program, though the text is right"),
]


@needs_namespaces
@pytest.mark.parametrize(("completion", "plain", "feedback", "why"), FEEDBACK, ids=[case[3] for case in FEEDBACK])
def test_rewards_with_the_values_of_coderl(completion: str, plain: float, feedback: float, why: str) -> None:
    """CodeRL (arXiv 2207.01780): −1 does not compile, −0.6 fails when run, −0.3 wrong, +1 right."""
    for verdict in (RIGHT, WRONG):  # the verdict on the text is not looked at
        assert code_reward([rollout_of(completion)], [verdict]).total == (plain,), why
        assert code_feedback_reward([rollout_of(completion)], [verdict]).total == (feedback,), why


@needs_namespaces
def test_programs_side_by_side_are_judged_in_order() -> None:
    pairs = [(block(f"print({n})"), "5") for n in range(8)]
    judged = judge_programs(pairs, threads=4, limits=LIMITS)
    assert [item.verdict.correct for item in judged] == [n == 5 for n in range(8)]
    assert [item.run.stdout for item in judged if item.run] == [f"{n}\n" for n in range(8)]
    assert all(item.run and item.run.outcome is Outcome.FINISHED for item in judged)


@needs_namespaces
def test_limits_reach_the_program() -> None:
    short = CodeReward(right=1.0, failed=-7.0, limits=SandboxLimits(wall_seconds=1.0))
    assert short([rollout_of(block("import time\nprint(5)\ntime.sleep(60)"))], [RIGHT]).total == (-7.0,)


@needs_namespaces
def test_programs_of_a_batch_run_at_the_same_time_and_keep_their_order() -> None:
    """Four that sleep 1 s, four at a time: they could not end within 3.5 s one after the other."""
    programs = [block(f"import time\ntime.sleep(1)\nprint({n})") for n in (5, 6, 5, 6)]
    started = time.perf_counter()
    rewards = CodeReward(threads=4, limits=LIMITS)([rollout_of(text) for text in programs], [RIGHT] * 4)
    assert rewards.total == (1.0, 0.0, 1.0, 0.0)
    assert time.perf_counter() - started < 3.5
    assert CodeReward()([], []).total == ()


@needs_namespaces
def test_a_program_in_a_thought_that_the_template_opened_is_none() -> None:
    written = [block("print(5)"), f"{block('print(5)')}</think>", f"hm</think>\n{block('print(5)')}"]
    completions = [replace(rollout_of(text), opening="<think>") for text in written]
    assert code_reward(completions, [WRONG] * 3).total == (0.0, 0.0, 1.0)
    assert [verdict.correct for verdict in run_programs(completions, begun=False)] == [False, False, True]
