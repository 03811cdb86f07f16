"""From a task's configuration to problems."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from benchmarks.arithmetic import BENCHMARK, LONG_BENCHMARK, generate_problems
from benchmarks.decontamination import find_overlaps, question_key
from benchmarks.files import FILES, SUFFIXES, load_from_folder, read_problems
from benchmarks.hub import BenchmarkUnavailableError, load_from_hub
from benchmarks.naming import did_you_mean
from benchmarks.problem import Problem
from benchmarks.prompts import boxed_solution
from benchmarks.prompts.choice import language_of
from benchmarks.prompts.instructions import LAYOUTS
from experiments.recipes.config import EvaluationConfig, TaskConfig
from experiments.recipes.files import SPLIT
from rewards import GoldAnswerError, check_answer

__all__ = [
    "GENERATED",
    "KNOWN_BENCHMARKS",
    "MOST_VALIDATION",
    "UnknownBenchmarkError",
    "load_beyond",
    "load_further",
    "load_problems",
    "load_split",
    "load_validation",
    "overlap_lines",
]

GENERATED = (BENCHMARK, LONG_BENCHMARK)
KNOWN_BENCHMARKS = (*GENERATED, *FILES)

# A generated benchmark has as many problems as one asks for; these are the defaults.
ARITHMETIC_SIZES = {"train": 20000, "validation": 200, "test": 400}
MOST_VALIDATION = 200  # problems of a benchmark on which a start policy's temperature is chosen
VALIDATION_SHARE = 20  # one in 20 training problems where a benchmark has no validation split


class UnknownBenchmarkError(ValueError):
    """No benchmark of that name."""


def load_problems(task: TaskConfig, split: str, count: int | None = None) -> list[Problem]:
    """The first `count` problems of a split; all of them where it is ``None``.

    Benchmarks without a validation split give one in twenty of their training problems to it, and lose them from train,
    with every copy of the same question.

    Raises:
        UnknownBenchmarkError: no such benchmark; the nearest names are given.
        ValueError: `count` is below 1, or a file of one split is asked for another.
        DataFileError: a data file is missing or broken.
        GoldAnswerError: a gold answer cannot be read; problem, file and line are named.
        BenchmarkUnavailableError: the hub is out of reach.
    """
    if count is not None and count < 1:
        raise ValueError(f"{count} problems of split {split!r} are asked for; expected at least 1.")
    if task.benchmark.endswith(SUFFIXES):
        problems = _of_own_files(task.benchmark, split)
    elif task.benchmark not in KNOWN_BENCHMARKS:
        near = did_you_mean(task.benchmark, KNOWN_BENCHMARKS)
        known = f"Known: {', '.join(KNOWN_BENCHMARKS)}, or a file FILE.jsonl."
        raise UnknownBenchmarkError(f"unknown benchmark {task.benchmark!r}{near}{known}")
    elif task.benchmark in GENERATED:
        size = ARITHMETIC_SIZES[split] if count is None else count
        return generate_problems(split, size, benchmark=task.benchmark)  # type: ignore[arg-type]
    elif split != "test" and "validation" not in FILES[task.benchmark]:
        problems = _held_out(_load(task, "train"), split)
    else:
        problems = _load(task, split)
    _check_gold_answers(problems if count is None else problems[:count])
    if split != "test":
        problems = [_with_boxed_answer(problem) for problem in problems]
    return problems if count is None else problems[:count]


def load_beyond(task: TaskConfig, demonstrated: int | None) -> list[Problem]:
    """The training problems of a task, without any whose question SFT had a demonstration of.

    Args:
        task: see `load_problems`.
        demonstrated: of the first so many there were demonstrations; ``None`` leaves none out.

    Raises:
        ValueError: as `load_problems`.
    """
    problems = load_problems(task, "train", task.train_problems)
    if demonstrated is None:
        return problems
    known = {question_key(problem.question) for problem in load_problems(task, "train", demonstrated)}
    return [problem for problem in problems if question_key(problem.question) not in known]


def load_further(task: TaskConfig, evaluation: EvaluationConfig) -> list[Problem]:
    """The problems of `EvaluationConfig.further_benchmarks`, one benchmark after the other.

    Raises:
        ValueError: as `load_problems`; or two of the benchmarks, the task's own among them, have one name.
    """
    names = dict[str, str]()
    for benchmark in (task.benchmark, *evaluation.further_benchmarks):
        name = _own_name(Path(benchmark.replace(SPLIT, evaluation.split)))
        if name in names:
            raise ValueError(
                f"evaluation.further_benchmarks has {benchmark!r}, which is called {name!r} as {names[name]!r} is; "
                "expected benchmarks of different names, the task's own among them: leave it out with --set "
                "evaluation.further_benchmarks=…, or rename the file."
            )
        names[name] = benchmark
    return [
        problem
        for benchmark in evaluation.further_benchmarks
        for problem in load_problems(replace(task, benchmark=benchmark), evaluation.split, evaluation.further_problems)
    ]


def load_validation(task: TaskConfig, evaluation: EvaluationConfig) -> tuple[list[Problem], dict[str, str]]:
    """Validation problems of every benchmark of an evaluation, one benchmark after the other, and why one has none.

    Of each at most `MOST_VALIDATION`, and no more than are evaluated of it.
    """
    counts = {task.benchmark: evaluation.problems}
    counts |= dict.fromkeys(evaluation.further_benchmarks, evaluation.further_problems)
    problems, absent = list[Problem](), dict[str, str]()
    for benchmark, count in counts.items():
        most = MOST_VALIDATION if count is None else min(count, MOST_VALIDATION)
        try:
            problems += load_problems(replace(task, benchmark=benchmark), "validation", most)
        except (ValueError, BenchmarkUnavailableError) as error:
            absent[benchmark] = str(error)
    return problems, absent


def _held_out(problems: list[Problem], split: str) -> list[Problem]:
    """The validation problems among training problems, or the rest without copies of their questions."""
    validation = problems[::VALIDATION_SHARE]
    if split == "validation":
        return validation
    questions = {question_key(problem.question) for problem in validation}
    return [problem for problem in problems if question_key(problem.question) not in questions]


def _of_own_files(pattern: str, split: str) -> list[Problem]:
    """The problems of a user's file; with ``{split}`` in its name, train and test lie in files of their own.

    Raises:
        ValueError: there is one file for everything, and more than the test problems are asked for.
    """
    if SPLIT not in pattern:
        if split != "test":
            raise ValueError(
                f"{pattern} is one list of problems, to evaluate on (split test); to train, or for split {split}, name "
                f"files by split: {Path(pattern).parent / SPLIT}.jsonl."
            )
        return _read_own(pattern)
    file = pattern.replace(SPLIT, split)
    if split == "test" or Path(pattern.replace(SPLIT, "validation")).expanduser().is_file():
        return _read_own(file)
    return _held_out(_read_own(pattern.replace(SPLIT, "train")), split)


def _read_own(file: str) -> list[Problem]:
    path = Path(file).expanduser()
    return read_problems(path, benchmark=_own_name(path))


def _own_name(file: Path) -> str:
    return file.name.removesuffix(".gz").removesuffix(".jsonl")


def _check_gold_answers(problems: list[Problem]) -> None:
    """Refuse a problem that no completion could be judged against, before anything is sampled for it."""
    for problem in problems:
        golds = problem.gold_answer.split(";") if problem.blanks > 1 else [problem.gold_answer]
        try:
            for gold in golds:
                check_answer("", gold)
        except GoldAnswerError as error:
            where = "" if problem.where is None else f"{problem.where}, "
            raise GoldAnswerError(f"{where}problem {problem.problem_id!r}: {error}") from error


def _with_boxed_answer(problem: Problem) -> Problem:
    """GSM8K's worked solutions as demonstrations of the paper's prompt: without calculator marks, the answer boxed."""
    if problem.solution is None:
        return problem
    closing = LAYOUTS[language_of(problem.benchmark)].closing
    return replace(problem, solution=boxed_solution(problem.solution, problem.gold_answer, closing))


def _load(task: TaskConfig, split: str) -> list[Problem]:
    return load_split(task.benchmark, split, task.data_dir)


def load_split(benchmark: str, split: str, data_dir: str | None) -> list[Problem]:
    """All problems of a benchmark's own split, as the source has them.

    Raises:
        DataFileError: a data file is missing or broken.
        BenchmarkUnavailableError: the hub is out of reach.
    """
    if data_dir is None:
        return load_from_hub(benchmark, split)
    return load_from_folder(benchmark, split, Path(data_dir))


def overlap_lines(training: list[Problem], evaluated: list[Problem]) -> list[str]:
    """Sentences on training problems that hold a question they are judged on; none where no problem does.

    Args:
        training: problems that are trained on; question and worked solution are searched.
        evaluated: problems of the report.
    """
    texts = [f"{problem.question}\n{problem.solution or ''}" for problem in training]
    found = find_overlaps(texts, [problem.question for problem in evaluated])
    if not found:
        return []
    first = found[0]
    tested = len({overlap.other for overlap in found})
    return [
        f"{len(found)} of {len(training):,} training problems hold words of {tested} of the {len(evaluated):,} "
        "problems that the arms are evaluated on (10 words in a row, or a whole shorter question); they are trained on "
        f"all the same. The first: {training[first.text].problem_id} and {evaluated[first.other].problem_id} share "
        f'"{first.words}".'
    ]
