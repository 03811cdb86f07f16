"""Runs that are still being written: what their files say by now, whatever is missing or cut short."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records.reading import printable

LONGEST_NAME = 200


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveCurves:
    """The curves of one arm at one seed, as far as they go by now.

    `metrics` has for each name of `metrics.jsonl` the steps and values that are numbers; `accuracy` the evaluated steps
    and the share of right samples at each.
    """

    arm: str
    seed: int
    metrics: Mapping[str, tuple[np.ndarray, np.ndarray]]
    accuracy: tuple[np.ndarray, np.ndarray]


def live_curves(folder: str | Path) -> tuple[LiveCurves, ...]:
    """The curves of every run of a comparison's folder, or of the run that the folder is, by name; runs without a
    readable configuration are left out.

    Raises:
        ValueError: the folder does not exist.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ValueError(f"{root} is no folder; expected what compare, sweep or train writes (--out)")
    paths = [root] if (root / "config.json").exists() else sorted(root.glob("runs/*"))
    found = (_live_curves(path) for path in paths if path.is_dir())
    return tuple(run for run in found if run is not None)


def _live_curves(path: Path) -> LiveCurves | None:
    try:
        config = json.loads((path / "config.json").read_text(encoding="utf-8"))
        arm, seed = printable(str(config["arm"]), LONGEST_NAME), int(config["seed"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return LiveCurves(arm=arm, seed=seed, metrics=_metrics(path / "metrics.jsonl"), accuracy=_accuracy(path))


def _metrics(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    points: dict[str, dict[int, float]] = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:  # the last line, half written
            continue
        if not isinstance(row, dict) or not isinstance(row.get("step"), int):
            continue
        for name, value in row.items():
            if isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value):
                points.setdefault(name, {})[row["step"]] = float(value)
    return {
        name: (np.array(sorted(values)), np.array([values[step] for step in sorted(values)]))
        for name, values in points.items()
    }


def _accuracy(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        table = pq.read_table(path / "samples.parquet", columns=["step", "verdict"], use_threads=False)
    except (OSError, ValueError, pa.ArrowException):  # not there yet, or being replaced
        return np.empty(0, dtype=int), np.empty(0)
    step_N = table.column("step").to_numpy()
    right_N = np.array(table.column("verdict").to_pylist()) == "CORRECT"
    steps, place_N = np.unique(step_N, return_inverse=True)
    return steps, np.bincount(place_N, right_N, minlength=len(steps)) / np.bincount(place_N, minlength=len(steps))
