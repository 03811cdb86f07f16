"""Benchmarks as the registry has them: all of them, one, and docs/benchmarks.md.

`python -m experiments.inspection.benchmarks > docs/benchmarks.md` writes the page; a test keeps it current.
"""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

from benchmarks.hub import SOURCES
from benchmarks.naming import did_you_mean
from benchmarks.prompts.choice import language_of
from benchmarks.registry import BENCHMARKS, AnswerKind, Benchmark

__all__ = ["UnknownBenchmarkNameError", "benchmark_lines", "benchmarks_page", "print_benchmark", "print_benchmarks"]

HEADINGS = ("name", "title", "problems", "answer", "language", "in the paper", "shots")


class UnknownBenchmarkNameError(ValueError):
    """No benchmark of that name."""


def _row(name: str, benchmark: Benchmark) -> tuple[str, ...]:
    sizes = ", ".join(f"{split} {held.problems:,}" for split, held in benchmark.splits.items())
    return (
        name,
        benchmark.title,
        sizes,
        benchmark.answer,
        benchmark.language,
        benchmark.paper_name or "-",
        str(benchmark.shots) if benchmark.shots else "-",
    )


def print_benchmarks(console: Console | None = None) -> None:
    """Print a line for each benchmark."""
    table = Table(*HEADINGS, box=None, pad_edge=False, header_style="bold")
    table.add_row("arithmetic", "Arithmetic chains", "as many as asked for", "free", "en", "-", "-")
    table.add_row("arithmetic-long", "Chains of 5 operations", "as many as asked for", "free", "en", "-", "-")
    for name, benchmark in BENCHMARKS.items():
        table.add_row(*_row(name, benchmark))
    (console or Console()).print(table)


def benchmark_lines(name: str) -> list[str]:
    """The facts on one benchmark, a line each.

    Raises:
        UnknownBenchmarkNameError: no such benchmark; the nearest names are given.
    """
    if name not in BENCHMARKS:
        hint = did_you_mean(name, BENCHMARKS)
        raise UnknownBenchmarkNameError(f"unknown benchmark {name!r}{hint}`coeflab benchmarks` lists them.")
    benchmark = BENCHMARKS[name]
    lines = [f"{name}: {benchmark.title}"]
    for split, held in benchmark.splits.items():
        on_hub = SOURCES.get(name, {}).get(split)
        where = f", or {on_hub.repository} at {on_hub.revision[:12]} on the hub" if on_hub else ", no hub source"
        lines.append(f"  {split}: {held.problems:,} problems, {held.file}.jsonl(.gz) below --data-dir{where}")
    tolerance = "exact" if benchmark.tolerance is None else f"within {float(benchmark.tolerance.relative):.0%} of gold"
    lines += [
        f"  answers: {benchmark.answer}, {tolerance}; language: {benchmark.language}; metric: accuracy",
        f"  asked: {_asked(name, benchmark)}",
        f"  in the paper: {benchmark.paper_name or 'no'}; examples for a base model: {benchmark.shots or 'none'}",
        f"  licence: {benchmark.licence}",
        f"  source: {benchmark.citation}",
    ]
    return lines + ([f"  note: {benchmark.note}"] if benchmark.note else [])


def _asked(name: str, benchmark: Benchmark) -> str:
    """How `--prompt auto` asks, which the model decides too."""
    if benchmark.answer is AnswerKind.PROOF:
        return "--prompt proof with --set checker=lean4, isabelle or metamath"
    return (
        f"chain_of_thought in {language_of(name)!r} where the model has a chat template, else few_shot; "
        f"`coeflab prompt --benchmark {name} --model M` prints it"
    )


def print_benchmark(name: str) -> None:
    """Print what is known of one benchmark."""
    print("\n".join(benchmark_lines(name)))


def benchmarks_page() -> str:
    """The text of docs/benchmarks.md: a table with a row a benchmark."""
    rows = [_row(name, benchmark) for name, benchmark in BENCHMARKS.items()]
    lines = ["| " + " | ".join(HEADINGS) + " |", "|" + " --- |" * len(HEADINGS)]
    lines += ["| `" + row[0] + "` | " + " | ".join(row[1:]) + " |" for row in rows]
    sources = ["| name | source | licence | note |", "|" + " --- |" * 4]
    sources += [
        f"| `{name}` | {benchmark.citation} | {benchmark.licence} | {benchmark.note or '-'} |"
        for name, benchmark in BENCHMARKS.items()
    ]
    return (
        "# Benchmarks\n\n"
        "Written by `python -m experiments.inspection.benchmarks > docs/benchmarks.md` from\n"
        "`benchmarks/registry.py`; do not edit. `coeflab benchmarks` prints the same,\n"
        "`coeflab benchmarks NAME` all that is known of one.\n\n"
        "*Shots* are the worked examples that the paper puts before the question for a base model. The files are not\n"
        "part of the project: `--data-dir` names a folder that holds them, and GSM8K, MATH and MATH-500 come from the\n"
        "hub without it.\n\n" + "\n".join(lines) + "\n\n## Sources and licences\n\n" + "\n".join(sources) + "\n"
    )


if __name__ == "__main__":
    print(benchmarks_page(), end="")
