"""Problems from JSON Lines files, plain or gzipped.

One object a line with the fields ``id``, ``question``, ``answer`` (the short gold answer) and, where the source has
them, ``solution``, ``level``, ``subject``, ``options`` (the choices of a question, put behind it with their letters)
and ``tolerance`` (absolute, OlympiadBench's); other fields are ignored. Texts stay as they are in the file: GSM8K's
solutions keep their ``<<48/2=24>>`` and do not repeat the answer in a last line. A data file is trusted input: the
first line that breaks the format stops the load and is named.
"""

from __future__ import annotations

import gzip
import json
import re
import string
import zlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import TypeVar

from benchmarks.naming import did_you_mean
from benchmarks.problem import LANGUAGES, Problem, Statement, Tolerance, with_options
from benchmarks.registry import BENCHMARKS, AnswerKind

__all__ = [
    "FILES",
    "DataFileError",
    "DataFileMissingError",
    "load_from_folder",
    "numbered_lines",
    "pick_split",
    "read_problems",
]

SUFFIXES = (".jsonl", ".jsonl.gz")
DECIMAL = re.compile(r"\s*([+-]?(\d{1,30}(\.\d{0,30})?|\.\d{1,30})([eE][+-]?\d{1,3})?|\d{1,30}/\d{1,30})\s*")

_WORD = re.compile(r"(?<![\\A-Za-z])[A-Za-z]{2,}")  # not a command of LaTeX
_MOST_WORDS = 12  # of an answer in a user's file; more are a solution (a gold of OlympiadBench has as many)
_MOST_OF_SENTENCE = 4  # of one that ends in a word and a full stop; "The answer is 5." can be read, it ends in 5
_SENTENCE = re.compile(r".*(?<![\\A-Za-z])[A-Za-z]{2,}[.!?]\s*", re.DOTALL)

FILES: dict[str, dict[str, str]] = {
    name: {split: held.file for split, held in benchmark.splits.items()} for name, benchmark in BENCHMARKS.items()
}
"""Path below the data folder, without suffix, by benchmark and split."""

_Entry = TypeVar("_Entry")


class DataFileError(ValueError):
    """A data file does not hold what it should; the message names file, line, fault and remedy."""


class DataFileMissingError(DataFileError, FileNotFoundError):
    """A data file or the data folder is not there."""


def load_from_folder(name: str, split: str, data_dir: Path) -> list[Problem]:
    """All problems of one split of a benchmark, from a data folder, in the order of its file.

    Args:
        name: a key of `FILES`, e.g. ``"gsm8k"``.
        split: a split of that benchmark, e.g. ``"test"``.
        data_dir: the folder that holds ``gsm8k/test.jsonl`` and its like, each plain or with ``.gz``.

    Raises:
        ValueError: no such benchmark or split.
        DataFileMissingError: the folder or the file is not there.
        DataFileError: the file is broken.
    """
    stem = pick_split(FILES, name, split)
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise DataFileMissingError(f"The data folder {data_dir} does not exist; name a folder that holds {stem}.jsonl.")
    paths = [data_dir / (stem + suffix) for suffix in SUFFIXES]
    for path in paths:
        if path.is_file():
            return read_problems(path, benchmark=name)
    raise DataFileMissingError(
        f"{name} {split}: neither {paths[0]} nor {paths[1].name} exists. "
        f"{data_dir} holds {_listing(data_dir)}; name the folder that holds {stem}.jsonl."
    )


def read_problems(path: Path, *, benchmark: str) -> list[Problem]:
    """All problems of one JSON Lines file (gzipped if its name ends in ``.gz``), in its order.

    Raises:
        DataFileMissingError: the file is not there.
        DataFileError: a line is not a problem, an id comes twice, or there is no line at all.
    """
    path = Path(path)
    if not path.is_file():
        there = f"{path.parent} holds {_listing(path.parent)}" if path.parent.is_dir() else f"nor does {path.parent}"
        raise DataFileMissingError(f"The data file {path} does not exist; {there}.")
    problems: list[Problem] = []
    first_line_of: dict[str, int] = {}
    for number, line in numbered_lines(path):
        if not line.strip():
            continue
        problem = _problem(line, benchmark, f"{path}, line {number}")
        if problem.problem_id in first_line_of:
            raise DataFileError(
                f"{path}, line {number}: the id {problem.problem_id!r} is already that of line "
                f"{first_line_of[problem.problem_id]}; give every problem an id of its own."
            )
        first_line_of[problem.problem_id] = number
        problems.append(problem)
    if not problems:
        raise DataFileError(f"{path} holds no problem; expected one JSON object a line.")
    return problems


def pick_split(table: dict[str, dict[str, _Entry]], name: str, split: str) -> _Entry:
    """``table[name][split]``, or a `ValueError` that says which names there are and which one is nearest."""
    if name not in table:
        near = did_you_mean(name, table).rstrip()
        raise ValueError(f"There is no benchmark {name!r} here, only {', '.join(table)}{near}")
    if split not in table[name]:
        raise ValueError(f"{name} has no split {split!r}, only {', '.join(table[name])}.")
    return table[name][split]


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines. Iterating the file leaves U+2028 alone, which `str.splitlines` would break some questions at."""
    opener = gzip.open if path.suffix == ".gz" else open
    number = 0
    try:
        with opener(path, "rt", encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                yield number, line
    except UnicodeDecodeError as error:
        raise DataFileError(f"{path}, after line {number}: not UTF-8 ({error.reason}); save it as UTF-8.") from error
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataFileError(f"{path}, after line {number}: not a whole gzip file ({error}); copy it again.") from error


def _problem(line: str, benchmark: str, where: str) -> Problem:
    try:
        row = json.loads(line.rstrip("\n"))
    except json.JSONDecodeError as error:
        raise DataFileError(
            f"{where}: not JSON, {error.msg} at column {error.colno}; each line must be one whole object."
        ) from error
    if not isinstance(row, dict):
        raise DataFileError(f"{where}: got {_kind(row)}, expected an object with id, question and answer.")
    level = row.get("level")
    if isinstance(level, int) and not isinstance(level, bool):
        row["level"] = str(level)
    options, statements = _options(row, where), _statements(row, where)
    kind = BENCHMARKS[benchmark].answer if benchmark in BENCHMARKS else None
    if statements and row.get("answer") == "":
        row["answer"] = "proof"  # of many theorems the proof is all that is asked
    answer = _text(row, "answer", where)
    if options or kind is AnswerKind.OPTION:
        answer = _letters(answer, len(options), where)
    if kind is None:
        _check_no_prose(answer, where)
    return Problem(
        problem_id=_text(row, "id", where),
        benchmark=benchmark,
        question=with_options(_text(row, "question", where), options),
        gold_answer=answer,
        solution=_text_or_none(row, "solution", where),
        level=_text_or_none(row, "level", where),
        subject=_text_or_none(row, "subject", where),
        tolerance=_tolerance(row, where) or _tolerance_of(benchmark),
        options=options,
        blanks=answer.count(";") + 1 if kind is AnswerKind.BLANKS else 1,
        program=_text_or_none(row, "program", where),
        tool_solution=_text_or_none(row, "tool_solution", where),
        statements=statements,
        where=where,
    )


def _options(row: dict[str, object], where: str) -> tuple[str, ...]:
    """The choices of a question, A first; none where it has none."""
    options = row.get("options")
    if options is None:
        return ()
    is_list = isinstance(options, list) and all(isinstance(option, str | int | float) for option in options)
    if not isinstance(options, list) or not is_list or len(options) > 26:
        raise DataFileError(f"{where}: the field 'options' is no list of at most 26 texts or numbers; correct it.")
    return tuple(str(option) for option in options)


def _statements(row: dict[str, object], where: str) -> tuple[Statement, ...]:
    """The formal statements of a row, with their headers."""
    texts = {language: _text_or_none(row, f"{language}_statement", where) for language in LANGUAGES}
    return tuple(
        Statement(language=language, header=_text_or_none(row, f"{language}_header", where) or "", text=text)
        for language, text in texts.items()
        if text
    )


def _check_no_prose(answer: str, where: str) -> None:
    """Refuse a worked solution or a sentence in place of a short answer: no completion would ever equal it."""
    if len(_WORD.findall(answer)) > (_MOST_OF_SENTENCE if _SENTENCE.fullmatch(answer) else _MOST_WORDS):
        raise DataFileError(
            f"{where}: the answer is prose, {answer[:60]!r}…; expected the short final answer alone: move the text to "
            "'solution'."
        )


def _letters(answer: str, options: int, where: str) -> str:
    """The gold letters, each that of an option, in alphabetical order."""
    letters = re.sub(r"[\s,()]", "", answer)
    last = string.ascii_uppercase[max(0, options - 1)]
    if not options or not letters or not all("A" <= letter <= last for letter in letters):
        raise DataFileError(
            f"{where}: the answer is {answer[:40]!r} and there are {options} options; expected letters from A to "
            f"{last if options else '-'}: correct the answer or the options."
        )
    return "".join(sorted(set(letters)))


def _tolerance(row: dict[str, object], where: str) -> Tolerance | None:
    text = _text_or_none(row, "tolerance", where)
    if text is None:
        return None
    try:
        if not DECIMAL.fullmatch(text):  # Fraction would work on 1e999999999 for hours
            raise ValueError("no decimal of a size that is needed")
        return Tolerance(absolute=Fraction(text))
    except (ValueError, ZeroDivisionError) as error:
        raise DataFileError(
            f"{where}: the field 'tolerance' is {text[:80]!r}, expected a positive number such as \"1e-1\"; correct it."
        ) from error


def _tolerance_of(benchmark: str) -> Tolerance | None:
    return BENCHMARKS[benchmark].tolerance if benchmark in BENCHMARKS else None


def _text(row: dict[str, object], field: str, where: str) -> str:
    if field not in row:
        raise DataFileError(
            f"{where}: the field {field!r} is missing, there are only {', '.join(row) or 'none'}; add it."
        )
    value = row[field]
    if not isinstance(value, str):
        raise DataFileError(f"{where}: the field {field!r} is {_kind(value)}, expected text; put it in quotes.")
    if not value.strip():
        raise DataFileError(f"{where}: the field {field!r} is empty; fill it in or remove the line.")
    return value


def _text_or_none(row: dict[str, object], field: str, where: str) -> str | None:
    value = row.get(field)
    if value is None or isinstance(value, str):
        return value
    raise DataFileError(f"{where}: the field {field!r} is {_kind(value)}, expected text or null.")


def _kind(value: object) -> str:
    """JSON's name for the type of ``value``, with the value itself where it is short."""
    match value:
        case None:
            return "null"
        case bool():
            return f"the truth value {str(value).lower()}"
        case int() | float():
            return f"the number {value}"
        case str():
            return "text"
        case list():
            return "a list"
        case _:
            return "an object"


def _listing(folder: Path, limit: int = 12) -> str:
    names = sorted(str(path.relative_to(folder)) for path in folder.rglob("*.jsonl*") if path.is_file())
    if not names:
        return "no .jsonl file"
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
