"""The types that `benchmarks` hands on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from string import ascii_uppercase

__all__ = ["LANGUAGES", "Problem", "Statement", "Tolerance", "with_options"]

LANGUAGES = ("metamath", "lean4", "isabelle")
"""Of formal statements; a file has them in the fields ``LANGUAGE_statement`` and ``LANGUAGE_header``."""


@dataclass(frozen=True, kw_only=True)
class Tolerance:
    """Distance of a number from the gold answer that a benchmark allows: ``absolute + relative · |gold|``.

    Attributes:
        absolute: in the gold answer's own unit.
        relative: as a share of the gold answer.
    """

    absolute: Fraction = Fraction(0)
    relative: Fraction = Fraction(0)

    def __post_init__(self) -> None:
        if self.absolute < 0 or self.relative < 0 or self.absolute == self.relative == 0:
            raise ValueError(
                f"a tolerance of {self.absolute} absolute and {self.relative} relative; expected one of them above "
                "zero and none below. Leave the tolerance out for exact answers."
            )


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What is to be proved, in the language of a proof checker.

    Attributes:
        language: one of `LANGUAGES`.
        header: what stands before it: imports, hypotheses.
        text: the theorem without its proof.
    """

    language: str
    header: str
    text: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One question with its gold answer.

    Attributes:
        problem_id: unique within its benchmark and stable across runs (seeds and tables are keyed by it).
        benchmark: the benchmark's name, e.g. ``"gsm8k"``.
        question: the bare question, without instructions (see `benchmarks.prompts`).
        gold_answer: the short final answer that `rewards.check_answer` compares with.
        solution: a worked solution ending in the answer, for supervised training; ``None`` where the source has none.
        level: difficulty as the source writes it, ``None`` where it does not.
        subject: topic as the source writes it, ``None`` where it does not.
        tolerance: how far a number may lie from the gold answer; ``None`` (exact) unless the benchmark defines one.
        options: what the question lets choose from, A first; `question` has them too (`with_options`), and
            `gold_answer` is a letter, or several.
        blanks: how many values the gold answer holds, joined by semicolons, in the order of the question's blanks.
        program: a program that prints the answer, for supervised training; ``None`` where the source has none.
        tool_solution: a solution of text, programs and their outputs in turns, likewise (`sampling.rounds`).
        statements: the same as formal statements to be proved, one a language.
        where: the file and line that it was read from, for messages; no part of what it is.
    """

    problem_id: str
    benchmark: str
    question: str
    gold_answer: str
    solution: str | None = None
    level: str | None = None
    subject: str | None = None
    tolerance: Tolerance | None = None
    options: tuple[str, ...] = ()
    blanks: int = 1
    program: str | None = None
    tool_solution: str | None = None
    statements: tuple[Statement, ...] = ()
    where: str | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        for name in ("problem_id", "benchmark", "question", "gold_answer"):
            if not getattr(self, name).strip():
                raise ValueError(
                    f"Problem.{name} is empty (problem_id={self.problem_id!r}); "
                    "every problem needs an id, a benchmark, a question and a gold answer."
                )


def with_options(question: str, options: Sequence[str]) -> str:
    """A question with its options behind it, one a line with its letter."""
    return question + "".join(
        f"\n({letter}) {option}" for letter, option in zip(ascii_uppercase, options, strict=False)
    )
