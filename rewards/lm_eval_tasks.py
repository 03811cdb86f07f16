"""Our benchmarks as tasks of lm-evaluation-harness, asked with our prompts and judged by our checker.

A task is a file ``coeflab_NAME.yaml`` with its problems in ``coeflab_NAME.jsonl``; ``coeflab_checker.py`` hands the
completions to `process_results`. ``lm_eval --include_path DIR`` finds them. Written for lm-eval 0.4.13.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from benchmarks.problem import Problem, Tolerance
from benchmarks.prompts import Mode, Prompt
from benchmarks.registry import BENCHMARKS
from rewards.answer_kinds import refined
from rewards.checker.pool import check_answers
from rewards.verdict import CHECKER_VERSION

__all__ = ["export_task", "process_results"]

_CHECKER = '''"""The judging of coeflab's tasks; coeflab must be importable where lm-eval runs."""

from rewards.lm_eval_tasks import process_results

__all__ = ["process_results"]
'''


def export_task(folder: Path, name: str, problems: Sequence[Problem], prompt: Prompt, *, max_tokens: int) -> str:
    """Write one benchmark as a task.

    Args:
        folder: gets the files; an older task of that name is replaced.
        name: of the benchmark.
        problems: all that are asked.
        prompt: how; its text is the whole prompt, or a user's message for lm-eval's ``--apply_chat_template``.
        max_tokens: longest completion.

    Returns:
        The task's name.

    Raises:
        ValueError: the prompt asks for what lm-eval cannot do: programs, a tool, option likelihoods.
    """
    if prompt.mode is not Mode.WORDS:
        raise ValueError(
            f"the prompt {prompt.name!r} asks for {prompt.mode.value}, which lm-eval's tasks cannot be judged by; "
            "expected chain_of_thought, few_shot, bare, or a text file."
        )
    folder.mkdir(parents=True, exist_ok=True)
    task = f"coeflab_{name}"
    rows = [_row(problem, prompt.text(problem.question, problem_id=problem.problem_id)) for problem in problems]
    data = folder / f"{task}.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (folder / "coeflab_checker.py").write_text(_CHECKER, encoding="utf-8")
    (folder / f"{task}.yaml").write_text(_yaml(task, name, data, prompt, max_tokens), encoding="utf-8")
    return task


def _yaml(task: str, name: str, data: Path, prompt: Prompt, max_tokens: int) -> str:
    """The task's description; JSON literals are YAML."""
    known = BENCHMARKS.get(name)
    described = {
        "task": task,
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(data.resolve())}},
        "output_type": "generate_until",
        "test_split": "test",
        "doc_to_text": "{{prompt}}",
        "doc_to_target": "{{answer}}",
        "generation_kwargs": {
            "until": list(prompt.stop),  # without it lm-eval would end every completion at a blank line
            "max_gen_toks": max_tokens,
            "do_sample": False,
            "temperature": 0.0,
        },
        "metric_list": [{"metric": "exact_match", "aggregation": "mean", "higher_is_better": True}],
        "metadata": {"version": float(CHECKER_VERSION), "prompt": prompt.name, "shots": len(prompt.examples)},
    }
    lines = [f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in described.items()]
    lines.insert(5, "process_results: !function coeflab_checker.process_results")
    source = f"# {known.title}: {known.citation}; licence: {known.licence}\n" if known is not None else ""
    return source + "\n".join(lines) + "\n"


def _row(problem: Problem, prompt: str) -> dict[str, Any]:
    tolerance = problem.tolerance
    return {
        "problem_id": problem.problem_id,
        "benchmark": problem.benchmark,
        "question": problem.question,
        "answer": problem.gold_answer,
        "options": list(problem.options),
        "blanks": problem.blanks,
        "tolerance": [] if tolerance is None else [str(tolerance.absolute), str(tolerance.relative)],
        "prompt": prompt,
    }


def process_results(doc: Mapping[str, Any], results: Sequence[Any]) -> dict[str, float]:
    """lm-eval's question to a task: the metrics of one problem.

    Args:
        doc: a row that `export_task` wrote.
        results: the completion; of several the first.
    """
    completion = results[0] if isinstance(results[0], str) else str(results[0][0])
    absolute_relative = [Fraction(number) for number in doc["tolerance"]]
    problem = Problem(
        problem_id=doc["problem_id"],
        benchmark=doc["benchmark"],
        question=doc["question"],
        gold_answer=doc["answer"],
        options=tuple(doc["options"]),
        blanks=doc["blanks"],
        tolerance=Tolerance(absolute=absolute_relative[0], relative=absolute_relative[1]) if doc["tolerance"] else None,
    )
    verdicts = check_answers([(completion, problem.gold_answer)], tolerances=[problem.tolerance])
    [verdict] = refined([problem], verdicts)
    return {"exact_match": float(verdict.correct)}
