"""From a task's configuration to problems and prompts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.arithmetic import generate_problems
from benchmarks.files import FILES, load_from_folder
from benchmarks.hub import load_from_hub
from benchmarks.naming import did_you_mean
from benchmarks.problem import Problem
from benchmarks.prompts import chain_of_thought, deepseek_chat
from experiments.recipes.config import TaskConfig
from rewards import GoldAnswerError, check_answer

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["BENCHMARKS", "UnknownBenchmarkError", "load_problems", "render_prompts"]

BENCHMARKS = ("arithmetic", *FILES)

# The generated benchmark has as many problems as one asks for; these are the defaults.
ARITHMETIC_SIZES = {"train": 20000, "validation": 100, "test": 100}
VALIDATION_SHARE = 20  # one in 20 training problems where a benchmark has no validation split


class UnknownBenchmarkError(ValueError):
    """No benchmark of that name."""


def load_problems(task: TaskConfig, split: str, count: int | None = None) -> list[Problem]:
    """The first `count` problems of a split; all of them where it is ``None``.

    Benchmarks without a validation split give one in twenty of their training problems to it, and lose them from train.

    Raises:
        UnknownBenchmarkError: no such benchmark; the nearest names are given.
        ValueError: `count` is below 1.
        DataFileError: a data file is missing or broken.
        GoldAnswerError: a gold answer cannot be read; the problem is named.
        BenchmarkUnavailableError: the hub is out of reach.
    """
    if task.benchmark not in BENCHMARKS:
        near = did_you_mean(task.benchmark, BENCHMARKS)
        raise UnknownBenchmarkError(f"unknown benchmark {task.benchmark!r}; {near} Known: {', '.join(BENCHMARKS)}.")
    if count is not None and count < 1:
        raise ValueError(f"{count} problems of split {split!r} are asked for; expected at least 1.")
    if task.benchmark == "arithmetic":
        return generate_problems(split, ARITHMETIC_SIZES[split] if count is None else count)  # type: ignore[arg-type]
    has_split = split in FILES[task.benchmark]
    problems = _load(task, split if has_split else "train")
    if split == "validation" and not has_split:
        problems = problems[::VALIDATION_SHARE]
    elif split == "train" and "validation" not in FILES[task.benchmark]:
        problems = [problem for index, problem in enumerate(problems) if index % VALIDATION_SHARE]
    _check_gold_answers(problems if count is None else problems[:count])
    if split != "test":
        problems = [_with_boxed_answer(problem) for problem in problems]
    return problems if count is None else problems[:count]


def _check_gold_answers(problems: list[Problem]) -> None:
    """Refuse a problem that no completion could be judged against, before anything is sampled for it."""
    for problem in problems:
        try:
            check_answer("", problem.gold_answer)
        except GoldAnswerError as error:
            raise GoldAnswerError(f"problem {problem.problem_id!r}: {error}") from error


def _with_boxed_answer(problem: Problem) -> Problem:
    """GSM8K's worked solutions do not end in their answer; as demonstrations of the paper's prompt they must box it."""
    if problem.solution is None or r"\boxed" in problem.solution:
        return problem
    return replace(problem, solution=f"{problem.solution}\nThe answer is \\boxed{{{problem.gold_answer}}}.")


def _load(task: TaskConfig, split: str) -> list[Problem]:
    if task.data_dir is None:
        return load_from_hub(task.benchmark, split)
    return load_from_folder(task.benchmark, split, Path(task.data_dir))


def render_prompts(
    problems: list[Problem], task: TaskConfig, tokenizer: PreTrainedTokenizerBase
) -> list[tuple[int, ...]]:
    """Token ids of each problem's prompt: the bare question, or the paper's instruction in a chat template."""
    if task.prompt == "bare":
        return [tuple(tokenizer(problem.question, add_special_tokens=False).input_ids) for problem in problems]
    texts = [chain_of_thought(problem.question) for problem in problems]
    if tokenizer.chat_template is None:
        return [tuple(tokenizer(deepseek_chat(text)).input_ids) for text in texts]
    conversations = [[{"role": "user", "content": text}] for text in texts]
    rendered: Any = tokenizer.apply_chat_template(conversations, add_generation_prompt=True, tokenize=False)
    return [tuple(tokenizer(text, add_special_tokens=False).input_ids) for text in rendered]
