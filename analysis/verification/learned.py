"""The reward models of a comparison: who used which, how well they did in each iteration and on the last policy.

A run that used one has `reward_models.json`, a row a fit, measured on problems that no fit saw, and `scores.parquet`, a
score for each sample of its last evaluation. Axes: S seeds, P problems, N samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.noise.intervals import Band
from analysis.noise.simultaneous import share_band
from analysis.records.frames import column, read_json, rows_where
from analysis.records.reading import RecordError
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.records.schema import FITS_FILE, SCORE_COLUMNS
from analysis.verification.calibration import ReliabilityCurve, area_under_curve, reliability_curve
from analysis.verification.over_optimisation import OverOptimisation, over_optimisation

__all__ = [
    "FIT_COLUMNS",
    "LastPolicy",
    "LearnedArm",
    "RewardTrace",
    "fit_table",
    "held_out_reliability",
    "last_policies",
    "learned_arms",
    "pooled",
    "reward_traces",
    "scored_samples",
]

BINS = 10
WINDOW = 3  # training steps that are averaged before reward and accuracy are compared
KEYS = ["benchmark", "problem_id", "sample_index"]
FIT_COLUMNS = (
    "arm",
    "seed",
    "model",
    "step",
    "member",
    "measured",
    "labels",
    "share_right",
    "accuracy",
    "auc",
    "brier",
    "expected_calibration_error",
    "temperature",
)


@dataclass(frozen=True, kw_only=True)
class LearnedArm:
    """An arm under a reward model.

    Attributes:
        arm: its name.
        model: the reward model's.
        supervision: of the model: outcomes, or steps.
        shuffled: it was fitted to labels that say nothing: a control.
        frozen: it stays as it is in later iterations.
    """

    arm: str
    model: str
    supervision: Literal["outcome", "process"]
    shuffled: bool
    frozen: bool

    @property
    def metric(self) -> str:
        """The column of `metrics.jsonl` with its mean word on a step's completions."""
        return "reward_mean" if self.supervision == "outcome" else "step_reward_mean"


@dataclass(frozen=True, kw_only=True, eq=False)
class RewardTrace:
    """What an arm's model and the rule said of the completions of each training step, and what became of both.

    Attributes:
        arm: under the model.
        step_T: optimiser steps.
        reward_ST: mean of the model's probabilities.
        accuracy_ST: share of right completions, by the rule.
        found: from the peak of accuracy to the end.
    """

    arm: LearnedArm
    step_T: np.ndarray
    reward_ST: np.ndarray
    accuracy_ST: np.ndarray
    found: OverOptimisation


@dataclass(frozen=True, kw_only=True, eq=False)
class LastPolicy:
    """A run's reward model on its last policy's samples of one benchmark.

    Attributes:
        arm: under the model.
        benchmark: what was asked.
        num_samples: of all seeds.
        share_right: of them.
        auc_S: of each seed; ``None`` where all are right or none is.
        brier: mean squared difference of score and verdict, with its 95 % band over problems and seeds.
        curve: reliability, seeds together.
    """

    arm: LearnedArm
    benchmark: str
    num_samples: int
    share_right: float
    auc_S: tuple[float | None, ...]
    brier: Band
    curve: ReliabilityCurve


def learned_arms(comparison: ComparisonRecord) -> tuple[LearnedArm, ...]:
    """The arms that were trained under a reward model, in order; by their configuration."""
    arms = []
    for arm in comparison.arms:
        run = comparison.runs_of(arm)[0]
        models = run.config.get("reward_models")
        if not isinstance(models, Mapping) or run.config.get("training") is None:
            continue
        outcome = str(run.config.get("reward")).removeprefix("model:")
        name = outcome if outcome in models else next(iter(models), None)
        if name is None or not isinstance(models[name], Mapping):
            continue
        arms.append(
            LearnedArm(
                arm=arm,
                model=str(name),
                supervision="outcome" if models[name].get("supervision") == "outcome" else "process",
                shuffled=models[name].get("control") == "shuffled_labels",
                frozen=models[name].get("refit") is False,
            )
        )
    return tuple(arms)


def reward_traces(comparison: ComparisonRecord) -> tuple[RewardTrace, ...]:
    """Reward and accuracy by training step of every arm under a model that has both, for `WINDOW` steps or more."""
    traces = []
    for arm in learned_arms(comparison):
        runs = comparison.runs_of(arm.arm)
        if not all({arm.metric, "accuracy"} <= set(run.metrics) for run in runs):
            continue
        steps = sorted(set.intersection(*(set(column(run.metrics, "step").tolist()) for run in runs)))
        if len(steps) < WINDOW:
            continue
        rows = [rows_where(run.metrics, np.isin(column(run.metrics, "step"), steps)) for run in runs]
        reward_ST = np.array([column(each, arm.metric).astype(float) for each in rows])
        accuracy_ST = np.array([column(each, "accuracy").astype(float) for each in rows])
        if not (np.isfinite(reward_ST).all() and np.isfinite(accuracy_ST).all()):
            continue
        found = over_optimisation(reward_ST, accuracy_ST, window=WINDOW)
        traces.append(
            RewardTrace(arm=arm, step_T=np.array(steps), reward_ST=reward_ST, accuracy_ST=accuracy_ST, found=found)
        )
    return tuple(traces)


def fit_table(comparison: ComparisonRecord) -> pd.DataFrame:
    """How the models did on held-out problems in each iteration, FIT_COLUMNS, a row a fit, member and measurement.

    `measured` is "before" (the model of the iteration before, on samples of today's policy) or "after" the fit.
    """
    rows = [
        {
            "arm": arm.arm,
            "seed": run.seed,
            "model": fit["model"],
            "step": fit["step"],
            "member": member,
            "measured": measured,
            "temperature": fit["temperatures"][member] if measured == "after" else np.nan,
            **{name: np.nan if found.get(name) is None else found[name] for name in FIT_COLUMNS[6:12]},
        }
        for arm in learned_arms(comparison)
        for run in comparison.runs_of(arm.arm)
        for fit in _fits(run)
        for measured, key in (("before", "held_out_before"), ("after", "held_out"))
        for member, found in enumerate(fit[key])
    ]
    return pd.DataFrame(rows, columns=list(FIT_COLUMNS))


def held_out_reliability(comparison: ComparisonRecord, arm: LearnedArm, step: int) -> ReliabilityCurve | None:
    """The reliability curve after the fit at `step`, members and seeds together; ``None`` where none is known."""
    return pooled(
        [
            found["reliability"]
            for run in comparison.runs_of(arm.arm)
            for fit in _fits(run)
            if fit["step"] == step and fit["model"] == arm.model
            for found in fit["held_out"]
            if "reliability" in found
        ]
    )


def pooled(curves: Sequence[Mapping[str, Sequence[float]]]) -> ReliabilityCurve | None:
    """Curves over the same `BINS` bins as one: each bin's means weighted by its labels; ``None`` without any.

    Args:
        curves: mappings with "probability", "frequency" and "count", a number a bin that is not empty.
    """
    if not curves:
        return None
    probability, frequency, count = (
        np.concatenate([np.asarray(curve[name], dtype=float) for curve in curves])
        for name in ("probability", "frequency", "count")
    )
    bins = np.minimum((probability * BINS).astype(int), BINS - 1)
    labels = np.bincount(bins, weights=count, minlength=BINS)
    held = labels > 0
    means = [
        np.bincount(bins, weights=count * each, minlength=BINS)[held] / labels[held]
        for each in (probability, frequency)
    ]
    return ReliabilityCurve(
        probability=means[0],
        frequency=means[1],
        count=labels[held].astype(np.int64),
        expected_error=float(np.sum(labels[held] * np.abs(means[0] - means[1])) / labels.sum()),
    )


def scored_samples(run: RunRecord) -> pd.DataFrame | None:
    """The judgements of the last step with the reward model's "score" of each; ``None`` where the run has none.

    Raises:
        RecordError: a sample has no score, or one that is no finite number.
    """
    file = run.path / "scores.parquet"
    if not file.is_file():
        return None
    scores = pd.read_parquet(file)
    absent = [name for name in SCORE_COLUMNS if name not in scores]
    if absent:
        raise RecordError(f"{file}: lacks the column(s) {absent}; expected {list(SCORE_COLUMNS)}; run it again")
    scores = scores.loc[scores["step"].to_numpy() == run.final_step, [*KEYS, "score"]]
    samples = run.final_samples.astype(dict.fromkeys(("benchmark", "problem_id"), object))
    joined = samples.merge(scores, on=KEYS, how="left", validate="one_to_one")
    missing = ~np.isfinite(column(joined, "score").astype(float))
    if missing.any():
        first = [column(rows_where(joined, missing), name)[0] for name in KEYS]
        raise RecordError(
            f"{file}: {int(missing.sum())} samples of step {run.final_step} have no finite score, {first} the first; "
            "remove the file and start the same command again"
        )
    return joined


def last_policies(comparison: ComparisonRecord, confidence: float = 0.95) -> tuple[LastPolicy, ...]:
    """Every arm's reward model on its last policy, benchmark by benchmark; arms whose scores are not kept are left out.

    Scores outside 0 to 1 (mean − k · std of an ensemble) are taken as 0 or 1 here.
    """
    result = []
    for arm in learned_arms(comparison):
        runs = [scored_samples(run) for run in comparison.runs_of(arm.arm)]
        if any(samples is None for samples in runs):
            continue
        for benchmark in comparison.benchmarks:
            result.append(_last_policy(arm, benchmark, [each for each in runs if each is not None], confidence))
    return tuple(result)


def _last_policy(arm: LearnedArm, benchmark: str, runs: Sequence[pd.DataFrame], confidence: float) -> LastPolicy:
    here = [rows_where(samples, column(samples, "benchmark") == benchmark) for samples in runs]
    right_S = [column(samples, "verdict") == "CORRECT" for samples in here]
    score_S = [np.clip(column(samples, "score").astype(float), 0.0, 1.0) for samples in here]
    errors_SP = np.array(
        [
            _problem_means(column(samples, "problem_id"), (score - right) ** 2)
            for samples, score, right in zip(here, score_S, right_S, strict=True)
        ]
    )
    return LastPolicy(
        arm=arm,
        benchmark=benchmark,
        num_samples=sum(map(len, here)),
        share_right=float(np.concatenate(right_S).mean()),
        auc_S=tuple(area_under_curve(score, right) for score, right in zip(score_S, right_S, strict=True)),
        brier=share_band(errors_SP[:, :, None], confidence),
        curve=reliability_curve(np.concatenate(score_S), np.concatenate(right_S).astype(float), bins=BINS),
    )


def _problem_means(problem_N: np.ndarray, values_N: np.ndarray) -> np.ndarray:
    """(P,): the mean of each problem, ordered by problem id."""
    _, code_N = np.unique(problem_N.astype(str), return_inverse=True)
    return np.bincount(code_N, weights=values_N) / np.bincount(code_N)


def _fits(run: RunRecord) -> list[dict[str, Any]]:
    """The rows of `reward_models.json`; none where the run has no such file.

    Raises:
        RecordError: it is not what a run writes.
    """
    file = run.path / FITS_FILE
    if not file.is_file():
        return []
    fits = read_json(file).get("fits")
    needed = {"model", "step", "temperatures", "held_out", "held_out_before"}
    if not isinstance(fits, list) or not all(isinstance(fit, dict) and needed <= fit.keys() for fit in fits):
        raise RecordError(f"{file}: lacks what a fit did ({', '.join(sorted(needed))}); remove it and run it again")
    return fits
