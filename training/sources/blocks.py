"""Completions on disk: JSON Lines, a step's block a line, each with its SHA-256."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from benchmarks.problem import Problem
from sampling.rollout import Rollout

__all__ = ["digest_of", "from_row", "read_blocks", "to_row"]

_LOGPROBS = ("sampler_logprobs", "old_logprobs")


def read_blocks(file: Path) -> list[dict[str, Any]]:
    """The blocks of a file, each checked against its SHA-256 (files of coeflab 0.1 have none)."""
    try:
        blocks = [json.loads(line) for line in file.read_bytes().splitlines()]
        whole = all(
            block.get("sha256", digest) == digest for block in blocks for digest in [digest_of(block["rollouts"])]
        )
    except (ValueError, KeyError, AttributeError, RecursionError):
        whole = False
    if not whole:
        raise ValueError(
            f"{file} is damaged: it is not what was drawn. Remove it, and where it lies in a run's folder that folder, "
            "and start the same command again: the same completions are drawn anew."
        )
    return blocks


def digest_of(rows: list[dict[str, object]]) -> str:
    """SHA-256 of a block's rows."""
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def to_row(rollout: Rollout) -> dict[str, object]:
    """A completion as JSON, by its problem's id."""
    return {
        "problem_id": rollout.problem.problem_id,
        "completion_ids": list(rollout.completion_ids),
        "completion": rollout.completion,
        "finish_reason": rollout.finish_reason,
        "sample_index": rollout.sample_index,
        "seed": rollout.seed,
        "policy_version": rollout.policy_version,
        **({"opening": rollout.opening} if rollout.opening else {}),
        **({} if rollout.own_tokens is None else {"own_tokens": list(map(int, rollout.own_tokens))}),
        **({} if rollout.own_words is None else {"own_words": rollout.own_words}),
        **{name: list(numbers) for name in _LOGPROBS if (numbers := getattr(rollout, name)) is not None},
    }


def from_row(row: dict[str, object], problem: Problem, prompt_ids: tuple[int, ...]) -> Rollout:
    """The completion of a row of its problem."""
    fields: dict[str, object] = {name: value for name, value in row.items() if name != "problem_id"}
    fields["completion_ids"] = tuple(row["completion_ids"])  # type: ignore[arg-type]
    if "own_tokens" in row:
        fields["own_tokens"] = tuple(map(bool, row["own_tokens"]))  # type: ignore[call-overload]
    fields |= {name: tuple(row[name]) for name in _LOGPROBS if name in row}  # type: ignore[arg-type]
    return Rollout(problem=problem, prompt_ids=prompt_ids, **fields)  # type: ignore[arg-type]
