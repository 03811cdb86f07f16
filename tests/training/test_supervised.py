"""The training of a start policy ends where its configuration says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from algorithms import SFT, Aggregation
from tests.training.small_run import Rows, demonstrations_of, save_start
from training.config import SupervisedConfig
from training.loop import train
from training.models.policy import load_policy
from training.optimizers import muon_and_adamw
from training.stopping import UntilCompetent
from training.trainer import Trainer


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
    config = SupervisedConfig(
        demonstrations=30,
        batch_size=3,
        max_steps=max_steps,
        measure_from=measure_from,
        measure_every=2,
        decay_steps=2,
    )
    steps: list[int] = []

    def measure(step: int) -> float:
        steps.append(step)
        return 0.0

    rows = fit(config, tmp_path, UntilCompetent(config, demonstrations=30, measure=measure))
    assert [row["step"] for row in rows] == list(range(1, last + 1))
    assert sorted(path.name for path in (tmp_path / "run").iterdir())[-1] == f"step-{last:06d}"
    assert steps == [*measured, last]  # and once when it is over
    assert [row["learning_rate"] for row in rows[max_steps:]] == [config.learning_rate, config.learning_rate / 2]


def test_the_rate_falls_when_the_target_is_reached(tmp_path: Path) -> None:
    config = SupervisedConfig(
        demonstrations=30, batch_size=3, max_steps=50, measure_from=1, measure_every=2, decay_steps=2, warmup_steps=1
    )
    found = iter([0.1, 0.25, 0.5])
    rows = fit(config, tmp_path, UntilCompetent(config, demonstrations=30, measure=lambda step: next(found)))
    rate = config.learning_rate
    assert [row["learning_rate"] for row in rows] == [rate, rate, rate, rate, rate, rate / 2]
    assert [row.get("validation_pass_at_1") for row in rows] == [None, 0.1, None, 0.25, None, 0.5]
    assert [(row["accuracy"], row["no_answer_rate"], row["reward_mean"]) for row in rows] == [(None, None, 1.0)] * 6


def test_epochs_end_a_training_that_measures_nothing(tmp_path: Path) -> None:
    """30 demonstrations in batches of 4 are 7 steps an epoch, 14 in all, the last 5 with a falling rate."""
    config = SupervisedConfig(
        batch_size=4,
        epochs=2,
        target_pass_at_1=None,
        decay_steps=5,
        warmup_steps=2,
        learning_rate=1.0,
        optimizer="adamw",
    )
    rule = UntilCompetent(config, demonstrations=30, measure=never)
    assert [rule.share(step) for step in range(9)] == [0.5, 1, 1, 1, 1, 1, 1, 1, 1]
    for step in range(14):
        rule.look(step)
        assert not rule.ends(step)
    assert rule.ends(14)
    assert [round(rule.share(step), 9) for step in range(9, 14)] == [1, 0.8, 0.6, 0.4, 0.2]
    with pytest.raises(ValueError, match="decay_steps is 5; expected at most the 4 steps of 2 epochs"):
        UntilCompetent(config, demonstrations=8, measure=never)
    with pytest.raises(ValueError, match=r"epochs is 2 and target_pass_at_1 is 0\.25"):
        replace(config, target_pass_at_1=0.25)


def never(step: int) -> float:
    raise AssertionError("nothing is to be measured")


def fit(config: SupervisedConfig, folder: Path, rule: UntilCompetent) -> Rows:
    """The rows of a training on 30 demonstrations, three a step."""
    policy, rows = load_policy(save_start(folder / "start")), Rows()
    trainer = Trainer(
        policy=policy,
        algorithm=SFT(aggregation=Aggregation.TOKEN_MEAN),
        config=config.as_training(),
        source=demonstrations_of(policy),
        sampler=None,
        reward=None,
        make_optimizers=muon_and_adamw,
    )
    train(trainer, rule, done=0, checkpoints=folder / "run", log=rows)
    return rows
