"""The symbolic workers: what they may do, when they end, and that no pair is lost with them."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rewards.symbolic as symbolic
from rewards import Status, check_answer, check_answers
from rewards.symbolic import SymbolicTimeoutError, SymbolicWorker, compare_symbolically

ROOT = Path(__file__).resolve().parents[2]
EVALUATING = {"eval", "exec", "sympify", "parse_expr", "parse_latex", "lambdify", "nsimplify", "__import__"}
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


@pytest.fixture
def worker() -> Iterator[SymbolicWorker]:
    made = SymbolicWorker()
    yield made
    made.close()


@pytest.fixture
def worker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], SymbolicWorker]]:
    """A worker whose comparison is the given code, with `left` and `right`; limits and guards are the real ones."""
    made: list[SymbolicWorker] = []

    def make(code: str) -> SymbolicWorker:
        file = tmp_path / "worker.py"
        file.write_text(
            f"import importlib.util, sys\n"
            f"spec = importlib.util.spec_from_file_location('worker', {str(symbolic._WORKER_FILE)!r})\n"
            f"worker = importlib.util.module_from_spec(spec)\n"
            f"spec.loader.exec_module(worker)\n"
            f"def compare(left, right):\n{textwrap.indent(textwrap.dedent(code), '    ')}\n"
            f"    return {{'equal': True, 'readable': True}}\n"
            f"worker._import_everything = worker._warm_up = lambda: None\n"
            f"worker._compare = compare\n"
            f"worker.main()\n"
        )
        monkeypatch.setattr(symbolic, "_WORKER_FILE", file)
        made.append(SymbolicWorker())
        return made[-1]

    yield make
    for each in made:
        each.close()


def _run(code: str, *, expect: int = 0, **options: Any) -> str:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        capture_output=True, text=True, timeout=120, check=False, **{"cwd": ROOT, **options},
    )  # fmt: skip
    assert run.returncode == expect, run.stderr
    return run.stdout


def _timeout(worker: SymbolicWorker, left: str) -> str:
    with pytest.raises(SymbolicTimeoutError) as raised:
        worker.compare(left, "", deadline=0.3)
    return str(raised.value)


def _is_running(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def _all_end(pids: list[int]) -> bool:
    end = time.monotonic() + 20
    while time.monotonic() < end and any(_is_running(pid) for pid in pids):
        time.sleep(0.05)
    return not any(_is_running(pid) for pid in pids)


# No text is evaluated.


def evaluating_calls(source: str) -> set[str]:
    """Names of functions that evaluate text and that `source` calls or imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)) if name in EVALUATING:
                found.add(name)
            case ast.Call(func=ast.Name(id="compile" | "S")):
                found.add("compile or S")
            case ast.ImportFrom(names=names):
                found |= {alias.name for alias in names} & EVALUATING
            case ast.Name(id=name, ctx=ast.Load()) if name in EVALUATING:
                found.add(name)
    return found


def test_no_module_of_the_checker_evaluates_text() -> None:
    modules = sorted((ROOT / "rewards").rglob("*.py"))
    assert len(modules) > 20
    found = {path.name: names for path in modules if (names := evaluating_calls(path.read_text("utf-8")))}
    found.pop("sandbox_program.py", None)  # a model's program is run, in a sandbox; the checker does not import it
    assert found == {}


@pytest.mark.parametrize(
    "source",
    ["eval(x)", "sympy.sympify(x)", "from sympy import lambdify", "f = exec", "compile(x, '', 'eval')", "S(x)",
     "sympy.parsing.sympy_parser.parse_expr(x)", "builtins.eval(x)"],
)  # fmt: skip
def test_the_scan_finds_an_evaluation(source: str) -> None:
    assert evaluating_calls(source)


PAYLOADS = [
    "open('{file}','w').close()",
    "__import__('pathlib').Path('{file}').touch()",
    "exec(\"open('{file}','w')\")",
    "[c for c in ().__class__.__base__.__subclasses__() if open('{file}','w')][0]",
    "(lambda: open('{file}', 'w'))()",
]
WRAPPINGS = [
    "{}",
    "\\text{{{}}}",
    "\\operatorname{{{}}}(1)",
    "\\sqrt{{{}}}",
    "x_{{{}}}",
    "2^n + {}",
    "\\mathrm{{{}}}",
    "[{}]",
]


@pytest.mark.parametrize("payload", PAYLOADS)
def test_payloads_are_not_evaluated(payload: str, tmp_path: Path) -> None:
    live, dead = tmp_path / "live", tmp_path / "dead"
    eval(payload.replace("{file}", str(live)))  # the payload works where it is evaluated
    assert live.exists()
    text = payload.replace("{file}", str(dead))
    for wrapping in WRAPPINGS:
        wrapped = wrapping.format(text)
        assert check_answer(f"\\boxed{{{wrapped}}}", wrapped).correct
        assert not check_answer(f"\\boxed{{{wrapped}}}", "2^{2n}").correct
        for other in ("4^n", wrapped):
            compare_symbolically(wrapped, other)  # what the reader would never hand on
            compare_symbolically(other, wrapped)
    assert not dead.exists()


FORBIDDEN = {
    "eval": "eval('1 + 1')",
    "exec": "exec('x = 1')",
    "compile": "compile('1', 'a.txt', 'eval')",
    "lambdify": "import sympy; sympy.lambdify(sympy.Symbol('x'), 1)",
    "sympify": "import sympy; sympy.sympify('x + 1')",
    "symbol by text": "import sympy; sympy.S('x')",
    "writing": "open('written', 'w')",
    "system": "import os; os.system('true')",
    "process": "import subprocess; subprocess.run(['true'])",
    "fork": "import os; os.fork()",
    "socket": "import socket; socket.create_connection(('127.0.0.1', 9))",
    "removing": "import os; os.remove('there')",
}


@pytest.mark.parametrize("name", FORBIDDEN)
def test_the_worker_refuses_what_it_must_not_do(name: str, worker_that: Callable[[str], SymbolicWorker]) -> None:
    code = f"""
        try:
            {FORBIDDEN[name]}
        except (PermissionError, ValueError) as error:
            return {{"equal": None, "readable": type(error).__name__ + str(error)}}
    """
    reply = worker_that(code).compare("", "", deadline=5.0)
    assert reply["readable"] is not True
    assert "the symbolic worker evaluates no text" in reply["readable"] or "expected digits" in reply["readable"]


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
        assert not _is_running(child)


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


# Killed from outside.


@pytest.mark.parametrize("which", [0, 1], ids=["worker", "child"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSTOP], ids=["kill", "terminate", "stop"])
def test_ended_between_pairs_or_stopped(which: int, number: int, worker: SymbolicWorker) -> None:
    assert worker.compare("4^n", "2^{2n}")["equal"] is True
    pids = worker.pids
    os.kill(pids[which], number)
    time.sleep(0.1)
    for left, right, equal in QUESTIONS[:3]:
        assert worker.compare(left, right)["equal"] is equal
    worker.close()
    assert _all_end([*pids, *worker.pids])


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
    from rewards.symbolic import compare_symbolically, worker_pids
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
    pids = _run(textwrap.dedent(START) + ending, expect=code).split()
    assert len(pids) == 2
    assert _all_end([int(pid) for pid in pids])


def test_a_busy_worker_ends_with_its_parent() -> None:
    code = """
        import os, signal, sys, threading
        from rewards.symbolic import compare_symbolically, worker_pids
        compare_symbolically('1', '1')
        print(*worker_pids(), flush=True)
        threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGKILL)).start()
        while True:
            compare_symbolically(r'\\tan(\\frac{x}{2}+3)', r'\\frac{\\sin(x)}{1+\\cos(x)}', deadline=1.0)
    """
    assert _all_end([int(pid) for pid in _run(code, expect=-signal.SIGKILL).split()])


# Where it runs.


def test_a_script_without_a_main_guard_is_not_run_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "print('imported')\n"
        "from rewards.symbolic import compare_symbolically\n"
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
        "from rewards.symbolic import compare_symbolically\n"
        "print(compare_symbolically('4^n', '2^{2n}')['equal'])\n"
    )
    run = subprocess.run(
        [sys.executable, "-i"], input=code, capture_output=True, text=True, timeout=120, check=False, cwd="/"
    )
    assert run.stdout.split() == ["True"], run.stderr


# The exact rules know nothing of the functions of a function: these take the worker.
PAIRS = [
    (
        f"\\boxed{{\\cos(\\sin({n}))}}",
        f"\\cos(\\sin({n})) + \\tan(\\sin {m}) - \\frac{{\\sin(\\sin {m})}}{{\\cos(\\sin {m})}}",
    )
    for n in range(1, 4)
    for m in range(1, 4)
] + [("#### 4", "5"), ("", "5")]


def test_many_workers_judge_as_one_does_and_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = [check_answer(*pair) for pair in PAIRS]
    assert [verdict.status for verdict in expected] == [Status.CORRECT] * 9 + [Status.INCORRECT, Status.NO_ANSWER]
    for limit in (1, 3):
        pool = symbolic._Pool(limit)
        monkeypatch.setattr(symbolic, "_POOL", pool)
        monkeypatch.setattr("rewards.pool._PAIRS_A_WORKER", 3)
        try:
            assert check_answers(PAIRS + PAIRS[::-1]) == expected + expected[::-1]
            assert len(pool.pids()) == 2 * limit
        finally:
            pool.close()
    assert pool.pids() == []


def test_in_an_event_loop_and_in_its_threads() -> None:
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
    body = json.dumps({"left": "4^n", "right": "2^{2n}", "deadline": 1.0}).encode()
    process.stdin.write(struct.pack(">I", len(body)) + body)
    process.stdin.flush()
    assert receive()["equal"] is True
    process.stdin.close()
    assert process.wait(timeout=20) == 0
    process.stdout.close()
