r"""Step rewards for the generated arithmetic benchmark: does each line do the operation that comes next?

The question is a chain such as ``((12+7)*3)-5=``; a solution writes one equation a line and ends in ``\boxed{52}``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from fractions import Fraction

from rewards.algebra.arithmetic import read_number
from rewards.algebra.bounds import OverBoundError, UnreadableError
from rewards.algebra.expressions import parse_expression
from rewards.algebra.nodes import Apply, Node, Number
from rewards.steps.steps import split_steps
from rewards.verdict import StepVerdict

__all__ = ["check_next_operations"]

_BOX = re.compile(r"\\boxed\{([^{}]*)\}")
Operation = tuple[str, Fraction]


@dataclass(frozen=True, kw_only=True)
class _State:
    """The value written last, how many operations may be done by then, and whether a box was written."""

    value: Fraction
    done: frozenset[int]
    boxed: bool = False


def check_next_operations(question: str, completion: str) -> tuple[StepVerdict, ...]:
    r"""Judges each line of a solution of the generated arithmetic benchmark.

    A line is right (+1) where its left side applies the next operation, or the next several (``(12+7)*3=57``), to the
    value that was written before, and its right side is what they give. ``\boxed{v}`` is right where no operation is
    left and v is the value written last. Every other line is wrong (−1). A wrong equation still counts as its
    operations done, and what it wrote is what the next line goes on from: an early mistake does not make later lines
    wrong.

    Args:
        question: a chain of ``+``, ``-`` and ``*`` applied left to right, in brackets, ending in ``=``.
        completion: the model's text.

    Raises:
        ValueError: the question is no such chain.
    """
    try:
        start, operations = _chain(parse_expression(question.strip().removesuffix("=")))
    except (UnreadableError, OverBoundError) as error:
        raise ValueError(
            f"question: got {question!r}, expected a chain such as '((12+7)*3)-5=' "
            f"(see benchmarks.arithmetic); {error}."
        ) from error
    state = _State(value=start, done=frozenset({0}))
    verdicts = []
    for first, end in split_steps(completion):
        right, state = _check_line(completion[first:end].strip(), operations, state)
        verdicts.append(StepVerdict(end=end, reward=1.0 if right else -1.0))
    return tuple(verdicts)


def _check_line(line: str, operations: tuple[Operation, ...], state: _State) -> tuple[bool, _State]:
    """Whether the line is right, and the state after it. Nothing is right after a box."""
    box = _BOX.fullmatch(line)
    try:
        if box is not None:
            right = len(operations) in state.done and read_number(box.group(1).strip()) == state.value
            return right and not state.boxed, replace(state, boxed=True)
        left, equals, right = line.partition("=")
        if not equals:
            return False, state
        written = read_number(right.strip())
        start, steps = _chain(parse_expression(left.strip()))
    except (UnreadableError, OverBoundError):
        return False, state
    if state.boxed:  # nothing is to follow the box
        return False, state
    matches = [done for done in state.done if steps and steps == operations[done : done + len(steps)]]
    if matches and start == state.value:
        after = frozenset(done + len(steps) for done in matches)
        return _apply(start, steps) == written, _State(value=written, done=after)
    after = frozenset(min(done + len(steps), len(operations)) for done in state.done)
    return False, _State(value=written, done=state.done | after)


def _chain(node: Node) -> tuple[Fraction, tuple[Operation, ...]]:
    """The start value and the operations of a tree that is nested on its left side only.

    Raises:
        UnreadableError: the tree is no such chain.
    """
    operations: list[Operation] = []
    while isinstance(node, Apply):
        match node:
            case Apply(name="add", arguments=(left, Apply(name="neg", arguments=(Number(value=operand),)))):
                operations.append(("-", operand))
            case Apply(name="add", arguments=(left, Number(value=operand))):
                operations.append(("+", operand))
            case Apply(name="mul", arguments=(left, Number(value=operand))):
                operations.append(("*", operand))
            case Apply(name="neg", arguments=(Number(value=operand),)):
                return -operand, tuple(reversed(operations))
            case _:
                raise UnreadableError("not a chain of operations applied left to right")
        node = left
    if not isinstance(node, Number):
        raise UnreadableError("not a chain of numbers")
    return node.value, tuple(reversed(operations))


def _apply(value: Fraction, operations: tuple[Operation, ...]) -> Fraction:
    for operator, operand in operations:
        value = value + operand if operator == "+" else value - operand if operator == "-" else value * operand
    return value
