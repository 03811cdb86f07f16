r"""Worked examples for base models: problems of training splits by their ids, never of a test split.

``exemplars.json`` lists them. Where the paper's benchmark has a training split, an entry names a problem of it and adds
what the file lacks: a program, a Chinese solution, or options (SAT and MMLU-STEM, whose examples are problems of MATH
with options of ours, as in the paper's prompts). The two Gaokao benchmarks have no training split: their examples were
written for coeflab. A test holds all of them against every test split by the rule of `benchmarks.decontamination`.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.problem import Problem, with_options

__all__ = ["CALCULATOR_MARK", "LENDERS", "Exemplar", "boxed_solution", "exemplars_of"]

CALCULATOR_MARK = re.compile(r"<<[^<>\n]*>>")  # GSM8K's "48/2 = <<48/2=24>>24"
_BOX = re.compile(r"\\(?:boxed|fbox)\s*\{")

LENDERS = {
    **dict.fromkeys(("gsm8k", "svamp", "gsm_hard"), "gsm8k"),
    **dict.fromkeys(("math", "math500", "minerva_math", "olympiadbench", "aime2024", "aime2025", "amc23"), "math"),
    **dict.fromkeys(("sat_math", "mmlu_stem"), "options"),
    **dict.fromkeys(("cmath", "mgsm_zh"), "cmath"),
    **{name: name for name in ("gaokao_mathcloze", "gaokao_mathqa")},
    **{f"mgsm_{language}": "gsm8k" for language in ("bn", "de", "en", "es", "fr", "ja", "ru", "sw", "te", "th")},
}
"""Whose examples a benchmark has, by its name; a benchmark that is not here has none."""

Load = Callable[[str, str], Sequence[Problem]]
"""The problems of (benchmark, split)."""


@dataclass(frozen=True, kw_only=True)
class Exemplar:
    """One worked example.

    Attributes:
        problem_id: of the training split; one of ours begins with ``coeflab-``.
        question: with its options.
        solution: in words, as the source has it.
        answer: the short answer.
        program: prints the answer; ``None`` where there is none.
    """

    problem_id: str
    question: str
    solution: str
    answer: str
    program: str | None = None


def exemplars_of(benchmark: str, load: Load) -> list[Exemplar]:
    """The worked examples of a benchmark, in their order; none where it has none.

    Args:
        benchmark: its name.
        load: gives the training problems.

    Raises:
        ValueError: the training file lacks a problem that is listed.
    """
    lender = LENDERS.get(benchmark)
    if lender is None:
        return []
    result, files = [], dict[str, dict[str, Problem]]()
    for number, entry in enumerate(_listed()[lender]):
        source: str | None = entry.get("from")
        if source is None:
            result.append(_own(entry, f"coeflab-{lender}-{number}"))
            continue
        if source not in files:
            name, _, split = source.partition("/")
            files[source] = {problem.problem_id: problem for problem in load(name, split)}
        if entry["id"] not in files[source]:
            raise ValueError(
                f"the examples for {benchmark} need the problem {entry['id']!r}, which the {source} problems lack; "
                "complete the file, or ask without examples (shots 0)."
            )
        result.append(_of(files[source][entry["id"]], entry))
    return result


@functools.cache
def _listed() -> dict[str, list[dict[str, Any]]]:
    return json.loads(Path(__file__).with_name("exemplars.json").read_text(encoding="utf-8"))


def _own(entry: dict[str, Any], problem_id: str) -> Exemplar:
    return Exemplar(
        problem_id=problem_id,
        question=with_options(entry["question"], entry.get("options", ())),
        solution=entry["solution"],
        answer=entry["answer"],
    )


def _of(problem: Problem, entry: dict[str, Any]) -> Exemplar:
    options = entry.get("options", ())
    solution = entry.get("solution", problem.solution)
    if solution is None:
        raise ValueError(f"the example {problem.problem_id!r} has no solution; take another training file.")
    return Exemplar(
        problem_id=problem.problem_id,
        question=with_options(problem.question, options),
        solution=_unboxed(solution) if options else solution,
        answer=entry.get("answer", problem.gold_answer),
        program=entry.get("program"),
    )


def boxed_solution(solution: str, answer: str, closing: str) -> str:
    """A worked solution without GSM8K's calculator marks that ends in its boxed answer.

    Args:
        solution: as the source has it; one with a box stays as it is.
        answer: the short answer.
        closing: a last sentence with ``{answer}``.
    """
    if r"\boxed" in solution:
        return solution
    return f"{CALCULATOR_MARK.sub('', solution)}\n{closing.replace('{answer}', answer)}"


def _unboxed(text: str) -> str:
    """The text without boxes around its parts: the answer of a question with options is a letter."""
    while (box := _BOX.search(text)) is not None:
        depth, end = 1, box.end()
        while depth and end < len(text):
            depth += {"{": 1, "}": -1}.get(text[end], 0)
            end += 1
        text = text[: box.start()] + text[box.end() : end - 1] + text[end:]
    return text
