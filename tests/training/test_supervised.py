"""The training of a start policy ends where its configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.training.small_run import prompts_of, save_start
from training.models.policy import load_policy
from training.sources import DemonstrationSource
from training.supervised import SupervisedConfig, train_supervised


@pytest.mark.parametrize(
    ("max_steps", "measure_from", "measured", "last"),
    [
        (6, 2, [2, 4, 6], 8),  # reached at a measurement, as in the default recipe
        (5, 2, [2, 4], 7),  # between two measurements
        (3, 10, [], 5),  # before the first
    ],
)
def test_the_rate_falls_at_max_steps_at_the_latest(
    max_steps: int, measure_from: int, measured: Sequence[int], last: int, tmp_path: Path
) -> None:
    policy = load_policy(save_start(tmp_path / "start"))
    config = SupervisedConfig(
        demonstrations=30,
        batch_size=3,
        max_steps=max_steps,
        measure_from=measure_from,
        measure_every=2,
        decay_steps=2,
    )
    steps, rates = [], []

    def measure(step: int) -> float:
        steps.append(step)
        return 0.0

    checkpoint = train_supervised(
        policy,
        DemonstrationSource(policy=policy, prompts=prompts_of(policy)),
        config,
        folder=tmp_path / "run",
        measure=measure,
        on_step=lambda row, expected: rates.append(row["learning_rate"]),
    )
    assert checkpoint.name == f"step-{last:06d}"
    assert steps == measured
    assert rates[max_steps:] == [config.learning_rate, config.learning_rate / 2]
