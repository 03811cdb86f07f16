"""Every arm is compared with its own start policy under its own evaluation, whatever field of a recipe varies."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from algorithms.settings import fits
from analysis.records.schema import START_ARM
from analysis.statistics.contrasts import TUNED_START
from experiments.recipes.arms import select_arms
from experiments.recipes.config import Recipe
from experiments.recipes.fields import find_field, recipe_fields
from experiments.recipes.grid import PROBLEM_FIELDS, grid_arms, parse_varied
from experiments.runs.jobs import EvaluationJob, RunJob, StartJob
from experiments.schedule.compare import _description
from experiments.schedule.plan import plan_jobs, start_arms
from tests.experiments.miniature import recipe

PROMPT = {"task.prompt", "task.shots", "task.language", "task.system", "task.chat_template"}
ANOTHER_START = {"model", "task.date", "task.forms", *PROMPT}  # and all of embedded and supervised
EVALUATED_OTHERWISE = {
    "evaluation.decoding_samples",
    "evaluation.decoding_temperatures",
    "evaluation.max_tokens",
    "evaluation.samples",
    "evaluation.temperature",
    "evaluation.top_p",
    "task.checker",
    "task.checker_command",
    "task.checker_folders",
    "task.tool_output_tokens",
    "task.tool_turns",
}
OTHER_VALUES = {
    "source.guide": "model:prm",
    "task.checker_folders": ["proofs"],
    "task.forms": [["words", 0.5], ["program", 0.5]],
}
SAME_START = {
    "checkpoint_every",
    "evaluation.chunk_problems",
    "evaluation.curve_samples",
    "evaluation.every",
    "reward",
    "reward_noise.false_negative",
    "reward_noise.false_positive",
    "reward_noise.kind",
    "source.branching",
    "source.budget",
    "source.guide",
    "source.problems",
    "source.search",
    "source.width",
    "task.step_reward",
    "task.train_problems",
}


def with_own_start(path: str) -> bool:
    return path in ANOTHER_START | EVALUATED_OTHERWISE or path.split(".")[0] in ("embedded", "supervised", "engine")


def only(*names: str) -> Recipe:
    return replace(recipe(), arms=select_arms(recipe(), names))


def test_every_field_of_a_recipe_is_one_or_the_other() -> None:
    for path in recipe_fields(recipe()):
        assert (path in SAME_START) + with_own_start(path) + (path in PROBLEM_FIELDS) == 1, path


def another(value: Any, hint: Any) -> Any:
    """A value of the field's type that differs from what it holds."""
    doubled = [2 * value] if isinstance(value, int | float) and not isinstance(value, bool) else []
    members = [choice for part in (hint, *get_args(hint)) for choice in get_args(part)]
    tried = [0.5] if value in (0.0, 1.0) else []
    for candidate in [*tried, *doubled, *get_args(hint), *members, 2, "2026-01-01", True, [0.5]]:
        if candidate != value and fits(candidate, hint):
            return candidate
    raise AssertionError(f"no other value of {hint}")


def value_of(base: Recipe, path: str) -> Any:
    owner: Any = base
    for part in path.split("."):
        owner = getattr(owner, part)
    return owner


@pytest.mark.parametrize("path", sorted(set(recipe_fields(recipe())) - set(PROBLEM_FIELDS) - {"model"}))
def test_an_arm_is_compared_with_its_own_start_under_the_same_evaluation(path: str) -> None:
    base = only("grpo")
    if path == "supervised.epochs":  # a training ends by its epochs or by its target
        assert base.supervised is not None
        base = replace(base, supervised=replace(base.supervised, epochs=1, target_pass_at_1=None))
    if path.startswith("task.tool_"):
        base = replace(base, task=replace(base.task, prompt="bare_tool"))
    value = OTHER_VALUES.get(path) or another(value_of(base, path), recipe_fields(base)[path])
    arms = grid_arms(base, [parse_varied(f"{path}={json.dumps(value)}")])
    swept = replace(base, arms={**base.arms, **arms})
    [name] = arms
    jobs = {job.name: job for job in plan_jobs(swept, Path("out"), evaluate_start=True)}
    [run] = [job for job in jobs.values() if isinstance(job, RunJob) and job.config.arm == name]
    start_name = start_arms(swept)[name]
    assert (start_name != START_ARM) is with_own_start(path)
    assert start_arms(swept)["grpo"] == START_ARM
    [start] = [job for job in jobs.values() if isinstance(job, EvaluationJob) and job.config.arm == start_name]
    assert start.start == run.start, "the policy that is evaluated is the one that the arm starts from"
    measured = ("samples", "temperature", "top_p", "max_tokens", "split", "problems")
    assert [getattr(start.config.evaluation, field) for field in measured] == [
        getattr(run.config.evaluation, field) for field in measured
    ]
    assert (start.config.engine, start.config.model) == (run.config.engine, run.config.model)
    about = _description(swept, list(jobs.values()), True, {})
    against = [each for each in about["contrasts"] if each["plus"] == [name]]
    # Where all arms share the start, they are compared with it at its best temperature.
    assert [each["minus"] for each in against] == [[start_name if with_own_start(path) else TUNED_START]]
    if with_own_start(path):
        assert about["starts"] == {name: start_name}
        if path.split(".")[0] in ("embedded", "supervised") or path in PROMPT:
            assert len([job for job in jobs.values() if isinstance(job, StartJob)]) == 2
    else:
        assert about["starts"] == {}


def test_the_field_of_the_story() -> None:
    """1,800 steps of SFT stood as baseline for arms whose own start had 80."""
    base = only("grpo")
    assert find_field(base, "supervised.max_steps") == "supervised.max_steps"
    swept = replace(base, arms=grid_arms(base, [parse_varied("supervised.max_steps=8,16")]))
    assert start_arms(swept) == {
        f"grpo supervised.max_steps={steps}": f"sft_start supervised.max_steps={steps}" for steps in (8, 16)
    }
