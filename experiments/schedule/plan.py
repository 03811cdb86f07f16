"""What a comparison consists of: its jobs, in order, each with what it takes from the jobs before it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from algorithms.interface import DataSource
from analysis.records.schema import START_ARM
from experiments.recipes.config import ArmConfig, Recipe
from experiments.recipes.plugins import load_algorithm
from experiments.runs.config import OfflineConfig, RunConfig, StartConfig
from experiments.runs.same import to_json
from experiments.schedule.workers import Job

__all__ = ["evaluation_job", "is_run", "plan_jobs", "run_folder_name", "run_job", "start_folder_name"]

# Fields of a recipe that make another start policy; arms that differ in anything else share it.
START_FIELDS = ("model", "embedded", "supervised", "task.benchmark", "task.data_dir", "task.prompt")
# Fields of a recipe that change how a start policy is measured, or which one it is where none is trained.
MEASURED_FIELDS = ("model", "task", "evaluation", "engine")


def plan_jobs(recipe: Recipe, out: Path, *, evaluate_start: bool) -> list[Job]:
    """The jobs of a comparison: each seed's start policy first, then what several arms share, then the arms.

    Args:
        recipe: what is compared.
        out: folder of the comparison.
        evaluate_start: also evaluate the start policy, as the arm ``sft_start``; the arms take their first point of the
            learning curve from it.

    Raises:
        ValueError: two arms would share a folder.
    """
    folders = {name: run_folder_name(name, 0) for name in recipe.arms}
    if len(set(folders.values())) != len(folders):
        raise ValueError(f"arms {list(recipe.arms)} need different names, special characters aside.")
    first: dict[str, Job] = {}
    shared: dict[str, Job] = {}
    runs: list[Job] = []
    for seed in recipe.seeds:
        start = _start(recipe, {}, seed, out, first)
        evaluated = None
        if evaluate_start:
            arm = RunConfig(**_common(recipe, seed, "sft"), arm=START_ARM, algorithm="sft", settings={}, training=None)
            job = run_job(arm, out, start)
            first[job.name] = job
            evaluated = job.name
        for name, arm in recipe.arms.items():
            own = recipe.overridden(arm.overrides)
            start_of_arm = _start(recipe, arm.overrides, seed, out, first)
            run = RunConfig(
                **_common(own, seed, arm.algorithm),
                arm=name,
                algorithm=arm.algorithm,
                settings=arm.settings,
                training=arm.training,
                control=arm.control,
            )
            offline = _offline(own, arm, seed, start_of_arm, out, shared)
            same = all(getattr(own, name) == getattr(recipe, name) for name in MEASURED_FIELDS)
            measured = evaluated if same and start_of_arm == start and own.evaluation.every else None
            runs.append(run_job(run, out, start_of_arm, offline=offline, evaluated=measured))
    return [*first.values(), *shared.values(), *runs]


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
    """Whether the job is a run with a folder of its own under ``runs/``."""
    return job.function is _arm_job


def run_job(
    run: RunConfig,
    out: Path,
    start: str | None,
    *,
    offline: str | None = None,
    evaluated: str | None = None,
) -> Job:
    """The job of one run in ``out/runs/``.

    Args:
        run: what it is.
        out: folder of the comparison.
        start: job, and folder in `out`, of the start policy; ``None`` takes the run's model.
        offline: job that draws the completions of an offline method; its file is ``out/offline/NAME.jsonl``.
        evaluated: job, and folder in ``out/runs``, of the run that evaluates the start policy.
    """
    name = run_folder_name(run.arm, run.seed)
    inputs = (
        None if start is None else out / start,
        None if offline is None else out / "offline" / f"{offline}.jsonl",
        None if evaluated is None else out / "runs" / evaluated,
    )
    after = tuple(job for job in (start, offline, evaluated) if job is not None)
    return Job(name=name, function=_arm_job, arguments=(run, *inputs, out / "runs" / name), after=after)


def evaluation_job(run: RunConfig, folder: Path) -> Job:
    """The job of a run that only evaluates its model, in `folder` itself."""
    return Job(name=run.arm, function=_arm_job, arguments=(run, None, None, None, folder))


def _of_start(overrides: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in overrides.items() if path.startswith(START_FIELDS)}


def _start(recipe: Recipe, overrides: dict[str, Any], seed: int, out: Path, jobs: dict[str, Job]) -> str | None:
    """The job that trains the start policy of an arm with these overrides; ``None`` where there is a model."""
    changed = recipe.overridden(_of_start(overrides))
    if changed.model is not None:
        return None
    assert changed.supervised is not None
    name = start_folder_name(overrides, seed)
    config = StartConfig(
        seed=seed,
        embedded=changed.embedded,
        supervised=changed.supervised,
        task=changed.task,
        engine=changed.engine,
        max_tokens=changed.evaluation.max_tokens,
        arm=START_ARM,
    )
    jobs.setdefault(name, Job(name=name, function=_start_job, arguments=(config, out / name)))
    return name


def _offline(
    recipe: Recipe, arm: ArmConfig, seed: int, start: str | None, out: Path, jobs: dict[str, Job]
) -> str | None:
    """The job that draws what an offline arm trains on; arms that would draw the same share it."""
    if load_algorithm(arm.algorithm, arm.settings).data_source is not DataSource.OFFLINE:
        return None
    config = OfflineConfig(
        seed=seed,
        start=start or recipe.model or "",
        task=recipe.task,
        engine=recipe.engine,
        steps=arm.training.steps,
        problems_per_step=arm.training.problems_per_step,
        group_size=arm.training.group_size,
        temperature=arm.training.temperature,
        max_completion_tokens=arm.training.max_completion_tokens,
    )
    digest = hashlib.sha256(json.dumps(to_json(config), sort_keys=True).encode()).hexdigest()[:8]
    name = f"offline-{digest}-seed{seed}"
    folder = None if start is None else out / start
    arguments = (config, folder, recipe.model, out / "offline" / f"{name}.jsonl")
    after = () if start is None else (start,)
    jobs.setdefault(name, Job(name=name, function=_offline_job, arguments=arguments, after=after))
    return name


def _common(recipe: Recipe, seed: int, algorithm: str) -> dict[str, Any]:
    """What every run of a seed has in common, and the hashes of the files that this one uses."""
    used = (algorithm, recipe.reward, recipe.task.step_reward)
    return {
        "recipe": recipe.name,
        "seed": seed,
        "model": recipe.model,
        "task": recipe.task,
        "evaluation": recipe.evaluation,
        "engine": recipe.engine,
        "reward": recipe.reward,
        "checkpoint_every": recipe.checkpoint_every,
        "files": {name: digest for name, digest in recipe.files.items() if name in used},
    }


def _start_job(context: dict[str, Any], config: StartConfig, path: Path, report: Callable[..., None]) -> str:
    """In a worker: train a start policy."""
    from experiments.runs.run import SamplerCache
    from experiments.runs.start import train_start_policy

    return train_start_policy(config, path, context.setdefault("samplers", SamplerCache()), report)


def _offline_job(
    context: dict[str, Any],
    config: OfflineConfig,
    start: Path | None,
    model: str | None,
    file: Path,
    report: Callable[..., None],
) -> str:
    """In a worker: draw what the offline arms of a seed train on."""
    from experiments.runs.run import SamplerCache, draw_offline

    samplers = context.setdefault("samplers", SamplerCache())
    return draw_offline(config, _policy_folder(start, model), file, samplers, report)


def _arm_job(
    context: dict[str, Any],
    config: RunConfig,
    start: Path | None,
    offline: Path | None,
    evaluated: Path | None,
    path: Path,
    report: Callable[..., None],
) -> str:
    """In a worker: execute a run."""
    from experiments.runs.run import RunInputs, SamplerCache, execute_run

    inputs = RunInputs(start=_policy_folder(start, config.model), offline=offline, evaluated_start=evaluated)
    return execute_run(config, inputs, path, context.setdefault("samplers", SamplerCache()), report)


def _policy_folder(start: Path | None, model: str | None) -> Path:
    from experiments.runs.start import trained_start
    from training.models.policy import resolve_model

    if start is not None:
        return trained_start(start)
    assert model is not None
    return resolve_model(model)
