"""Control arms: rewards that say nothing of the completion, and a training that changes nothing."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algorithms import GRPO
from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from tests.training.small_run import TRAINING, make_trainer, save_start, weights
from training.controls import shuffle_rewards


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"))


def scored(problem: str, index: int, reward: float, seed: int) -> ScoredRollout:
    rollout = Rollout(
        problem=Problem(problem_id=problem, benchmark="b", question="q", gold_answer="1"),
        prompt_ids=(1,),
        completion_ids=(2,),
        completion="",
        finish_reason="stop",
        sample_index=index,
        seed=seed,
        policy_version=0,
    )
    status = Status.CORRECT if reward > 0 else Status.INCORRECT
    return ScoredRollout(
        rollout=rollout, verdict=Verdict(status=status, answer="1", answer_class=str(status)), reward=reward
    )


def test_shuffled_rewards_stay_within_their_problem_and_leave_the_verdicts() -> None:
    # Twelve completions of four problems in turn; problem p's rewards are 10p, 10p + 1 and 10p + 2.
    batch = [scored(f"p{index % 4}", index, 10.0 * (index % 4) + index // 4, seed=index) for index in range(12)]
    shuffled = shuffle_rewards(batch)
    assert [item.rollout for item in shuffled] == [item.rollout for item in batch]
    assert [item.verdict for item in shuffled] == [item.verdict for item in batch]
    for problem in range(4):
        rewards = sorted(item.reward for item in shuffled[problem::4])
        assert rewards == [10.0 * problem, 10.0 * problem + 1, 10.0 * problem + 2]
    assert [item.reward for item in shuffled] != [item.reward for item in batch]
    assert [item.reward for item in shuffle_rewards(batch)] == [item.reward for item in shuffled]


def test_every_order_of_the_rewards_is_as_likely() -> None:
    """Six orders of three rewards: over 3,000 seeds each comes 500 times, within four standard deviations (82)."""
    orders = Counter(
        tuple(item.reward for item in shuffle_rewards([scored("a", i, float(i), seed=seed) for i in range(3)]))
        for seed in range(3000)
    )
    assert len(orders) == 6
    assert all(abs(count - 500) < 82 for count in orders.values())


def test_shuffling_reaches_the_update(start: Path, tmp_path: Path) -> None:
    """Same completions and mean reward at the first step, another gradient."""
    plain = make_trainer(start, GRPO(kl_coef=0.0), tmp_path)
    shuffled = make_trainer(start, GRPO(kl_coef=0.0), tmp_path, replace(TRAINING, shuffle_rewards=True))
    rows = [trainer.step(0) for trainer in (plain, shuffled)]
    for name in ("reward_mean", "accuracy", "completion_tokens_mean", "completions_sampled"):
        assert rows[0][name] == rows[1][name]
    assert rows[0]["grad_norm"] != rows[1]["grad_norm"]
    assert not torch.equal(weights(plain.policy.model), weights(shuffled.policy.model))


def test_rate_zero_goes_through_all_motions_and_changes_no_bit(start: Path, tmp_path: Path) -> None:
    training = replace(TRAINING, learning_rate=0.0, weight_decay=0.1)
    trainer = make_trainer(start, GRPO(), tmp_path, training)
    before = weights(trainer.policy.model)
    rows = [trainer.step(step) for step in range(2)]
    assert torch.equal(weights(trainer.policy.model), before)
    assert [row["completions_sampled"] for row in rows] == [12, 24]
    assert all(row["grad_norm"] for row in rows)
