"""Control arms in training: a reward that says nothing of the completion, and a rate that changes nothing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algorithms import GRPO, PPO
from rewards.control import ShuffledReward
from tests.training.small_run import SEVENS, TRAINING, make_trainer, save_start, weights
from training.loop import take_step


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"))


def test_shuffling_reaches_the_update(start: Path, tmp_path: Path) -> None:
    """Same completions and mean reward at the first step, another gradient."""
    plain = make_trainer(start, GRPO(kl_coef=0.0), tmp_path)
    shuffled = make_trainer(start, GRPO(kl_coef=0.0), tmp_path, reward=ShuffledReward(reward=SEVENS))
    rows = [take_step(trainer, 0) for trainer in (plain, shuffled)]
    for name in ("reward_mean", "accuracy", "completion_tokens_mean", "completions_sampled"):
        assert rows[0][name] == rows[1][name]
    assert rows[0]["grad_norm"] != rows[1]["grad_norm"]
    assert not torch.equal(weights(plain.policy.model), weights(shuffled.policy.model))


def test_rate_zero_goes_through_all_motions_and_changes_no_bit(start: Path, tmp_path: Path) -> None:
    training = replace(TRAINING, learning_rate=0.0, weight_decay=0.1)
    trainer = make_trainer(start, GRPO(), tmp_path, training)
    before = weights(trainer.policy.model)
    rows = [take_step(trainer, step) for step in range(2)]
    assert torch.equal(weights(trainer.policy.model), before)
    assert [row["completions_sampled"] for row in rows] == [12, 24]
    assert all(row["grad_norm"] for row in rows)


def test_while_the_critic_warms_up_the_policy_keeps_every_bit(start: Path, tmp_path: Path) -> None:
    trainer = make_trainer(start, PPO(), tmp_path, replace(TRAINING, critic_warmup_steps=2))
    assert trainer.critic is not None
    policy, critic = weights(trainer.policy.model), weights(trainer.critic)
    rows = [take_step(trainer, step) for step in range(3)]
    assert [row["learning_rate"] for row in rows] == [0.0, 0.0, TRAINING.learning_rate]
    assert [row["completions_sampled"] for row in rows] == [12, 24, 36], "the warm-up is paid for like any step"
    again = make_trainer(start, PPO(), tmp_path, replace(TRAINING, critic_warmup_steps=2))
    assert again.critic is not None
    for step in range(2):
        take_step(again, step)
        assert torch.equal(weights(again.policy.model), policy)
        assert not torch.equal(weights(again.critic), critic)
    assert not torch.equal(weights(trainer.policy.model), policy)


def test_a_warm_up_as_long_as_the_run_is_refused() -> None:
    with pytest.raises(ValueError, match="fewer than the 5 steps of the run, or the policy is never updated"):
        replace(TRAINING, critic_warmup_steps=5)
