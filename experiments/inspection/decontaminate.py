"""A training file without the rows that hold a test question, by the paper's rule (`benchmarks.decontamination`)."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.decontamination import find_overlaps, question_key
from benchmarks.files import SUFFIXES, DataFileError, DataFileMissingError
from experiments.runs.problems import load_split
from training.durable import write_whole

__all__ = ["Against", "Found", "Hit", "decontaminate", "hits_file", "read_against", "table_lines", "write_found"]

QUESTION_FIELDS = ("question", "problem")


@dataclass(frozen=True, kw_only=True)
class Against:
    """Test questions that training rows must not hold.

    Attributes:
        name: of the benchmark, or of the file.
        ids: of the questions.
        questions: their texts.
    """

    name: str
    ids: tuple[str, ...]
    questions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Hit:
    """A training row that holds a part of a test question, or the whole of a short one.

    Attributes:
        line: of the training file, from 1.
        text: of the row.
        against: name of the test questions.
        test_id: of the question.
        test_text: of the question.
        words: that both hold.
        copy: a text of the row is the question itself, spaces, case and last sign aside.
    """

    line: int
    text: str
    against: str
    test_id: str
    test_text: str
    words: str
    copy: bool


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found.

    Attributes:
        rows: of the training file.
        hits: one a row and set of test questions.
        clean: lines of the training file without hit, as they were.
    """

    rows: int
    hits: tuple[Hit, ...]
    clean: tuple[str, ...]


def read_against(names: Sequence[str], data_dir: str | None) -> list[Against]:
    """Test questions by the names of benchmarks (their test split) or of files with a question a row.

    Raises:
        ValueError: no such benchmark.
        DataFileError: a file is missing or broken, or a row has no question.
    """
    return [_of_file(Path(name)) if name.endswith(SUFFIXES) else _of_benchmark(name, data_dir) for name in names]


def decontaminate(file: Path, against: Sequence[Against]) -> Found:
    """Every row of a JSON Lines file held against every set of test questions; all texts of a row count, at any depth.

    Raises:
        DataFileError: the file is missing or broken, or holds no row.
    """
    numbers, lines, texts = list[int](), list[str](), list[tuple[str, ...]]()
    for number, line, row in _rows(file):
        numbers.append(number)
        lines.append(line)
        texts.append(tuple(_texts_of(row)))
    if not lines:
        raise DataFileError(f"{file} holds no row; expected one JSON object a line.")
    whole, hits = ["\n".join(each) for each in texts], list[Hit]()
    for other in against:
        places = {question_key(question): place for place, question in reversed(list(enumerate(other.questions)))}
        for overlap in find_overlaps(whole, other.questions):
            copied = [places[key] for text in texts[overlap.text] if (key := question_key(text)) in places]
            place = copied[0] if copied else overlap.other
            hits.append(
                Hit(
                    line=numbers[overlap.text],
                    text=whole[overlap.text],
                    against=other.name,
                    test_id=other.ids[place],
                    test_text=other.questions[place],
                    words=overlap.words,
                    copy=bool(copied),
                )
            )
    dirty = {hit.line for hit in hits}
    clean = tuple(line for number, line in zip(numbers, lines, strict=True) if number not in dirty)
    return Found(rows=len(lines), hits=tuple(hits), clean=clean)


def write_found(found: Found, out: Path) -> None:
    """Write the clean rows to `out`, gzipped where its name says so, and the hits beside it (`hits_file`)."""
    out.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(line + "\n" for line in found.clean)
    if out.suffix == ".gz":
        out.write_bytes(gzip.compress(text.encode("utf-8"), mtime=0))
    else:
        write_whole(out, text)
    write_whole(hits_file(out), "".join(json.dumps(asdict(hit), ensure_ascii=False) + "\n" for hit in found.hits))


def hits_file(out: Path) -> Path:
    """Where the hits go: ``clean.hits.jsonl`` beside ``clean.jsonl``."""
    return out.with_name(out.name.removesuffix(".gz").removesuffix(".jsonl") + ".hits.jsonl")


def table_lines(found: Found, against: Sequence[Against]) -> list[str]:
    """A line a set of test questions, and one on what is left."""
    width = max(len(other.name) for other in against)
    lines = [
        f"{'against':<{width}}  {'questions':>9}  {'rows that hold words':>20}  {'of questions':>12}  {'copies':>6}"
    ]
    for other in against:
        hits = [hit for hit in found.hits if hit.against == other.name]
        questions, copies = len({hit.test_id for hit in hits}), sum(hit.copy for hit in hits)
        lines.append(
            f"{other.name:<{width}}  {len(other.questions):>9,}  {len(hits):>20,}  {questions:>12,}  {copies:>6,}"
        )
    return [*lines, f"{len(found.clean):,} of {found.rows:,} rows are clean of all of them"]


def _of_benchmark(name: str, data_dir: str | None) -> Against:
    problems = load_split(name, "test", data_dir)
    ids, questions = zip(*((problem.problem_id, problem.question) for problem in problems), strict=True)
    return Against(name=name, ids=ids, questions=questions)


def _of_file(file: Path) -> Against:
    ids, questions = list[str](), list[str]()
    for number, _, row in _rows(file):
        found = [row[field] for field in QUESTION_FIELDS if isinstance(row.get(field), str) and row[field].strip()]
        if not found:
            raise DataFileError(
                f"{file}, line {number}: no text in {' or '.join(map(repr, QUESTION_FIELDS))}, only the fields "
                f"{', '.join(row) or 'none'}; name the test question so."
            )
        ids.append(str(row.get("id", f"line {number}")))
        questions.append(found[0])
    if not ids:
        raise DataFileError(f"{file} holds no row; expected one JSON object a line.")
    name = file.name.removesuffix(".gz").removesuffix(".jsonl")
    return Against(name=name, ids=tuple(ids), questions=tuple(questions))


def _rows(file: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """Number, text and content of every line that is not blank."""
    if not file.is_file():
        raise DataFileMissingError(f"The file {file} does not exist; expected JSON Lines, plain or gzipped.")
    opener = gzip.open if file.suffix == ".gz" else open
    number = 0
    try:
        with opener(file, "rt", encoding="utf-8-sig", newline="\n") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise DataFileError(f"{file}, line {number}: no JSON object; each line must be one whole object.")
                yield number, line.rstrip("\n"), row
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataFileError(f"{file}, line {number}: not JSON ({error}); correct the line.") from error
    except (UnicodeDecodeError, EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataFileError(f"{file}, after line {number}: cannot be read ({error}); copy it again.") from error


def _texts_of(value: Any) -> Iterator[str]:
    """Every text of a row, at any depth, its id aside."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, item in value.items():
            if name != "id":
                yield from _texts_of(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts_of(item)
