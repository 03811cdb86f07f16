"""The jobs of a comparison, in order, each with what it takes from the jobs before it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from algorithms.interface import DataSource
from analysis.records.schema import START_ARM
from experiments.peers.jobs import TrlRunJob
from experiments.recipes.config import Recipe
from experiments.recipes.files import task_files
from experiments.recipes.plugins import learned_name, load_method
from experiments.records.config import OfflineConfig, RewardFitConfig, RunConfig, StartConfig
from experiments.records.same import to_json
from experiments.runs.jobs import EvaluationJob, Job, OfflineJob, RewardFitJob, RunJob, StartJob
from experiments.runs.start_policy import StartPolicy
from training.peers.methods import is_trl

__all__ = ["is_run", "own_start_of", "plan_jobs", "run_folder_name", "start_arms", "start_folder_name"]

# Fields of a recipe that make another start policy; arms that differ in anything else share it.
START_FIELDS = (
    "model",
    "embedded",
    "supervised",
    "task.benchmark",
    "task.data_dir",
    "task.prompt",
    "task.shots",
    "task.language",
    "task.system",
    "task.chat_template",
    "task.date",
    "task.forms",
)
# Fields that change what an evaluation measures: where an arm has another value, so has the evaluation of its start.
EVALUATION_FIELDS = (
    "evaluation.samples",
    "evaluation.temperature",
    "evaluation.top_p",
    "evaluation.max_tokens",
    "evaluation.decoding_temperatures",
    "evaluation.decoding_samples",
    "engine",
    "task.tool_turns",
    "task.tool_output_tokens",
    "task.checker",
    "task.checker_command",
    "task.checker_folders",
)


def plan_jobs(recipe: Recipe, out: Path, *, evaluate_start: bool) -> list[Job]:
    """The jobs of a comparison: each seed's start policy first, then what several arms share, then the arms.

    Args:
        recipe: what is compared.
        out: folder of the comparison.
        evaluate_start: also evaluate every start policy as its arms are evaluated (`start_arms`); the arms take their
            first point of the learning curve from it.

    Raises:
        ValueError: two arms would share a folder.
    """
    folders = {name: run_folder_name(name, 0) for name in recipe.arms}
    if len(set(folders.values())) != len(folders):
        raise ValueError(f"arms {list(recipe.arms)} need different names, special characters aside.")
    first: dict[str, Job] = {}
    shared: dict[str, Job] = {}
    runs: list[Job] = []
    starts = start_arms(recipe)
    for seed in recipe.seeds:
        evaluated: dict[str, EvaluationJob] = {}
        if evaluate_start:
            _evaluate_start(recipe, START_ARM, {}, seed, out, first, evaluated)
            for name, start_arm in starts.items():
                overrides = changed_by(recipe, recipe.arms[name].overrides)
                _evaluate_start(recipe, start_arm, overrides, seed, out, first, evaluated)
        for name, arm in recipe.arms.items():
            own = recipe.overridden(arm.overrides)
            start_of_arm = _start(recipe, changed_by(recipe, arm.overrides), seed, out, first)
            measured = evaluated.get(starts[name]) if own.evaluation.every else None
            config = RunConfig(
                **_common(own, seed, arm.algorithm),
                arm=name,
                algorithm=arm.algorithm,
                settings=arm.settings,
                training=arm.training,
                control=arm.control,
            )
            fits = {name: _reward_fit(config, name, start_of_arm, out, shared) for name in config.reward_models}
            offline = _offline(config, start_of_arm, fits, out, shared)
            runs.append(_run_job(config, out, start_of_arm, offline=offline, evaluated=measured, fits=fits))
    return [*first.values(), *shared.values(), *runs]


def start_arms(recipe: Recipe) -> dict[str, str]:
    """The arm that each arm is compared with: its own start policy, evaluated as it is itself.

    Called ``sft_start`` where that is the recipe's, and ``sft_start evaluation.max_tokens=32`` where an arm has another
    start policy or is evaluated otherwise.
    """
    return {name: _start_arm(changed_by(recipe, arm.overrides)) for name, arm in recipe.arms.items()}


def changed_by(recipe: Recipe, overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides that are not what the recipe holds anyway."""
    return {path: value for path, value in overrides.items() if recipe.overridden({path: value}) != recipe}


def _start_arm(overrides: Mapping[str, Any]) -> str:
    listed = "".join(
        f" {path}={value if isinstance(value, str) else json.dumps(value)}"
        for path, value in sorted(own_start_of(overrides).items())
    )
    return START_ARM + listed


def own_start_of(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """The overrides that give an arm another start policy, or another evaluation."""
    return {
        path: value
        for path, value in overrides.items()
        if any(path == field or path.startswith(f"{field}.") for field in (*START_FIELDS, *EVALUATION_FIELDS))
    }


def run_folder_name(arm: str, seed: int) -> str:
    """Folder of a run, and name of its job: the arm's name without what a path or a shell would stumble on."""
    name = re.sub(r"[^\w.=@+-]+", "_", arm)
    if len(name) > 150:
        name = f"{name[:140]}-{hashlib.sha256(arm.encode()).hexdigest()[:8]}"
    return f"{name}-seed{seed}"


def start_folder_name(overrides: Mapping[str, Any], seed: int) -> str:
    """Folder of the start policy that is trained for arms with these overrides, and name of its job."""
    label = "".join(f" {path}={json.dumps(value)}" for path, value in sorted(_of_start(overrides).items()))
    return run_folder_name(f"start{label}", seed)


def is_run(job: Job) -> bool:
    """True for a run with a folder of its own under ``runs/``."""
    return isinstance(job, RunJob | EvaluationJob)


def _run_job(
    config: RunConfig,
    out: Path,
    start: StartJob | None,
    *,
    offline: OfflineJob | None = None,
    evaluated: EvaluationJob | None = None,
    fits: Mapping[str, RewardFitJob],
) -> RunJob:
    """The job of one trained run in ``out/runs/``.

    Args:
        config: what it is.
        out: folder of the comparison.
        start: trains the start policy; ``None`` takes the run's model.
        offline: draws the completions of an offline method.
        evaluated: evaluates the start policy.
        fits: fit the reward models that it uses, by name.
    """
    name = run_folder_name(config.arm, config.seed)
    kind = TrlRunJob if is_trl(config.algorithm) else RunJob
    return kind(
        name=name,
        config=config,
        start=_policy_of(start, config.model),
        folder=out / "runs" / name,
        offline=None if offline is None else offline.file,
        evaluated_start=None if evaluated is None else evaluated.folder,
        reward_models={model: fit.folder for model, fit in fits.items()},
        after=tuple(job.name for job in (start, offline, evaluated, *fits.values()) if job is not None),
    )


def _evaluate_start(
    recipe: Recipe,
    name: str,
    overrides: dict[str, Any],
    seed: int,
    out: Path,
    jobs: dict[str, Job],
    evaluated: dict[str, EvaluationJob],
) -> None:
    """Add the job that evaluates the start policy of arms with these overrides, as the arm `name`."""
    if name in evaluated:
        return
    own = recipe.overridden(own_start_of(overrides))
    start = _start(recipe, overrides, seed, out, jobs)
    config = RunConfig(**_common(own, seed, "sft"), arm=name, algorithm="sft", settings={}, training=None)
    folder = run_folder_name(name, seed)
    jobs[folder] = evaluated[name] = EvaluationJob(
        name=folder,
        config=config,
        start=_policy_of(start, config.model),
        folder=out / "runs" / folder,
        after=() if start is None else (start.name,),
    )


def _policy_of(start: StartJob | None, model: str | None) -> StartPolicy:
    return StartPolicy(model=model) if start is None else StartPolicy(trained=start.folder)


def _of_start(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {
        path: value
        for path, value in overrides.items()
        if any(path == field or path.startswith(f"{field}.") for field in START_FIELDS)
    }


def _start(recipe: Recipe, overrides: dict[str, Any], seed: int, out: Path, jobs: dict[str, Job]) -> StartJob | None:
    """The job that trains the start policy of an arm with these overrides; ``None`` where a model is taken as it is."""
    changed = recipe.overridden(_of_start(overrides))
    if changed.supervised is None:
        return None
    name = start_folder_name(overrides, seed)
    config = StartConfig(
        seed=seed,
        embedded=changed.embedded,
        supervised=changed.supervised,
        task=changed.task,
        engine=changed.engine,
        max_tokens=changed.evaluation.max_tokens,
        arm=START_ARM,
        model=changed.model,
    )
    shards = {arm.training.shard for arm in recipe.arms.values()}
    job = StartJob(name=name, config=config, folder=out / name, shard="full" if "full" in shards else "none")
    jobs.setdefault(name, job)
    return job


def _offline(
    run: RunConfig, start: StartJob | None, fits: Mapping[str, RewardFitJob], out: Path, jobs: dict[str, Job]
) -> OfflineJob | None:
    """The job that draws what an offline arm trains on; arms that would draw the same share it."""
    training, seed = run.training, run.seed
    assert training is not None
    if load_method(run.algorithm, run.settings).data_source is not DataSource.OFFLINE:
        return None
    guide = None if run.source.guide is None else fits[str(learned_name(run.source.guide))]
    config = OfflineConfig(
        seed=seed,
        start=run.model or "" if start is None else start.name,
        task=run.task,
        engine=run.engine,
        steps=training.steps,
        problems_per_step=training.problems_per_step,
        group_size=training.group_size,
        temperature=training.temperature,
        max_completion_tokens=training.max_completion_tokens,
        demonstrated=run.demonstrated,
        search=run.source.search_config(),
        guide=None if guide is None else guide.config.model,
    )
    digest = hashlib.sha256(json.dumps(to_json(config), sort_keys=True).encode()).hexdigest()[:8]
    name = f"offline-{digest}-seed{seed}"
    job = OfflineJob(
        name=name,
        config=config,
        start=_policy_of(start, run.model),
        file=out / "offline" / f"{name}.jsonl",
        guide=None if guide is None else guide.folder,
        after=tuple(job.name for job in (start, guide) if job is not None),
        shard=training.shard,
    )
    jobs.setdefault(name, job)
    return job


def _reward_fit(run: RunConfig, name: str, start: StartJob | None, out: Path, jobs: dict[str, Job]) -> RewardFitJob:
    """The job that fits a reward model of the run; runs that would fit the same share it."""
    assert run.training is not None
    model = run.reward_models[name].first_fit
    config = RewardFitConfig(
        arm=model.kind,
        seed=run.seed,
        start=run.model or "" if start is None else start.name,
        model=model,
        task=replace(run.task, step_reward=""),  # what the run is rewarded with is no part of the fit
        engine=run.engine,
        temperature=run.training.temperature,
        max_completion_tokens=run.training.max_completion_tokens,
    )
    digest = hashlib.sha256(json.dumps(to_json(config), sort_keys=True).encode()).hexdigest()[:8]
    folder = run_folder_name(f"{model.kind}-{digest}", run.seed)
    job = RewardFitJob(
        name=folder,
        config=config,
        start=_policy_of(start, run.model),
        folder=out / "reward_models" / folder,
        after=() if start is None else (start.name,),
        shard=run.training.shard,
    )
    jobs.setdefault(folder, job)
    return job


def _common(recipe: Recipe, seed: int, algorithm: str) -> dict[str, Any]:
    """The common part of all runs of a seed, and the hashes of the files that this one uses."""
    used = (algorithm, recipe.reward, recipe.task.step_reward, *task_files(recipe.task, recipe.evaluation))
    names = {learned_name(name) for name in (recipe.reward, recipe.task.step_reward, recipe.source.guide or "")}
    models = {name: model for name, model in recipe.reward_models.items() if name in names}
    used += tuple(model.step_rule for model in models.values())
    return {
        "recipe": recipe.name,
        "seed": seed,
        "model": recipe.model,
        "task": recipe.task,
        "evaluation": recipe.evaluation,
        "engine": recipe.engine,
        "reward": recipe.reward,
        "reward_noise": recipe.reward_noise,
        "reward_models": models,
        "source": recipe.source,
        "demonstrated": recipe.demonstrated,
        "checkpoint_every": recipe.checkpoint_every,
        "files": {name: digest for name, digest in recipe.files.items() if name in used},
    }
