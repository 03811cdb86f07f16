"""The symbolic workers: what they say, their bounds and deadline, and where they run."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rewards.algebra.symbolic as symbolic
from rewards import Status, check_answer, check_answers
from rewards.algebra.symbolic import SymbolicTimeoutError, SymbolicWorker, compare_symbolically
from tests.rewards.processes import ROOT, is_running

# (left, right, equal), by hand.
QUESTIONS = [
    ("4^n", "2^{2n}", True),
    ("\\sqrt{2}+\\sqrt{3}", "\\sqrt{5+2\\sqrt{6}}", True),
    ("\\frac{x^2-1}{x-1}", "x+1", True),
    ("\\cos(2x)", "1-2\\sin(x)^{2}", True),
    ("\\frac{1}{3}", "0.333", False),
    ("\\sqrt{2}", "1.41421356237309504880", False),
    ("0.1+0.2", "0.3", True),
]


def _timeout(worker: SymbolicWorker, left: str) -> str:
    with pytest.raises(SymbolicTimeoutError) as raised:
        worker.compare(left, "", deadline=0.3)
    return str(raised.value)


@pytest.mark.parametrize(("left", "right", "equal"), QUESTIONS)
def test_the_worker_compares_exactly(left: str, right: str, equal: bool) -> None:
    assert compare_symbolically(left, right)["equal"] is equal


@pytest.mark.parametrize("text", ["\\infty", "\\frac{1}{0}", "\\log_{1}(2)", "0^{-1}", "\\frac{0}{0}"])
def test_a_value_without_a_number_equals_nothing(text: str) -> None:
    """In sympy ∞ + 1 is ∞, and 1/0 + 1 is 1/0."""
    assert compare_symbolically(text, f"{text}+1")["equal"] is not True


# Bounds, the deadline, memory.


@pytest.mark.parametrize(
    "text",
    ["9^{9^{9}}", "10^{10^{10}}", "(10^{9})!", "((5!)!)!", "\\binom{10^{9}}{5 \\cdot 10^{8}}", "(x+y+z)^{900}",
     "1e999999999", "\\prod_{k=1}^{10^{9}} k", "614^{427515462637\\%}", "\\operatorname{zeros}(99999,99999)",
     "\\sum_{k=1}^{n} k",
     "|a" * 40 + "|", "x_" * 40 + "1", "2^{2^{2^{2^{2^{2}}}}}", "(2^{1000})^{1000}", "7^{x^{10^{9}}}",
     "\\binom{57.3}{440851}", "(" * 40 + "\\frac{1}{1}" + ") \\cdot (1)" * 40],
)  # fmt: skip
def test_past_a_bound_nothing_is_computed(text: str) -> None:
    compare_symbolically("4^n", "2^{2n}")
    reply = compare_symbolically(text, "\\sin(1)+x", deadline=0.5)
    assert reply["equal"] is not True
    assert reply["seconds"] < 0.25


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("9 ** 9 ** 9", -signal.SIGPROF),  # in one C call: no Python code runs that could look at a clock
        ("while True: pass", -signal.SIGPROF),
        ("[bytes(1 << 28) for _ in range(16)]", symbolic.EXHAUSTED),
        ("import os; os.abort()", -signal.SIGABRT),
        ("import sys; sys.setrecursionlimit(10**9); f = lambda: f(); f()", None),
    ],
    ids=["in C", "in Python", "memory", "abort", "recursion"],
)
def test_a_pair_that_brings_the_worker_down_is_a_timeout_within_two_seconds(
    code: str, ending: int | None, worker_that: Callable[[str], SymbolicWorker], in_time: Callable[..., Any]
) -> None:
    worker = worker_that(f"if left == 'hard':\n    {code}")
    assert worker.compare("easy", "")["equal"] is True
    for _ in range(2):
        child = worker.pids[1]
        assert f"code {ending if ending is not None else ''}" in in_time(_timeout, worker, "hard")
        assert in_time(worker.compare, "easy", "")["equal"] is True
        assert worker.pids[1] != child  # replaced
        assert not is_running(child)


def test_waiting_for_a_processor_does_not_use_up_the_deadline(worker_that: Callable[[str], SymbolicWorker]) -> None:
    """Sleep stands for a loaded machine: wall time passes, processor time does not."""
    worker = worker_that("import time; time.sleep(0.8)")
    start = time.monotonic()
    assert worker.compare("", "", deadline=0.1)["equal"] is True
    assert time.monotonic() - start > 0.8


def test_verdicts_do_not_depend_on_load(worker: SymbolicWorker) -> None:
    question = ("\\tan(\\frac{x}{2}+3)", "\\frac{\\sin(x)}{1+\\cos(x)}")
    alone = worker.compare(*question, deadline=30.0)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4 * (os.cpu_count() or 1))]
    try:
        worker.close()
        loaded = worker.compare(*question, deadline=2.5 * alone["seconds"] + 0.1)
    finally:
        for process in busy:
            process.kill()
            process.wait()
    assert loaded["equal"] == alone["equal"]


def test_a_child_retires_and_the_next_one_answers(worker: SymbolicWorker) -> None:
    assert worker.compare("4^n", "2^{2n}")["retired"] is False
    first = worker.pids
    replies = [worker.compare("x", "\\sum x") for _ in range(2_100)]  # past a bound: no work
    assert [reply["retired"] for reply in replies].count(True) == 1
    assert worker.pids[0] == first[0] and worker.pids[1] != first[1]
    assert worker.compare("4^n", "2^{2n}")["equal"] is True


# Where it runs.


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "print('imported')\n"
        "from rewards.algebra.symbolic import compare_symbolically\n"
        "print(compare_symbolically('4^n', '2^{2n}')['equal'])\n"
    )
    (tmp_path / "sympy.py").write_text("raise SystemExit('a file beside the script was imported')")
    run = subprocess.run(
        [sys.executable, script], capture_output=True, text=True, timeout=120, check=False, cwd=tmp_path
    )
    assert (run.stdout.split(), run.stderr) == (["imported", "True"], "")


def test_in_an_interactive_session_without_a_main_file() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "from rewards.algebra.symbolic import compare_symbolically\n"
        "print(compare_symbolically('4^n', '2^{2n}')['equal'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-i"], input=code, capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    assert run.stdout.split() == ["True"], run.stderr


# The exact rules know nothing of the functions of a function: these take the worker.
PAIRS = [
    (
        f"\\boxed{{\\cos(\\sin({n}x))}}",
        f"\\cos(\\sin({n}x)) + \\tan(\\sin({m}x)) - \\frac{{\\sin(\\sin({m}x))}}{{\\cos(\\sin({m}x))}}",
    )
    for n in range(1, 4)
    for m in range(1, 4)
] + [("#### 4", "5"), ("", "5")]


def test_many_workers_judge_as_one_does_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewards.checker.answers.DEADLINE_SECONDS", 30.0)  # a slow processor takes a second for one
    expected = [check_answer(*pair) for pair in PAIRS]
    assert [verdict.status for verdict in expected] == [Status.CORRECT] * 9 + [Status.INCORRECT, Status.NO_ANSWER]
    for limit in (1, 3):
        pool = symbolic._Pool(limit)
        monkeypatch.setattr(symbolic, "_POOL", pool)
        monkeypatch.setattr("rewards.checker.pool._PAIRS_A_WORKER", 3)
        try:
            assert check_answers(PAIRS + PAIRS[::-1]) == expected + expected[::-1]
            assert len(pool.pids()) == 2 * limit
        finally:
            pool.close()
    assert pool.pids() == []


def test_warmed_up_the_first_comparison_finds_its_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = symbolic._Pool(2)
    monkeypatch.setattr(symbolic, "_POOL", pool)
    try:
        symbolic.warm_up().join()
        started = pool.pids()
        assert len(started) == 2 and all(map(is_running, started))
        symbolic.warm_up().join()  # a second time there is nothing to do
        assert compare_symbolically("4^n", "2^{2n}")["equal"] is True
        assert pool.pids() == started
    finally:
        pool.close()


def test_a_worker_that_cannot_warm_up_is_told_of_by_the_first_comparison(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(symbolic, "_POOL", symbolic._Pool(1))
    monkeypatch.setattr(symbolic, "_WORKER_FILE", tmp_path / "absent.py")
    symbolic.warm_up().join()
    with pytest.raises(RuntimeError, match="did not start"):
        compare_symbolically("4^n", "2^{2n}")


def test_in_an_event_loop_and_in_its_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rewards.checker.answers.DEADLINE_SECONDS", 30.0)  # a slow processor takes a second for one

    async def judge() -> list[bool]:
        direct = check_answer(*PAIRS[0]).correct
        return [
            direct,
            *await asyncio.gather(*(asyncio.to_thread(lambda: check_answers(PAIRS[:3])[0].correct) for _ in range(5))),
        ]

    assert asyncio.run(judge()) == [True] * 6


def test_after_an_accelerator_has_started() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    torch.ones(1, device="cuda").sum().item()
    assert check_answers(PAIRS[:3]) == [check_answer(*pair) for pair in PAIRS[:3]]


def test_the_messages_are_framed_json() -> None:
    """What a reader of the protocol relies on, spoken by hand."""
    process = subprocess.Popen(
        [sys.executable, "-P", str(symbolic._WORKER_FILE)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/"
    )
    assert process.stdin is not None and process.stdout is not None

    def receive() -> dict[str, Any]:
        assert process.stdout is not None
        return json.loads(process.stdout.read(struct.unpack(">I", process.stdout.read(4))[0]))

    assert receive()["ready"] > 0
    body = json.dumps({"id": 7, "left": "4^n", "right": "2^{2n}", "deadline": 1.0}).encode()
    process.stdin.write(struct.pack(">I", len(body)) + body)
    process.stdin.flush()
    reply = receive()
    assert (reply["id"], reply["equal"]) == (7, True)
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()
