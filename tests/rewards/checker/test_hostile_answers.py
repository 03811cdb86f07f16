from __future__ import annotations

import importlib.util
import multiprocessing
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pytest

import rewards.algebra.symbolic as symbolic
from rewards import GoldAnswerError, Status, check_answer, check_answers, extract_answer
from rewards.algebra.symbolic import SymbolicTimeoutError, compare_symbolically
from tests.timing import turns

ROOT = Path(__file__).resolve().parents[3]
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
    "\\sum_{i=1}^{10^5}\\sum_{j=1}^{10^5}\\sum_{k=1}^{10^5} ijk",
    "\\prod_{n=1}^{10^9} (1 + \\frac{1}{n})",
    "\\int_{-\\infty}^{\\infty} e^{-x^{x^{2}}} dx",
    "\\lim_{x \\to 0} \\frac{\\sin(x^{10^9})}{x}",
    "x^{10^{30}} - 1",
    "(x - 1)^{99999}",
    "(x+1)" * 300,
    "+".join(f"x^{{{n}}}" for n in range(300)),
    "\\frac{x^{9999} - 1}{x^{7} - 1}",
    "\\sqrt{2 + " * 60 + "2" + "}" * 60,
    "+".join(f"\\sqrt{{{n}}}" for n in range(2, 60)),
    "\\frac{1}{" + "+".join(f"\\sqrt{{{n}}}" for n in (2, 3, 5, 7, 11, 13, 17, 19, 23, 29)) + "}",
    "\\sqrt[3]{2} + \\sqrt[5]{3} + \\sqrt[7]{5} + \\sqrt[11]{7} + \\sqrt[13]{11}",
    "(1 + \\sqrt{2} + \\sqrt{3} + \\sqrt{5} + \\sqrt{7})^{40}",
    "(1+i)^{10^{9}}",
    "\\log_{2}(2^{10^{10}})",
    "\\ln(" * 100 + "2" + ")" * 100,
    "\\arctan(" * 30 + "x" + ")" * 30,
    "\\sin(10^{9}x) \\cos(10^{9}x)",
    "\\cos(\\frac{\\pi}{65537})",
    "\\binom{\\binom{60}{30}}{\\binom{20}{10}}",
    "\\binom{x}{10^{9}}",
    "\\gcd(10^{400}, 3)",
    "10000!!",
    "(((2^{10})!)!)!",
    "99999999999999999999_{36}",
    "0.\\overline{" + "1234567890" * 180 + "}",
    "1" + ",000" * 470,
    "|" * 900,
    "|a" * 400,
    "x_" * 700 + "1",
    "a^" * 700 + "1",
    "\\pm " * 400 + "1",
    " \\pm ".join("123456789012345678901234567890"),
    "\\{" * 400 + "\\}" * 400,
    "[0,1] \\cup " * 150 + "[0,1]",
    " \\text{ or } ".join(f"x={n}" for n in range(150)),
    "=".join(["1"] * 600),
    "<".join(["1"] * 600),
    "\\begin{pmatrix}" * 200 + "1" + "\\end{pmatrix}" * 200,
    "\\begin{bmatrix}" + " \\\\ ".join(["1 & 0"] * 200) + "\\end{bmatrix}",
    "\\operatorname{zeros}(99999, 99999)",
    "\\frac" * 600,
    "\\frac{" * 300,
    "{" * 1900,
    "\\" * 950,
    "$" * 1900,
    "\u0301" * 900,
    "\u202e1\u202c",
    "٣",
    "１０＾{１０＾{１０}}",
]


def _status(completion: str, gold: str) -> Status | None:
    try:
        return check_answer(completion, gold).status
    except GoldAnswerError:
        return None


@pytest.mark.parametrize("answer", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("gold", ["7", "\\sin 1 + e^{x}", "(1, \\sqrt{2})", "\\{1, 2\\}", "x^2 + \\cos(2x)"])
def test_hostile_answers_get_a_verdict_in_time(answer: str, gold: str, in_time: Callable[..., Any]) -> None:
    compare_symbolically("4^n", "2^{2n}")  # the start of the worker is not timed
    assert in_time(_status, f"#### {answer}", gold) is not Status.CORRECT


@pytest.mark.parametrize("gold", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_gold_answers_do_not_hang(gold: str, in_time: Callable[..., Any]) -> None:
    compare_symbolically("4^n", "2^{2n}")
    assert in_time(_status, "\\boxed{\\sin 1 + \\sqrt{x}}", gold) is not Status.CORRECT
    assert in_time(_status, f"\\boxed{{({gold}) + 1}}", gold) is not Status.CORRECT
    assert in_time(_status, f"\\boxed{{{gold}}}", gold) in (Status.CORRECT, None, Status.NO_ANSWER, Status.UNPARSABLE)


@pytest.mark.parametrize("arithmetic", ["gmpy", "python"])
def test_with_and_without_gmpy2(arithmetic: str) -> None:
    """All hostile answers again, one after the other, in a process and a worker that do their sums so."""
    if arithmetic == "gmpy" and importlib.util.find_spec("gmpy2") is None:
        pytest.skip("gmpy2 is not installed")
    code = f"""
import importlib.util, sys
spec = importlib.util.spec_from_file_location("cases", {str(Path(__file__))!r})
cases = importlib.util.module_from_spec(spec)
spec.loader.exec_module(cases)
slowest = 0.0
for answer in cases.HOSTILE:
    verdicts = []
    judge = lambda: verdicts.append(cases.check_answer("#### " + answer, "\\\\tan(x) + \\\\sqrt[3]{{7}}"))
    slowest = max(slowest, cases.turns(judge))
    assert not verdicts[0].correct, answer
import mpmath.libmp
assert mpmath.libmp.BACKEND == {arithmetic!r}, mpmath.libmp.BACKEND
assert slowest < 50e6, slowest
"""
    environment = {**os.environ, "SYMPY_GROUND_TYPES": arithmetic}
    environment |= {"MPMATH_NOGMPY": "1"} if arithmetic == "python" else {}
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=True, timeout=280)


@pytest.mark.parametrize(
    "piece", ["{", "}", "(", "\\boxed{", "\\frac{", "1,", "^", "$", "\\left(", "\x00", "x^2+", "\\pm ", "答案是"]
)
def test_a_hundred_kilobytes_of_anything(piece: str, in_time: Callable[..., Any]) -> None:
    text = piece * (100_000 // len(piece))
    for completion in (text, f"\\boxed{{{text}}}", f"#### {text}", f"The answer is {text}"):
        assert in_time(_status, completion, "7") is not Status.CORRECT


PIECES = [
    *["{", "}", "{}", "\\boxed{", "\\boxed", "\\boxed ", "\\boxed{}", "\\boxed{1}", "\\boxed{{}", "\\fbox{", "####"],
    *["#### 1 ", "answer is ", "the answer is ", "final answer ", "answer:", "answer", "aNSWER", "Answer is", "答案是"],
    *["答案", "final  ", "the  ", "<think>", "</think>", "<think></think>", "<", "</think", "1", "1,", "0.", "9 ", " "],
    *["\t", "\n", "\r\n", "\\", "\\\\", "$", "$$", "$ $", "\\(", "\\)", "\\( \\)", "(", ")", "*", "_", "**", "="],
    *["\\{", ".", "! ", "。", "because ", " as ", "the ", "a", "é", "\u202e", "\u0301", "\x00", "\ud800", "\\text{"],
    *["\\frac{1}{", "is ", "**Answer**", "x = ", "(A)", "🙂"],
]  # fmt: skip


@pytest.mark.parametrize("piece", PIECES)
def test_extraction_takes_at_most_a_hundred_turns_of_a_loop_a_byte(piece: str) -> None:
    """About 30 for the slowest of them; work that is quadratic in a hundred kilobytes takes thousands."""
    text = piece * (100_000 // len(piece.encode("utf-8", "surrogatepass")))
    for before in ("", "The answer is ", "\\boxed{", "#### ", "<think>", "$"):
        assert min(turns(partial(extract_answer, before + text)) for _ in range(3)) < 100 * 100_000, before


@pytest.mark.parametrize("gold", ["", "  ", "$$", "\\boxed{}", "\x00", "\\frac{1}{2", "1}"])
def test_an_unusable_gold_answer_raises(gold: str) -> None:
    with pytest.raises(GoldAnswerError, match=r"got .*expected .*fix"):
        check_answer("\\boxed{5}", gold)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("answer", ["[(1or 2)]", "5else**2", "Matrix([[1if]])", "2**3x", "0x1g**2", "1_000or**"])
def test_text_like_a_program_causes_no_warning(answer: str) -> None:
    assert not check_answer(f"\\boxed{{{answer}}}", "7").correct


def test_the_deadline_is_a_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(left: str, right: str, *, deadline: float) -> dict[str, object]:
        raise SymbolicTimeoutError

    monkeypatch.setattr("rewards.checker.answers.compare_symbolically", late)
    verdict = check_answer(
        "\\boxed{\\cos(\\sin x)}", "\\cos(\\sin(2x-x)) + \\tan(\\sin x) - \\frac{\\sin(\\sin x)}{\\cos(\\sin x)}"
    )
    assert verdict.status is Status.TIMEOUT
    assert verdict.answer_class not in ("", "correct")


PAIRS = [
    ("\\boxed{\\sqrt{2}+\\sqrt{3}}", "\\sqrt{5+2\\sqrt{6}}"),
    (
        "\\boxed{\\cos(\\sin 1)}",
        "\\cos(\\sin(2-1)) + \\tan(\\sin 1) - \\frac{\\sin(\\sin 1)}{\\cos(\\sin 1)}",
    ),
    ("\\boxed{\\log_2 x}", "\\frac{\\ln x}{\\ln 3}"),
    ("\\boxed{4^n}", "2^{2n}"),
]
JUDGED = [True, True, False, True]


def test_threads_share_the_workers() -> None:
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
    pid = symbolic.worker_pids()
    context: Any = multiprocessing.get_context(method)
    queue = context.Queue()
    process = context.Process(target=_judge_in_child, args=(queue,), daemon=True)
    process.start()
    assert queue.get(timeout=60) == JUDGED
    process.join(timeout=60)
    assert symbolic.worker_pids() == pid  # the child let go of it without ending it
    assert [verdict.correct for verdict in check_answers(PAIRS)] == JUDGED


def test_import_is_light_and_easy_pairs_start_no_worker() -> None:
    code = (
        "import sys, rewards\n"
        "heavy = {'torch', 'vllm', 'sympy', 'mpmath', 'latex2sympy2_extended'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
        "from rewards.algebra.symbolic import worker_pids\n"
        "pairs = [('5', '5'), ('1/2', '0.5'), ('2\\\\sqrt{2}', '\\\\sqrt{8}'), ('6', '(1,2)')]\n"
        "pairs += [('(x+1)^2', 'x^2+2x+1'), ('\\\\sin 2x', '2\\\\sin x\\\\cos x')]\n"
        "for answer, gold in pairs:\n"
        "    assert rewards.check_answer('#### ' + answer, gold).correct == (answer != '6')\n"
        "assert not worker_pids()\n"
        "assert 'sympy' not in sys.modules\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 0, run.stderr
