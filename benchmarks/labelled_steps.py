"""Solutions whose steps people have labelled: PRM800K (phase 1) and ProcessBench, from a data folder.

PRM800K (Lightman et al. 2023, arXiv 2305.20050): one line is a path through a problem of MATH; at every step several
completions were rated −1, 0 or 1, and the path went on with one of them. ProcessBench (Zheng et al. 2024, arXiv
2412.06559): one line is a solution with the 0-based index of its first wrong step, −1 where there is none.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.files import SUFFIXES, DataFileError, DataFileMissingError, numbered_lines
from benchmarks.naming import did_you_mean
from benchmarks.problem import Problem

__all__ = ["PROCESS_BENCH", "CheckedSolution", "RatedSteps", "load_prm800k", "load_process_bench", "prm800k_file"]

PROCESS_BENCH = {
    "processbench_gsm8k": "processbench/gsm8k",
    "processbench_math": "processbench/math",
    "processbench_olympiadbench": "processbench/olympiadbench",
    "processbench_omnimath": "processbench/omnimath",
}
"""The four subsets of ProcessBench, and their files below the data folder without suffix."""


@dataclass(frozen=True, kw_only=True)
class CheckedSolution:
    """A line of ProcessBench.

    Attributes:
        solution_id: unique in its subset.
        question: of the problem.
        steps: of the solution, at least one.
        first_wrong: 0-based index of the first wrong step, −1 where none is.
    """

    solution_id: str
    question: str
    steps: tuple[str, ...]
    first_wrong: int


@dataclass(frozen=True, kw_only=True)
class RatedSteps:
    """The beginning of a solution, or a whole one, with what people said of some of its steps.

    Attributes:
        problem: of MATH.
        steps: from the first on, at least one.
        ratings: of each: 1 right, 0 neither, −1 wrong, ``None`` not rated.
        ended: whether the last step ends the solution.
    """

    problem: Problem
    steps: tuple[str, ...]
    ratings: tuple[int | None, ...]
    ended: bool


def load_process_bench(name: str, data_dir: Path) -> list[CheckedSolution]:
    """All solutions of a subset, in the order of its file.

    Args:
        name: a key of `PROCESS_BENCH`.
        data_dir: folder that holds ``processbench/gsm8k.jsonl`` and its like, each plain or with ``.gz``.

    Raises:
        ValueError: no such subset.
        DataFileMissingError: the file is not there.
        DataFileError: a line is no solution with steps and a label.
    """
    if name not in PROCESS_BENCH:
        near = did_you_mean(name, PROCESS_BENCH)
        raise ValueError(f"unknown benchmark {name!r} of steps{near}Known: {', '.join(PROCESS_BENCH)}.")
    solutions = []
    for where, row in _rows(_file(Path(data_dir), PROCESS_BENCH[name])):
        steps, label = row.get("steps"), row.get("label")
        if not isinstance(steps, list) or not steps or not all(isinstance(step, str) for step in steps):
            raise DataFileError(f"{where}: the field 'steps' is no list of texts; correct it.")
        if not isinstance(label, int) or isinstance(label, bool) or not -1 <= label < len(steps):
            raise DataFileError(
                f"{where}: the field 'label' is {label!r}; expected the index of one of {len(steps)} steps, or -1."
            )
        question = _text(row, "question", where)
        solution_id = _text(row, "id", where)
        solutions.append(
            CheckedSolution(solution_id=solution_id, question=question, steps=tuple(steps), first_wrong=label)
        )
    return solutions


def prm800k_file(split: str, data_dir: Path) -> Path:
    """The file of a split, ``"train"`` or ``"test"`` (problems of MATH-500).

    Raises:
        DataFileMissingError: it is not there.
    """
    return _file(Path(data_dir), f"prm800k_phase1/{split}")


def load_prm800k(split: str, data_dir: Path, paths: int | None = None) -> list[RatedSteps]:
    """Every path of a split, and every other completion that was rated, behind the steps it followed.

    Args:
        split: ``"train"`` or ``"test"``.
        data_dir: folder that holds ``prm800k_phase1/train.jsonl``, plain or with ``.gz``.
        paths: the first so many paths; ``None`` takes all.

    Raises:
        DataFileMissingError: the file is not there.
        DataFileError: a line is no path of rated steps.
    """
    result: list[RatedSteps] = []
    for number, (where, row) in enumerate(_rows(prm800k_file(split, data_dir))):
        if paths is not None and number >= paths:
            break
        problem = Problem(
            problem_id=_text(row, "id", where),
            benchmark="prm800k_phase1",
            question=_text(row, "question", where),
            gold_answer=_text(row, "answer", where),
        )
        result += _of_path(problem, row.get("steps"), where)
    return result


def _of_path(problem: Problem, listed: Any, where: str) -> list[RatedSteps]:
    steps: list[str] = []
    ratings: list[int | None] = []
    others: list[RatedSteps] = []
    ended = False
    for alternatives in _steps(listed, where):
        for text, rating, chosen, ends in alternatives:
            if not chosen and rating is not None:
                others.append(
                    RatedSteps(
                        problem=problem,
                        steps=(*steps, text),
                        ratings=(*[None] * len(steps), rating),  # the path itself tells of those before
                        ended=ends,
                    )
                )
        for text, rating, chosen, ends in alternatives:
            if chosen:
                steps, ratings, ended = [*steps, text], [*ratings, rating], ends
                break
    whole = RatedSteps(problem=problem, steps=tuple(steps), ratings=tuple(ratings), ended=ended)
    return [*([whole] if steps else []), *others]


def _steps(listed: Any, where: str) -> Iterator[list[tuple[str, int | None, bool, bool]]]:
    """(text, rating, went on with, ends the solution) of each completion of each step."""
    try:
        for alternatives in listed:
            checked = []
            for item in alternatives:
                rating = item["rating"]
                if not isinstance(item["text"], str) or rating not in (-1, 0, 1, None):
                    raise ValueError(rating)
                if item["text"].strip():
                    ends = bool(item.get("is_solution")) or "answer" in item
                    checked.append((item["text"], rating, bool(item.get("chosen")), ends))
            yield checked
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise DataFileError(
            f"{where}: the field 'steps' is no list of lists of objects with text, rating (-1, 0, 1 or null) and "
            f"chosen ({type(error).__name__}: {error}); correct it."
        ) from error


def _file(data_dir: Path, stem: str) -> Path:
    paths = [data_dir / (stem + suffix) for suffix in SUFFIXES]
    for path in paths:
        if path.is_file():
            return path
    raise DataFileMissingError(
        f"Neither {paths[0]} nor {paths[1].name} exists; name the folder that holds {stem}.jsonl."
    )


def _rows(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Objects of a file of JSON Lines, each with its place."""
    for number, line in numbered_lines(path):
        where = f"{path}, line {number}"
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataFileError(f"{where}: not JSON, {error.msg} at column {error.colno}.") from error
        if not isinstance(row, dict):
            raise DataFileError(f"{where}: expected an object.")
        yield where, row


def _text(row: dict[str, Any], field: str, where: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value.strip():
        raise DataFileError(f"{where}: the field {field!r} is {value!r}; expected text.")
    return value
