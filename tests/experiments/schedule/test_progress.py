"""Rates that are not 0, and logs that say each thing once."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from experiments.schedule import progress
from experiments.schedule.progress import Board, rate_text, time_text


@pytest.mark.parametrize(
    ("per_second", "unit", "text"),
    [
        (1234.5, "completions", "1,234.5 completions/s"),
        (1.0, "steps", "1.0 steps/s"),
        (0.5, "steps", "2.0 s a step"),
        (1 / 210, "runs", "3.5 min a run"),
        (0.25, "microbatches", "4.0 s a microbatch"),
        (1e-4, "runs", "2.8 h a run"),
        (1 / 51, "completions of validation problems", "51 s a completion"),
        (214.6, "completions of validation problems", "214.6 completions/s"),
    ],
)
def test_a_rate_is_told_in_a_unit_in_which_it_is_not_0(per_second: float, unit: str, text: str) -> None:
    assert rate_text(per_second, unit) == text


def test_times() -> None:
    assert [time_text(seconds) for seconds in (0.04, 9.94, 38.2, 240, 9000)] == [
        "0.0 s", "9.9 s", "38 s", "4.0 min", "2.5 h"
    ]  # fmt: skip


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    text = io.StringIO()
    monkeypatch.setattr(progress, "console", Console(file=text, width=200))
    return text


def test_a_log_has_a_line_a_state_and_no_other(log: io.StringIO) -> None:
    board = Board(None)
    for step in range(1, 31):
        for part in range(1, 13):
            board.update("grpo-seed0: sample", part, 12, "completions")
            board.update("grpo-seed0: update", part, 12, "microbatches")
        board.update("grpo-seed0: train", step, 30, "steps")
    for done in range(0, 6400, 100):
        board.update("grpo-seed0: evaluate", done, 6400, "completions")
    board.update("all runs", 1, 20, "runs")
    board.drop("grpo-seed0:")
    board.say("grpo-seed0: Pass@1 0.7")
    assert log.getvalue().splitlines() == [
        "grpo-seed0: train, 30 steps",
        "grpo-seed0: evaluate, 6,400 completions",
        "grpo-seed0: Pass@1 0.7",
    ]


def test_now_and_then_one_line_says_how_far_all_are(log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    board = Board(None)
    board.update("all runs", 0, 20, "runs")
    board.update("ppo-seed0: train", 0, 30, "steps")
    board.update("grpo-seed0: train", 0, 30, "steps")
    now[0] = 59.0
    board.update("grpo-seed0: train", 12, 30, "steps")
    now[0] = 60.0
    board.update("all runs", 2, 20, "runs")
    board.update("ppo-seed0: train", 15, 30, "steps")
    assert [line for line in log.getvalue().splitlines() if line.startswith("at work")] == [
        "at work: all runs 2/20 (30 s a run, 9.0 min left); ppo-seed0: train 0/30 steps; "
        "grpo-seed0: train 12/30 (5.0 s a step, 90 s left)"
    ]
