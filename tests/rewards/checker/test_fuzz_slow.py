"""Fuzzing of `check_answer`: hostile and nearly valid answers, made by seeded generators, the same in every run.

What is claimed of all of them: a verdict, never an exception, within two seconds by the clock; a gold answer in a box
is correct; one more than the gold answer is not; and of two bare answers each is judged against the other alike.
"""

from __future__ import annotations

import importlib.util
import random
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rewards import GoldAnswerError, Status, Verdict, check_answer, extract_answer
from rewards.algebra.symbolic import compare_symbolically, worker_pids

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


def _load(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


_CASES: list[tuple[str, str, str, str]] = _load("answer_cases").CASES
GOLDS: list[str] = sorted({gold for gold, *_ in _CASES})
ANSWERS: list[str] = sorted({answer for _, answer, *_ in _CASES})
worded: Callable[[random.Random], list[tuple[str, str, bool]]] = _load("worded_answers").worded

NUM_HOSTILE = 20_000
NUM_GOLDS = 3_000
NUM_PAIRS = 3_000
NUM_WORDED = 3_000
MOST_SECONDS = 2.0
Idle = Callable[[float], float]
FUZZ_SECONDS = 600

_TOKENS = r"""
{ } ( ) [ ] \{ \} $ ^ _ & \\ , ; : = < \le | % \frac \frac{ \frac12 \sqrt{ \sqrt[ ^{ _{ \left( \right. \boxed{ \text{
\begin{pmatrix} \end{pmatrix} \cup \in \pm \infty \overline{ \binom{ \log_ \sin \sum_{k=1}^{10^9} \int_0^1 \lim_{x\to0}
\prod ! !! ^{9^{9}} ** e999 0 1 -1 7 10^9 1e999 1,000 x y^2 e i \pi ½ ² √ ∞ − １２ 答案是 🙂 π ≤ \text{cm} ^\circ \%
dollars #### </think> <think> __import__('os')
"""
PIECES = [
    *_TOKENS.split(),
    "9" * 70,
    "0." + "3" * 40,
    " ",
    "\n",
    "\t",
    " and ",
    " or ",
    "\x00",
    "\u200b",
    "\u202e",
    "\ud800",
    "\u0301",
]
LETTERS = ["x", "y", "n", "a", "\\pi", "e", "i", "\\theta", "x_1"]


def expression(rng: random.Random, depth: int) -> str:
    """A well-formed expression in LaTeX, up to `depth` constructs inside one another."""
    if depth == 0 or rng.random() < 0.15:
        return number(rng) if rng.random() < 0.65 else rng.choice(LETTERS)
    first = expression(rng, depth - 1)
    second = expression(rng, depth - 1)
    forms = [
        f"{first} + {second}",
        f"{first} - {second}",
        f"{first} \\cdot {second}",
        f"\\frac{{{first}}}{{{second}}}",
        f"\\dfrac{{{first}}}{{{second}}}",
        f"({first})/({second})",
        f"({first})({second})",
        f"({first})^{{{second}}}",
        f"({first})^{rng.randrange(10)}",
        f"-({first})",
        f"\\left({first}\\right)!" if rng.random() < 0.1 else f"{rng.randrange(3_000)}!",
        f"\\sqrt{{{first}}}",
        f"\\sqrt[{rng.randrange(2, 6)}]{{{first}}}",
        f"|{first}|",
        f"\\binom{{{first}}}{{{second}}}"
        if rng.random() < 0.1
        else f"\\binom{{{rng.randrange(40)}}}{{{rng.randrange(40)}}}",
        f"\\{rng.choice(['sin', 'cos', 'tan', 'ln', 'arctan'])}({first})",
        f"\\log_{{{second}}}({first})",
        f"{{{first}}}",
    ]
    return rng.choice(forms)


def number(rng: random.Random) -> str:
    """A number as people and models write them."""
    size = 10 ** rng.choice([1, 1, 1, 2, 3, 6, 12, 40])
    whole = rng.randrange(size)
    return rng.choice(
        [
            str(whole),
            str(whole),
            f"-{whole}",
            f"{whole}.{rng.randrange(1000)}",
            f"{whole:,}",
            f"{rng.randrange(1, 20)}\\frac{{1}}{{{rng.randrange(2, 9)}}}",
            f"{whole}\\%",
            f"{rng.randrange(1, 10)} \\times 10^{{{rng.randrange(-5, 20)}}}",
            f"0.\\overline{{{rng.randrange(1, 1000)}}}",
            "½",
        ]
    )


def answer(rng: random.Random) -> str:
    """A well-formed final answer of any shape."""
    shape = rng.randrange(8)
    if shape < 4:
        return expression(rng, rng.randrange(4))
    items = [expression(rng, rng.randrange(3)) for _ in range(rng.randrange(1, 5))]
    opening, closing = rng.choice([("(", ")"), ("[", "]"), ("(", "]"), ("\\{", "\\}"), ("", "")])
    listed = f"{opening}{', '.join(items)}{closing}"
    return rng.choice(
        [
            listed,
            f"x = {items[0]}",
            f"({items[0]}, {items[-1]}] \\cup [{items[-1]}, \\infty)",
            f"{items[0]} < x \\le {items[-1]}",
            f"\\begin{{pmatrix}} {' & '.join(items)} \\\\ {' & '.join(items)} \\end{{pmatrix}}",
            f"{items[0]} \\text{{ cm}}",
            " \\text{ or } ".join(items),
            f"\\text{{{rng.choice(['even', 'Tuesday', 'no solution', '(B)'])}}}",
        ]
    )


def mutated(rng: random.Random, text: str) -> str:
    """`text` after one to six random edits."""
    for _ in range(rng.randrange(1, 7)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.randrange(1, 6))
        edit = rng.randrange(6)
        if edit == 0:
            text = text[:start] + text[end:]
        elif edit == 1:
            text = text[:start] + text[start:end] * rng.choice([2, 3, 50]) + text[end:]
        elif edit == 2:
            text = text[:end] + text[start:]
        elif edit == 3:
            text = text[:start] + chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x11_0000)])) + text[end:]
        else:
            text = text[:start] + rng.choice(PIECES) + text[start:]
    return text


def hostile(rng: random.Random) -> str:
    """Text that is meant to break a reader: soup, nests, damaged answers, and well-formed ones among them."""
    kind = rng.randrange(8)
    if kind == 0:
        return "".join(rng.choice(PIECES) for _ in range(rng.randrange(1, 40)))
    if kind == 1:
        opening, closing = rng.choice([("(", ")"), ("{", "}"), ("\\sqrt{", "}"), ("\\frac{1}{", "}"), ("2^{", "}")])
        levels = rng.choice([3, 10, 39, 41, 120, 400])
        return opening * levels + expression(rng, 1) + closing * (levels - rng.randrange(2))
    if kind == 2:
        return rng.choice(PIECES) * rng.choice([2, 30, 500])
    if kind == 3:
        return answer(rng)
    return mutated(rng, rng.choice([answer(rng), rng.choice(GOLDS), rng.choice(ANSWERS)]))


def completion_with(rng: random.Random, text: str) -> str:
    """A completion that gives `text` as its answer, or tries to."""
    return rng.choice(
        [
            f"So we get \\boxed{{{text}}}.",
            f"So we get \\boxed{{{text}}}.",
            f"\\boxed{{{text}",
            f"#### {text}",
            f"<think>\\boxed{{1}}</think>The final answer is ${text}$.",
            f"\\boxed{{1}} and \\fbox {text}",
            text,
        ]
    )


def timed_verdict(completion: str, gold: str, idle_seconds: Idle) -> tuple[Verdict, float]:
    """The verdict and its seconds, less the machine's load; the start of the symbolic worker is not timed."""
    if not worker_pids():
        compare_symbolically("4^n", "2^{2n}")
    start = time.perf_counter()
    verdict = check_answer(completion, gold)
    return verdict, idle_seconds(time.perf_counter() - start)


def bare(text: str) -> bool:
    """Whether it can stand in a box as it is, and be a gold answer."""
    try:
        check_answer("", text)
    except GoldAnswerError:
        return False
    return "####" not in text and extract_answer(f"\\boxed{{{text}}}") == text.strip(" \t\r\n\x00")


def test_every_hostile_answer_gets_a_verdict_in_time(idle_seconds: Idle) -> None:
    counts: Counter[Status] = Counter()
    slowest = (0.0, "", "")
    for case in range(NUM_HOSTILE):
        rng = random.Random(case)
        gold = rng.choice(GOLDS)
        completion = completion_with(rng, mutated(rng, gold) if rng.random() < 0.25 else hostile(rng))
        try:
            verdict, seconds = timed_verdict(completion, gold, idle_seconds)
        except Exception as error:
            raise AssertionError(f"case {case}: {completion!r} against {gold!r} raises {error!r}") from error
        assert seconds < MOST_SECONDS, f"case {case}: {completion!r} against {gold!r} took {seconds:.2f} s"
        empty = verdict.status is Status.NO_ANSWER
        assert (verdict.answer == "") == empty == (verdict.answer_class == ""), f"case {case}: {verdict}"
        counts[verdict.status] += 1
        slowest = max(slowest, (seconds, completion, gold))
    print(f"{dict(counts)}; slowest {slowest[0]:.3f} s: {slowest[1]!r} against {slowest[2]!r}")
    assert min(counts[status] for status in (Status.CORRECT, Status.NO_ANSWER, Status.UNPARSABLE)) >= 100


def test_hostile_answers_on_both_sides(idle_seconds: Idle) -> None:
    """A gold answer is trusted, not safe: it raises `GoldAnswerError` or is compared, in time."""
    counts: Counter[str] = Counter()
    slowest = (0.0, "", "")
    for case in range(NUM_HOSTILE // 2):
        rng = random.Random(4_000_000 + case)
        gold = rng.choice([hostile(rng), answer(rng), mutated(rng, answer(rng))])
        given = rng.choice([gold, mutated(rng, gold), hostile(rng), f"({gold}) + 1"])
        start = time.perf_counter()
        try:
            verdict, seconds = timed_verdict(completion_with(rng, given), gold, idle_seconds)
            counts[verdict.status.value] += 1
        except GoldAnswerError:
            seconds = idle_seconds(time.perf_counter() - start)
            counts["unusable gold answer"] += 1
        assert seconds < MOST_SECONDS, f"case {case}: {given!r} against {gold!r} took {seconds:.2f} s"
        slowest = max(slowest, (seconds, given, gold))
    print(f"{dict(counts)}; slowest {slowest[0]:.3f} s: {slowest[1]!r} against {slowest[2]!r}")
    assert counts["CORRECT"] >= 100 and counts["INCORRECT"] >= 100 and counts["unusable gold answer"] >= 100


def test_a_gold_answer_in_a_box_is_correct_and_one_more_is_not(idle_seconds: Idle) -> None:
    golds = [*GOLDS, *(answer(random.Random(1_000_000 + case)) for case in range(NUM_GOLDS))]
    wrong = []
    for gold in golds:
        verdict, seconds = timed_verdict(f"So we get \\boxed{{{gold}}}.", gold, idle_seconds)
        if verdict.status is not Status.CORRECT or seconds >= MOST_SECONDS:
            wrong.append(f"{gold!r} in a box: {verdict.status}, {seconds:.2f} s")
    for case in range(NUM_GOLDS):
        gold = expression(random.Random(2_000_000 + case), case % 4)
        for more in (f"({gold}) + 1", f"1 + ({gold})"):
            verdict, seconds = timed_verdict(f"So we get \\boxed{{{more}}}.", gold, idle_seconds)
            if verdict.status is Status.CORRECT or seconds >= MOST_SECONDS:
                wrong.append(f"{more!r} for {gold!r}: {verdict.status}, {seconds:.2f} s")
    assert not wrong, f"{len(wrong)} wrong verdicts:\n" + "\n".join(wrong[:40])


def test_two_bare_answers_are_judged_alike_both_ways(idle_seconds: Idle) -> None:
    wrong, judged, equal = [], 0, 0
    for case in range(NUM_PAIRS):
        rng = random.Random(3_000_000 + case)
        first = rng.choice([answer(rng), rng.choice(GOLDS), rng.choice(ANSWERS)])
        second = rng.choice([mutated(rng, first), answer(rng), first.replace(" ", ""), rng.choice(GOLDS)])
        if not (bare(first) and bare(second)):
            continue
        forth, back = (
            timed_verdict(f"\\boxed{{{a}}}", b, idle_seconds)[0].status for a, b in ((first, second), (second, first))
        )
        judged += 1
        equal += forth is Status.CORRECT
        if Status.TIMEOUT not in (forth, back) and (forth is Status.CORRECT) != (back is Status.CORRECT):
            wrong.append(f"{first!r} against {second!r}: {forth}; the other way round: {back}")
    print(f"{judged} pairs judged both ways, {equal} of them equal")
    assert judged >= NUM_PAIRS / 4 and equal >= NUM_PAIRS / 20
    assert not wrong, f"{len(wrong)} pairs judged differently:\n" + "\n".join(wrong[:40])


def test_values_among_words_signs_labels_and_other_boxes(idle_seconds: Idle) -> None:
    """By construction it is known which are right; after random edits they still get a verdict in time."""
    wrong = []
    for case in range(NUM_WORDED):
        rng = random.Random(5_000_000 + case)
        for completion, gold, right in worded(rng):
            verdict, seconds = timed_verdict(completion, gold, idle_seconds)
            if verdict.correct is not right or seconds >= MOST_SECONDS:
                wrong.append(f"{completion!r} for {gold!r}: {verdict.status}, {seconds:.2f} s")
            edited = mutated(rng, completion)
            seconds = timed_verdict(edited, gold, idle_seconds)[1]
            assert seconds < MOST_SECONDS, f"case {case}: {edited!r} against {gold!r} took {seconds:.2f} s"
    assert not wrong, f"{len(wrong)} wrong verdicts:\n" + "\n".join(wrong[:40])


def test_ten_minutes_of_coverage_guided_fuzzing(tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip('atheris is not installed; `.venv/bin/pip install atheris` (the extra "fuzz") adds this test')
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    command = [sys.executable, str(Path(__file__).with_name("coverage_fuzz.py")), str(corpus)]
    options = [f"-max_total_time={FUZZ_SECONDS}", "-timeout=30", "-max_len=200", "-seed=1", "-print_final_stats=1"]
    run = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=FUZZ_SECONDS + 300
    )
    assert run.returncode == 0, run.stderr[-4_000:]
    executed = re.search(r"stat::number_of_executed_units: *([0-9]+)", run.stderr)
    assert executed is not None and int(executed.group(1)) > 10 * FUZZ_SECONDS, run.stderr[-2_000:]
    print(f"{executed.group(1)} pairs, {len(list(corpus.iterdir()))} of them reached new code")
