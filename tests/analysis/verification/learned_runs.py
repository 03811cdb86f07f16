"""Run folders of arms under a reward model, written by hand."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from tests.analysis.conftest import metric_rows, sample_rows, save_run

OUTCOME = {
    "reward": "model:orm",
    "reward_models": {"orm": {"supervision": "outcome", "control": "none", "refit": True}},
    "training": {"steps": 4, "iteration_steps": 2},
}
PROCESS = {
    "reward": "correctness",
    "reward_models": {"prm": {"supervision": "process", "control": "shuffled_labels", "refit": False}},
    "training": {"steps": 4, "iteration_steps": None},
}


def measured(
    auc: float, probability: Sequence[float], frequency: Sequence[float], count: Sequence[int]
) -> dict[str, Any]:
    """What `finished.json` of a fit holds of held-out problems."""
    return {
        "labels": sum(count),
        "share_right": 0.5,
        "accuracy": 0.6,
        "auc": auc,
        "brier": 0.2,
        "expected_calibration_error": 0.1,
        "reliability": {"probability": list(probability), "frequency": list(frequency), "count": list(count)},
    }


def save_learned(
    folder: Path,
    *,
    arm: str,
    seed: int,
    votes: Mapping[int, Sequence[str]],
    scores: Sequence[Sequence[float]],
    reward: Sequence[float],
    accuracy: Sequence[float],
    config: Mapping[str, Any],
    fits: Sequence[Mapping[str, Any]] = (),
) -> Path:
    """A run of a comparison `folder`; `scores` has a row a problem of the last step, `reward` a number a step."""
    rows = sample_rows(arm, seed, votes)
    column = "reward_mean" if config["reward"].startswith("model:") else "step_reward_mean"
    metrics = [
        {**row, column: value, "accuracy": right}
        for row, value, right in zip(metric_rows(len(reward)), reward, accuracy, strict=True)
    ]
    run = save_run(folder / "runs" / f"{arm}-seed{seed}", rows, metrics, **config)
    last = max(votes)
    flat = [score for problem in scores for score in problem]
    judged = [row for row in rows if row["step"] == last]
    keyed = [
        {**{name: row[name] for name in ("step", "benchmark", "problem_id", "sample_index")}, "score": score}
        for row, score in zip(judged, flat, strict=True)
    ]
    pd.DataFrame(keyed).to_parquet(run / "scores.parquet")
    (run / "reward_models.json").write_text(json.dumps({"fits": list(fits)}))
    return run
