from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any, Literal

import pytest

import rewards.symbolic as symbolic
from rewards import GoldAnswerError, Status, check_answer, check_answers
from rewards.symbolic import SymbolicTimeoutError, SymbolicWorker

ROOT = Path(__file__).resolve().parents[2]
HOSTILE = [
    "9**9**9",
    "9^{9^{9}}",
    "10^{10^{10}}",
    "(10^9)!",
    "((((3!)!)!)!)!",
    "10^{-10^{10}}",
    "1e999999999",
    "\\prod_{k=1}^{10^9} k",
    "\\sum_{k=1}^{10^9} \\frac{1}{k}",
    "\\int_0^1 x^{x^{x^x}} dx",
    "\\binom{10^9}{5\\cdot 10^8}",
    "(x+y+z+w)^{1000}",
    "(a+b+c+d+e+f)^{40}",
    "\\sqrt{" * 300 + "2" + "}" * 300,
    "(" * 900 + "1" + ")" * 900,
    "-" * 1500 + "1",
    "2^" * 700 + "2",
    "9" * 1900,
    "\\frac{1}{" * 200 + "2" + "}" * 200,
    "\\sin " * 300 + "1",
    "\\sqrt{" + "7" * 200 + "}",
    "\\sqrt[1000000007]{12345678901234567}",
    "1\x002",
    "\ud800",
    "\\begin{pmatrix}" + "1 & " * 480 + "1\\end{pmatrix}",
    ",".join(["1"] * 900),
    "__import__('os').system('true')",
    "\\text{__import__('os')}",
    "\\sin(" + "\\cos(" * 30 + "x" + ")" * 31,
    "\\tan(10^{400})",
    "e^{e^{e^{e^{e}}}}",
    "\\frac{0}{0}",
    "0^{-1}",
    "\\log_1 5",
    "%" * 1900,
    "!" * 1900,
]


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("gold", ["7", "\\sin 1 + e^{x}", "(1, \\sqrt{2})"])
def test_hostile_answers_get_a_verdict_in_time(answer: str, gold: str) -> None:
    check_answer("\\boxed{4^n}", "2^{2n}")  # the start of the worker is not timed
    start = time.monotonic()
    verdict = check_answer(f"#### {answer}", gold)
    assert time.monotonic() - start < 2.0
    assert not verdict.correct


@pytest.mark.parametrize(
    "piece", ["{", "}", "(", "\\boxed{", "\\frac{", "1,", "^", "$", "\\left(", "\x00", "x^2+", "\\pm ", "答案是"]
)
def test_a_hundred_kilobytes_of_anything(piece: str) -> None:
    text = piece * (100_000 // len(piece))
    start = time.monotonic()
    for completion in (text, f"\\boxed{{{text}}}", f"#### {text}", f"The answer is {text}"):
        assert not check_answer(completion, "7").correct
    assert time.monotonic() - start < 2.0


@pytest.mark.parametrize("gold", ["", "  ", "$$", "\\boxed{}", "\x00", "\\frac{1}{2", "1}"])
def test_an_unusable_gold_answer_raises(gold: str) -> None:
    with pytest.raises(GoldAnswerError, match=r"got .*expected .*fix"):
        check_answer("\\boxed{5}", gold)


def test_the_deadline_kills_the_worker_and_the_next_pair_is_judged() -> None:
    worker = SymbolicWorker()
    try:
        assert worker.compare("4^n", "2^{2n}", deadline=30.0)["equal"] is True
        first = worker.pid
        start = time.monotonic()
        with pytest.raises(SymbolicTimeoutError):
            worker.compare("9^{9^{9^{9}}}", "1", deadline=0.5)
        assert time.monotonic() - start < 1.5
        assert worker.compare("4^n", "2^{2n}", deadline=30.0)["equal"] is True
        assert worker.pid != first
    finally:
        worker.close()
    assert worker.pid is None


def test_the_deadline_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(left: str, right: str, *, deadline: float) -> dict[str, object]:
        raise SymbolicTimeoutError

    monkeypatch.setattr("rewards.answers.compare_symbolically", late)
    verdict = check_answer(
        "\\boxed{\\cos(\\sin 1)}", "\\cos(\\sin(2-1)) + \\tan(\\sin 1) - \\frac{\\sin(\\sin 1)}{\\cos(\\sin 1)}"
    )
    assert verdict.status is Status.TIMEOUT
    assert verdict.answer_class not in ("", "correct")


PAIRS = [
    ("\\boxed{\\sqrt{2}+\\sqrt{3}}", "\\sqrt{5+2\\sqrt{6}}"),
    ("\\boxed{\\log_2 x}", "\\frac{\\ln x}{\\ln 2}"),
    ("\\boxed{\\log_2 x}", "\\frac{\\ln x}{\\ln 3}"),
    ("\\boxed{4^n}", "2^{2n}"),
]
JUDGED = [True, True, False, True]


def test_a_worker_killed_by_hand_loses_no_pair() -> None:
    for _ in range(3):
        assert [verdict.correct for verdict in check_answers(PAIRS)] == JUDGED
        pid = symbolic.worker_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert [verdict.correct for verdict in check_answers(PAIRS)] == JUDGED


def test_threads_share_the_worker() -> None:
    results: dict[int, list[bool]] = {}

    def judge(index: int) -> None:
        results[index] = [verdict.correct for verdict in check_answers(PAIRS)]

    threads = [threading.Thread(target=judge, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(4), JUDGED)


def _judge_in_child(queue: multiprocessing.Queue[list[bool]]) -> None:
    queue.put([verdict.correct for verdict in check_answers(PAIRS)])


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_below_a_daemonic_process(method: Literal["fork", "spawn"]) -> None:
    check_answers(PAIRS)  # so that a forked child inherits a running worker
    pid = symbolic.worker_pid()
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_judge_in_child, args=(queue,), daemon=True)
    process.start()
    assert queue.get(timeout=60) == JUDGED
    process.join(timeout=60)
    assert symbolic.worker_pid() == pid  # the child let go of it without ending it
    assert [verdict.correct for verdict in check_answers(PAIRS)] == JUDGED


def test_the_worker_ends_with_its_parent() -> None:
    code = (
        "import os, signal\n"
        "from rewards import check_answer\n"
        "from rewards.symbolic import worker_pid\n"
        "assert check_answer('#### 4^n', '2^{2n}').correct\n"
        "print(worker_pid(), flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    pid = int(run.stdout)
    end = time.monotonic() + 10
    while time.monotonic() < end and _is_running(pid):
        time.sleep(0.05)
    assert not _is_running(pid)


def _is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def test_import_is_light_and_easy_pairs_start_no_worker() -> None:
    code = (
        "import sys, rewards\n"
        "heavy = {'torch', 'vllm', 'sympy', 'mpmath', 'latex2sympy2_extended'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from rewards.symbolic import worker_pid\n"
        "pairs = [('5', '5'), ('1/2', '0.5'), ('2\\\\sqrt{2}', '\\\\sqrt{8}'), ('6', '(1,2)')]\n"
        "pairs += [('(x+1)^2', 'x^2+2x+1'), ('\\\\sin 2x', '2\\\\sin x\\\\cos x')]\n"
        "for answer, gold in pairs:\n"
        "    assert rewards.check_answer('#### ' + answer, gold).correct == (answer != '6')\n"
        "assert worker_pid() is None\n"
        "assert 'sympy' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
