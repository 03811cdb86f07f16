"""A whole comparison: start policies, arms and seeds, run side by side, and the report at the end."""

from __future__ import annotations

import datetime
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from analysis.records.schema import START_ARM
from analysis.report.benchmark_table import SUITE_FILE
from analysis.statistics.contrasts import to_records
from experiments.recipes.arms import select_arms
from experiments.recipes.config import Recipe, TaskConfig
from experiments.records.config import RunConfig
from experiments.records.environment import other_checker
from experiments.records.extension import extension_of, grown
from experiments.records.folder import holds_work
from experiments.records.lock import FolderKindError, is_read_only
from experiments.records.same import (
    ConfigMismatchError,
    FolderDamagedError,
    check_same_config,
    read_json,
    to_json,
    write_json,
)
from experiments.runs.jobs import EvaluationJob, Job, RunJob
from experiments.runs.start_policy import StartPolicy
from experiments.schedule.declared import declared_contrasts
from experiments.schedule.places import Place
from experiments.schedule.plan import is_run, plan_jobs, start_arms
from experiments.schedule.progress import Board, JobProgress
from experiments.schedule.workers import THIS_MACHINE, WorkerError, run_jobs, usable_cores
from rewards.verdict import CHECKER_VERSION

__all__ = [
    "compare",
    "dated",
    "evaluate_model",
    "failure_text",
    "held_config",
    "plan_jobs",
    "select_arms",
    "threads_of",
]


class ReadOnlyError(PermissionError):
    """Runs are left to do in a folder that cannot be written."""


def compare(
    recipe: Recipe,
    out: Path,
    *,
    workers: int,
    board: Board,
    evaluate_start: bool = True,
    description: Mapping[str, Any] | None = None,
    trackers: tuple[str, ...] = (),
    place: Place = THIS_MACHINE,
) -> None:
    """Run what is missing of a comparison in `out`. A run that fails does not stop the others.

    A finished comparison whose folder cannot be written is checked to be the one asked for, and left as it is.

    Args:
        recipe: what is compared, as `door.check_recipe` gave it.
        out: folder; it may hold part of the same comparison, also one of fewer arms, seeds, steps or samples.
        workers: runs side by side.
        board: shows progress.
        evaluate_start: see `plan_jobs`.
        description: what ``comparison.json`` is to say beside the arms and runs.
        trackers: told what every trained run measures; see `experiments.trackers.clients.TRACKERS`.
        place: where the runs are done; what they leave does not depend on it.

    Raises:
        ConfigMismatchError: `out` holds another comparison, or arms that `recipe` lacks, or runs are left to do and
            those that it holds were judged by another version of the answer checker.
        WorkerError: runs failed; all others are finished.
        PlaceError: no job can run in that place.
        ReadOnlyError: runs are left to do, and `out` cannot be written.
    """
    if workers < 1:
        raise ValueError(f"workers is {workers}; expected at least 1.")
    recipe = _continued(recipe, out)
    jobs = plan_jobs(recipe, out, evaluate_start=evaluate_start)
    jobs = [replace(job, trackers=trackers) if isinstance(job, RunJob) else job for job in jobs]
    _check_checker(jobs, out)
    if is_read_only(out):
        check_same_config(out / "recipe.json", recipe, may_gain=("arms", "files"), keep=True)
        _check_finished(jobs, out)
        return
    extensions = _extensions(recipe, out)
    check_same_config(out / "recipe.json", recipe, may_gain=("arms", "files"), grown=grown)
    about = _description(recipe, jobs, evaluate_start, {"extensions": extensions, **(description or {})})
    write_json(out / "comparison.json", about)
    progress = JobProgress(board=board, num_jobs=len(jobs))
    failures: dict[str, str] = {}

    def on_failed(job: str, why: str) -> None:
        failures[job] = why
        write_json(out / "comparison.json", {**about, "failures": failures})
        progress.ended(job, f"FAILED: {why}")

    run_jobs(
        jobs,
        workers=workers,
        threads=threads_of(out, workers, place),
        logs=out / "logs",
        on_progress=progress.moved,
        on_done=progress.ended,
        on_failed=on_failed,
        on_retry=progress.retried,
        place=place,
    )
    if failures:
        raise WorkerError(failure_text(failures, len(jobs)))


def _continued(recipe: Recipe, out: Path) -> Recipe:
    """The recipe as the folder goes on with it: with the day that it was begun on.

    Raises:
        FolderKindError: the folder holds a single run, or evaluations of several benchmarks.
        ConfigMismatchError: see `_check_arms`.
    """
    for name, what in (("config.json", "a single run"), (SUITE_FILE, "evaluations of several benchmarks")):
        if (out / name).exists():
            raise FolderKindError(f"{out} holds {what}; a comparison needs a folder of its own (--out).")
    if not any(holds_work(folder) for folder in (*out.glob("start*"), *out.glob("runs/*"))):
        (out / "recipe.json").unlink(missing_ok=True)  # of a comparison that failed before it did anything
    held = held_config(out / "recipe.json")
    _check_arms(recipe, held, out)
    return replace(recipe, task=dated(recipe.task, held))


def _check_arms(recipe: Recipe, held: Mapping[str, Any], out: Path) -> None:
    """Refuse fewer arms than the folder was begun with: its contrasts were declared for all of them."""
    arms = held.get("arms")
    names = list(arms) if isinstance(arms, dict) else []
    lacking = [name for name in names if name not in recipe.arms]
    if lacking:
        every = " ".join(f"--algorithm {shlex.quote(name)}" for name in names)
        count = "is" if len(lacking) == 1 else "are"
        raise ConfigMismatchError(
            f"{out} holds a comparison of {len(names)} arms, of which {', '.join(lacking)} {count} not asked for; a "
            f"comparison may gain arms and loses none. `coeflab report {shlex.quote(str(out))}` writes the report of "
            "what has finished; to go on with it, ask for all of them as when it was begun "
            f"(`coeflab compare {every}`), or choose another folder with --out."
        )


def _check_finished(jobs: Sequence[Job], out: Path) -> None:
    """Refuse to run anything where nothing can be written."""
    left = [job.name for job in jobs if is_run(job) and not (out / "runs" / job.name / "finished.json").is_file()]
    if left:
        raise ReadOnlyError(
            f"{out} cannot be written, and {len(left)} of its runs are not finished ({', '.join(left[:3])}"
            f"{' …' if len(left) > 3 else ''}); give the right to write, or choose another folder with --out."
        )


def held_config(file: Path) -> dict[str, Any]:
    """The configuration that a folder holds; empty where there is none."""
    return read_json(file, remedy=f"remove the folder {file.parent} to start anew") if file.exists() else {}


def dated(task: TaskConfig, held: Mapping[str, Any]) -> TaskConfig:
    """The task with the day that its prompts print: the one that was held where the folder is gone on with."""
    if task.date is not None:
        return task
    if held:
        known = held.get("task")
        return replace(task, date=known.get("date") if isinstance(known, dict) else None)
    return replace(task, date=datetime.date.today().isoformat())


def _extensions(recipe: Recipe, out: Path) -> list[dict[str, str]]:
    """What was asked for only after a run had finished, and on which day: whoever reads the intervals wants to know."""
    held = held_config(out / "recipe.json")
    known = held_config(out / "comparison.json").get("extensions") or []
    more = extension_of(held, to_json(recipe)) if held else ""
    if not more or not any(out.glob("runs/*/finished.json")):
        return known
    return [*known, {"day": datetime.date.today().isoformat(), "what": more}]


def threads_of(out: Path, workers: int, place: Place = THIS_MACHINE) -> int:
    """Threads of each worker: what the place gives it, or as many as the folder was started with.

    The last digits of a sum depend on how many threads add it up, so a run goes on with as many as it had.
    """
    file = out / "machine.json"
    if file.exists():
        held = read_json(file, remedy="remove that file to go on with another number of threads").get("threads")
        if not (isinstance(held, int) and held >= 1):
            raise FolderDamagedError(f"{file} holds threads {held!r}; expected a number of at least 1.")
        return held
    machine = place.machine(out, cores=usable_cores(), workers=workers)
    write_json(file, machine)
    return machine["threads"]


def _check_checker(jobs: Sequence[Job], out: Path) -> None:
    """Refuse to train what the report would refuse to compare with the runs that are there."""
    folders = [out / "runs" / job.name for job in jobs if is_run(job)]
    finished = [folder for folder in folders if (folder / "finished.json").is_file()]
    others = {folder.name: version for folder in finished if (version := other_checker(folder)) is not None}
    if others and len(finished) < len(folders):
        listed = ", ".join(f"{name} by {version}" for name, version in others.items())
        raise ConfigMismatchError(
            f"{out} holds runs that were judged by another version of the answer checker than today's, "
            f"{CHECKER_VERSION} ({listed}); runs of different versions are not compared. Choose another folder with "
            "--out, or remove those runs."
        )


def _description(recipe: Recipe, jobs: Sequence[Job], evaluate_start: bool, more: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``comparison.json``: the arms in the order of tables, the runs, whom they are compared with."""
    starts = start_arms(recipe)
    evaluated = list(dict.fromkeys([START_ARM, *starts.values()])) if evaluate_start else []
    arms = [*evaluated, *recipe.arms]
    return {
        "title": f"coeflab: {recipe.name}",
        "arms": arms,
        "runs": [job.name for job in jobs if is_run(job)],
        "baseline": arms[0],
        "starts": {name: start for name, start in starts.items() if start != START_ARM},
        "controls": {name: arm.control for name, arm in recipe.arms.items() if arm.control is not None},
        "contrasts": to_records(declared_contrasts(recipe, evaluate_start=evaluate_start)),
        **more,
    }


def failure_text(failures: Mapping[str, str], num_jobs: int) -> str:
    """The failures in full where they are their own cause, the rest by name."""
    causes = [f"{job}: {why}" for job, why in failures.items() if not why.startswith("not started")]
    dependent = [job for job, why in failures.items() if why.startswith("not started")]
    rest = [f"not started for that reason: {', '.join(dependent)}"] if dependent else []
    head = [f"{len(failures)} of {num_jobs} runs failed, the others are finished:"] if num_jobs > 1 else []
    return "\n".join([*head, *causes, *rest])


def evaluate_model(run: RunConfig, out: Path, *, board: Board) -> None:
    """Evaluate one model in `out`, a run folder of its own.

    Args:
        run: what `door.evaluation_run` gave.
        out: folder of the run.
        board: shows progress.

    Raises:
        ConfigMismatchError: `out` holds another evaluation.
        WorkerError: the evaluation failed.
    """
    for name, what in (("recipe.json", "a comparison"), (SUITE_FILE, "evaluations of several benchmarks")):
        if (out / name).exists():
            raise FolderKindError(f"{out} holds {what}; an evaluation needs a folder of its own (--out).")
    run = replace(run, task=dated(run.task, held_config(out / "config.json")))
    failures: dict[str, str] = {}
    run_jobs(
        [EvaluationJob(name=run.arm, config=run, start=StartPolicy(model=run.model), folder=out)],
        workers=1,
        threads=threads_of(out, 1),
        logs=out / "logs",
        on_progress=lambda job, what, done, total, unit: board.update(f"{job}: {what}", done, total, unit),
        on_done=lambda job, result: board.say(f"{job}: {result}"),
        on_failed=failures.__setitem__,
        on_retry=lambda job, why: board.say(f"{job}: goes on in a fresh process after {why}"),
    )
    if failures:
        raise WorkerError(failure_text(failures, 1))
