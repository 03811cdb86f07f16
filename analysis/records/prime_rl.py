"""prime-rl's rollout dumps: ``rollouts/step_N/train_rollouts.jsonl``, a line a rollout, in the two shapes it has had.

Up to verifiers 0.1 a line is flat: ``example_id``, ``prompt`` and ``completion`` (messages), ``answer``, ``reward``.
Since then it is a trace (``verifiers.v1.Trace.to_record``): ``task.data`` has the row of the data set, ``nodes`` the
messages, ``rewards`` the parts of the reward with their weights. A trace is made flat here. The step is in the folder's
name alone, and the run is the folder that holds ``rollouts``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.records.frames import records_of

__all__ = ["flat_rollouts", "run_and_step"]

TRACE = {"task", "nodes", "rewards"}  # columns that only traces have together
STEP = re.compile(r"step_(\d+)")


def flat_rollouts(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of a dump as flat ones, with ids that tell the problems of several environments apart; others as given.

    Returns:
        Of traces: ``example_id`` (the task's id, key or index), ``prompt``, ``completion`` (the last thing that the
        model said, empty where it said nothing), ``reward`` (Σ score · weight, ``None`` where nothing was scored),
        ``environment``, and the fields of ``task.data`` as they are called there.
    """
    flat, environment = (_flat(rows), "environment") if set(rows.columns) >= TRACE else (rows, "task")
    if {"example_id", environment} <= set(flat.columns) and len({*map(str, flat[environment])}) > 1:
        ids = [f"{where}/{own}" for where, own in zip(flat[environment], flat["example_id"], strict=True)]
        return flat.assign(example_id=ids)
    return flat


def _flat(rows: pd.DataFrame) -> pd.DataFrame:
    flat = []
    for row in records_of(rows):
        task = row["task"] if isinstance(row["task"], Mapping) else {}
        data = task.get("data") or {}
        known = [data.get("id"), task.get("key"), data.get("idx")]
        info = row.get("info")
        stamped = info.get("prime_rl") if isinstance(info, Mapping) else None
        flat.append(
            {
                **{name: value for name, value in data.items() if value is not None},
                "example_id": next((name for name in known if name is not None), None),
                "prompt": data.get("prompt"),
                "completion": _last_reply(row.get("root_reply"), row["nodes"]),
                "reward": _reward(row["rewards"]),
                "environment": (stamped or {}).get("env_name", task.get("type")),
            }
        )
    return pd.DataFrame(flat)


def run_and_step(path: Path) -> tuple[str, int] | None:
    """The run's name and the step of ``RUN/rollouts/step_N/FILE``; ``None`` for another path."""
    found = STEP.fullmatch(path.parent.name)
    if found is None:
        return None
    above = path.parent.parent
    return (above.parent.name if above.name == "rollouts" else above.name), int(found[1])


def _last_reply(root_reply: Any, nodes: Sequence[Mapping[str, Any]]) -> Any:
    if root_reply:
        return root_reply
    said = [node["message"] for node in nodes if node.get("sampled")]
    said = [message for message in said if message.get("role") == "assistant"]
    return [said[-1]] if said else ""


def _reward(rewards: Mapping[str, Mapping[str, float] | None]) -> float | None:
    scored = [part for part in rewards.values() if part is not None]
    return sum(part["score"] * part.get("weight", 1.0) for part in scored) if scored else None
