"""What is known of a comparison's reward models, computed, and as tables to be written beside the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.figures.paper_figures import by_iteration, iterative_arms
from analysis.noise.intervals import Band, Resampling
from analysis.records.record import ComparisonRecord
from analysis.statistics.curves import Curve, learning_curves
from analysis.verification.calibration import ReliabilityCurve
from analysis.verification.learned import (
    LastPolicy,
    LearnedArm,
    RewardTrace,
    fit_table,
    held_out_reliability,
    last_policies,
    learned_arms,
    reward_traces,
)
from analysis.verification.searches import read_searches
from analysis.verification.selection import Selection, selections

__all__ = ["LearnedFacts", "learned_facts", "learned_frames"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedFacts:
    """What the page says of reward models; all empty where none is in use.

    Attributes:
        arms: under a model.
        fits: see `fit_table`.
        first_curves: reliability after the first fit, by arm.
        last: on each arm's last policy.
        traces: reward and accuracy by training step.
        selections: best of K and weighted votes.
        iterations: Pass@1 by step cut into iterations, by benchmark and arm.
        searches: see `read_searches`.
    """

    arms: tuple[LearnedArm, ...]
    fits: pd.DataFrame
    first_curves: Mapping[str, ReliabilityCurve]
    last: tuple[LastPolicy, ...]
    traces: tuple[RewardTrace, ...]
    selections: tuple[Selection, ...]
    iterations: Mapping[str, Mapping[str, Mapping[str, Curve]]]
    searches: pd.DataFrame


def learned_facts(comparison: ComparisonRecord, resampling: Resampling) -> LearnedFacts:
    """Everything of `LearnedFacts`.

    Raises:
        RecordError: scores, fits or searches are not what was written.
    """
    arms = learned_arms(comparison)
    first = {arm.arm: held_out_reliability(comparison, arm, 0) for arm in arms}
    return LearnedFacts(
        arms=arms,
        fits=fit_table(comparison),
        first_curves={name: curve for name, curve in first.items() if curve is not None},
        last=last_policies(comparison, resampling.confidence),
        traces=reward_traces(comparison),
        selections=selections(comparison, resampling.confidence),
        iterations=_iterations(comparison, resampling),
        searches=read_searches(comparison.path),
    )


def learned_frames(facts: LearnedFacts) -> dict[str, pd.DataFrame]:
    """The tables behind the section, tidy; none where no model is in use."""
    searched = {"search": facts.searches} if len(facts.searches) else {}
    if not facts.arms:
        return searched
    return {
        **searched,
        "reward_model_fits": facts.fits,
        "reward_model_last": pd.DataFrame(_last_row(each) for each in facts.last),
        "over_optimisation": pd.DataFrame(_trace_row(each) for each in facts.traces),
        "selection": pd.DataFrame(_selection_row(each) for each in facts.selections),
    }


def _iterations(comparison: ComparisonRecord, resampling: Resampling) -> dict[str, dict[str, dict[str, Curve]]]:
    steps = iterative_arms(comparison)
    found: dict[str, dict[str, dict[str, Curve]]] = {}
    for curve in learning_curves(comparison, "step", resampling) if steps else ():
        if curve.arm in steps and len(curve.x_X) > 1:
            found.setdefault(curve.benchmark, {})[curve.arm] = by_iteration(curve, steps[curve.arm])
    return found


def _last_row(each: LastPolicy) -> dict[str, object]:
    return {
        "arm": each.arm.arm,
        "model": each.arm.model,
        "benchmark": each.benchmark,
        "samples": each.num_samples,
        "share_right": each.share_right,
        "auc_seeds": ";".join("" if value is None else f"{value:.6g}" for value in each.auc_S),
        **_band("brier", each.brier),
        "expected_calibration_error": each.curve.expected_error,
    }


def _trace_row(each: RewardTrace) -> dict[str, object]:
    found = each.found
    low, high = found.accuracy_band or (np.nan, np.nan)
    return {
        "arm": each.arm.arm,
        "model": each.arm.model,
        "peak_step": int(each.step_T[found.step - 1]),
        "reward_change": found.reward_change,
        "accuracy_change": found.accuracy_change,
        "accuracy_change_low": low,
        "accuracy_change_high": high,
        "num_seeds": len(each.reward_ST),
        "over_optimised": found.found,
    }


def _selection_row(each: Selection) -> dict[str, object]:
    bands = ("one", "majority", "weighted", "best", "any_right", "weighted_gain", "best_gain")
    row: dict[str, object] = {
        "arm": each.arm.arm,
        "model": each.arm.model,
        "benchmark": each.benchmark,
        "k": each.k,
        "num_seeds": each.num_seeds,
    }
    for name in bands:
        row |= _band(name, getattr(each, name))
    return row


def _band(name: str, band: Band) -> dict[str, float]:
    return {name: float(band.point[0]), f"{name}_low": float(band.low[0]), f"{name}_high": float(band.high[0])}
