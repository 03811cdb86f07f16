r"""Answers that are more than one value to compare: option letters, several blanks, numbers in Chinese words.

The answer checker compares two values and knows nothing of the question. Here is what the question adds: an option may
be named by its letter or by what it says; several letters are a set; the blanks of a question have an order.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from benchmarks.problem import Problem
from rewards.checker.answers import CORRECT_CLASS, is_readable_gold
from rewards.checker.pool import check_answers
from rewards.verdict import Status, Verdict

__all__ = ["arabic_numerals", "option_letters", "refined", "split_blanks"]

_BOXES = re.compile(r"\\(?:text|textbf|mathrm|mathbf|boxed)\s*\{([^{}]*)\}")
_LETTERS = re.compile(r"\(?([A-Z])\)?(?:(?:\s|[,，、;；和与&]|and)*\(?([A-Z])\)?)*", re.ASCII)
_LETTER_AND_TEXT = re.compile(r"(?:\(([A-Z])\)|([A-Z])\s*[.:：．、)])\s*\S", re.ASCII)
_SEPARATORS = (r"[;；]", r"[,，、]", r"和|与|\band\b")
_DIGITS = {sign: value for value, signs in enumerate(("零〇", "一壹", "二两贰", *"三四五六七八九")) for sign in signs}
_POWERS = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "亿": 10**8}
_NUMERAL = "[零〇一壹二两贰三四五六七八九十百千万亿]"
_CHINESE = re.compile(
    rf"(?:(?P<under>{_NUMERAL}+)分之)?(?P<whole>{_NUMERAL}+)(?:点(?P<rest>[零〇一二三四五六七八九]+))?"
)


def refined(problems: Sequence[Problem], verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The checker's verdicts with what each question adds.

    Args:
        problems: of each completion.
        verdicts: `check_answers` on the completions.
    """
    asked = [_question(problem, verdict) for problem, verdict in zip(problems, verdicts, strict=True)]
    pairs = [pair for question in asked for pair in question.pairs]
    found = iter(check_answers([(f"\\boxed{{{answer}}}", gold) for answer, gold in pairs]))
    result = []
    for problem, verdict, question in zip(problems, verdicts, asked, strict=True):
        correct = [next(found).correct for _ in question.pairs]
        result.append(_decided(problem, verdict, question, correct))
    return result


@dataclass(frozen=True)
class _Question:
    """What is still to be compared for one completion: (answer, gold answer), and what it would show.

    ``kind``: ``letters`` are known already; ``option`` asks which of the options with these ``letters`` the answer
    says; ``blanks`` each blank; and ``numeral`` the answer in digits; ``""`` leaves the verdict as it is.
    """

    kind: str = ""
    pairs: tuple[tuple[str, str], ...] = ()
    letters: str = ""


def _question(problem: Problem, verdict: Verdict) -> _Question:
    answer = verdict.answer
    if not answer:
        return _Question()
    if problem.options:
        said = [place for place, option in enumerate(problem.options) if _squeezed(option) == _squeezed(answer)]
        letters = ascii_uppercase[said[0]] if len(said) == 1 else option_letters(answer, len(problem.options))
        if letters:
            return _Question("letters", letters=letters)
        # an option of signs alone (// of Python) is no value: who means it writes it, or its letter
        options = {
            letter: option
            for letter, option in zip(ascii_uppercase, problem.options, strict=False)
            if is_readable_gold(option)
        }
        return _Question("option", tuple((answer, option) for option in options.values()), letters="".join(options))
    if problem.blanks > 1:
        parts, golds = split_blanks(answer, problem.blanks), problem.gold_answer.split(";")
        return _Question("blanks", tuple(zip(parts, golds, strict=True)) if parts else ())
    digits = arabic_numerals(answer)
    if digits != answer and not verdict.correct:
        return _Question("numeral", ((digits, problem.gold_answer),))
    return _Question()


def _decided(problem: Problem, verdict: Verdict, question: _Question, correct: Sequence[bool]) -> Verdict:
    match question.kind:
        case "letters":
            return _as(verdict, question.letters == problem.gold_answer, question.letters)
        case "option" if sum(correct) == 1:
            letter = question.letters[correct.index(True)]
            return _as(verdict, letter == problem.gold_answer, letter)
        case "option":  # it says no option, or says what two of them say
            return _as(verdict, False, "")
        case "blanks":
            return _as(verdict, bool(correct) and all(correct), "")
        case "numeral" if all(correct):
            return _as(verdict, True, "")
    return verdict


def _as(verdict: Verdict, correct: bool, letters: str) -> Verdict:
    """The verdict with this finding; votes for one option are one class."""
    if correct:
        return Verdict(status=Status.CORRECT, answer=verdict.answer, answer_class=CORRECT_CLASS, reason=verdict.reason)
    status = Status.INCORRECT if verdict.correct or letters else verdict.status
    wrong = f"={letters}" if letters else verdict.answer_class
    return Verdict(
        status=status, answer=verdict.answer, answer_class=wrong if wrong != CORRECT_CLASS else "=other order"
    )


def _squeezed(text: str) -> str:
    return re.sub(r"[\s$]", "", text)


def option_letters(answer: str, count: int) -> str:
    r"""The letters that an answer names, in alphabetical order: ``BD`` of ``B, D``; nothing where it names none.

    ``(B) 3/4`` and ``B. 3/4`` name B; a small letter names an option where it stands alone.

    Args:
        answer: as the completion wrote it.
        count: options that there are; a letter beyond them names none.
    """
    text = answer
    while (bare := _BOXES.sub(r"\1", text)) != text:
        text = bare
    text = text.replace("$", "").replace("\\", "").strip().rstrip(".。")
    if re.fullmatch(r"\(?[a-z]\)?", text):
        text = text.upper()
    letters = ""
    if _LETTERS.fullmatch(text):
        letters = "".join(sorted(set(re.findall(r"[A-Z]", text))))
    elif (named := _LETTER_AND_TEXT.match(text)) is not None:
        letters = named.group(1) or named.group(2)
    return letters if all(letter in ascii_uppercase[:count] for letter in letters) else ""


def split_blanks(answer: str, count: int) -> list[str]:
    """The values of an answer for `count` blanks, in order: at semicolons, else commas, else "and"; none if not so."""
    for separator in _SEPARATORS:
        parts = [part.strip() for part in _split_outside_brackets(answer, re.compile(separator))]
        if len(parts) == count and all(parts):
            return parts
    return []


def _split_outside_brackets(text: str, separator: re.Pattern[str]) -> Iterator[str]:
    depth, start, place = 0, 0, 0
    while place < len(text):
        depth += {"(": 1, "[": 1, "{": 1, "（": 1, ")": -1, "]": -1, "}": -1, "）": -1}.get(text[place], 0)
        met = separator.match(text, place) if depth == 0 else None
        if met is None or not met.group():
            place += 1
            continue
        yield text[start:place]
        start = place = met.end()
    yield text[start:]


def arabic_numerals(answer: str) -> str:
    """``18包`` of ``十八包``, ``1/3`` of ``三分之一``, ``5%`` of ``百分之五``: Chinese words in front in digits."""
    met = _CHINESE.match(answer)
    if met is None:
        return answer
    number = str(_value(met["whole"])) + (
        f".{''.join(str(_DIGITS[sign]) for sign in met['rest'])}" if met["rest"] else ""
    )
    if met["under"] is not None:
        number = f"{number}%" if met["under"] == "百" else f"{number}/{_value(met['under'])}"
    return number + answer[met.end() :]


def _value(numeral: str) -> int:
    """The number of Chinese numerals: digits one by one (``二〇二四``), or with their powers of ten (``三百零五``)."""
    if all(sign in _DIGITS for sign in numeral):
        return int("".join(str(_DIGITS[sign]) for sign in numeral))
    total = section = digit = 0
    for sign in numeral:
        if sign in _DIGITS:
            digit = _DIGITS[sign]
        elif sign in _POWERS:
            section, digit = section + (digit or 1) * _POWERS[sign], 0
        else:
            total, section, digit = (total + section + digit) * _MYRIADS[sign], 0, 0
    return total + section + digit
