"""A process reward model on ProcessBench: every solution is scored once, and its first wrong step named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from analysis.verification.process_bench import (
    ALL_RIGHT,
    PUBLISHED_F1,
    ProcessBenchScore,
    f1_band,
    first_wrong_step,
    process_bench_score,
    random_predictions,
)
from benchmarks.labelled_steps import CheckedSolution, load_process_bench
from benchmarks.problem import Problem
from experiments.inspection.scorer import open_scorer
from experiments.recipes.config import TaskConfig
from experiments.runs.prompts import render_prompts
from training.models.policy import Policy
from training.reward_models.model import RewardModelError
from training.reward_models.serving import RewardModel
from training.reward_models.solutions import solution_rollouts

__all__ = ["evaluate_process_bench", "process_bench_lines"]

READABLE = 0.99  # share of a text's characters that must survive the tokenizer


def evaluate_process_bench(
    model: str,
    benchmarks: Iterable[str],
    data_dir: Path,
    *,
    prompt: str,
    threshold: float,
    limit: int | None,
    device: str,
    microbatch_tokens: int,
) -> dict[str, dict[str, Any]]:
    """The figures of a model and of two baselines on subsets of ProcessBench, by name.

    Args:
        model: folder of a fit, or of a scalar-head model, or a hub id.
        benchmarks: names of `benchmarks.labelled_steps.PROCESS_BENCH`.
        data_dir: holds their files.
        prompt: a name of `benchmarks.prompts`, or a file.
        threshold: see `first_wrong_step`.
        limit: the first so many solutions of each; ``None`` takes all.
        device: ``"cpu"`` or ``"cuda"``.
        microbatch_tokens: most tokens of a pass.

    Raises:
        ValueError: no such subset, or a threshold outside (0, 1).
        DataFileError: a file is missing or broken.
        RewardModelError: no such model, or one whose vocabulary cannot write these texts.
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold is {threshold}; expected a probability between 0 and 1.")
    subsets = {name: load_process_bench(name, data_dir)[:limit] for name in benchmarks}
    scorer = open_scorer(model, device, microbatch_tokens, supervision="process").model
    results: dict[str, dict[str, Any]] = {}
    for name, solutions in subsets.items():
        probabilities = _probabilities(scorer, name, solutions, prompt)
        labels = [solution.first_wrong for solution in solutions]
        lengths = [len(solution.steps) for solution in solutions]
        results[name] = {
            "model": _figures([first_wrong_step(row, threshold=threshold) for row in probabilities], labels),
            "random": _figures(random_predictions(lengths, seed=0), labels),
            "all right": _figures([ALL_RIGHT] * len(labels), labels),
            "threshold": threshold,
        }
    return results


def process_bench_lines(results: dict[str, dict[str, Any]]) -> list[str]:
    """A table in text: accuracies on wrong and right solutions and their F1 with its 95 % band, in %, beside published
    ones."""
    lines = [f"{'benchmark':28}{'':11}{'wrong found':>13}{'right kept':>12}{'F1':>8}  95 % band"]
    for name, result in results.items():
        for who in ("model", "random", "all right"):
            found = result[who]
            cells = [_percent(found[key]) for key in ("wrong_accuracy", "right_accuracy", "f1")]
            band = found["f1_band"]
            shown = "–" if band is None else f"[{100 * band[0]:.1f}, {100 * band[1]:.1f}]"
            lines.append(f"{name:28}{who:11}{cells[0]:>13}{cells[1]:>12}{cells[2]:>8}  {shown}")
        wrong, right = result["model"]["wrong"], result["model"]["right"]
        lines.append(f"{'':28}{wrong} solutions with a wrong step, {right} without; threshold {result['threshold']:g}")
        others = ", ".join(f"{who} {f1:.1f}" for who, f1 in PUBLISHED_F1[name].items())
        lines.append(f"{'':28}published F1 (arXiv 2412.06559, Table 3): {others}")
    return lines


def _probabilities(
    scorer: RewardModel, name: str, solutions: Sequence[CheckedSolution], prompt: str
) -> list[tuple[float, ...]]:
    member = scorer.members[0]
    _check_readable(member, name, solutions)
    problems = [
        Problem(problem_id=item.solution_id, benchmark=name, question=item.question, gold_answer="unknown")
        for item in solutions
    ]
    rendered = render_prompts(problems, TaskConfig(benchmark=name, prompt=prompt), member.tokenizer)
    steps = [solution.steps for solution in solutions]
    encoded = solution_rollouts(member, problems, rendered, steps, ended=[True] * len(steps))
    _check_room(member, encoded)
    return scorer.probabilities([rollout for rollout, _ in encoded], [ends for _, ends in encoded])


def _check_readable(model: Policy, name: str, solutions: Sequence[CheckedSolution]) -> None:
    """Refuse a vocabulary that cannot write these texts: its figures would mean nothing."""
    text = "\n".join(step for item in solutions[:20] for step in item.steps)
    read = model.tokenizer.decode(model.tokenizer(text, add_special_tokens=False).input_ids, skip_special_tokens=True)
    wanted, kept = (len(re.sub(r"\s", "", each)) for each in (text, str(read)))
    if kept < READABLE * wanted:
        raise RewardModelError(
            f"the model's vocabulary of {len(model.tokenizer)} tokens writes {kept} of {wanted} characters of {name}; "
            "its figures would mean nothing. Expected a reward model that reads ordinary text."
        )


def _check_room(model: Policy, encoded: Sequence[tuple[Any, tuple[int, ...]]]) -> None:
    longest = max(len(rollout.prompt_ids) + len(rollout.completion_ids) for rollout, _ in encoded)
    if longest > model.max_positions:
        raise RewardModelError(
            f"the longest solution has {longest} tokens with its prompt; the model takes {model.max_positions}."
        )


def _figures(predictions: Sequence[int], labels: Sequence[int]) -> dict[str, Any]:
    score: ProcessBenchScore = process_bench_score(predictions, labels)
    return {
        "wrong_accuracy": score.wrong_accuracy,
        "right_accuracy": score.right_accuracy,
        "f1": score.f1,
        "f1_band": f1_band(predictions, labels),
        "wrong": score.wrong,
        "right": score.right,
    }


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{100 * share:.1f}"
