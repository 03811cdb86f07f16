"""The answer checker: a completion's final answer, judged against a gold answer.

Extraction (`extraction`), reading (`structure`), exact comparison (`equivalence`); and only where all of that leaves
the question open, symbolic algebra in a worker process (`rewards.algebra.symbolic`).
"""

from __future__ import annotations

import functools
import re
import time
from collections.abc import Iterator

from benchmarks.problem import Tolerance
from rewards.algebra.latex import to_latex
from rewards.algebra.numeric import AGREEMENT_DIGITS, agree
from rewards.algebra.symbolic import DEADLINE_SECONDS, SymbolicTimeoutError, compare_symbolically
from rewards.checker.equivalence import decide_exactly, values_equal, within_tolerance
from rewards.checker.extraction import extract_answer
from rewards.checker.normalization import normalize, squeeze
from rewards.checker.printed import other_spellings
from rewards.checker.statements import gold_reading, other_readings
from rewards.checker.structure import read_answer
from rewards.checker.values import Clock, Collection, Relation, Scalar, Value, Words, value_key
from rewards.verdict import Status, Verdict

__all__ = ["CORRECT_CLASS", "NOT_PROVED", "GoldAnswerError", "check_answer", "is_readable_gold"]

CORRECT_CLASS = "correct"
NOT_PROVED = f"constants agree to {AGREEMENT_DIGITS} digits, without a proof"
_MAX_KEY_CHARS = 200
_POINT = re.compile(r"[A-Z]'?(?:_\{?\d\}?)? ?(\([^()]+,[^()]+\))")  # a point with its name: P(1, 2)
_MAX_SYMBOLIC_CHARS = 600
_UNBOUNDED = re.compile(r"\\(?:sum|prod|int|iint|oint|lim|bigcup|bigcap)(?![A-Za-z])|\d{60}")


class GoldAnswerError(ValueError):
    """A gold answer that nothing can be compared with."""


def check_answer(completion: str, gold_answer: str, *, tolerance: Tolerance | None = None) -> Verdict:
    """Judges the final answer of `completion`.

    Args:
        completion: the model's text; anything at all.
        gold_answer: the right answer, in LaTeX or plainly, with or without its box.
        tolerance: how far a number may lie from the gold answer's, where the benchmark defines that
            (`Problem.tolerance`); without it a rounded value is another value.

    Returns:
        A verdict; no completion raises. TIMEOUT means that the symbolic comparison met its deadline; UNPARSABLE that
        the answer is in no notation known here and differs from the gold answer's text.

    Raises:
        GoldAnswerError: the gold answer is no text, is empty or cannot be read.
    """
    if not isinstance(gold_answer, str):
        kind = type(gold_answer).__name__
        raise GoldAnswerError(
            f"gold answer: got {gold_answer!r:.100}, of type {kind}; expected text: str(gold_answer)."
        )
    gold = _read_gold(gold_answer)
    answer = extract_answer(completion)
    if answer is None:
        return Verdict(status=Status.NO_ANSWER, answer="", answer_class="")
    if answer == gold_answer:
        return Verdict(status=Status.CORRECT, answer=answer, answer_class=CORRECT_CLASS)
    value = read_answer(answer)
    if isinstance(value, Scalar) and not value.text and not value.opaque:
        return Verdict(status=Status.NO_ANSWER, answer="", answer_class="")
    status, reason = _status(value, answer, gold, gold_answer)
    if tolerance is not None and status is not Status.CORRECT and within_tolerance(gold, value, tolerance):
        status = Status.CORRECT
    answer_class = CORRECT_CLASS if status is Status.CORRECT else _class(value)
    return Verdict(status=status, answer=answer, answer_class=answer_class, reason=reason)


def is_readable_gold(gold_answer: str) -> bool:
    """Whether `check_answer` can compare anything with a gold answer."""
    try:
        _read_gold(gold_answer)
    except GoldAnswerError:
        return False
    return True


@functools.lru_cache(maxsize=4096)
def _read_gold(gold_answer: str) -> Value:
    if "####" in gold_answer:
        gold_answer = extract_answer(gold_answer) or ""
    value = read_answer(gold_answer)
    normal = normalize(gold_answer)
    unbalanced = normal.replace("\\{", "").count("{") != normal.replace("\\}", "").count("}")
    if unbalanced or not re.search(r"\w|\\emptyset|\\\{", normal):
        raise GoldAnswerError(
            f"gold answer: got {gold_answer[:100]!r}, expected a number, expression or text with balanced braces; "
            "fix the problem's gold_answer or drop the problem."
        )
    return value


def _status(value: Value, answer: str, gold: Value, gold_answer: str) -> tuple[Status, str]:
    """The verdict, and what it rests on where it is no proof."""
    if squeeze(normalize(answer)) == squeeze(normalize(gold_answer)):
        return Status.CORRECT, ""
    equal, reason = values_equal(gold, value, decide_exactly), ""
    if equal is not True and any(values_equal(*pair, decide_exactly) for pair in _restated(value, answer, gold)):
        return Status.CORRECT, ""
    if equal is None:
        session = _SymbolicSession()
        try:
            equal = values_equal(gold, value, session.decide)
        except SymbolicTimeoutError:
            return Status.TIMEOUT, ""
        reason = NOT_PROVED if equal and session.relied_on_digits else ""
    if equal:
        return Status.CORRECT, reason
    return Status.UNPARSABLE if equal is None and not _readable(value) else Status.INCORRECT, ""


def _restated(value: Value, answer: str, gold: Value) -> Iterator[tuple[Value, Value]]:
    """Gold answer and answer as statements say them, where their plain readings differ."""
    yield from ((gold, other) for other in other_readings(value, gold))
    if not isinstance(value, Relation) and (bare := gold_reading(gold)) is not None:
        yield bare, value
    named = _POINT.fullmatch(normalize(answer)) if isinstance(gold, Collection) and gold.kind == "()" else None
    if named is not None:
        yield gold, read_answer(named.group(1))
    is_list = isinstance(gold, Collection) and gold.kind == "list"
    yield from (
        (gold, read_answer(text))
        for text in other_spellings(answer, is_number=isinstance(gold, Scalar), is_list=is_list)
    )


def _readable(value: Value) -> bool:
    match value:
        case Scalar(node=node, opaque=opaque):
            return node is not None or opaque
        case Words() | Clock():
            return True
        case Collection(items=items):
            return all(_readable(item) for item in items)
        case Relation(sides=sides):
            return all(_readable(side) for side in sides)


def _class(value: Value) -> str:
    key = f"={value_key(value)}"
    return key if len(key) <= _MAX_KEY_CHARS else f"{key[:_MAX_KEY_CHARS]}…{_fingerprint(key)}"


def _fingerprint(text: str) -> str:
    import hashlib

    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


class _SymbolicSession:
    """The symbolic worker for one pair of answers: all its comparisons share one deadline."""

    def __init__(self) -> None:
        self._left_seconds = DEADLINE_SECONDS
        self.relied_on_digits = False

    def decide(self, left: Scalar, right: Scalar) -> bool | None:
        """Equality of two scalars; ``None`` where the worker cannot tell either.

        Raises:
            SymbolicTimeoutError: the pair's deadline passed.
        """
        equal = decide_exactly(left, right)
        if equal is not None:
            return equal
        if left.node is not None and right.node is not None and agree(left.node, right.node):
            self.relied_on_digits = True
            return True
        first, second = _latex(left), _latex(right)
        if first is None or second is None:
            return None
        if self._left_seconds <= 0:
            raise SymbolicTimeoutError("the symbolic deadline of this pair passed")
        start = time.monotonic()
        reply = compare_symbolically(first, second, deadline=self._left_seconds)
        self._left_seconds -= min(reply.get("seconds", 0.0), time.monotonic() - start)
        return reply["equal"]


def _latex(scalar: Scalar) -> str | None:
    """What the worker is asked about; ``None`` where it must not be asked."""
    if scalar.node is None:
        return None  # the library's grammar reads a part of almost any text and drops the rest
    try:
        text = to_latex(scalar.node)
    except ValueError:
        return None
    return None if len(text) > _MAX_SYMBOLIC_CHARS or _UNBOUNDED.search(text) or "\x00" in text else text
