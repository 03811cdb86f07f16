"""How much a verifier may err before a method stops gaining from it.

Noise is false_positive + false_negative, the share of the verifier's word that is lost: right completions get the
reward of right ones 1 − noise more often than wrong ones do (Youden 1950, J = 1 − noise). At 1 the reward says nothing,
and a random reward is the endpoint of every curve of its method.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.noise.intervals import Band, Resampling
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.statistics.differences import Difference, compare_arms
from analysis.statistics.scores import ArmScores, score_comparison

__all__ = ["FidelityCurve", "fidelity_curves", "noise_of", "stops_beating"]

_NOISE_FIELD = re.compile(r"\s*reward_noise\.\w+=\S+")


@dataclass(frozen=True, kw_only=True, eq=False)
class FidelityCurve:
    """One method on one benchmark, X rates of noise from the lowest on.

    Attributes:
        method: the arms' name without their noise.
        benchmark: what was asked.
        arms: of each rate.
        noise_X: rates in 0..1 (beyond 1 the verifier says the opposite).
        gain: Pass@1 after training minus that of the arm's own start, with its 95 % interval over problems and seeds.
        seed_gains_X: the gain of each seed, where both have the same seeds.
        num_seeds: the fewest of an arm.
        stops: rate at which the method stops beating its start, see `stops_beating`.
    """

    method: str
    benchmark: str
    arms: tuple[str, ...]
    noise_X: np.ndarray
    gain: Band
    seed_gains_X: tuple[tuple[float, ...], ...]
    num_seeds: int
    stops: float | None


def noise_of(config: Mapping[str, Any]) -> float | None:
    """The noise of a run by its configuration: 1 for a random reward; ``None`` for any other control."""
    if config.get("control") == "random_reward" or config.get("reward") == "random":
        return 1.0
    if config.get("control") is not None or config.get("training") is None:
        return None
    noise = config.get("reward_noise")
    noise = noise if isinstance(noise, Mapping) else {}
    return float(noise.get("false_positive", 0.0)) + float(noise.get("false_negative", 0.0))


def stops_beating(noise_X: Sequence[float], low_X: Sequence[float]) -> float | None:
    """The lowest rate at which the lower end of the gain's interval is at 0, by straight lines between the rates.

    Args:
        noise_X: rates, rising.
        low_X: lower ends of the gain at each.

    Returns:
        The lowest rate itself where the method does not even beat the start there; ``None`` where it always does.
    """
    for place, low in enumerate(low_X):
        if low > 0:
            continue
        if place == 0:
            return float(noise_X[0])
        before, gap = low_X[place - 1], noise_X[place] - noise_X[place - 1]
        return float(noise_X[place - 1] + gap * before / (before - low))
    return None


def fidelity_curves(comparison: ComparisonRecord, resampling: Resampling) -> tuple[FidelityCurve, ...]:
    """A curve a method and benchmark, for methods that were trained at two rates or more.

    Arms are of one method where algorithm, its settings and the kind of noise agree; a random reward belongs to every
    one of its algorithm.

    Raises:
        ValueError: an arm's start policy was not evaluated.
    """
    scores = score_comparison(comparison)
    methods: dict[str, dict[float, str]] = {}
    names: dict[str, str] = {}
    endpoints: dict[str, str] = {}
    for arm in comparison.arms:
        run = comparison.runs_of(arm)[0]
        noise = noise_of(run.config)
        if noise is None:
            continue
        if run.config.get("reward") == "random":
            endpoints[_key(run, kind=False)] = arm
            continue
        methods.setdefault(_key(run), {})[noise] = arm
        names.setdefault(_key(run), _NOISE_FIELD.sub("", arm) or arm)
    curves = []
    for key, arms in methods.items():
        end = endpoints.get(_key(comparison.runs_of(next(iter(arms.values())))[0], kind=False))
        rates = {**arms, **({1.0: end} if end is not None and 1.0 not in arms else {})}
        if len(rates) < 2:
            continue
        ordered = [(rate, rates[rate]) for rate in sorted(rates)]
        curves += [
            _curve(comparison, scores, names[key], benchmark, ordered, resampling)
            for benchmark in comparison.benchmarks
        ]
    return tuple(curves)


def _curve(
    comparison: ComparisonRecord,
    scores: Sequence[ArmScores],
    method: str,
    benchmark: str,
    ordered: Sequence[tuple[float, str]],
    resampling: Resampling,
) -> FidelityCurve:
    gains: list[Difference] = []
    for _, arm in ordered:
        start = comparison.start_of(arm)
        pair = [score for score in scores if score.benchmark == benchmark and score.arm in (arm, start)]
        gains += compare_arms(pair, resampling=resampling, baseline=start)
    band = Band(
        point=np.array([each.point for each in gains]),
        low=np.array([each.interval.low for each in gains]),
        high=np.array([each.interval.high for each in gains]),
    )
    noise = np.array([rate for rate, _ in ordered])
    return FidelityCurve(
        method=method,
        benchmark=benchmark,
        arms=tuple(arm for _, arm in ordered),
        noise_X=noise,
        gain=band,
        seed_gains_X=tuple(each.seed_points for each in gains),
        num_seeds=min(each.num_seeds for each in gains),
        stops=stops_beating(list(noise), list(band.low)),
    )


def _key(run: RunRecord, *, kind: bool = True) -> str:
    """What makes two arms one method at two rates of noise."""
    noise = run.config.get("reward_noise")
    how = noise.get("kind") if kind and isinstance(noise, Mapping) else None
    return json.dumps([run.algorithm, run.config.get("settings"), how], sort_keys=True, default=str)
