"""A start policy is asked validation problems too, at every temperature, and nothing else of its run changes."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis import load_comparison
from analysis.records.decoding import validated_samples
from benchmarks.arithmetic import split_of
from experiments.inspection.twins import twin_lines
from experiments.recipes.config import EvaluationConfig, Recipe, TaskConfig
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import EvaluationJob, RunJob
from experiments.runs.problems import load_validation
from experiments.schedule.door import check_recipe
from experiments.schedule.estimate import EMBEDDED, job_costs
from experiments.schedule.plan import plan_jobs
from tests.experiments.records.test_extension import asked
from tests.experiments.runs.test_faults import PowerCut
from tests.training.small_run import save_start

SAMPLERS = SamplerCache()
FILES = ("samples.parquet", "decoding/temperature-0.parquet", "decoding/temperature-0.4.parquet")


def small(tmp_path: Path, **evaluation: Any) -> Recipe:
    """One arm that draws, two problems, one further; at temperatures 1, 0.4 and greedily."""
    of = {"temperature": 1.0, "decoding_temperatures": (0.0, 0.4, 1.0), "decoding_samples": 2, "chunk_problems": 1}
    of |= {"further_benchmarks": ("arithmetic-long",), "further_problems": 1, "every": 0}
    few = asked(steps=1, **{**of, **evaluation})
    model = tmp_path / "model"
    few = replace(few, model=str(model if model.exists() else save_start(model)), supervised=None)
    return replace(few, arms={"grpo": few.arms["grpo"]})


def done(recipe: Recipe, out: Path, report: Callable[..., None] = lambda *progress: None) -> Path:
    """The folder of the evaluated start policy; the report may cut the power."""
    with suppress(PowerCut):
        for job in plan_jobs(check_recipe(recipe), out, evaluate_start=True):
            if isinstance(job, EvaluationJob):
                job.run(SAMPLERS, report)
    return out / "runs" / "sft_start-seed0"


def validation(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.name: pd.read_parquet(path) for path in sorted((folder / "decoding").glob("validation-*.parquet"))}


def test_every_temperature_has_samples_of_validation_problems(tmp_path: Path) -> None:
    folder = done(small(tmp_path), tmp_path / "out")
    found = validation(folder)
    assert {name: len(rows) for name, rows in found.items()} == {
        "validation-0.parquet": 3,
        "validation-0.4.parquet": 6,
        "validation-1.parquet": 6,
    }
    for rows in found.values():
        assert {split_of(question) for question in rows["question"]} == {"validation"}
        assert sorted(set(rows["benchmark"])) == ["arithmetic", "arithmetic-long"]
    assert {name for name in json.loads((folder / "finished.json").read_text())["sha256"] if "validation" in name} == {
        f"decoding/{name}" for name in found
    }
    [run] = load_comparison(folder).runs
    assert {each: len(rows) for each, rows in validated_samples(run).items()} == {0.0: 3, 0.4: 6, 1.0: 6}
    cost = job_costs(plan_jobs(small(tmp_path), tmp_path, evaluate_start=True), EMBEDDED)[0]
    assert cost.evaluation_completions == 3 * (3 + 2 + 1) + 3 * (2 + 2 + 1)


def test_nothing_else_of_the_run_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = done(small(tmp_path), tmp_path / "out")
    with monkeypatch.context() as patch:
        patch.setattr(EvaluationConfig, "tuning", property(lambda self: {}))
        theirs = done(small(tmp_path), tmp_path / "without")
    assert not validation(theirs)
    for name in FILES:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name
    for pair in ((ours, theirs), (theirs, ours)):  # an earlier version has no such samples, and parts in nothing
        assert twin_lines(*pair)[-1] == "1 of 1 are the same to the last bit, times aside."


def test_a_killed_evaluation_goes_on_to_the_same_samples(tmp_path: Path) -> None:
    """Cut off while the second of three problems is asked at the first temperature, twice each."""
    whole = done(small(tmp_path), tmp_path / "whole")

    def cut(what: str, done: float, total: float, unit: str) -> None:
        if "validation" in unit:
            assert total == 6
            if done > 2:
                raise PowerCut

    halted = done(small(tmp_path), tmp_path / "halted", cut)
    assert {name: len(rows) for name, rows in validation(halted).items()} == {"validation-1.parquet": 2}
    assert not (halted / "finished.json").exists()
    done(small(tmp_path), tmp_path / "halted")
    for name, rows in validation(whole).items():
        pd.testing.assert_frame_equal(rows, validation(halted)[name])


@pytest.mark.parametrize("changed", [{"split": "validation"}, {"decoding_temperatures": ()}])
def test_there_is_no_choice_without_other_problems_or_other_temperatures(
    changed: dict[str, Any], tmp_path: Path
) -> None:
    assert not validation(done(small(tmp_path, **changed), tmp_path / "out"))


def test_an_arm_that_trains_is_not_asked(tmp_path: Path) -> None:
    for job in plan_jobs(check_recipe(small(tmp_path)), tmp_path / "out", evaluate_start=True):
        if isinstance(job, RunJob):
            job.run(SAMPLERS, lambda *progress: None)
    assert (tmp_path / "out" / "runs" / "grpo-seed0" / "decoding" / "temperature-0.parquet").is_file()
    assert not validation(tmp_path / "out" / "runs" / "grpo-seed0")


def test_a_benchmark_without_validation_problems_is_named(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    own.write_text(json.dumps({"question": "1+1=", "answer": "2"}) + "\n")
    evaluation = EvaluationConfig(further_benchmarks=(str(own),), problems=5)
    problems, absent = load_validation(TaskConfig(benchmark="arithmetic"), evaluation)
    assert [problem.benchmark for problem in problems] == ["arithmetic"] * 5
    assert list(absent) == [str(own)]
    assert "one list of problems" in absent[str(own)]
    many, _ = load_validation(TaskConfig(benchmark="arithmetic"), replace(evaluation, problems=None))
    assert len(many) == 200
