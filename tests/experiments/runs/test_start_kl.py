"""Every run that trains tells how far its policy is from its start, and is in all else what it was without."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

from analysis import load_comparison
from analysis.records.schema import TIME_COLUMNS
from analysis.statistics.curves import diagnostic_traces
from benchmarks.problem import Problem
from experiments.recipes.config import Recipe
from experiments.records.config import RunConfig
from experiments.records.samples import NumberFile, SampleFile
from experiments.runs import evaluation, live_evaluation, start_kl
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import RunJob
from experiments.runs.start_kl import StartKl, measured_from_start
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs
from sampling.rollout import Rollout
from tests.experiments.records.test_extension import REWARD, asked
from tests.experiments.runs.test_faults import PowerCut
from tests.experiments.runs.test_run import run_config
from tests.training.small_run import save_start
from tests.training.test_resume import cut
from training.models.policy import load_policy

KEYS = ["step", "benchmark", "problem_id", "sample_index"]
ARMS = ("continued_sft", "rft", "grpo")  # demonstrations, offline, online
TEMPERATURE = 0.7
SAMPLERS = SamplerCache()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a start policy and a reward that an untrained model does not always miss."""
    place = tmp_path_factory.mktemp("place")
    save_start(place / "start")
    (place / "reward.py").write_text(REWARD)
    return place


def small(place: Path, **changed: Any) -> Recipe:
    """Three steps, evaluated at 0, 2 and 3; the first two of three samples are measured, at the temperature of all."""
    few = asked(steps=3, chunk_problems=1, temperature=TEMPERATURE, decoding_temperatures=(0.0,), **changed)
    return replace(few, model=str(place / "start"), supervised=None, reward=f"{place / 'reward.py'}:reward")


def done(recipe: Recipe, arm: str, out: Path, report: Callable[..., None] = lambda *progress: None) -> Path:
    """The folder of the arm's run, in which the report may cut the power."""
    for job in plan_jobs(check_recipe(replace(recipe, arms={arm: recipe.arms[arm]})), out, evaluate_start=False):
        with suppress(PowerCut):
            job.run(SAMPLERS, report if isinstance(job, RunJob) else lambda *progress: None)
    return out / "runs" / f"{arm}-seed0"


@pytest.fixture(scope="module")
def drawn() -> list[tuple[str, int, Rollout]]:
    """(arm, step, completion) of what the runs of `whole` drew; texts do not say which tokens they were."""
    return []


@pytest.fixture(scope="module")
def whole(place: Path, drawn: list[tuple[str, int, Rollout]]) -> dict[str, Path]:
    add = SampleFile.add
    folders = {}
    for arm in ARMS:

        def noted(self: SampleFile, step: int, judged: Any, arm: str = arm) -> None:
            if self.path.name == "samples.parquet":
                drawn.extend((arm, step, rollout) for rollout, *_ in judged)
            add(self, step, judged)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(SampleFile, "add", noted)
            folders[arm] = done(small(place), arm, place / "whole" / arm)
    return folders


def numbers(folder: Path) -> pd.DataFrame:
    return pd.read_parquet(folder / "start_kl.parquet")


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIME_COLUMNS} for row in lines]


def same_files(ours: Path, theirs: Path, *names: str) -> None:
    for name in names:
        assert (ours / name).read_bytes() == (theirs / name).read_bytes(), name


def by_plain_transformers(folder: Path, start: Path, rollout: Rollout) -> float:
    """k3 of one sample, token by token, from the whole logits of the last checkpoint and of the start."""
    policy, first = load_policy(start), load_policy(start)
    weights = load_file(folder / "checkpoints" / "step-000003" / "model.safetensors")
    policy.model.load_state_dict(weights, strict=False)
    ids, written = rollout.prompt_ids, rollout.completion_ids
    total = 0.0
    with torch.no_grad():
        ours, theirs = (
            (each.model(torch.tensor([[*ids, *written]])).logits[0].double() / TEMPERATURE).log_softmax(-1)
            for each in (policy, first)
        )
    for place, token in enumerate(written, start=len(ids) - 1):
        log_r = theirs[place, token] - ours[place, token]
        total += float(log_r.exp() - log_r - 1)
    return total


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_that_trains_tells_how_far_it_went(
    arm: str, place: Path, whole: dict[str, Path], drawn: list[tuple[str, int, Rollout]]
) -> None:
    held, samples = numbers(whole[arm]), pd.read_parquet(whole[arm] / "samples.parquet")
    measured = samples.loc[samples["sample_index"] < 2]
    assert sorted(held[KEYS].to_numpy().tolist()) == sorted(measured[KEYS].to_numpy().tolist())
    assert sorted(set(held["step"])) == [0, 2, 3]
    assert (held.loc[held["step"] == 0, "start_kl"] == 0.0).all()
    assert (held.loc[held["step"] > 0, "start_kl"] > 0.0).all()
    found = held.set_index(KEYS)["start_kl"].to_dict()
    last = [each for name, step, each in drawn if (name, step) == (arm, 3) and each.sample_index < 2]
    assert len(last) == 4
    for rollout in last:
        key = (3, rollout.problem.benchmark, rollout.problem.problem_id, rollout.sample_index)
        expected = by_plain_transformers(whole[arm], place / "start", rollout)
        assert found[key] == pytest.approx(expected, rel=1e-3, abs=1e-6)
    [trace] = [each for each in diagnostic_traces(load_comparison(whole[arm])) if each.quantity == "start_kl"]
    assert trace.step_X.tolist() == [0, 2, 3]
    assert trace.mean_X.tolist() == pytest.approx(
        [held.loc[held["step"] == step, "start_kl"].mean() for step in (0, 2, 3)]
    )


@pytest.mark.parametrize("arm", ["rft", "grpo"])
def test_nothing_else_of_a_run_changes(
    arm: str, place: Path, whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_evaluation, "measured_from_start", lambda *ignored: None)
    without = done(small(place), arm, tmp_path)
    assert {path.name for path in whole[arm].iterdir()} - {path.name for path in without.iterdir()} == {
        "start_kl.parquet"
    }
    same_files(without, whole[arm], "samples.parquet", "decoding/temperature-0.parquet", "prompts.jsonl")
    assert rows(without) == rows(whole[arm])
    for step in (2, 3):
        same_files(without, whole[arm], f"checkpoints/step-00000{step}/model.safetensors")


@pytest.mark.parametrize(
    ("kind", "stop"),
    [(SampleFile, 2), (SampleFile, 4), (SampleFile, 6), (NumberFile, 1), (NumberFile, 3), (NumberFile, 5)],
)
def test_a_killed_evaluation_goes_on_to_the_same_files(
    kind: Any, stop: int, place: Path, whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two problems in chunks of one, at steps 0, 2 and 3; the power goes before the n-th writing of a file."""
    count, add = 0, kind.add

    def until(self: Any, *args: Any, **options: Any) -> None:
        nonlocal count
        count += 1
        if count == stop:
            raise PowerCut
        add(self, *args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(kind, "add", until)
        killed = done(small(place), "rft", tmp_path)
    assert not (killed / "finished.json").exists()
    same = done(small(place), "rft", tmp_path)
    assert (same / "finished.json").exists()
    same_files(same, whole["rft"], "samples.parquet", "start_kl.parquet")


def test_the_seconds_of_measuring_are_accounted_for_those_before_a_kill_too(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two problems in chunks of one, measured at steps 2 and 3 by a clock that nothing else moves: 100 s each time."""
    keep, add, now, count = StartKl.keep, SampleFile.add, 0.0, 0

    def slow(self: StartKl, *args: Any) -> None:
        nonlocal now
        now += 100.0
        keep(self, *args)

    def until(self: SampleFile, *args: Any) -> None:
        nonlocal count
        count += 1
        if count == 6:  # the second problem of the last evaluation: measured, and not written
            raise PowerCut
        add(self, *args)

    monkeypatch.setattr(evaluation, "time", SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(StartKl, "keep", slow)
    with monkeypatch.context() as patch:
        patch.setattr(SampleFile, "add", until)
        folder = done(small(place), "rft", tmp_path)
    assert json.loads((folder / "evaluation.json").read_text())["start_kl_seconds"] == 300.0
    done(small(place), "rft", tmp_path)
    finished = json.loads((folder / "finished.json").read_text())
    assert finished["start_kl_seconds"] == 400.0
    assert finished["evaluation"]["seconds"] == 0.0, "of sampling alone"


def test_a_run_that_goes_back_forgets_what_it_measured_later(
    place: Path, whole: dict[str, Path], tmp_path: Path
) -> None:
    shutil.copytree(whole["grpo"].parents[1], tmp_path / "copy")
    copy = tmp_path / "copy" / "runs" / "grpo-seed0"
    (copy / "finished.json").unlink()
    for step in (2, 3):
        shutil.rmtree(copy / "checkpoints" / f"step-00000{step}")

    def report(*progress: Any) -> None:
        raise PowerCut

    done(small(place), "grpo", tmp_path / "copy", report)
    assert set(numbers(copy)["step"]) == {0}
    done(small(place), "grpo", tmp_path / "copy")
    same_files(copy, whole["grpo"], "samples.parquet", "start_kl.parquet")


def test_what_was_drawn_without_is_not_drawn_again_for_it(
    place: Path, whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run of an earlier version, stopped within its last evaluation: that goes on without; the curve has none."""
    with monkeypatch.context() as patch:
        patch.setattr(live_evaluation, "measured_from_start", lambda *ignored: None)
        add, count = SampleFile.add, 0

        def until(self: Any, *args: Any) -> None:
            nonlocal count
            count += 1
            if count == 6:  # the second problem of the last evaluation
                raise PowerCut
            add(self, *args)

        patch.setattr(SampleFile, "add", until)
        old = done(small(place), "rft", tmp_path)
    steps: list[int] = []

    def noted(self: SampleFile, step: int, judged: Any) -> None:
        steps.append(step)
        add(self, step, judged)

    monkeypatch.setattr(SampleFile, "add", noted)
    done(small(place), "rft", tmp_path)
    assert steps == [3, 3, 3], "the problem that was left, and both greedily"
    assert not (old / "start_kl.parquet").exists()
    same_files(old, whole["rft"], "samples.parquet")
    assert "start_kl" not in {trace.quantity for trace in diagnostic_traces(load_comparison(old))}


def test_a_damaged_file_is_told_and_costs_no_sample(place: Path, whole: dict[str, Path], tmp_path: Path) -> None:
    shutil.copytree(whole["rft"].parents[1], tmp_path / "copy")
    copy = tmp_path / "copy" / "runs" / "rft-seed0"
    cut(copy / "start_kl.parquet")
    done(small(place), "rft", tmp_path / "copy")
    told = json.loads((copy / "finished.json").read_text())["notes"]
    assert any("start_kl.parquet is damaged" in note and "not measured again" in note for note in told), told
    same_files(copy, whole["rft"], "samples.parquet")


def test_without_room_for_the_start_policy_the_run_goes_on(
    place: Path, whole: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*args: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(start_kl, "load_policy", no_room)
    with pytest.warns(RuntimeWarning, match="no room for the start policy"):
        folder = done(small(place), "rft", tmp_path)
    assert set(numbers(folder)["step"]) == {0}
    same_files(folder, whole["rft"], "samples.parquet")
    assert "start_kl" not in {trace.quantity for trace in diagnostic_traces(load_comparison(folder))}


def of(config: RunConfig, problems: int) -> StartKl | None:
    every: Any = [
        (Problem(problem_id=str(index), benchmark="b", question="q", gold_answer="1"), None)
        for index in range(problems)
    ]
    return measured_from_start(None, Path(), config, every)  # type: ignore[arg-type]


@pytest.mark.parametrize(("problems", "measured"), [(1, 16), (32, 512), (33, 495), (400, 400), (512, 512), (1319, 512)])
def test_at_most_512_completions_are_measured(problems: int, measured: int) -> None:
    config = run_config()
    found = of(replace(config, evaluation=replace(config.evaluation, curve_samples=16)), problems)
    assert found is not None and sum(found.samples_of.values()) == measured
    assert len(set(found.samples_of.values())) == 1, "as many of each problem"


@pytest.mark.parametrize("changed", [{"temperature": 0.0}, {"top_p": 0.9}])
def test_greedy_and_nucleus_evaluations_have_none(changed: dict[str, float]) -> None:
    config = run_config()
    assert of(config, 3) is not None
    assert of(replace(config, evaluation=replace(config.evaluation, **changed)), 3) is None  # type: ignore[arg-type]
    assert of(replace(config, training=None), 3) is None
