"""Speed of the answer checker beside math-verify's: the same pairs, one core, warm, in one process.

Each workload is a list of (completion, gold answer). Its pairs are divided into rounds; in each round both checkers
take the same pairs, one after the other, and no pair comes twice, so that neither profits from what it remembers.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.files import DataFileMissingError, load_from_folder
from benchmarks.problem import Problem
from rewards import check_answers

__all__ = ["CheckerSpeed", "Workload", "checker_table", "checker_workloads", "measure_checker"]

WARM_UP, NUM_ROUNDS = 8, 3
FEWEST_PAIRS = WARM_UP + NUM_ROUNDS  # a pair to time in every round
COMPLETION_CHARS = 64_000
_INTEGER = re.compile(r"-?[0-9]{1,15}")
_FRACTION = re.compile(r"(-?)\\d?frac\{([0-9]{1,9})\}\{([0-9]{1,9})\}")
_EXPRESSION = re.compile(r"[0-9a-z+\-*/^(){}. ]+")
_COMMAND = re.compile(r"\\(?:d?frac|sqrt|pi|cdot|left|right|sin|cos|log|ln)(?![A-Za-z])")


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Pairs of one kind; `equal` says whether the answers are right."""

    name: str
    pairs: tuple[tuple[str, str], ...]
    equal: bool


@dataclass(frozen=True, kw_only=True)
class CheckerSpeed:
    """One workload's times in seconds for all its pairs, and the share of pairs judged as they should be."""

    name: str
    num_pairs: int
    ours_s: float
    peer_s: float
    ours_right: float
    peer_right: float


def checker_workloads(data_dir: Path | None, num_pairs: int) -> tuple[list[Workload], bool]:
    """GSM8K and MATH solutions against their golds, MATH answers rewritten and made wrong, and long completions.

    Args:
        data_dir: folder of benchmark files; without it, or where the files are absent, problems made here.
        num_pairs: most pairs of a workload.

    Returns:
        The workloads, and whether their problems are the benchmarks' own.

    Raises:
        ValueError: too few pairs to be timed.
    """
    _check_pairs("--pairs", num_pairs)
    rng = random.Random(0)
    real = data_dir is not None
    try:
        if data_dir is None:
            raise DataFileMissingError
        gsm8k = load_from_folder("gsm8k", "test", data_dir)
        math = load_from_folder("math", "test", data_dir)
    except DataFileMissingError:
        real = False
        gsm8k, math = _made_problems(rng, 2_000, "integer"), _made_problems(rng, 2_000, "expression")
    rng.shuffle(gsm8k)
    rng.shuffle(math)
    golds = [problem.gold_answer for problem in math]
    right = [(f"\\boxed{{{answer}}}", gold) for gold in golds if (answer := rewritten(gold, rng)) is not None]
    wrong = [(f"\\boxed{{{answer}}}", gold) for gold in golds if (answer := made_wrong(gold)) is not None]
    texts = [problem.solution or problem.question for problem in math]
    long = [
        (_long_text(texts, rng) + ending.format(gold), gold)
        for gold, ending in zip(golds[:200], ("So it is \\boxed{{{}}}.", "The answer is ${}$.") * 100, strict=False)
    ]
    named = {
        "GSM8K, its solutions": ([(f"{p.solution}\n#### {p.gold_answer}", p.gold_answer) for p in gsm8k], True),
        "MATH, its solutions": ([(p.solution or "", p.gold_answer) for p in math], True),
        "MATH, rewritten": (right, True),
        "MATH, made wrong": (wrong, False),
        "64,000 characters": (long, True),
    }
    return [
        Workload(name=name, pairs=tuple(pairs[:num_pairs]), equal=equal) for name, (pairs, equal) in named.items()
    ], real


def measure_checker(workloads: Sequence[Workload], peer: str = "math-verify") -> list[CheckerSpeed]:
    """Time both checkers on each workload, on one core.

    Raises:
        ValueError: no such peer, or too few pairs to be timed. ModuleNotFoundError: the peer is not installed.
    """
    if peer != "math-verify":
        raise ValueError(f"got --peer {peer!r} for the checker, expected math-verify.")
    if importlib.util.find_spec("math_verify") is None:
        raise ModuleNotFoundError("No module named 'math_verify'; pip install math-verify==0.9.0")
    for workload in workloads:
        _check_pairs(f"the number of pairs of {workload.name!r}", len(workload.pairs))
    with _one_core():
        return [_measure(workload) for workload in workloads]


def checker_table(speeds: Sequence[CheckerSpeed]) -> str:
    """Pairs a second and shares judged as they should be, a line each workload."""
    lines = [
        f"{'pairs a second':<24}{'pairs':>7}{'ours':>10}{'peer':>9}{'times':>8}{'ours right':>13}{'peer right':>12}"
    ]
    for speed in speeds:
        lines.append(
            f"{speed.name:<24}{speed.num_pairs:>7}{speed.num_pairs / speed.ours_s:>10,.0f}"
            f"{speed.num_pairs / speed.peer_s:>9,.0f}{speed.peer_s / speed.ours_s:>8.1f}"
            f"{speed.ours_right:>12.1%}{speed.peer_right:>12.1%}"
        )
    return "\n".join(lines)


def rewritten(gold: str, rng: random.Random) -> str | None:
    r"""The same value in another form, by rules that need no checker; ``None`` where none applies."""
    if _INTEGER.fullmatch(gold):
        value = int(gold)
        return rng.choice(
            [f"\\frac{{{3 * value}}}{{3}}", f"{value}.00", f"{value - 7} + 7", f"2 \\cdot {value} - {value}"]
        )
    if match := _FRACTION.fullmatch(gold):
        sign, top, bottom = match.group(1), int(match.group(2)), int(match.group(3))
        return rng.choice(
            [f"{sign}\\dfrac{{{2 * top}}}{{{2 * bottom}}}", f"{sign}{top}/{bottom}", f"{sign}{top} \\div {bottom}"]
        )
    if _is_expression(gold):
        return rng.choice([f"0 + ({gold})", f"\\frac{{2({gold})}}{{2}}", f"({gold}) \\cdot 1", f"({gold}) + 3 - 3"])
    return None


def made_wrong(gold: str) -> str | None:
    """Another value in a like form; ``None`` where no rule applies."""
    if _INTEGER.fullmatch(gold):
        return str(int(gold) + 1)
    if match := _FRACTION.fullmatch(gold):
        return f"{match.group(1)}\\frac{{{int(match.group(2)) + int(match.group(3))}}}{{{match.group(3)}}}"
    return f"{gold} + 1" if _is_expression(gold) else None


def _check_pairs(what: str, count: int) -> None:
    if count < FEWEST_PAIRS:
        raise ValueError(
            f"{what} is {count}; expected at least {FEWEST_PAIRS}: {WARM_UP} to warm up and one for each of "
            f"{NUM_ROUNDS} rounds. Give more pairs, or benchmark files with more problems."
        )


def _measure(workload: Workload) -> CheckerSpeed:
    warm, timed = workload.pairs[:WARM_UP], workload.pairs[WARM_UP:]
    seconds, right = [0.0, 0.0], [0, 0]
    judges = (_ours, _math_verify)
    for judge in judges:
        judge(warm)
    for index in range(NUM_ROUNDS):
        pairs = timed[index::NUM_ROUNDS]
        for which, judge in enumerate(judges):
            start = time.perf_counter()
            verdicts = judge(pairs)
            seconds[which] += time.perf_counter() - start
            right[which] += sum(verdict == workload.equal for verdict in verdicts)
    return CheckerSpeed(
        name=workload.name,
        num_pairs=len(timed),
        ours_s=seconds[0],
        peer_s=seconds[1],
        ours_right=right[0] / len(timed),
        peer_right=right[1] / len(timed),
    )


@contextlib.contextmanager
def _one_core() -> Iterator[None]:
    """This process, and the symbolic workers that it starts meanwhile, on one core; as it was where that is unknown."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _is_expression(gold: str) -> bool:
    plain = _COMMAND.sub("", gold)
    return (
        _EXPRESSION.fullmatch(plain) is not None and not gold.endswith(".") and re.search(r"[0-9x]", gold) is not None
    )


def _ours(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    return [verdict.correct for verdict in check_answers(pairs)]


def _math_verify(pairs: Sequence[tuple[str, str]]) -> list[bool]:
    from math_verify import parse, verify

    return [bool(verify(parse(f"\\boxed{{{gold}}}"), parse(completion))) for completion, gold in pairs]


def _long_text(texts: Sequence[str], rng: random.Random) -> str:
    """A long train of thought: solutions of other problems, without their boxes."""
    parts: list[str] = []
    length = 0
    while length < COMPLETION_CHARS:
        part = rng.choice(texts).replace("\\boxed", "") + "\n\nWait, let me check that again. "
        parts.append(part)
        length += len(part)
    return "".join(parts)[:COMPLETION_CHARS] + "\n\n"


def _made_problems(rng: random.Random, count: int, kind: str) -> list[Problem]:
    answers = [str(rng.randrange(10_000)) if kind == "integer" else _made_answer(rng) for _ in range(count)]
    return [
        Problem(
            problem_id=f"made-{kind}-{index}",
            benchmark="made",
            question=f"What is {answer}?",
            gold_answer=answer,
            solution=f"First we add ${rng.randrange(99)} + {rng.randrange(99)}$. We get $\\boxed{{{answer}}}$.",
        )
        for index, answer in enumerate(answers)
    ]


def _made_answer(rng: random.Random) -> str:
    a, b, c = (rng.randrange(2, 60) for _ in range(3))
    return rng.choice(
        [str(a * b), f"\\frac{{{a}}}{{{b + 60}}}", f"{a}\\sqrt{{{b}}}", f"x^2 + {a}x - {b}", f"{a} + {b}\\sqrt{{{c}}}",
         f"\\frac{{{a}\\pi}}{{{b}}}", f"({a}, {b})"]
    )  # fmt: skip
