"""Curves with bands: accuracy against K, difference to a baseline, learning curves, and training diagnostics.

Everything that a figure shows is computed here; `analysis.figures.plots` only draws it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.noise.intervals import Band, Resampling, problem_means, within
from analysis.noise.seeds import difference_noise
from analysis.noise.simultaneous import along_curve, curve_factor, share_band
from analysis.records.evaluations import accuracy_by_step, spent_by_step
from analysis.records.frames import column, read_start_kl
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.records.showing import table_html
from analysis.statistics.scores import ArmScores
from benchmarks.naming import did_you_mean

DIAGNOSTICS = {
    "reward_mean": "mean reward",
    "step_reward_mean": "mean reward of a step",
    "reward_auc": "right above wrong in the reward (AUC)",
    "entropy": "entropy (nats a token)",
    "kl": "KL from the reference (nats a token)",
    "start_kl": "KL from the start policy (nats a completion)",
    "tokens_per_completion": "tokens a completion",
    "grad_norm": "gradient norm",
    "clip_fraction": "clip fraction (share of tokens)",
    "staleness": "staleness (steps)",
    "effective_share": "effective sample size (share of tokens)",
    "nll": "negative log-likelihood (nats a token)",
    "loss": "loss",
}
SMOOTHING_SHARE = 20  # the running mean of a diagnostic spans 1/20 of its rows


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """One arm's line: X positions, the mean over S seeds with its bands, and each seed's own line.

    `quantity` names y: "pass", "majority", "pass_difference" or "majority_difference". y is a share in 0..1 (a
    difference lies in -1..1), and so are the bands. `seed_y_SX` has no rows for a difference of arms with different
    seeds.
    """

    arm: str
    benchmark: str
    quantity: str
    x_X: np.ndarray
    band: Band  # over problems and seeds (over problems with one seed), each position alone
    simultaneous: Band  # the same, the whole curve at once
    seeds: tuple[int, ...]
    seed_x_SX: np.ndarray
    seed_y_SX: np.ndarray

    def _repr_html_(self) -> str:
        band = {"point": self.band.point, "low": self.band.low, "high": self.band.high}
        columns = {"x": self.x_X.astype(float).tolist(), **{name: each.tolist() for name, each in band.items()}}
        return table_html(f"{self.arm}: {self.quantity} on {self.benchmark}, 95 % at each x", columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """One arm's training metric, smoothed: steps that all seeds have (X,), mean over seeds (X,), each seed (S, X)."""

    arm: str
    quantity: str
    step_X: np.ndarray
    mean_X: np.ndarray
    seed_y_SX: np.ndarray


def pass_curves(scores: Sequence[ArmScores], resampling: Resampling) -> tuple[Curve, ...]:
    """Pass@K against K at the final step, a curve an arm and benchmark."""
    return tuple(_k_curve(arm, "pass", resampling) for arm in scores)


def majority_curves(scores: Sequence[ArmScores], resampling: Resampling) -> tuple[Curve, ...]:
    """Maj@K against K at the final step, a curve an arm and benchmark."""
    return tuple(_k_curve(arm, "majority", resampling) for arm in scores)


def difference_curves(scores: Sequence[ArmScores], baseline: str, resampling: Resampling) -> tuple[Curve, ...]:
    """Pass@K and Maj@K minus the baseline's, paired by problem, for every other arm.

    Raises:
        ValueError: no scores of the baseline.
    """
    curves = []
    for arm in scores:
        if arm.arm == baseline:
            continue
        base = baseline_scores(scores, baseline, arm.benchmark)
        curves += [_difference_curve(arm, base, quantity, resampling) for quantity in ("pass", "majority")]
    return tuple(curves)


def differences_to_own(
    comparison: ComparisonRecord, scores: Sequence[ArmScores], baseline: str, resampling: Resampling
) -> tuple[Curve, ...]:
    """`difference_curves`, each arm minus the arm that it may be compared with (`ComparisonRecord.baseline_of`)."""
    own = {arm: comparison.baseline_of(arm, baseline) for arm in comparison.arms}
    curves: list[Curve] = []
    for base in dict.fromkeys(name for name in own.values() if name is not None):
        alike = [score for score in scores if score.arm == base or own[score.arm] == base]
        curves += difference_curves(alike, base, resampling)
    return tuple(curves)


def _difference_curve(arm: ArmScores, base: ArmScores, quantity: str, resampling: Resampling) -> Curve:
    ours_SPK, theirs_SPK = arm.values(quantity), base.values(quantity)
    paired = arm.seeds == base.seeds
    by_seed_SPK = ours_SPK - theirs_SPK if paired else np.empty((0, *ours_SPK.shape[1:]))
    noise = difference_noise(ours_SPK, theirs_SPK, paired=paired)
    band = noise.band(resampling.confidence)
    means_PK, together = problem_means(ours_SPK) - problem_means(theirs_SPK), along_curve(noise)
    factor = curve_factor(together, means_PK, resampling.confidence)
    half_K = factor * together.half_width(resampling.confidence)
    ks = np.array(arm.ks)
    return Curve(
        arm=arm.arm,
        benchmark=arm.benchmark,
        quantity=f"{quantity}_difference",
        x_X=ks,
        band=within(band, -1.0),
        simultaneous=within(Band(point=band.point, low=band.point - half_K, high=band.point + half_K), -1.0),
        seeds=arm.seeds if paired else (),
        seed_x_SX=np.tile(ks, (len(by_seed_SPK), 1)),
        seed_y_SX=by_seed_SPK.mean(axis=1),
    )


def baseline_scores(scores: Sequence[ArmScores], baseline: str, benchmark: str) -> ArmScores:
    """The scores of the baseline arm on a benchmark.

    Raises:
        ValueError: there are none; lists the arms that there are.
    """
    for arm in scores:
        if (arm.arm, arm.benchmark) == (baseline, benchmark):
            return arm
    arms = sorted({arm.arm for arm in scores})
    raise ValueError(
        f"baseline {baseline!r} has no scores on {benchmark}{did_you_mean(baseline, arms)}Known: "
        f"{', '.join(arms)}; name an arm that finished"
    )


def learning_curves(comparison: ComparisonRecord, x: str, resampling: Resampling) -> tuple[Curve, ...]:
    """Pass@1 at every evaluated step, against one of `evaluations.BUDGETS`.

    The problems are those evaluated at every step by every seed of the arm, the steps those that all its seeds
    evaluated. An arm whose metrics lack the budget, or that trains without spending any of it, is left out.
    """
    curves = []
    for benchmark in comparison.benchmarks:
        for arm in comparison.arms:
            runs = comparison.runs_of(arm)
            steps_X, _, accuracy_SPX = accuracy_by_step(runs, benchmark)
            spent_SX = np.stack([spent_by_step(run, x, steps_X) for run in runs])
            spends_none = len(steps_X) > 1 and not spent_SX.any()
            if spends_none or not np.isfinite(spent_SX).all():
                continue
            seeds = tuple(run.seed for run in runs)
            curves.append(_curve(arm, benchmark, "pass", spent_SX, accuracy_SPX, seeds, resampling))
    return tuple(curves)


def diagnostic_traces(comparison: ComparisonRecord) -> tuple[Trace, ...]:
    """The metrics of `DIAGNOSTICS`, a trace an arm, where the arm's metrics hold them at two steps or more.

    Each seed is smoothed by a centred running mean over 1/20 of its rows. Tokens a completion are the tokens generated
    between two rows over the completions sampled between them; steps that sample nothing have none. The KL from the
    start policy is that of the evaluations, the mean over their completions, and 0 at step 0.
    """
    traces = []
    for quantity in DIAGNOSTICS:
        for arm in comparison.arms:
            seeds = [_diagnostic(run, quantity) for run in comparison.runs_of(arm)]
            steps = sorted(set.intersection(*(set(values) for values in seeds)))
            if len(steps) < 2:
                continue
            seed_y_SX = np.array([[values[step] for step in steps] for values in seeds])
            smooth_SX = _running_mean(seed_y_SX, max(1, len(steps) // SMOOTHING_SHARE))
            traces.append(
                Trace(
                    arm=arm,
                    quantity=quantity,
                    step_X=np.array(steps),
                    mean_X=smooth_SX.mean(axis=0),
                    seed_y_SX=smooth_SX,
                )
            )
    return tuple(traces)


CURVE_COLUMNS = (
    "quantity",
    "benchmark",
    "arm",
    "x",
    "point",
    "low",
    "high",
    "simultaneous_low",
    "simultaneous_high",
    "num_seeds",
)


def curve_table(curves: Sequence[Curve]) -> pd.DataFrame:
    """Curves as tidy rows: quantity, benchmark, arm, x, point, low, high, simultaneous_low, simultaneous_high,
    num_seeds."""
    frames = [
        pd.DataFrame(
            {
                "quantity": curve.quantity,
                "benchmark": curve.benchmark,
                "arm": curve.arm,
                "x": curve.x_X,
                "point": curve.band.point,
                "low": curve.band.low,
                "high": curve.band.high,
                "simultaneous_low": curve.simultaneous.low,
                "simultaneous_high": curve.simultaneous.high,
                "num_seeds": len(curve.seeds),
            }
        )
        for curve in curves
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=list(CURVE_COLUMNS))


def _k_curve(arm: ArmScores, quantity: str, resampling: Resampling) -> Curve:
    ks_SX = np.tile(np.array(arm.ks), (len(arm.seeds), 1))
    return _curve(arm.arm, arm.benchmark, quantity, ks_SX, arm.values(quantity), arm.seeds, resampling)


def _curve(
    arm: str,
    benchmark: str,
    quantity: str,
    x_SX: np.ndarray,
    values_SPX: np.ndarray,
    seeds: tuple[int, ...],
    resampling: Resampling,
) -> Curve:
    return Curve(
        arm=arm,
        benchmark=benchmark,
        quantity=quantity,
        x_X=x_SX.mean(axis=0) if np.ptp(x_SX, axis=0).any() else x_SX[0],
        band=share_band(values_SPX, resampling.confidence),
        simultaneous=share_band(values_SPX, resampling.confidence, simultaneous=True),
        seeds=seeds,
        seed_x_SX=x_SX,
        seed_y_SX=values_SPX.mean(axis=1),
    )


def _diagnostic(run: RunRecord, quantity: str) -> dict[int, float]:
    """One metric of one run by step, only where it is recorded."""
    if quantity == "start_kl":
        return read_start_kl(run.path)
    steps_N = column(run.metrics, "step")
    if quantity in run.metrics:
        values_N = column(run.metrics, quantity).astype(float)
    elif quantity == "tokens_per_completion" and {"tokens_generated", "completions_sampled"} <= set(run.metrics):
        tokens_N = np.diff(column(run.metrics, "tokens_generated").astype(float), prepend=0.0)
        completions_N = np.diff(column(run.metrics, "completions_sampled").astype(float), prepend=0.0)
        values_N = np.divide(tokens_N, completions_N, out=np.full_like(tokens_N, np.nan), where=completions_N > 0)
    else:
        return {}
    known_N = np.isfinite(values_N)
    return dict(zip(steps_N[known_N].tolist(), values_N[known_N].tolist(), strict=True))


def _running_mean(values_SX: np.ndarray, window: int) -> np.ndarray:
    """(S, X): the centred mean of `window` neighbours, of fewer at the ends."""
    kernel = np.ones(window)
    size_X = np.convolve(np.ones(values_SX.shape[1]), kernel, mode="same")
    return np.stack([np.convolve(row, kernel, mode="same") / size_X for row in values_SX])
