"""Sharpening and more: what is left of a gain when the start policy is decoded at its best.

Training that only moves probability to what the policy thought likeliest anyway raises Pass@1 at temperature 1 and
nothing else: the start, decoded greedily, had it already. So every policy is decoded at several temperatures, and the
start at its best one is a control like the others (`tuned_start`). The best temperature is chosen on validation
problems, which runs of a start policy record; where they do not, as those of earlier versions, on one half of the
problems, and scored on the other, both ways. So the choice flatters nobody.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.noise.simultaneous import share_band
from analysis.records.decoding import decoded_samples, validated_samples
from analysis.records.frames import codes_of, column, rows_where
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.statistics.contrasts import TUNED_START, Contrast
from analysis.statistics.curves import Curve
from analysis.statistics.scores import ArmScores, VoteTable, count_votes, score_votes

HALVES_SEED = 0  # of the split of the problems; no result depends on it but by chance


@dataclass(frozen=True, kw_only=True)
class TunedStart:
    """The start policy at its best temperature.

    Attributes:
        scores: at K = 1.
        temperatures: the one that was chosen on validation problems, or one for each half of the problems.
        validation: share of right samples of validation problems by temperature; empty where halves chose.
        num_validation: validation problems.
    """

    scores: ArmScores
    temperatures: tuple[float, ...]
    validation: Mapping[float, float]
    num_validation: int


def temperature_curves(comparison: ComparisonRecord, confidence: float = 0.95) -> tuple[Curve, ...]:
    """Pass@1 of every arm's last policy against the temperature, where its seeds were decoded at two or more."""
    curves = []
    for benchmark in comparison.benchmarks:
        for arm in comparison.arms:
            runs = comparison.runs_of(arm)
            temperatures, values_SPX = decoded_scores(runs, benchmark)
            if len(temperatures) < 2:
                continue
            x_X = np.array(temperatures)
            curves.append(
                Curve(
                    arm=arm,
                    benchmark=benchmark,
                    quantity="temperature",
                    x_X=x_X,
                    band=share_band(values_SPX, confidence),
                    simultaneous=share_band(values_SPX, confidence, simultaneous=True),
                    seeds=tuple(run.seed for run in runs),
                    seed_x_SX=np.tile(x_X, (len(runs), 1)),
                    seed_y_SX=values_SPX.mean(axis=1),
                )
            )
    return tuple(curves)


def decoded_scores(
    runs: Sequence[RunRecord],
    benchmark: str,
    samples_of: Callable[[RunRecord], Mapping[float, pd.DataFrame]] = decoded_samples,
) -> tuple[tuple[float, ...], np.ndarray]:
    """The temperatures that all runs have, and the share of right samples of each problem there, (S, P, X).

    Args:
        runs: the seeds of an arm.
        benchmark: whose problems.
        samples_of: the judgements of a run by temperature.
    """
    tables = [
        {
            temperature: _right(rows_where(samples, column(samples, "benchmark") == benchmark))
            for temperature, samples in samples_of(run).items()
        }
        for run in runs
    ]
    common = sorted(set.intersection(*(set(table) for table in tables)))
    common = [each for each in common if all(set(table[each]) == set(tables[0][each]) for table in tables)]
    if not common:
        return (), np.empty((len(runs), 0, 0))
    problems = sorted(set.intersection(*(set(table[each]) for table in tables for each in common)))
    values = [[[table[each][problem] for each in common] for problem in problems] for table in tables]
    return tuple(common), np.array(values)


def tuned_start(comparison: ComparisonRecord, benchmark: str, start: str) -> TunedStart | None:
    """The start policy at its best temperature on one benchmark; None where it was decoded at one temperature only."""
    runs = comparison.runs_of(start)
    if not runs:
        return None
    temperatures, values_SPX = decoded_scores(runs, benchmark)
    if len(temperatures) < 2 or values_SPX.shape[1] < 2:
        return None
    validation, num_validation = _on_validation(runs, benchmark, temperatures)
    if validation:
        chosen = (max(validation, key=validation.__getitem__),)  # of equals the lowest
    else:
        chosen = _best_of_halves(temperatures, values_SPX)
    votes = [_votes_at(run, benchmark, chosen) for run in runs]
    return TunedStart(
        scores=score_votes(votes, [1], arm=TUNED_START, benchmark=benchmark, seeds=[run.seed for run in runs]),
        temperatures=chosen,
        validation=validation,
        num_validation=num_validation,
    )


def _on_validation(
    runs: Sequence[RunRecord], benchmark: str, temperatures: Sequence[float]
) -> tuple[dict[float, float], int]:
    """Pass@1 at each temperature on validation problems, mean over seeds, and how many problems these are; nothing
    where a seed has not recorded one of the temperatures."""
    recorded, values_SPX = decoded_scores(runs, benchmark, validated_samples)
    num_problems = values_SPX.shape[1]
    if not num_problems or not set(temperatures) <= set(recorded):
        return {}, 0
    means = dict(zip(recorded, values_SPX.mean(axis=(0, 1)).tolist(), strict=True))
    return {each: means[each] for each in temperatures}, num_problems


def _half_of(num_problems: int) -> np.ndarray:
    """(P,): the half that each problem belongs to, 0 or 1."""
    return np.random.default_rng(HALVES_SEED).permutation(num_problems) % 2


def _best_of_halves(temperatures: Sequence[float], values_SPX: np.ndarray) -> tuple[float, float]:
    """For each half of the problems the temperature that is best on the other."""
    half_P = _half_of(values_SPX.shape[1])
    first, second = (temperatures[int(values_SPX[:, half_P == half].mean(axis=(0, 1)).argmax())] for half in (1, 0))
    return first, second


def _votes_at(run: RunRecord, benchmark: str, chosen: tuple[float, ...]) -> VoteTable:
    """The votes on every problem at the one temperature, or on each half of the problems at its own."""
    samples = {each: _on(run, each, benchmark) for each in dict.fromkeys(chosen)}
    if len(samples) == 1:
        return count_votes(samples[chosen[0]])
    order = sorted(set(column(samples[chosen[0]], "problem_id")))
    half_P, parts = _half_of(len(order)), []
    for half, temperature in enumerate(chosen):
        wanted = {problem for problem, own in zip(order, half_P, strict=True) if own == half}
        rows = samples[temperature]
        parts.append(rows_where(rows, _is_in(rows, wanted)))
    return count_votes(pd.concat(parts, ignore_index=True))


def contrast_scores(
    comparison: ComparisonRecord,
    scores: Sequence[ArmScores],
    contrasts: Sequence[Contrast],
    tuned: Sequence[TunedStart],
) -> list[ArmScores]:
    """All that contrasts are computed from: `scores` at the evaluation's temperature first, the tuned start, and Pass@1
    of every arm at the further temperatures that contrasts ask for."""
    asked = sorted({each.temperature for each in contrasts if each.temperature is not None})
    further = [
        found
        for benchmark in comparison.benchmarks
        for temperature in asked
        for found in _scores_at(comparison, temperature, benchmark)
    ]
    return [*scores, *(each.scores for each in tuned), *further]


def _scores_at(comparison: ComparisonRecord, temperature: float, benchmark: str) -> list[ArmScores]:
    """Pass@1 at one temperature of the arms whose seeds were all decoded there, on the problems common to them."""
    samples = {
        arm: [_on(run, temperature, benchmark) for run in comparison.runs_of(arm)]
        for arm in comparison.arms
        if all(temperature in decoded_samples(run) for run in comparison.runs_of(arm))
    }
    every = [frame for frames in samples.values() for frame in frames]
    common = set.intersection(*(set(column(frame, "problem_id")) for frame in every)) if every else set()
    if not common:
        return []
    held = {
        arm: [count_votes(rows_where(frame, _is_in(frame, common))) for frame in frames]
        for arm, frames in samples.items()
    }
    return [
        score_votes(
            votes,
            [1],
            arm=arm,
            benchmark=benchmark,
            seeds=[run.seed for run in comparison.runs_of(arm)],
            temperature=temperature,
        )
        for arm, votes in held.items()
    ]


def tuned_starts(comparison: ComparisonRecord, baseline: str | None) -> tuple[TunedStart, ...]:
    """The start policy at its best temperature on each benchmark where it was decoded at several."""
    found = [tuned_start(comparison, benchmark, baseline) for benchmark in comparison.benchmarks] if baseline else []
    return tuple(each for each in found if each is not None)


def _on(run: RunRecord, temperature: float, benchmark: str) -> pd.DataFrame:
    samples = decoded_samples(run)[temperature]
    return rows_where(samples, column(samples, "benchmark") == benchmark)


def _is_in(samples: pd.DataFrame, problems: set[str | int]) -> np.ndarray:
    """(N,): whether each sample is of one of the problems."""
    return np.isin(column(samples, "problem_id").astype(object), list(problems))


def _right(samples: pd.DataFrame) -> dict[str | int, float]:
    """The share of right samples of each problem."""
    problem_N, ids = codes_of(samples, "problem_id")
    verdict_N, verdicts = codes_of(samples, "verdict")
    size_P = np.bincount(problem_N, minlength=len(ids))
    right_P = np.bincount(problem_N, (verdicts == "CORRECT")[verdict_N], minlength=len(ids))
    return {ids.item(place): float(right_P[place] / size_P[place]) for place in np.flatnonzero(size_P).tolist()}
