"""The cost of a comparison to come: completions counted from its configuration, time from what runs took before."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from algorithms.interface import DataSource
from analysis.records.schema import START_ARM
from experiments.recipes.config import EvaluationConfig, Recipe, TaskConfig
from experiments.recipes.plugins import load_method
from experiments.records.config import OfflineConfig, RunConfig
from experiments.runs.jobs import EvaluationJob, Job, OfflineJob, RewardFitJob, RunJob, StartJob
from experiments.runs.problems import MOST_VALIDATION, load_further, load_problems
from training.reward_models.config import RewardModelConfig

__all__ = ["JobCost", "Rates", "assumed_rates", "cost_lines", "job_costs", "measured_rates"]


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Seconds of each kind of work, on one of the workers that run side by side.

    Attributes:
        training: seconds a completion that is trained on, by method; sampling is in it where the method samples.
        drawing: seconds a completion of the frozen start policy.
        evaluation: seconds a completion that is only judged.
        start: seconds of the training of a start policy.
        source: where these come from, for the reader.
    """

    training: Mapping[str, float]
    drawing: float
    evaluation: float
    start: float
    source: str


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """Of one job.

    Attributes:
        job: its name.
        arm: the arm it belongs to; ``None`` for what arms share.
        training_completions: drawn for training.
        evaluation_completions: drawn for evaluation.
        seconds: estimate.
    """

    job: str
    arm: str | None
    training_completions: int
    evaluation_completions: int
    seconds: float


def job_costs(jobs: Iterable[Job], rates: Rates) -> list[JobCost]:
    """The cost of each job of a plan.

    Args:
        jobs: from `plan_jobs`.
        rates: seconds of each kind of work.
    """
    counted: dict[tuple[TaskConfig, str, int | None], int] = {}

    def count(task: TaskConfig, evaluation: EvaluationConfig) -> int:
        key = (task, evaluation.split, evaluation.problems)
        if key not in counted:
            counted[key] = len(load_problems(*key))
        return counted[key]

    costs = []
    for job in jobs:
        match job:
            case StartJob():
                costs.append(_cost(job, seconds=rates.start))
            case OfflineJob(config=config):
                drawn = config.steps * config.problems_per_step * config.group_size
                costs.append(_cost(job, training=drawn, seconds=drawn * _searching(config) * rates.drawing))
            case RewardFitJob(config=config):
                costs.append(_cost(job, training=_fit_size(config.model), seconds=_fit_seconds(config.model, rates)))
            case RunJob(config=config) | EvaluationJob(config=config):
                shared = isinstance(job, RunJob) and job.evaluated_start is not None
                problems = count(config.task, config.evaluation)
                further = len(load_further(config.task, config.evaluation))
                costs.append(_run_cost(job, config, rates, problems, further, start_is_shared=shared))
    return costs


def cost_lines(costs: Sequence[JobCost], *, heading: bool = True, width: int = 0) -> list[str]:
    """A table of costs, a row an arm with all its seeds.

    Args:
        costs: of `job_costs`.
        heading: whether the first line names the columns.
        width: of the first column at least.
    """
    width = max(width, *(len(cost.arm or cost.job) for cost in costs))
    lines = [f"{'run':<{width}}  runs  drawn for training  drawn for evaluation  minutes"] if heading else []
    for name in dict.fromkeys(cost.arm or cost.job for cost in costs):
        same = [cost for cost in costs if (cost.arm or cost.job) == name]
        trained = sum(cost.training_completions for cost in same)
        evaluated = sum(cost.evaluation_completions for cost in same)
        minutes = sum(cost.seconds for cost in same) / 60
        lines.append(f"{name:<{width}}  {len(same):>4}  {trained:>18,}  {evaluated:>20,}  {minutes:>7.1f}")
    return lines


def measured_rates(folders: Sequence[Path]) -> Rates | None:
    """Rates of the finished runs in comparison folders; ``None`` where no trained run is finished."""
    training: defaultdict[str, list[float]] = defaultdict(list)
    drawing, evaluation, start = list[float](), list[float](), list[float]()
    for folder in folders:
        for path in sorted(folder.glob("start-*/metrics.jsonl")):
            start += [float(row["seconds"]) for row in _rows(path) if "seconds" in row][-1:]
        for path in sorted(folder.glob("runs/*/finished.json")):
            config, finished = _read(path.parent / "config.json"), _read(path)
            samples = _evaluation_size(config)
            if finished["evaluation"]["tokens"] and samples:
                evaluation.append(finished["evaluation"]["seconds"] / samples)
            rows = _rows(path.parent / "metrics.jsonl")
            if config["training"] is None or not rows:
                continue
            seconds, sampling = float(rows[-1]["seconds"]), sum(float(row["sampling_seconds"]) for row in rows)
            completions = _training_size(config["training"])
            if load_method(config["algorithm"], config["settings"]).data_source is DataSource.OFFLINE:
                seconds -= sampling
                drawing.append(sampling / completions)
            training[config["algorithm"]].append(seconds / completions)
    if not training or not evaluation:
        return None
    runs = sum(map(len, training.values()))
    return Rates(
        training={name: _mean(values) for name, values in training.items()},
        drawing=_mean(drawing or evaluation),
        evaluation=_mean(evaluation),
        start=_mean(start or [0.0]),
        source=f"measured in {runs} finished runs of {', '.join(map(str, folders))}",
    )


# Measured once on two cores of an AMD EPYC with two workers (README.md, the embedded comparison).
EMBEDDED = Rates(
    training={"sft": 0.0013, "rft": 0.0018, "dpo": 0.0018, "online_rft": 0.0033, "ppo": 0.0061, "grpo": 0.0038},
    drawing=0.0014,
    evaluation=0.0020,
    start=60.0,
    source="no finished run here to measure: figures of the embedded model on two cores of an AMD EPYC",
)
ASSUMED_STEPS = 3  # of a solution
# SmolLM2-135M with completions of up to 256 tokens (README.md, a real model on real problems): seconds a completion.
REAL_MODEL = {"cpu": (7.3, 0.69), "cuda": (0.012, 0.0073)}


def assumed_rates(recipe: Recipe) -> Rates:
    """Rates where nothing was measured: those of another day and machine, which `Rates.source` says."""
    if recipe.model is None:
        return EMBEDDED
    training, evaluation = REAL_MODEL[recipe.engine.device]
    longer = max([recipe.evaluation.max_tokens, *(arm.training.max_completion_tokens for arm in recipe.arms.values())])
    scale = longer / 256
    return Rates(
        training={"grpo": training * scale},
        drawing=evaluation * scale,
        evaluation=evaluation * scale,
        start=0.0,
        source="no finished run here to measure: figures of SmolLM2-135M "
        + ("on an H100" if recipe.engine.device == "cuda" else "on two cores of an AMD EPYC")
        + "; a larger model takes longer in proportion",
    )


def _run_cost(job: Job, run: RunConfig, rates: Rates, problems: int, further: int, *, start_is_shared: bool) -> JobCost:
    samples = run.evaluation.samples + sum(run.evaluation.sweep.values())
    if run.training is None:
        evaluated = (problems + further) * samples
        if run.arm.startswith(START_ARM):
            evaluated += _validation_size(run.evaluation, problems, further)
        return _cost(job, arm=run.arm, evaluation=evaluated, seconds=evaluated * rates.evaluation)
    every, steps = run.evaluation.every, run.training.steps
    points = len(range(every, steps, every)) + (not start_is_shared) if every else 0
    evaluated = (problems + further) * samples + problems * points * run.evaluation.curve_samples
    trained = _training_size({**vars(run.training)})
    known = rates.training
    rate = known.get(run.algorithm, known.get("grpo", _mean(list(known.values()))))
    online = load_method(run.algorithm, run.settings).data_source in (DataSource.ONLINE, DataSource.ITERATED)
    again = -(-steps // (run.training.iteration_steps or steps)) - 1
    refits = [model for model in run.reward_models.values() if model.refit] * again
    return _cost(
        job,
        arm=run.arm,
        training=(trained if online else 0) + sum(map(_fit_size, refits)),
        evaluation=evaluated,
        seconds=trained * rate + evaluated * rates.evaluation + sum(_fit_seconds(each, rates) for each in refits),
    )


def _validation_size(evaluation: EvaluationConfig, problems: int, further: int) -> int:
    """Completions of validation problems, where as many of them are there as may be asked (`load_validation`)."""
    most = MOST_VALIDATION * len(evaluation.further_benchmarks)
    return (min(problems, MOST_VALIDATION) + min(further, most)) * sum(evaluation.tuning.values())


def _fit_size(model: RewardModelConfig) -> int:
    """Completions that one fit draws; of continuations a guess, since nobody knows yet how many steps there are."""
    if model.labels == "prm800k":
        return 0
    solved = (model.problems + model.held_out) * model.samples
    return solved * (1 if model.labels == "rule" else 1 + ASSUMED_STEPS * model.continuations)


def _fit_seconds(model: RewardModelConfig, rates: Rates) -> float:
    """Of drawing, and of the passes of each epoch and member, which take about as long as drawing a completion does."""
    return (_fit_size(model) + model.problems * model.samples * model.epochs * model.members) * rates.drawing


def _searching(config: OfflineConfig) -> float:
    """How much more a completion takes that was searched for: its share of the budget, drawn and scored."""
    if config.search is None:
        return 1.0
    length = config.max_completion_tokens / 2  # of a completion, a guess
    return 2 * config.search.budget / (config.group_size * length)


def _cost(job: Job, *, seconds: float, arm: str | None = None, training: int = 0, evaluation: int = 0) -> JobCost:
    return JobCost(
        job=job.name, arm=arm, training_completions=training, evaluation_completions=evaluation, seconds=seconds
    )


def _training_size(training: Mapping[str, Any]) -> int:
    return training["steps"] * training["problems_per_step"] * training["group_size"]


def _evaluation_size(config: Mapping[str, Any]) -> int:
    """Completions of a run's last evaluation; 0 where the configuration does not say how many problems there are."""
    evaluation = config["evaluation"]
    further = len(evaluation.get("further_benchmarks", ())) * (evaluation.get("further_problems") or 0)
    return ((evaluation["problems"] or 0) + further) * evaluation["samples"]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text())


def _rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
