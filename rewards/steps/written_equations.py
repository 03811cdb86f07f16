r"""Finds the equations that a line of a solution writes out in numbers, and checks each exactly.

An equation is a run of numbers, operators and brackets with ``=`` in it: ``16 - 3 - 4 = 9``, ``3 \times 4 = 12``,
chains ``2 * 3 = 6 = 12 / 2``, and GSM8K's ``<<16-3-4=9>>``. A side that is cut by a word or a variable (``3x + 5 =
11``, ``5 cm + 3 = 8``, ``20% of 50 = 10``) is not checked; neither are bare numbers (``60 = 60``), sums with a
percentage, and values that differ only by a percent sign (``9 / 25 * 100 = 36%``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from rewards.algebra.arithmetic import read_number
from rewards.algebra.bounds import OverBoundError, UnreadableError

__all__ = ["Equation", "check_equations", "read_equations"]

_ANNOTATION = re.compile(r"<<([^<>\n]*)>>")
_REWRITES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern), replacement)
    for pattern, replacement in (
        (r"^\s*(?:[-*•]\s+|\d+[.)]\s+|#+\s+)+", ""),
        (r"(?<![\d)\s])\s*\*\*|\*\*(?!\s*[\d(-])", " "),
        (r"^\s*\*\*", " "),
        (r"\\times(?![A-Za-z])|\\cdot(?![A-Za-z])|×|·|∙|⋅|(?<=[\d)])\s*[xX]\s*(?=[\d($])", "*"),
        (r"(?<=\d)(?:,\\!|\{,\})\s?(?=\d{3})", ","),
        (r"\\div(?![A-Za-z])|÷", "/"),
        (r"−|–", "-"),
        (r"\\[dt]frac(?![A-Za-z])", r"\\frac"),
        (r"\\frac\s*(\d)\s*(\d)", r"\\frac{\1}{\2}"),  # \frac12(3) is not 12 over 3
        (r"(?<=[.:;])\s+[-*•]\s+", " ; "),  # a list item within the line
        (r"\$!", " ; "),  # "$0 = 0$!" has no factorial
        (r"\$\$|\\[\[\]]", " ; "),
        (r"\\(?:left|right|boxed)(?![A-Za-z])|\\[$,!; ]|[$~]|\\[()]", " "),
        (r"\\%", "%"),
    )
)
_TOKEN = re.compile(r"\s+|(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)(?:\.\d+)?|\.\d+|\\frac(?![A-Za-z])|[-+*/^(){}\[\]!%=]")
_OPERATOR = re.compile(r"[+*/^!(]|[^\s(={-]\s*-|\\frac")  # a leading minus is a sign: 10 = -10 is no computation
_PERCENT_SUM = re.compile(r"[-+]\s*[\d.,]+\s*%|%\s*[-+]")
_AMBIGUOUS = re.compile(r"/\s*\d[\d.,]*!?\s*(?:/|\(|\\frac|(?<=!)\d)")  # 14 / 1/4 may be 14 / (1/4), 6!/3!3! 6!/(3!3!)
_WORD_BEFORE = re.compile(r"([A-Za-z]+)\s*$")
_VARIABLE_AFTER = re.compile(
    r"[A-Za-z](?![A-Za-z])|:\d|\s*(?:(?![aAI](?![A-Za-z]))[A-Za-z](?![A-Za-z])|\\(?!text|mbox|mathrm|quad|\\|n)|_|\.\.|…|\^)|[A-Za-z]\w*\s*[=(]"
    r"|\.\s*\\(?:overline|dot|ldots|dots)"  # 0.\overline{3}
    r"|\s*and\s+\$?\d+\s*/\s*\d"  # 1 and 1/3
)
_DOUBT_AFTER = re.compile(  # the last side may be no plain number: 3ab, 17 / 4 = 4 with remainder 1, 50 cents
    r"(?<=[\d)}])[A-Za-z]|[^=\n]{0,40}?(?:\b(?:remainder|remaining|left over|quotient|cents?\b|full\b)|¢)"
)
_MIXED_BEFORE = re.compile(r"\d\s+and\s+\$?\s*$")
_OPERATOR_WORDS = frozenset(
    {"of", "times", "plus", "minus", "by", "over", "percent", "divided", "multiplied", "sqrt", "frac", "than"}
)
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?|\.\d+")
_NEUTRAL = re.compile(r"(?:[-+]0|[*/]1)(?![\d.])|(?<![\d.])(?:0\+|1\*)")
_MAX_LINE = 5_000


@dataclass(frozen=True, slots=True)
class Equation:
    """An equation that a line writes out in numbers.

    Attributes:
        right: whether all its sides are equal.
        key: the same for equations of the same numbers with the same value, whatever their order and spelling; ``""``
            for one that computes nothing.
    """

    right: bool
    key: str


def check_equations(line: str) -> list[bool]:
    """One verdict for each equation that `line` writes out in numbers, in order; see `read_equations`."""
    return [equation.right for equation in read_equations(line)]


def read_equations(line: str) -> list[Equation]:
    """The equations that `line` writes out in numbers, in order.

    Args:
        line: one line of a solution. Lines of more than 5,000 characters are not read.
    """
    if len(line) > _MAX_LINE or "=" not in line:
        return []
    found = [(sides, _chain(sides, bare=True)) for sides in (note.split("=") for note in _ANNOTATION.findall(line))]
    text = _ANNOTATION.sub("", line)
    for pattern, replacement in _REWRITES:
        text = pattern.sub(replacement, text)
    found += [(sides, _judge(sides, doubtful=doubtful)) for sides, doubtful in _runs(text)]
    return [Equation(right=right, key=_key(sides) if right else "") for sides, right in found if right is not None]


def _key(sides: list[str]) -> str:
    """The value of a right equation and its other numbers but 0 and 1, in order of size; ``""`` for one that computes
    nothing.
    """
    if not any(_OPERATOR.search(_NEUTRAL.sub("", side.replace(" ", ""))) for side in sides):
        return ""
    value = read_number(_trimmed(sides)[-1].replace(",", "").strip())
    numbers = [Fraction(number.replace(",", "")) for side in sides for number in _NUMBER.findall(side)]
    others = sorted(number for number in numbers if number not in (0, 1, value))
    return f"{value}: {' '.join(map(str, others))}"


def _runs(text: str) -> list[tuple[list[str], bool]]:
    """The sides of each run of arithmetic with an equals sign, without sides that a word or a variable cuts.

    With each, whether what follows leaves a doubt what the last side means.
    """
    runs: list[tuple[list[str], bool]] = []
    position = 0
    while position < len(text):
        start = position
        while (match := _TOKEN.match(text, position)) is not None:
            position = match.end()
        run = text[start:position]
        if "=" in run:
            sides = run.split("=")
            blank = len(sides[0]) - len(sides[0].lstrip())
            if _cut_before(text[: start + blank], sides[0].strip()):
                sides = sides[1:]
            if sides and _VARIABLE_AFTER.match(text, position):
                sides = sides[:-1]
            runs.append((sides, _DOUBT_AFTER.match(text, position) is not None))
        position = max(position, start + 1) if position > start else start + 1
    return runs


def _cut_before(before: str, side: str) -> bool:
    """Whether the first side goes on to the left of the run."""
    if not side:
        return True
    word = _WORD_BEFORE.search(before[-60:])
    if word is not None:
        name = word.group(1)
        article = name in ("a", "A", "I") and before[-1].isspace() and not before.rstrip()[-2:-1].strip()
        variable = len(name) == 1 and not article
        command = before[: len(before.rstrip()) - len(name)].endswith("\\") and name not in (
            "text",
            "quad",
            "implies",
            "therefore",
        )
        if variable or command or name.lower() in _OPERATOR_WORDS:
            return True
        if side[0] in "({[^" and not before[-1].isspace():
            return True
    if _MIXED_BEFORE.search(before[-20:]) and re.fullmatch(r"\d+\s*/\s*\d+", side):
        return True  # 12 times 1 and 1/4 = 15
    last = before.rstrip()[-1:]
    if side[0] == "(" and before[-1:] in ("'", "’", "′"):
        return True  # f'(5) = 0
    if (last and not last.isalnum() and last not in "$,;.:!?'\"<>") or re.search(r"\d:$", before):
        return True
    if side[0] in "+*/^%!" or (side[0] == "-" and side[1:2] in (" ", "")):
        return bool(last) and last not in ":,;."
    return bool(before) and (before[-1] in "_.^" or (before[-1].isalpha() and side[0] != "-"))


def _judge(sides: list[str], *, doubtful: bool) -> bool | None:
    """`_chain`, where a last side that is in doubt can only confirm."""
    verdict = _chain(sides, bare=False)
    if verdict is False and doubtful:
        return False if _chain(sides[:-1], bare=False) is False else None
    return verdict


def _chain(sides: list[str], *, bare: bool) -> bool | None:
    """Whether all sides are equal; ``None`` where one cannot be read, or (unless `bare`) none has an operator."""
    if len(sides) < 2 or not (bare or any(_OPERATOR.search(side) for side in sides)):
        return None
    if any(_PERCENT_SUM.search(side) for side in sides):
        return None
    sides = [side.replace(",", "") for side in _trimmed(sides)]
    try:
        if _all_equal(sides):
            return True
        if any(_AMBIGUOUS.search(side) for side in sides):
            return None
        in_percent = any("%" in side for side in sides) and _all_equal([side.replace("%", "") for side in sides])
        return None if in_percent else False
    except (OverBoundError, UnreadableError):
        return None


def _all_equal(sides: list[str]) -> bool:
    values = [read_number(side.strip()) for side in sides]
    return all(value == values[0] for value in values)


def _trimmed(sides: list[str]) -> list[str]:
    """The sides without a bracket around the whole equation, as in ``(5 + 3 = 8)``."""
    first, last = sides[0].strip(), sides[-1].strip()
    while first[:1] in ("(", "[", "{") and _surplus(first) > 0:
        first = first[1:].strip()
    while last[-1:] in (")", "]", "}") and _surplus(last) < 0:
        last = last[:-1].strip()
    return [first, *sides[1:-1], last]


def _surplus(side: str) -> int:
    return sum((character in "([{") - (character in ")]}") for character in side)
