"""A problem's prompt, whole, as a model gets it."""

from __future__ import annotations

import sys

from benchmarks.naming import did_you_mean
from benchmarks.problem import Problem
from experiments.recipes.config import TaskConfig
from experiments.runs.answering import proof_checker
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts, task_prompt
from training.models.folder import open_tokenizer

__all__ = ["print_prompt", "prompt_lines"]


def print_prompt(model: str, task: TaskConfig, split: str, problem_id: str | None) -> None:
    """Print the prompt on stdout, and what there is to know of it on stderr.

    Args:
        model: folder or hub id.
        task: which benchmark, and how it is asked.
        split: of the problem.
        problem_id: which problem; ``None`` takes the first.

    Raises:
        ValueError: no such problem, or an evaluation would refuse it; see also `proof_checker` and `render_prompts`.
        ModelNotFoundError: no such model, or it has no tokenizer.
    """
    text, about = prompt_lines(model, task, split, problem_id)
    print(text)
    print("\n".join(about), file=sys.stderr)


def prompt_lines(model: str, task: TaskConfig, split: str, problem_id: str | None) -> tuple[str, list[str]]:
    """The prompt, and lines on it: its name, examples, length and where a completion stops. See `print_prompt`."""
    proof_checker(task)
    problem = _find(load_problems(task, split), problem_id)
    tokenizer = open_tokenizer(model)
    prompt = task_prompt(task, tokenizer)
    (rendered,) = render_prompts([problem], task, tokenizer)
    examples = [name for name in prompt.examples if name != problem.problem_id]
    begins = repr(tokenizer.decode(list(rendered.ids[: rendered.leading]))) if rendered.leading else "nothing"
    return rendered.text, [
        f"prompt: {prompt.name} for {problem.problem_id}, gold answer {problem.gold_answer}",
        f"examples: {len(examples)}{f' ({chr(44).join(examples)})' if examples else ''}",
        f"tokens: {len(rendered.ids)}; before the text: {begins}",
        f"the answer: {prompt.mode}; a completion stops at {', '.join(map(repr, prompt.stop)) or 'its end alone'}",
    ]


def _find(problems: list[Problem], problem_id: str | None) -> Problem:
    if problem_id is None:
        return problems[0]
    for problem in problems:
        if problem.problem_id == problem_id:
            return problem
    near = did_you_mean(problem_id, [problem.problem_id for problem in problems])
    raise ValueError(
        f"no problem {problem_id!r} among the {len(problems):,} of this split{near}The first is "
        f"{problems[0].problem_id!r}."
    )
