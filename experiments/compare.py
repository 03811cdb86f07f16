"""A whole comparison: start policies, arms and seeds, run side by side, and the report at the end."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.config import (
    ArmConfig,
    EngineConfig,
    EvaluationConfig,
    Recipe,
    RunConfig,
    StartConfig,
    TaskConfig,
    check_same_config,
)
from experiments.plugins import arm_name, file_hashes, load_algorithm, load_reward, load_step_reward
from experiments.progress import Board
from experiments.recipes import START_ARM
from experiments.run_folder import FolderKindError, write_json
from experiments.tasks import load_problems
from experiments.workers import Job, run_jobs

__all__ = ["compare", "evaluate_model", "plan_jobs", "select_arms"]


def select_arms(recipe: Recipe, algorithms: Sequence[str]) -> dict[str, ArmConfig]:
    """The recipe's arms, or those that `algorithms` names: arms of the recipe, other methods, or ``file.py:Name``.

    A method that the recipe has no arm for is trained like the recipe's last arm.

    Raises:
        ValueError: no such arm or method.
    """
    if not algorithms:
        return recipe.arms
    like = list(recipe.arms.values())[-1]
    chosen: dict[str, ArmConfig] = {}
    for algorithm in algorithms:
        if arm_name(algorithm) in chosen:
            raise ValueError(f"two arms would be called {arm_name(algorithm)!r}; give the methods different names.")
        chosen[arm_name(algorithm)] = recipe.arms.get(algorithm) or ArmConfig(
            algorithm=algorithm, training=like.training
        )
    return chosen


def check_recipe(recipe: Recipe) -> Recipe:
    """Build or open everything once, so that a mistake shows before anything is written or runs.

    Returns:
        The recipe with the hashes of the user's own files in it.

    Raises:
        ValueError: an algorithm, field, reward or step reward is unknown or refused, or data are broken.
        ModelNotFoundError: the start policy is not there or no causal language model.
        BenchmarkUnavailableError: the hub is out of reach.
    """
    from training.policy import resolve_model
    from training.requirements import check_requirements

    for name, arm in recipe.arms.items():
        check_requirements(load_algorithm(arm.algorithm, arm.settings), arm.training, name)
    load_reward(recipe.reward)
    load_step_reward(recipe.task.step_reward)
    if recipe.model is not None:
        resolve_model(recipe.model)
    load_problems(recipe.task, recipe.evaluation.split, recipe.evaluation.problems)
    load_problems(recipe.task, "train", recipe.task.train_problems)
    references = [*(arm.algorithm for arm in recipe.arms.values()), recipe.reward, recipe.task.step_reward]
    return replace(recipe, files=file_hashes(references))


def plan_jobs(recipe: Recipe, out: Path, *, evaluate_start: bool) -> list[Job]:
    """The jobs of a comparison: each seed's start policy first, then its arms.

    Args:
        recipe: what is compared.
        out: folder of the comparison.
        evaluate_start: also evaluate the start policy, as the arm ``sft_start``.
    """
    jobs = []
    for seed in recipe.seeds:
        after: tuple[str, ...] = ()
        if recipe.model is None:
            assert recipe.supervised is not None
            name = f"start-seed{seed}"
            start = StartConfig(
                seed=seed,
                embedded=recipe.embedded,
                supervised=recipe.supervised,
                task=recipe.task,
                engine=recipe.engine,
                max_tokens=recipe.evaluation.max_tokens,
            )
            jobs.append(Job(name=name, function=_start_job, arguments=(start, out / name)))
            after = (name,)
        if evaluate_start:
            arm = RunConfig(**_shared(recipe, seed, "sft"), arm=START_ARM, algorithm="sft", settings={}, training=None)
            jobs.append(_run_job(arm, out, after))
    for seed in recipe.seeds:
        after = (f"start-seed{seed}",) if recipe.model is None else ()
        for name, arm in recipe.arms.items():
            run = RunConfig(
                **_shared(recipe, seed, arm.algorithm),
                arm=name,
                algorithm=arm.algorithm,
                settings=arm.settings,
                training=arm.training,
            )
            jobs.append(_run_job(run, out, after))
    return jobs


def compare(recipe: Recipe, out: Path, *, workers: int, board: Board, evaluate_start: bool = True) -> None:
    """Run what is missing of a comparison in `out`.

    Args:
        recipe: what is compared.
        out: folder; it may hold part of the same comparison.
        workers: runs side by side.
        board: shows progress.
        evaluate_start: see `plan_jobs`.

    Raises:
        ConfigMismatchError: `out` holds another comparison.
        WorkerError: a run failed.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; expected at least 1.")
    if (out / "config.json").exists():
        raise FolderKindError(f"{out} holds a single run; a comparison needs a folder of its own (--out).")
    recipe = check_recipe(recipe)
    jobs = plan_jobs(recipe, out, evaluate_start=evaluate_start)
    check_same_config(out / "recipe.json", recipe)
    runs = [job.name for job in jobs if job.function is _arm_job]
    arms = [START_ARM, *recipe.arms] if evaluate_start else list(recipe.arms)
    title = f"coeflab: {recipe.name}"
    write_json(out / "comparison.json", {"title": title, "arms": arms, "runs": runs, "baseline": arms[0]})
    left = len(jobs)

    def on_progress(job: str, what: str, done: float, total: float, unit: str) -> None:
        board.update(f"{job}: {what}", done, total, unit)

    def on_done(job: str, result: Any) -> None:
        nonlocal left
        left -= 1
        board.drop(f"{job}:")
        board.update("all runs", len(jobs) - left, len(jobs), "runs")
        board.say(f"{job}: {result}")

    cores = os.cpu_count() or 1
    run_jobs(
        jobs,
        workers=workers,
        threads=max(1, cores // workers),
        logs=out / "logs",
        on_progress=on_progress,
        on_done=on_done,
    )


def _shared(recipe: Recipe, seed: int, algorithm: str) -> dict[str, Any]:
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


def _run_job(run: RunConfig, out: Path, after: tuple[str, ...]) -> Job:
    name = f"{run.arm}-seed{run.seed}"
    start = out / f"start-seed{run.seed}" if run.model is None else None
    return Job(name=name, function=_arm_job, arguments=(run, start, out / "runs" / name), after=after)


def _start_job(context: dict[str, Any], config: StartConfig, path: Path, report: Callable[..., None]) -> str:
    """In a worker: train a start policy."""
    from experiments.run import SamplerCache
    from experiments.start import train_start_policy

    return train_start_policy(config, path, context.setdefault("samplers", SamplerCache()), report)


def _arm_job(
    context: dict[str, Any], config: RunConfig, start: Path | None, path: Path, report: Callable[..., None]
) -> str:
    """In a worker: execute a run."""
    from experiments.run import SamplerCache, execute_run
    from experiments.start import trained_start
    from training.policy import resolve_model

    if start is not None:
        folder = trained_start(start)
    else:
        assert config.model is not None
        folder = resolve_model(config.model)
    return execute_run(config, folder, path, context.setdefault("samplers", SamplerCache()), report)


def evaluate_model(
    model: str,
    task: TaskConfig,
    evaluation: EvaluationConfig,
    engine: EngineConfig,
    *,
    seed: int,
    out: Path,
    board: Board,
) -> None:
    """Evaluate one model in `out`, a run folder of its own.

    Raises:
        ConfigMismatchError: `out` holds another evaluation.
        ModelNotFoundError: no such model.
        WorkerError: the evaluation failed.
    """
    from training.policy import resolve_model

    load_problems(task, evaluation.split, evaluation.problems)
    folder = resolve_model(model)
    if (out / "recipe.json").exists():
        raise FolderKindError(f"{out} holds a comparison; an evaluation needs a folder of its own (--out).")
    run = RunConfig(
        recipe="evaluate",
        arm=folder.name if folder == Path(model) else model,
        seed=seed,
        algorithm="none",
        settings={},
        training=None,
        model=model,
        task=task,
        evaluation=evaluation,
        engine=engine,
    )
    run_jobs(
        [Job(name=run.arm, function=_arm_job, arguments=(run, None, out))],
        workers=1,
        threads=os.cpu_count() or 1,
        logs=out / "logs",
        on_progress=lambda job, what, done, total, unit: board.update(f"{job}: {what}", done, total, unit),
        on_done=lambda job, result: board.say(f"{job}: {result}"),
    )
