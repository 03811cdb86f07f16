"""One model on several benchmarks: a run a benchmark, all on one engine, each taken up again where it stopped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from analysis.report.benchmark_table import SUITE_FILE
from benchmarks.naming import did_you_mean
from benchmarks.problem import Tolerance
from benchmarks.prompts import Mode, Prompt
from benchmarks.registry import BENCHMARKS, PAPER_BENCHMARKS, AnswerKind
from experiments.records.config import RunConfig
from experiments.records.lock import FolderKindError
from experiments.records.same import write_json
from experiments.runs.answering import tool_rounds
from experiments.runs.jobs import EvaluationJob
from experiments.runs.problems import GENERATED, KNOWN_BENCHMARKS, UnknownBenchmarkError, load_problems
from experiments.runs.prompts import task_prompt
from experiments.runs.start_policy import StartPolicy
from experiments.schedule.compare import dated, failure_text, held_config, threads_of
from experiments.schedule.progress import Board
from experiments.schedule.workers import WorkerError, run_jobs
from training.models.folder import open_tokenizer

__all__ = ["benchmark_names", "evaluate_suite", "folder_name", "split_name"]

SETS = {
    "paper": PAPER_BENCHMARKS,
    "all": tuple(name for name, known in BENCHMARKS.items() if known.answer is not AnswerKind.PROOF),
}
PROMPTS_OF_NAMES = {"python": "program", "tool": "tool"}  # bare ones for a generated benchmark
"""The prompt that a word behind a benchmark's name asks for: ``gsm8k+python`` as in the paper's Tables 3 and 6."""


def benchmark_names(asked: Sequence[str]) -> tuple[str, ...]:
    """The benchmarks that ``--benchmark`` names, ``paper`` and ``all`` spelt out, each once, in their order.

    Raises:
        UnknownBenchmarkError: a name of none; the nearest are given.
        ValueError: none at all, or two files of one name.
    """
    names = list(dict.fromkeys(name for each in asked for name in SETS.get(each, (each,))))
    if not names:
        raise ValueError("--benchmark names nothing; expected names, files, paper or all.")
    known = (*KNOWN_BENCHMARKS, *SETS)
    for name in names:
        if split_name(name)[0] not in known and not split_name(name)[0].endswith((".jsonl", ".jsonl.gz")):
            words = [f"{each}+{word}" for each in KNOWN_BENCHMARKS for word in PROMPTS_OF_NAMES]
            near = did_you_mean(name, words if "+" in name else known)
            raise UnknownBenchmarkError(
                f"unknown benchmark {name!r}{near}Known: {', '.join(known)}, or a file FILE.jsonl."
            )
    folders = [folder_name(name) for name in names]
    twice = next((name for name in folders if folders.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two benchmarks are called {twice!r}; rename one of the files, results go into folders.")
    return tuple(names)


def split_name(name: str) -> tuple[str, str | None]:
    """The benchmark of a name that ``--benchmark`` takes, and the prompt that a word behind it asks for."""
    benchmark, _, word = name.rpartition("+")
    if word not in PROMPTS_OF_NAMES:
        return name, None
    return benchmark, ("bare_" if benchmark in GENERATED else "") + PROMPTS_OF_NAMES[word]


def folder_name(name: str) -> str:
    """The folder of a benchmark's run within a suite."""
    benchmark, _ = split_name(name)
    word = name.removeprefix(benchmark)
    return Path(benchmark).name.removesuffix(".gz").removesuffix(".jsonl") + word


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """What ``suite.json`` says of one benchmark; see `analysis.report.benchmark_table`."""

    name: str
    title: str
    paper_name: str | None
    language: str
    prompt: str
    shots: int
    papers_shots: int
    mode: str
    size: int
    temperature: float
    notes: tuple[str, ...]


def evaluate_suite(runs: Mapping[str, RunConfig], out: Path, *, board: Board) -> None:
    """Evaluate one model on several benchmarks, in `out`, a folder a benchmark.

    Args:
        runs: what `door.evaluation_run` gave, by the names that ``--benchmark`` has for them.
        out: folder of the suite.
        board: shows progress.

    Raises:
        FolderKindError: `out` holds a single run or a comparison.
        ConfigMismatchError: a folder holds another evaluation of that benchmark.
        WorkerError: an evaluation failed; all others are finished.
    """
    for name, what in (("recipe.json", "a comparison"), ("config.json", "a single run")):
        if (out / name).exists():
            raise FolderKindError(f"{out} holds {what}; several benchmarks need a folder of their own (--out).")
    jobs = []
    for name, run in runs.items():
        folder = out / folder_name(name)
        run = replace(run, task=dated(run.task, held_config(folder / "config.json")))
        jobs.append(EvaluationJob(name=folder.name, config=run, start=StartPolicy(model=run.model), folder=folder))
    about = [asdict(_about(name, run)) for name, run in runs.items()]
    write_json(out / SUITE_FILE, {"model": jobs[0].config.arm, "benchmarks": about})
    failures: dict[str, str] = {}
    ended = 0

    def on_done(job: str, result: Any) -> None:
        nonlocal ended
        ended += 1
        board.drop(f"{job}:")
        board.update("all benchmarks", ended, len(jobs), "benchmarks")
        board.say(f"{job}: {result}")

    run_jobs(
        jobs,
        workers=1,  # one process, so one engine
        threads=threads_of(out, 1),
        logs=out / "logs",
        on_progress=lambda job, what, done, total, unit: board.update(f"{job}: {what}", done, total, unit),
        on_done=on_done,
        on_failed=failures.__setitem__,
    )
    if failures:
        raise WorkerError(failure_text(failures, len(jobs)))


def _about(name: str, run: RunConfig) -> _Entry:
    assert run.model is not None
    known = BENCHMARKS.get(run.task.benchmark)
    prompt = task_prompt(run.task, open_tokenizer(run.model))
    shown = len(prompt.examples)
    return _Entry(
        name=folder_name(name),
        title=known.title if known is not None else folder_name(run.task.benchmark),
        paper_name=known.paper_name if known is not None and run.evaluation.split == "test" else None,
        language=known.language if known is not None else "en",
        prompt=prompt.name,
        shots=shown,
        papers_shots=known.shots if known is not None else 0,
        mode=str(prompt.mode),
        size=_size(run),
        temperature=0.0 if prompt.mode is Mode.LIKELIHOOD else run.evaluation.temperature,
        notes=_notes(run, prompt, known.tolerance if known is not None else None),
    )


def _size(run: RunConfig) -> int:
    """How many problems the split has, whatever number of them is asked."""
    known = BENCHMARKS.get(run.task.benchmark)
    if known is not None and run.evaluation.split in known.splits:
        return known.splits[run.evaluation.split].problems
    return len(load_problems(run.task, run.evaluation.split))


def _notes(run: RunConfig, prompt: Prompt, tolerance: Tolerance | None) -> tuple[str, ...]:
    """What else differs from the paper's protocol, or is to be known."""
    found = []
    if (rounds := tool_rounds(run.task, prompt)) is not None:
        found.append(
            f"at most {rounds.turns} programs a completion, {rounds.output_tokens} tokens of each output are shown, "
            "the answer is read off the model's words; the paper draws twice, shows 100 characters, and takes an "
            "output where there is no answer in words"
        )
    if prompt.mode is Mode.LIKELIHOOD:
        found.append("the likeliest option letter, nothing is written; the paper reads the letter off a solution")
    if run.evaluation.split != "test":
        found.append(f"the {run.evaluation.split} split")
    if tolerance is not None:
        found.append(f"numbers within {float(tolerance.relative):.0%} of the gold answer are right, as in Minerva")
    if run.evaluation.max_tokens < 1024:
        found.append(f"completions of at most {run.evaluation.max_tokens:,} tokens; the paper's have 1,024")
    return tuple(found)
