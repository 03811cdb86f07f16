"""Which arms may be compared: those of one start policy and one evaluation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from analysis.records.record import ComparisonRecord


def comparison(arms: list[str], starts: Any) -> ComparisonRecord:
    runs: Any = tuple(SimpleNamespace(arm=arm, seed=0) for arm in arms)
    return ComparisonRecord(path=Path(), description={"starts": starts}, runs=runs, unfinished=(), notes=())


SHORT = "sft_start evaluation.max_tokens=32"


def test_an_arm_is_compared_with_its_own_start() -> None:
    held = comparison(["sft_start", SHORT, "rft", "grpo", "grpo short", "ppo short"], {
        "grpo short": SHORT, "ppo short": SHORT
    })  # fmt: skip
    own = {arm: held.baseline_of(arm, "sft_start") for arm in held.arms}
    assert own == {
        "sft_start": "sft_start",
        SHORT: SHORT,
        "rft": "sft_start",
        "grpo": "sft_start",
        "grpo short": SHORT,
        "ppo short": SHORT,
    }
    assert held.baseline_of("ppo short", "grpo short") == "grpo short"
    assert held.baseline_of("ppo short", "grpo") is None
    assert held.baseline_of("rft", "grpo") == "grpo"
    assert held.baseline_of("rft", None) is None
    assert held.alike == (("sft_start", "rft", "grpo"), (SHORT, "grpo short", "ppo short"))


def test_without_its_start_an_arm_is_compared_with_nothing() -> None:
    held = comparison(["sft_start", "grpo", "grpo short"], {"grpo short": SHORT})
    assert held.baseline_of("grpo short", "sft_start") is None
    assert comparison(["sft_start", "grpo"], ["damaged"]).alike == (("sft_start", "grpo"),)
