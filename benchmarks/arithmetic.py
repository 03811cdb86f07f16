r"""A generated arithmetic benchmark: offline, seeded, with disjoint splits.

A problem is a chain of nested operations such as ``((12+7)*3)-5=``. Its worked solution has one equation a line and
ends in the box the paper's prompt asks for::

    12+7=19
    19*3=57
    57-5=52
    \boxed{52}

Most lines merge two operations, ``(12+7)*3=57``: a shortcut that a small model gets wrong more often than two single
lines. So what a policy trained on such demonstrations writes greedily is often wrong while it can do better, and
reinforcement has more to teach than certainty. `docs/embedded-task.md` says how this was chosen and measured.

Every problem has its solution as a program too, and as text in which that program is run and its output read.

Splits are disjoint by construction: the split is a function of the question's text (`split_of`), and generation draws
until it meets a question of the split it was asked for.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from benchmarks.problem import Problem

__all__ = [
    "BENCHMARK",
    "LONG_BENCHMARK",
    "SPLITS",
    "Chain",
    "SplitName",
    "generate_problems",
    "render_program",
    "render_question",
    "render_solution",
    "render_tool_solution",
    "split_of",
]

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")

BENCHMARK = "arithmetic"
NUM_OPERATIONS = (2, 3, 4)
LONG_BENCHMARK = "arithmetic-long"  # outside what is trained on
LONG_NUM_OPERATIONS = (5,)
OPERANDS = range(2, 51)
MULTIPLIERS = range(2, 10)
MAX_VALUE = 99
SHORTCUT_PROBABILITY = 0.75


@dataclass(frozen=True, kw_only=True)
class Chain:
    """A start value and the operations applied to it in turn.

    Attributes:
        start: the first operand.
        operations: pairs (operator, operand) with operators ``+``, ``-`` and ``*``, applied left to right.
    """

    start: int
    operations: tuple[tuple[str, int], ...]

    def values(self) -> tuple[int, ...]:
        """The value after each operation, one per operation."""
        values, value = [], self.start
        for operator, operand in self.operations:
            value = apply_operation(value, operator, operand)
            values.append(value)
        return tuple(values)


def apply_operation(value: int, operator: str, operand: int) -> int:
    """``value operator operand`` for the three operators of this benchmark."""
    match operator:
        case "+":
            return value + operand
        case "-":
            return value - operand
        case "*":
            return value * operand
    raise ValueError(f"unknown operator {operator!r}; expected one of '+', '-', '*'.")


def render_question(chain: Chain) -> str:
    """The chain as a fully parenthesised expression followed by ``=``."""
    return _nested(str(chain.start), chain.operations) + "="


def render_solution(chain: Chain, merged: frozenset[int] = frozenset()) -> str:
    r"""The worked solution, one equation a line, ending in ``\boxed{value}``.

    Args:
        chain: the problem.
        merged: indices of operations that are written in the same line as the next one.

    Returns:
        The solution's text, without a newline at its end.
    """
    lines, known, pending = [], chain.start, []
    for index, (operation, value) in enumerate(zip(chain.operations, chain.values(), strict=True)):
        pending.append(operation)
        if index in merged and index + 1 < len(chain.operations):
            continue
        lines.append(f"{_nested(str(known), tuple(pending))}={value}")
        known, pending = value, []
    return "\n".join([*lines, f"\\boxed{{{known}}}"])


def render_program(chain: Chain) -> str:
    """A program that prints the chain's value: one assignment an operation, as lines without one at the end."""
    lines = [f"a=a{operator}{operand}" for operator, operand in chain.operations]
    return "\n".join([f"a={chain.start}", *lines, "print(a)"])


def render_tool_solution(chain: Chain) -> str:
    r"""The program in its block, what it prints in a block behind it, and the answer in ``\boxed{}``."""
    value = chain.values()[-1]
    return f"```python\n{render_program(chain)}\n```\n```output\n{value}\n```\n\\boxed{{{value}}}"


def split_of(question: str) -> SplitName:
    """The split that a question belongs to: one in ten to test, one in ten to validation, the rest to train."""
    bucket = hashlib.blake2b(question.encode(), digest_size=8).digest()[0] % 10
    return {0: "test", 1: "validation"}.get(bucket, "train")  # type: ignore[return-value]


def generate_problems(
    split: SplitName,
    count: int,
    *,
    seed: int = 0,
    shortcut_probability: float = SHORTCUT_PROBABILITY,
    benchmark: str = BENCHMARK,
) -> list[Problem]:
    """Draw `count` different problems of one split.

    Args:
        split: ``"train"``, ``"validation"`` or ``"test"``.
        count: how many, at least 1.
        seed: the same seed and split repeat the same problems in the same order.
        shortcut_probability: chance that a line of the worked solution merges two operations.
        benchmark: `BENCHMARK`, or `LONG_BENCHMARK` with chains of 5 operations.

    Returns:
        Problems with distinct questions; `level` is the number of operations.

    Raises:
        ValueError: the split is unknown or the count is not positive.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r} of benchmark 'arithmetic'; expected one of {', '.join(SPLITS)}.")
    if count < 1:
        raise ValueError(f"count is {count}; expected at least 1 problem.")
    return list(_drawn(split, count, seed, shortcut_probability, benchmark))


@lru_cache(maxsize=4)  # the jobs of a comparison ask one process for the same ones again and again
def _drawn(split: SplitName, count: int, seed: int, shortcut_probability: float, benchmark: str) -> tuple[Problem, ...]:
    """See `generate_problems`."""
    generator = random.Random(f"{benchmark}/{split}/{seed}")
    lengths = LONG_NUM_OPERATIONS if benchmark == LONG_BENCHMARK else NUM_OPERATIONS
    problems: dict[str, Problem] = {}
    while len(problems) < count:
        chain = _draw_chain(generator, lengths)
        question = render_question(chain)
        if split_of(question) != split or question in problems:
            continue
        problems[question] = Problem(
            problem_id=f"{benchmark}:{question}",
            benchmark=benchmark,
            question=question,
            gold_answer=str(chain.values()[-1]),
            solution=render_solution(chain, _draw_merges(generator, len(chain.operations), shortcut_probability)),
            level=str(len(chain.operations)),
            program=render_program(chain),
            tool_solution=render_tool_solution(chain),
        )
    return tuple(problems.values())


def _nested(start: str, operations: tuple[tuple[str, int], ...]) -> str:
    """``((start op a) op b) op c`` without parentheses around the whole."""
    text = start
    for index, (operator, operand) in enumerate(operations):
        text = f"({text}){operator}{operand}" if index else f"{text}{operator}{operand}"
    return text


def _draw_chain(generator: random.Random, lengths: Sequence[int]) -> Chain:
    start = value = generator.choice(OPERANDS)
    operations = []
    for _ in range(generator.choice(lengths)):
        choices = _valid_operations(value)
        operator = generator.choice(sorted(choices))
        operand = generator.choice(choices[operator])
        operations.append((operator, operand))
        value = apply_operation(value, operator, operand)
    return Chain(start=start, operations=tuple(operations))


def _valid_operations(value: int) -> dict[str, list[int]]:
    """Operands per operator that keep the value within 0..MAX_VALUE; at least one operator always fits."""
    fits = {
        "+": [operand for operand in OPERANDS if value + operand <= MAX_VALUE],
        "-": [operand for operand in OPERANDS if value - operand >= 0],
        "*": [operand for operand in MULTIPLIERS if 0 < value * operand <= MAX_VALUE],
    }
    return {operator: operands for operator, operands in fits.items() if operands}


def _draw_merges(generator: random.Random, num_operations: int, probability: float) -> frozenset[int]:
    """Operations that share a line with the next; never three in one line."""
    merged: set[int] = set()
    for index in range(num_operations - 1):
        if index - 1 not in merged and generator.random() < probability:
            merged.add(index)
    return frozenset(merged)
