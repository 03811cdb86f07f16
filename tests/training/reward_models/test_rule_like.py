"""A frozen reward model that says what a rule says trains the policy to the same weights, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from algorithms import GRPO
from rewards.reward import EachCompletion
from sampling.rollout import Rollout
from tests.training.small_run import TRAINING, Rows, make_trainer, run, save_start, weights
from training.models.logprobs import ForwardOptions
from training.reward_models.serving import LearnedReward, RewardModel


class RuleLike(RewardModel):
    """Certain that a completion with a 7 in it is right."""

    def probabilities(self, rollouts: Sequence[Rollout], ends: Sequence[Sequence[int]]) -> list[tuple[float, ...]]:
        return [(1.0 if "7" in rollout.completion else 0.0,) for rollout in rollouts]


def test_one_iteration_with_a_frozen_rule_like_model_is_plain_grpo_bit_for_bit(tmp_path: Path) -> None:
    start = save_start(tmp_path / "start")
    one_iteration = replace(TRAINING, iteration_steps=None)
    rule = EachCompletion(name="sevens", function=lambda rollout, verdict: float("7" in rollout.completion))
    model = RuleLike(members=[], temperatures=[], options=ForwardOptions())
    plain, learned = (
        make_trainer(start, GRPO(), tmp_path / name, one_iteration, reward)
        for name, reward in (("plain", rule), ("learned", LearnedReward(name="rule-like", model=model)))
    )
    asked = list[int]()
    learned.before_step = asked.append
    rows, learned_rows = Rows(), Rows()
    run(plain, tmp_path / "plain", rows)
    run(learned, tmp_path / "learned", learned_rows)
    assert torch.equal(weights(plain.policy.model), weights(learned.policy.model))
    assert not torch.equal(weights(plain.policy.model), weights(make_trainer(start, GRPO(), tmp_path).policy.model))
    assert [row["loss"] for row in rows] == [row["loss"] for row in learned_rows]
    assert asked == [0, 1, 2, 3, 4]
