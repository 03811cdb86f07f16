"""Benchmarks and prompts of a user's own: problems are told apart, names and edits are watched."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from experiments.records.config import RunConfig
from experiments.records.folder import RunFolder
from experiments.records.same import ConfigMismatchError
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import EvaluationJob, RunJob
from experiments.runs.start_policy import StartPolicy
from experiments.schedule.door import check_recipe, evaluation_run
from experiments.schedule.plan import plan_jobs
from tests.experiments.miniature import recipe
from tests.experiments.runs.test_run import nothing, run_config, save_model


def test_problems_of_two_benchmarks_may_have_one_id(tmp_path: Path) -> None:
    """Whether they are asked in one chunk, one after the other, or only later: each keeps its samples."""
    start = save_model(tmp_path / "start")
    for name, operation in (("a", "+"), ("b", "-")):
        rows = [{"id": str(n), "question": f"{n}{operation}1", "answer": str(n)} for n in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = replace(recipe().task, benchmark=str(tmp_path / "a.jsonl"))
    alone = replace(recipe().evaluation, problems=None, samples=2, chunk_problems=2)
    both = replace(alone, further_benchmarks=(str(tmp_path / "b.jsonl"),))
    held = []
    for folder, asked in (("at_once", (both,)), ("later", (alone, both))):
        for evaluation in asked:
            config = run_config(task=task, evaluation=evaluation, training=None)
            job = EvaluationJob(
                name="a", config=config, start=StartPolicy(model=str(start)), folder=tmp_path / folder / "run"
            )
            job.run(SamplerCache(), nothing)
        held.append(pd.read_parquet(job.folder / "samples.parquet"))
    for samples in held:
        assert {key: len(rows) for key, rows in samples.groupby(["benchmark", "problem_id"])} == {
            (benchmark, str(n)): 2 for benchmark in "ab" for n in range(3)
        }
    pd.testing.assert_frame_equal(*held)


def test_a_file_of_problems_that_was_edited_is_refused(tmp_path: Path) -> None:
    """An answer that was changed under a run: of a file by splits, of a further benchmark. A file more is no edit."""
    start = save_model(tmp_path / "start")
    for name in ("train", "test", "b", "c"):
        rows = [{"id": str(n), "question": f"{name} {n}+1", "answer": str(n)} for n in range(3)]
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    task = replace(recipe().task, benchmark=str(tmp_path / "{split}.jsonl"))
    further = [str(tmp_path / f"{name}.jsonl") for name in "bc"]

    def run(count: int) -> RunFolder[RunConfig]:
        evaluation = replace(recipe().evaluation, problems=None, samples=1, further_benchmarks=tuple(further[:count]))
        config = evaluation_run(str(start), task, evaluation, run_config().engine, seed=0)
        assert len(config.files) == 2 + count, "train and test, and each further one"
        folder = tmp_path / "run"
        EvaluationJob(name="a", config=config, start=StartPolicy(model=str(start)), folder=folder).run(
            SamplerCache(), nothing
        )
        return RunFolder(folder, config)

    run(1)
    run(2)
    for name in ("test", "b"):
        file = tmp_path / f"{name}.jsonl"
        before = file.read_text()
        file.write_text(before.replace('"answer": "0"', '"answer": "7"'))
        with pytest.raises(ConfigMismatchError, match=rf"{name}\.jsonl is .* there and .* here"):
            run(2)
        file.write_text(before)
    run(2)


def test_a_run_of_a_comparison_knows_the_files_that_it_is_asked(tmp_path: Path) -> None:
    """So that an edit between two arms of one command is refused where the second one starts."""
    prompt = tmp_path / "prompt.txt"
    prompt.write_text("{question}")
    own = replace(recipe(), task=replace(recipe().task, prompt=str(prompt)))
    jobs = plan_jobs(check_recipe(own), tmp_path / "out", evaluate_start=True)
    asked = [job.config for job in jobs if isinstance(job, RunJob | EvaluationJob)]
    assert asked and all(str(prompt) in config.files for config in asked)


@pytest.mark.parametrize("further", ["arithmetic", "arithmetic.jsonl"])
def test_two_benchmarks_of_one_name_are_refused(tmp_path: Path, further: str) -> None:
    """Their samples could not be told apart: the report would refuse them when all is done."""
    (tmp_path / "arithmetic.jsonl").write_text('{"id": "1", "question": "1+1", "answer": "2"}\n')
    named = str(tmp_path / further) if "." in further else further
    twice = replace(recipe(), evaluation=replace(recipe().evaluation, further_benchmarks=(named,)))
    with pytest.raises(ValueError, match="called 'arithmetic' as 'arithmetic' is; expected benchmarks of different"):
        check_recipe(twice)
