"""Symbolic workers that are killed lose no pair, and none outlives the process that started it."""

from __future__ import annotations

import os
import signal
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import rewards.algebra.symbolic as symbolic
from rewards.algebra.symbolic import SymbolicTimeoutError, SymbolicWorker
from tests.rewards.processes import all_end, run_code

QUESTIONS = [
    ("4^n", "2^{2n}", True),
    ("\\frac{x^2-1}{x-1}", "x+1", True),
    ("\\frac{1}{3}", "0.333", False),
]


@pytest.mark.parametrize("which", [0, 1], ids=["worker", "child"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], ids=["kill", "terminate", "stop"])
def test_ended_between_pairs_or_stopped(which: int, number: int, worker: SymbolicWorker) -> None:
    assert worker.compare("4^n", "2^{2n}")["equal"] is True
    pids = worker.pids
    os.kill(pids[which], number)
    time.sleep(0.1)
    for left, right, equal in QUESTIONS:
        assert worker.compare(left, right)["equal"] is equal
    worker.close()
    assert all_end([*pids, *worker.pids])


def test_no_reply_is_taken_for_that_to_another_pair(worker: SymbolicWorker) -> None:
    """A crash between two pairs looks like one of the next pair, which another child answers after that."""
    assert worker.compare("4^n", "2^{2n}")["equal"] is True
    os.kill(worker.pids[1], signal.SIGSEGV)
    time.sleep(0.1)
    with pytest.raises(SymbolicTimeoutError, match="code -11"):
        worker.compare("4^n", "2^{2n}")
    for left, right, equal in QUESTIONS[::-1]:
        assert worker.compare(left, right)["equal"] is equal


@pytest.mark.parametrize("which", [0, 1], ids=["worker", "child"])
def test_killed_in_the_middle_of_a_pair(which: int, worker_that: Callable[[str], SymbolicWorker]) -> None:
    worker = worker_that("import time; time.sleep(0.6)")
    assert worker.compare("", "")["equal"] is True
    pids = worker.pids
    killer = threading.Timer(0.2, lambda: os.kill(pids[which], signal.SIGKILL))
    killer.start()
    assert worker.compare("", "")["equal"] is True
    killer.join()


def test_a_pair_that_is_killed_each_time_is_a_timeout(worker_that: Callable[[str], SymbolicWorker]) -> None:
    worker = worker_that("import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(SymbolicTimeoutError, match="3 times"):
        worker.compare("", "")


def test_a_worker_that_cannot_start_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbolic, "_WORKER_FILE", tmp_path / "absent.py")
    with pytest.raises(RuntimeError, match=r"did not start \(exit code 2, expected .*try "):
        SymbolicWorker().compare("1", "1")


START = """
    import os, signal, sys, time
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a test run in the background ignores both
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    from rewards.algebra.symbolic import compare_symbolically, worker_pids
    assert compare_symbolically('4^n', '2^{2n}')['equal']
    assert len(worker_pids()) == 2
    print(*worker_pids(), flush=True)
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [
        ("pass", 0),
        ("sys.exit(3)", 3),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), signal.SIGTERM)", -signal.SIGTERM),
        ("os.kill(os.getpid(), signal.SIGKILL)", -signal.SIGKILL),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(9)", -signal.SIGINT),
        ("os.kill(os.getpid(), signal.SIGHUP)", -signal.SIGHUP),
    ],
)
def test_the_workers_end_with_their_parent(ending: str, code: int) -> None:
    pids = run_code(textwrap.dedent(START) + ending, expect=code).split()
    assert len(pids) == 2
    assert all_end([int(pid) for pid in pids])


def test_a_busy_worker_ends_with_its_parent() -> None:
    code = """
        import os, signal, sys, threading
        from rewards.algebra.symbolic import compare_symbolically, worker_pids
        compare_symbolically('1', '1')
        print(*worker_pids(), flush=True)
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        while True:
            compare_symbolically(r'\\tan(\\frac{x}{2}+3)', r'\\frac{\\sin(x)}{1+\\cos(x)}', deadline=1.0)
    """
    assert all_end([int(pid) for pid in run_code(code, expect=-signal.SIGKILL).split()])
