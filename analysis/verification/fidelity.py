"""How much a verifier may err before a method stops gaining from it.

Noise is false_positive + false_negative, the share of the verifier's word that is lost: right completions get the
reward of right ones 1 − noise more often than wrong ones do (Youden 1950, J = 1 − noise). At 1 the reward says nothing,
and a random reward is the endpoint of every curve of its method.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from analysis.noise.intervals import Band, Resampling
from analysis.records.reading import RecordError
from analysis.records.record import ComparisonRecord
from analysis.statistics.differences import Difference, compare_arms
from analysis.statistics.scores import ArmScores, score_comparison

__all__ = ["FidelityCurve", "fidelity_curves", "noise_of", "stops_beating"]

# Fields of a run's configuration that the arms of a curve share; the step reward is one of the task's.
HELD = ("settings", "training", "reward", "reward_models", "task", "source", "model", "demonstrated", "evaluation")
ENDPOINT_LACKS = ("reward", "reward_models", "reward_noise")  # of these, what a random reward has otherwise
_NOISE_FIELD = re.compile(r"\s*reward_noise\.\w+=\S+")


@dataclass(frozen=True, kw_only=True, eq=False)
class FidelityCurve:
    """One method on one benchmark, X rates of noise from the lowest on.

    Attributes:
        method: the arms' name without their noise; of several of one name, with what tells them apart.
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

    Arms are of one method where they have one start policy and their configurations differ in the rates of noise alone.
    A random reward is the endpoint of the methods that differ from it in reward and noise alone, and have no arm there.

    Raises:
        RecordError: two arms of a method have one rate of noise.
        ValueError: an arm's start policy was not evaluated.
    """
    scores = score_comparison(comparison)
    methods: dict[str, dict[float, str]] = {}
    names: dict[str, str] = {}
    endpoints: dict[str, dict[float, str]] = {}
    for arm in comparison.arms:
        noise = noise_of(comparison.runs_of(arm)[0].config)
        if noise is None:
            continue
        held = _held(comparison, arm)
        if held["reward"] == "random":
            _place(endpoints.setdefault(_key(held, ENDPOINT_LACKS), {}), 1.0, arm, comparison)
            continue
        _place(methods.setdefault(_key(held), {}), round(noise, 9), arm, comparison)
        names.setdefault(_key(held), _NOISE_FIELD.sub("", arm) or arm)
    told = _told_apart(names)
    curves = []
    for key, arms in methods.items():
        rates = {**endpoints.get(_key(json.loads(key), ENDPOINT_LACKS), {}), **arms}
        if len(rates) < 2:
            continue
        ordered = [(rate, rates[rate]) for rate in sorted(rates)]
        curves += [
            _curve(comparison, scores, told[key], benchmark, ordered, resampling) for benchmark in comparison.benchmarks
        ]
    return tuple(curves)


def _place(arms: dict[float, str], noise: float, arm: str, comparison: ComparisonRecord) -> None:
    """Put an arm at its rate of noise."""
    if noise in arms:
        raise RecordError(
            f"{comparison.path}: {arms[noise]!r} and {arm!r} are one method at one rate of noise, {noise:g} "
            "(false_positive + false_negative); expected one arm at a rate. Sweep false_positive and false_negative in "
            "comparisons of their own (--out FOLDER), and draw each."
        )
    arms[noise] = arm


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


def _held(comparison: ComparisonRecord, arm: str) -> dict[str, Any]:
    """What an arm holds besides its rates of noise: `HELD` of its configuration, the kind of noise and its start."""
    run = comparison.runs_of(arm)[0]
    noise = run.config.get("reward_noise")
    return {
        "algorithm": run.algorithm,
        **{field: run.config.get(field) for field in HELD},
        "reward_noise": {"kind": noise.get("kind") if isinstance(noise, Mapping) else None},
        "start": comparison.start_of(arm),
    }


def _key(held: Mapping[str, Any], without: Sequence[str] = ()) -> str:
    """What makes two arms one method at two rates of noise, as JSON."""
    return json.dumps({field: value for field, value in held.items() if field not in without}, sort_keys=True)


def _told_apart(names: Mapping[str, str]) -> dict[str, str]:
    """The name of each method by its key; those of one name get the fields in which they differ behind it."""
    told = dict(names)
    for name, count in Counter(names.values()).items():
        if count == 1:
            continue
        flat = {key: _flat(json.loads(key)) for key, each in names.items() if each == name}
        paths = sorted({path for fields in flat.values() for path in fields})
        apart = [path for path in paths if len({fields.get(path, "null") for fields in flat.values()}) > 1]
        for key, fields in flat.items():
            told[key] = " ".join([name, *(f"{path}={fields.get(path, 'null')}" for path in apart)])
    return told


def _flat(held: Mapping[str, Any], before: str = "") -> dict[str, str]:
    """Fields by their paths, ``training.learning_rate``, with values as they are typed."""
    found: dict[str, str] = {}
    for name, value in held.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{before}{name}.")
        else:
            found[before + name] = value if isinstance(value, str) else json.dumps(value)
    return found
