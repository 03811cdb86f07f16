"""What a comparison keeps when it is gone on with: threads, the day that prompts print; and what may differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

import experiments.schedule.compare
from experiments.recipes.arms import select_arms
from experiments.recipes.config import Recipe, TaskConfig
from experiments.records.lock import lock_folder
from experiments.records.same import ConfigMismatchError
from experiments.runs.problems import load_problems
from experiments.runs.prompts import render_prompts
from experiments.schedule.compare import ReadOnlyError, compare
from experiments.schedule.plan import is_run
from experiments.schedule.progress import Board
from tests.experiments.miniature import recipe
from training.models.embedded import build_embedded_tokenizer

Start = Callable[..., dict[str, Any]]


@pytest.fixture
def start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Start:
    """A comparison that is started, and whose jobs are not run: what `run_jobs` was given."""

    def start(base: Recipe, *, workers: int = 2, cores: int = 4) -> dict[str, Any]:
        given: dict[str, Any] = {}
        monkeypatch.setattr(experiments.schedule.compare, "usable_cores", lambda: cores)
        monkeypatch.setattr(
            experiments.schedule.compare, "run_jobs", lambda jobs, **options: given.update(options, jobs=jobs)
        )
        compare(base, tmp_path, workers=workers, board=Board(None))
        (tmp_path / "runs" / "grpo-seed0").mkdir(parents=True, exist_ok=True)
        (tmp_path / "runs" / "grpo-seed0" / "metrics.jsonl").touch()  # something ran: nothing else binds
        return given

    return start


def test_a_comparison_goes_on_with_the_threads_it_had(start: Start, tmp_path: Path) -> None:
    """The last digits of sums depend on their number, so a run must not change it half way."""
    small = replace(recipe(), arms=select_arms(recipe(), ["grpo"]))
    assert start(small, workers=2, cores=4)["threads"] == 2
    assert start(small, workers=1, cores=4)["threads"] == 2
    assert start(small, workers=4, cores=16)["threads"] == 2
    (tmp_path / "machine.json").unlink()
    assert start(small, workers=1, cores=4)["threads"] == 4


def test_a_comparison_goes_on_with_the_day_it_was_started(start: Start, tmp_path: Path) -> None:
    small = replace(recipe(), arms=select_arms(recipe(), ["grpo"]))
    started = start(replace(small, task=replace(small.task, date="2024-02-29")))
    again = start(small)
    assert {job.config.task.date for job in started["jobs"]} == {"2024-02-29"}
    assert again["jobs"] == started["jobs"]
    assert json.loads((tmp_path / "recipe.json").read_text())["task"]["date"] == "2024-02-29"
    with pytest.raises(ConfigMismatchError, match=r"task\.date is '2024-02-29' there and '2024-03-01' here"):
        start(replace(small, task=replace(small.task, date="2024-03-01")))


def test_templates_print_the_day_of_the_task() -> None:
    tokenizer: PreTrainedTokenizerFast = build_embedded_tokenizer()
    tokenizer.chat_template = "{{ strftime_now('%d%m%Y') }}"
    task = TaskConfig(benchmark="arithmetic", prompt="chain_of_thought", date="2024-02-29")
    problems = load_problems(task, "test", 2)
    assert [tokenizer.decode(list(prompt.ids)) for prompt in render_prompts(problems, task, tokenizer)] == [
        "29022024"
    ] * 2
    with pytest.raises(ValueError, match=r"task\.date is 'monday'; expected a day"):
        replace(task, date="monday")


def test_the_size_of_a_piece_may_change_and_nothing_else(start: Start) -> None:
    """No result depends on it, and a run that ran out of memory must be able to go on with less."""
    small = replace(recipe(), arms=select_arms(recipe(), ["grpo"]))

    def with_training(**changes: Any) -> Recipe:
        arm = small.arms["grpo"]
        return replace(small, arms={"grpo": replace(arm, training=replace(arm.training, **changes))})

    start(small)
    start(with_training(microbatch_size=3, microbatch_tokens=100))
    with pytest.raises(ConfigMismatchError, match=r"learning_rate is 0\.0002 there and 0\.5 here"):
        start(with_training(microbatch_size=3, learning_rate=0.5))


def test_fewer_arms_than_a_comparison_was_begun_with_are_refused_with_what_can_be_done(
    start: Start, tmp_path: Path
) -> None:
    two = replace(recipe(), arms=select_arms(recipe(), ["grpo", "dpo"]))
    start(two)
    with pytest.raises(ConfigMismatchError) as refused:
        start(replace(two, arms={"grpo": two.arms["grpo"]}))
    message = str(refused.value)
    assert "holds a comparison of 2 arms, of which dpo is not asked for" in message
    assert f"`coeflab report {tmp_path}`" in message
    assert "`coeflab compare --algorithm grpo --algorithm dpo`" in message
    start(replace(two, arms={**two.arms, "rft": recipe().arms["rft"]}))  # more are welcome


def test_a_finished_comparison_that_cannot_be_written_is_checked_and_left_as_it_is(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(recipe(), arms=select_arms(recipe(), ["grpo"]))
    jobs = start(small)["jobs"]
    (tmp_path / ".lock").unlink(missing_ok=True)
    monkeypatch.setattr("experiments.records.lock.os.access", lambda path, mode: False)
    with pytest.raises(ReadOnlyError, match=r"cannot be written, and 2 of its runs are not finished \(sft_start-seed0"):
        start(small)
    for job in jobs:
        if is_run(job):
            (tmp_path / "runs" / job.name).mkdir(exist_ok=True)
            (tmp_path / "runs" / job.name / "finished.json").write_text("{}")
    before = {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]}
    monkeypatch.setattr(experiments.schedule.compare, "run_jobs", lambda *jobs, **options: pytest.fail("a job was run"))
    with lock_folder(tmp_path):
        compare(small, tmp_path, workers=1, board=Board(None))
        with pytest.raises(ConfigMismatchError, match="already holds a run with another configuration"):
            compare(replace(small, seeds=(0, 1)), tmp_path, workers=1, board=Board(None))
    assert {path: path.stat().st_mtime_ns for path in [tmp_path, *tmp_path.rglob("*")]} == before
