"""ReMax's baseline: the reward of the current policy's own greedy completion, drawn beside the others and counted."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algorithms import ALGORITHMS, PPO, BatchUnit, DataSource, build_algorithm
from rewards.reward import EachCompletion
from sampling.sampler import SamplingConfig, sample_rollouts
from sampling.transformers_engine import TransformersSampler
from tests.training.small_run import Rows, make_trainer, prompts_of, run, save_start, weights
from training.loop import take_step
from training.models.policy import load_policy, named_weights
from training.requirements import check_requirements
from training.trainer import TrainingConfig

LENGTH = EachCompletion(name="length", function=lambda rollout, verdict: len(rollout.completion_ids) + 0.125)
TRAINING = TrainingConfig(steps=3, problems_per_step=3, group_size=4, learning_rate=3e-3, max_completion_tokens=10)


def test_each_rewards_baseline_is_that_of_the_greedy_completion_of_the_policy_as_it_is(tmp_path: Path) -> None:
    start = save_start(tmp_path / "start")
    trainer = make_trainer(start, build_algorithm("remax"), tmp_path, TRAINING, LENGTH)
    for step in range(3):
        policy, engine = load_policy(start), TransformersSampler(start, eos_token_ids=(2,))
        torch.nn.utils.vector_to_parameters(weights(trainer.policy.model), policy.model.parameters())
        engine.load_weights(named_weights(policy.model), step)
        asked = prompts_of(policy).of_step(step)
        config = SamplingConfig(temperature=0.0, max_tokens=10)
        greedy = sample_rollouts(engine, policy.tokenizer, asked, config, samples_per_problem=1, run_seed=99, step=step)
        expected = {item.problem.problem_id: len(item.completion_ids) + 0.125 for item in greedy}
        drawn = trainer.draw(step)
        batch = trainer.batch(drawn.kept, drawn.greedy)
        assert batch is not None and batch.tokens.greedy_rewards is not None
        rows = [expected[item.rollout.problem.problem_id] for item in drawn.kept]
        assert batch.tokens.greedy_rewards.tolist() == rows
        credit = trainer.algorithm.credit(batch.tokens)
        assert credit[:, 0].tolist() == [item.reward - row for item, row in zip(drawn.kept, rows, strict=True)]
        take_step(trainer, step)
    assert trainer.counters.completions_sampled == 2 * 3 * (12 + 3)  # each step was drawn twice here


def test_remax_trains_and_resumes_bit_for_bit(tmp_path: Path) -> None:
    start = save_start(tmp_path / "start")
    whole = make_trainer(start, build_algorithm("remax"), tmp_path, TRAINING)
    run(whole, tmp_path / "whole", Rows())
    rows = Rows()
    run(make_trainer(start, build_algorithm("remax"), tmp_path, TRAINING), tmp_path / "parts", rows, stop_after=1)
    resumed = make_trainer(start, build_algorithm("remax"), tmp_path, TRAINING)
    run(resumed, tmp_path / "parts", rows)
    assert torch.equal(weights(resumed.policy.model), weights(whole.policy.model))
    assert not torch.equal(weights(resumed.policy.model), weights(load_policy(start).model))
    assert [row["completions_sampled"] for row in rows] == [15, 30, 45]


def test_every_method_of_the_catalogue_can_be_trained() -> None:
    refused = {}
    for name in ALGORITHMS:
        algorithm = build_algorithm(name)
        iterated = algorithm.data_source is DataSource.ITERATED
        try:
            check_requirements(algorithm, replace(TRAINING, iteration_steps=2 if iterated else None), name)
        except ValueError as error:
            refused[name] = str(error)
    assert refused == {} and len(ALGORITHMS) >= 6


def test_a_method_that_is_half_of_a_kind_is_told_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    half = build_algorithm("dpo")
    object.__setattr__(half, "batch_unit", BatchUnit.SEQUENCE)
    with pytest.raises(ValueError, match=r"mine has batch_unit .* and a need of pairs; expected BatchUnit\.PAIR with"):
        check_requirements(half, TRAINING, "mine")
    monkeypatch.delattr(PPO, "value_targets")
    with pytest.raises(ValueError, match=r"mine needs a critic but has no value_targets.*; expected that method"):
        check_requirements(PPO(), TRAINING, "mine")


def test_a_greedy_completion_of_a_policy_that_no_engine_holds_is_refused() -> None:
    algorithm = build_algorithm("remax")
    object.__setattr__(algorithm, "data_source", "π_sft")
    with pytest.raises(ValueError, match="compares with the policy's own greedy completion"):
        check_requirements(algorithm, TRAINING, "remax")
