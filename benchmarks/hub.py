"""Problems from the Hugging Face hub, each data set at one pinned commit.

Each commit below was read in several independent public projects that pin the same data set; it could not be fetched
where this was written, so the number of rows is checked at every load. The loader needs the package ``datasets`` (extra
``train``) and either the network or a cache.

Against the JSON Lines files of `benchmarks.files`:

1. The problems of a split are the same, their order may differ; so the ids differ (``gsm8k-test-hub-0000``), and
   results from the two sources do not mix by accident.
2. Two of the 7500 training problems of MATH have an empty ``\\boxed{}`` and are left out in both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from benchmarks.files import FILES, pick_split
from benchmarks.problem import Problem

__all__ = ["SOURCES", "BenchmarkUnavailableError", "HubSource", "last_boxed", "load_from_hub", "number_after_hashes"]


class BenchmarkUnavailableError(RuntimeError):
    """A benchmark cannot be fetched from the hub, or does not hold there what it should."""


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """Where one split lies on the hub and how its rows are read.

    Attributes:
        repository: ``owner/name`` of the data set.
        config: its configuration, ``None`` for the only one.
        split: its name for the split.
        revision: commit of the repository.
        rows: number of rows at that commit.
        without_answer: how many of these have no gold answer and are left out.
        read: from a row and the problem's id to the problem; ``None`` where the row has no gold answer.
    """

    repository: str
    config: str | None = None
    split: str
    revision: str
    rows: int
    without_answer: int = 0
    read: Callable[[Mapping[str, Any], str], Problem | None]


def number_after_hashes(text: str) -> str:
    """The answer of a GSM8K solution: what stands after the last ``####``, ``""`` if there is none.

    ``1,080`` becomes ``1080`` and ``27.0`` becomes ``27``.
    """
    _, hashes, answer = text.rpartition("####")
    answer = answer.strip().replace(",", "") if hashes else ""
    return answer.removesuffix(".0")


def last_boxed(text: str) -> str:
    r"""The content of the last ``\boxed{...}``, ``\fbox{...}`` or ``\boxed x`` in ``text``; ``""`` if there is none.

    Braces are counted, ``\{`` and ``\}`` are not braces; an unclosed box has no content.
    """
    start = max(text.rfind("\\boxed"), text.rfind("\\fbox"))
    if start < 0:
        return ""
    rest = text[start:].removeprefix("\\boxed").removeprefix("\\fbox")
    if not rest.startswith("{"):
        return rest.split("$")[0].strip()
    depth = 0
    escaped = False
    for position, character in enumerate(rest):
        if escaped or character == "\\":
            escaped = not escaped
        elif character == "{":
            depth += 1
        elif character == "}":
            depth -= 1
            if depth == 0:
                return rest[1:position].strip()
    return ""


def _gsm8k_problem(row: Mapping[str, Any], problem_id: str) -> Problem | None:
    answer = number_after_hashes(row["answer"])
    if not answer:
        return None
    return Problem(
        problem_id=problem_id,
        benchmark="gsm8k",
        question=row["question"].strip(),
        gold_answer=answer,
        solution=row["answer"].rpartition("####")[0].strip(),
    )


def _math_problem(row: Mapping[str, Any], problem_id: str) -> Problem | None:
    answer = last_boxed(row["solution"])
    level = row["level"].removeprefix("Level ")
    if not answer:
        return None
    return Problem(
        problem_id=problem_id,
        benchmark="math",
        question=row["problem"].strip(),
        gold_answer=answer,
        solution=row["solution"].strip(),
        level=None if level == "?" else level,
        subject=row["type"],
    )


def _math500_problem(row: Mapping[str, Any], problem_id: str) -> Problem | None:
    return Problem(
        problem_id=problem_id,
        benchmark="math500",
        question=row["problem"].strip(),
        gold_answer=row["answer"].strip(),
        solution=row["solution"].strip(),
        level=str(row["level"]),
        subject=row["subject"],
    )


def _gsm8k(split: str, rows: int) -> HubSource:
    revision = "740312add88f781978c0658806c59bc2815b9866"
    return HubSource(
        repository="openai/gsm8k", config="main", split=split, revision=revision, rows=rows, read=_gsm8k_problem
    )


def _math(split: str, rows: int, without_answer: int) -> HubSource:
    return HubSource(
        repository="DigitalLearningGmbH/MATH-lighteval",
        split=split,
        revision="0530c78699ea5e8eb5530600900e1f328b48acad",
        rows=rows,
        without_answer=without_answer,
        read=_math_problem,
    )


_MATH500 = HubSource(
    repository="HuggingFaceH4/MATH-500",
    split="test",
    revision="6e4ed1a2a79af7d8630a6b768ec859cb5af4d3be",
    rows=500,
    read=_math500_problem,
)

# benchmark -> split -> where it lies
SOURCES: dict[str, dict[str, HubSource]] = {
    "gsm8k": {"train": _gsm8k("train", 7473), "test": _gsm8k("test", 1319)},
    "math": {"train": _math("train", 7500, without_answer=2), "test": _math("test", 5000, without_answer=0)},
    "math500": {"test": _MATH500},
}


def load_from_hub(name: str, split: str) -> list[Problem]:
    """All problems of one split of a benchmark, from the hub or its cache, in the order of the hub.

    Args:
        name: a key of `SOURCES`, e.g. ``"gsm8k"``.
        split: a split of that benchmark, e.g. ``"test"``.

    Raises:
        ValueError: no such benchmark or split.
        BenchmarkUnavailableError: neither network nor cache, ``datasets`` is not installed, or the rows are not those
            of the pinned commit.
    """
    source = pick_split(SOURCES, name, split)
    rows = _fetch(source, f"DIR/{FILES[name][split]}.jsonl")
    problems: list[Problem] = []
    for index, row in enumerate(rows):
        try:
            problem = source.read(row, f"{name}-{split}-hub-{index:04d}")
        except (KeyError, AttributeError) as error:
            raise _unexpected(source, f"row {index} has the fields {sorted(row)}") from error
        if problem is not None:
            problems.append(problem)
    if len(rows) != source.rows or len(rows) - len(problems) != source.without_answer:
        raise _unexpected(
            source,
            f"got {len(rows)} rows, {len(rows) - len(problems)} of them without an answer, "
            f"expected {source.rows} and {source.without_answer}",
        )
    return problems


def _fetch(source: HubSource, local_file: str) -> list[Mapping[str, Any]]:
    place = f"{source.repository} at {source.revision[:12]}, split {source.split}"
    remedy = f"Name a folder with the problems as JSON Lines instead (--data-dir DIR, with {local_file} in it)"
    try:
        import datasets
        from datasets.exceptions import DatasetsError
    except ImportError as error:
        raise BenchmarkUnavailableError(
            f"{place}, cannot be had from the hub: the package 'datasets' is not installed. "
            f"{remedy}, or install coeflab with its extra 'train'."
        ) from error
    try:
        loaded = datasets.load_dataset(source.repository, source.config, split=source.split, revision=source.revision)
    except (OSError, ValueError, DatasetsError) as error:
        raise BenchmarkUnavailableError(
            f"{place}, could not be had from the hub: {error}. "
            f"{remedy}, or load it once with a network: it stays in the cache."
        ) from error
    return cast(list[Mapping[str, Any]], list(loaded))


def _unexpected(source: HubSource, got: str) -> BenchmarkUnavailableError:
    return BenchmarkUnavailableError(
        f"{source.repository} at {source.revision[:12]}, split {source.split}: {got}. The pinned commit never changes, "
        "so the cached copy is broken: delete it and load again, or use --data-dir."
    )
