"""What a run refuses, what it takes from elsewhere, and which engine it samples with."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import experiments.records.environment
import experiments.records.folder
import experiments.schedule.compare
from analysis import comparison_text, load_comparison
from experiments.commands.options import keep_coefficients
from experiments.inspection.rollouts import write_coefficients
from experiments.recipes.arms import select_arms
from experiments.recipes.catalogue import build_recipe
from experiments.recipes.config import Recipe
from experiments.recipes.grid import grid_arms, parse_varied
from experiments.records.config import OfflineConfig, RunConfig
from experiments.records.folder import RunFolder
from experiments.records.same import ConfigMismatchError, to_json, write_json
from experiments.runs.engines import SamplerCache
from experiments.runs.jobs import RunJob
from experiments.runs.offline import draw_offline
from experiments.runs.start_policy import StartPolicy
from experiments.schedule.compare import compare
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs, start_folder_name
from experiments.schedule.progress import Board
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from tests.experiments.miniature import recipe
from training.models.embedded import EmbeddedModelConfig, build_embedded_model, build_embedded_tokenizer
from training.models.policy import Policy, load_policy

SLOW_ENGINE = EngineConfig(name="transformers", vllm=VllmConfig(dtype="float32"))


def save_model(folder: Path, **size: int) -> Path:
    small = EmbeddedModelConfig(hidden_size=32, num_layers=1, intermediate_size=48, num_heads=2)
    config = replace(small, **size)  # type: ignore[arg-type]
    model, tokenizer = build_embedded_model(config, seed=0), build_embedded_tokenizer()
    Policy(model=model, tokenizer=tokenizer, eos_token_ids=(2,), pad_token_id=0).save(folder)
    return folder


def run_config(arm: str = "grpo", **changes: Any) -> RunConfig:
    base = replace(recipe(), engine=SLOW_ENGINE)
    config = RunConfig(
        recipe="miniature",
        arm=arm,
        seed=0,
        algorithm=base.arms[arm].algorithm,
        settings={},
        training=base.arms[arm].training,
        model=None,
        task=base.task,
        evaluation=base.evaluation,
        engine=base.engine,
    )
    return replace(config, **changes)


def run_job(start: Path, folder: Path, arm: str = "grpo", **changes: Any) -> RunJob:
    config = run_config(arm, **changes)
    return RunJob(name=arm, config=config, start=StartPolicy(model=str(start)), folder=folder)


def nothing(*progress: Any) -> None:
    pass


def test_one_engine_serves_models_that_differ_in_their_weights_only(tmp_path: Path) -> None:
    """Heads and positions show in no weight's shape: an engine of other heads computes something else."""
    first, twin = save_model(tmp_path / "first"), save_model(tmp_path / "twin")
    samplers = SamplerCache()
    engine = samplers.get(SLOW_ENGINE, first, load_policy(first))
    assert samplers.get(SLOW_ENGINE, twin, load_policy(twin)) is engine
    for name, size in (("heads", {"num_heads": 4}), ("positions", {"max_length": 48})):
        other = save_model(tmp_path / name, **size)
        assert samplers.get(SLOW_ENGINE, other, load_policy(other)) is not engine
        engine = samplers.get(SLOW_ENGINE, first, load_policy(first))


def test_a_model_that_was_just_made_and_the_same_one_loaded_share_an_engine(tmp_path: Path) -> None:
    """So that the runs of the embedded comparison need not build another one after their start policy."""
    config = EmbeddedModelConfig(hidden_size=32, num_layers=1, intermediate_size=48, num_heads=2)
    model, tokenizer = build_embedded_model(config, seed=0), build_embedded_tokenizer()
    made = Policy(model=model, tokenizer=tokenizer, eos_token_ids=(2,), pad_token_id=0)
    made.save(tmp_path)
    samplers = SamplerCache()
    assert samplers.get(SLOW_ENGINE, tmp_path, made) is samplers.get(SLOW_ENGINE, tmp_path, load_policy(tmp_path))


def test_the_last_policy_is_asked_further_benchmarks_and_no_number_of_the_first_moves(tmp_path: Path) -> None:
    start = save_model(tmp_path / "start")
    plain = run_job(start, tmp_path / "plain")
    asked = replace(run_config().evaluation, further_benchmarks=("arithmetic-long",), further_problems=3)
    further = run_job(start, tmp_path / "further", evaluation=asked)
    for job in (plain, further):
        job.run(SamplerCache(), nothing)
    without, held = (pd.read_parquet(job.folder / "samples.parquet") for job in (plain, further))
    long = held["benchmark"] == "arithmetic-long"
    assert set(held[long]["step"]) == {3}
    assert len(held[long]) == 3 * asked.samples
    assert {question.count("(") for question in held[long]["question"]} == {4}, "five operations"
    pd.testing.assert_frame_equal(pd.DataFrame(held[~long]).reset_index(drop=True), without)
    greedy = pd.read_parquet(further.folder / "decoding" / "temperature-0.parquet")
    assert greedy["benchmark"].value_counts().to_dict() == {"arithmetic": 6, "arithmetic-long": 3}
    finished = [json.loads((job.folder / "finished.json").read_text()) for job in (plain, further)]
    assert finished[0]["pass_at_1"] == finished[1]["pass_at_1"] == (without["verdict"] == "CORRECT")[-24:].mean()
    comparison = load_comparison(further.folder)
    assert comparison.benchmarks == ("arithmetic", "arithmetic-long")
    assert "arithmetic-long: 3 problems" in comparison_text(comparison)


def test_arms_take_their_first_point_from_the_evaluation_of_their_own_model() -> None:
    base = replace(recipe(), model="models/one", supervised=None, arms=select_arms(recipe(), ["grpo"]))
    base = replace(base, arms=grid_arms(base, [parse_varied("model=models/one,models/two")]))
    jobs = plan_jobs(base, Path("out"), evaluate_start=True)
    taken = {job.config.model: job.evaluated_start for job in jobs if isinstance(job, RunJob)}
    runs = Path("out/runs")
    assert taken == {"models/one": runs / "sft_start-seed0", "models/two": runs / "sft_start_model=models_two-seed0"}


def test_coefficients_come_with_small_models_only(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    written = []
    monkeypatch.setattr(
        "experiments.inspection.rollouts.write_coefficients", lambda folder, **options: written.append(folder)
    )
    keep_coefficients(build_recipe("gsm8k-grpo", "cpu"), tmp_path / "real")
    mixed = replace(recipe(), arms=grid_arms(recipe(), [parse_varied("model=null,models/real")]))
    keep_coefficients(mixed, tmp_path / "mixed")
    assert written == []
    keep_coefficients(recipe(), tmp_path / "embedded")
    assert written == [tmp_path / "embedded"]


@pytest.mark.parametrize(
    ("vary", "model", "reference"),
    [
        (None, None, "out/start-seed0/checkpoints/step-000009"),
        ("supervised.decay_steps=7", None, "out/start_supervised.decay_steps=7-seed0/checkpoints/step-000009"),
        (None, "model", "model"),
    ],
)
def test_coefficients_refer_to_what_the_run_started_from(
    vary: str | None, model: str | None, reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(tmp_path / "model")
    out = tmp_path / "out"
    base = replace(recipe(), model=model, arms=select_arms(recipe(), ["grpo"]))
    base = base if vary is None else replace(base, arms=grid_arms(base, [parse_varied(vary)]))
    [(name, arm)] = base.arms.items()
    for start in ("start-seed0", start_folder_name(arm.overrides, 0)):
        (out / start / "checkpoints" / "step-000009").mkdir(parents=True, exist_ok=True)
    run = out / "runs" / f"{name}-seed0"
    (run / "checkpoints" / "step-000003").mkdir(parents=True)
    write_json(out / "recipe.json", to_json(base))
    write_json(run / "config.json", to_json(run_config(model=model)) | {"arm": name})
    write_json(run / "finished.json", {})
    asked = []

    def draw(checkpoint: Path, **options: Any) -> dict[str, Any]:
        asked.append(options["reference"])
        return {}

    monkeypatch.setattr("experiments.inspection.rollouts.draw_coefficients", draw)
    write_coefficients(out, max_tokens=5, seed=0)
    assert [path.resolve() for path in asked] == [tmp_path / reference]


def test_a_file_edited_while_other_jobs_run_is_not_trained_with(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def reward(rollout, verdict):\n    return 1.0\n")
    base = replace(recipe(), reward=f"{file}:reward", arms=select_arms(recipe(), ["grpo"]), engine=SLOW_ENGINE)
    job = plan_jobs(check_recipe(base), tmp_path / "out", evaluate_start=False)[-1]
    assert isinstance(job, RunJob)
    for edit in (lambda: file.write_text("def reward(rollout, verdict):\n    return -1.0\n"), file.unlink):
        edit()
        with pytest.raises(ValueError, match=r"mine\.py was edited since the comparison started"):
            job.run(SamplerCache(), nothing)  # before it looks for its start policy


def test_prompts_that_leave_no_room_for_training_completions_are_refused(tmp_path: Path) -> None:
    """Prompts of 21 tokens or fewer fill a model of 64 positions with 40 more, and not with 60."""
    start = save_model(tmp_path / "start", max_length=64)
    longer = replace(run_config().training, max_completion_tokens=60)  # type: ignore[type-var]
    message = r"completions may have 60 \(max_completion_tokens\); the model and the engine take 64 together"
    with pytest.raises(ValueError, match=message):
        run_job(start, tmp_path / "run", training=longer).run(SamplerCache(), nothing)
    offline = OfflineConfig(
        seed=0,
        start="start",
        task=recipe().task,
        engine=SLOW_ENGINE,
        steps=1,
        problems_per_step=2,
        group_size=2,
        temperature=1.0,
        max_completion_tokens=60,
    )
    with pytest.raises(ValueError, match=message):
        draw_offline(offline, start, tmp_path / "drawn.jsonl", SamplerCache(), nothing)
    draw_offline(replace(offline, max_completion_tokens=40), start, tmp_path / "drawn.jsonl", SamplerCache(), nothing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("train_problems=0", "0 problems of split 'train' are asked for; expected at least 1"),
        ("train_problems=3", "problems_per_step is 4; expected at most the number of training problems, 3"),
        ("checkpoint_every=0", "checkpoint_every is 0; expected at least 1"),
        ("evaluation.every=-1", "every is -1; expected steps between evaluations"),
        ("evaluation.top_p=1.5", r"top_p is 1\.5; expected a nucleus mass"),
        ("evaluation.temperature=-1", "temperature is -1; expected 0"),
    ],
)
def test_what_could_only_fail_later_is_refused_before_a_run(change: str, message: str) -> None:
    base = replace(recipe(), arms=select_arms(recipe(), ["grpo"]))
    with pytest.raises(ValueError, match=message):
        check_recipe(replace(base, arms=grid_arms(base, [parse_varied(change)])))


@pytest.fixture
def newer_checker(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def update() -> None:
        for module in (experiments.records.environment, experiments.records.folder, experiments.schedule.compare):
            monkeypatch.setattr(module, "CHECKER_VERSION", "of tomorrow")

    return update


def test_an_unfinished_run_is_not_judged_by_two_checkers(tmp_path: Path, newer_checker: Callable[[], None]) -> None:
    RunFolder(tmp_path / "stopped", run_config()).append({"step": 1})
    RunFolder(tmp_path / "finished", run_config()).finish({})
    RunFolder(tmp_path / "stopped", run_config())  # the same checker goes on
    newer_checker()
    RunFolder(tmp_path / "finished", run_config())
    with pytest.raises(ConfigMismatchError, match=r"stopped holds an unfinished run that was judged by version"):
        RunFolder(tmp_path / "stopped", run_config())


def test_no_arm_is_added_to_runs_of_another_checker(
    tmp_path: Path, newer_checker: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(
        "experiments.schedule.compare.run_jobs", lambda jobs, **options: started.append([job.name for job in jobs])
    )

    def start(base: Recipe) -> None:
        compare(check_recipe(base), tmp_path, workers=1, board=Board(None), evaluate_start=False)

    one = replace(recipe(), arms=select_arms(recipe(), ["rft"]))
    two = replace(recipe(), arms=select_arms(recipe(), ["rft", "grpo"]))
    start(one)
    RunFolder(tmp_path / "runs" / "rft-seed0", run_config("rft")).finish({})
    newer_checker()
    with pytest.raises(ConfigMismatchError, match=r"rft-seed0 by .*runs of different versions are not compared"):
        start(two)
    assert list(json.loads((tmp_path / "recipe.json").read_text())["arms"]) == ["rft"]
    start(one)  # nothing is left to do
    assert len(started) == 2


def test_what_was_refused_before_it_did_anything_binds_nobody(tmp_path: Path) -> None:
    """`evaluate` with too long completions failed, and then refused the corrected command."""
    asked = run_config()
    RunFolder(tmp_path, asked)
    corrected = replace(asked, evaluation=replace(asked.evaluation, max_tokens=8))
    folder = RunFolder(tmp_path, corrected)
    assert json.loads((tmp_path / "config.json").read_text())["evaluation"]["max_tokens"] == 8
    folder.append({"step": 1})
    with pytest.raises(ConfigMismatchError, match="already holds a run with another configuration"):
        RunFolder(tmp_path, asked)
