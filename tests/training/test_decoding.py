"""Where many completions are gone through, a token is decoded once, not once in every completion that it is in."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from algorithms import GRPO, build_algorithm
from experiments.inspection import rollouts as inspection
from experiments.recipes.config import TaskConfig
from rewards.reward import EachSolution
from rewards.verdict import StepVerdict
from sampling.rollout import Rollout
from sampling.sampler import SamplingConfig
from sampling.transformers_engine import TransformersSampler
from tests.training.reward_models.small_model import rollout_of
from tests.training.small_run import make_trainer, prompts_of, save_start
from training.models.policy import load_policy
from training.reward_models.labels import continued_labels, rule_step_labels


def whole(rollout: Rollout) -> tuple[StepVerdict, ...]:
    """One step."""
    return (StepVerdict(end=len(rollout.completion), reward=1.0),)


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often each token was decoded alone."""
    counted, decode = Counter[int](), PreTrainedTokenizerFast.decode

    def counting(self: PreTrainedTokenizerFast, token_ids: Any, skip_special_tokens: bool = False) -> Any:
        if len(token_ids) == 1:
            counted[token_ids[0]] += 1
        return decode(self, token_ids, skip_special_tokens=skip_special_tokens)

    monkeypatch.setattr(PreTrainedTokenizerFast, "decode", counting)
    return counted


def test_the_trainer_decodes_a_token_once_in_all_its_steps(tmp_path: Path, alone: Counter[int]) -> None:
    made = make_trainer(save_start(tmp_path / "start"), GRPO(), tmp_path)
    trainer = replace(made, algorithm=GRPO(supervision="process"), step_reward=whole)
    drawn = [item.rollout for step in range(2) for item in trainer.draw(step).scored]
    assert sum(len(rollout.completion_ids) for rollout in drawn) > 5 * len(alone) > 0
    short = sum(len(rollout.completion_ids) <= 2 for rollout in drawn)  # of these the whole text is one token
    assert alone.total() <= len(alone) + 2 * short


def test_labels_of_many_completions_decode_a_token_once(tmp_path: Path, alone: Counter[int]) -> None:
    start = save_start(tmp_path)
    policy = load_policy(start)
    rollouts = [rollout_of("1=", "1+1=2\n\\boxed{2}", index=index) for index in range(8)]
    rule_step_labels(rollouts, EachSolution(name="rule", function=whole), policy)
    assert set(alone.values()) == {1}
    alone.clear()
    sampler, sampling = TransformersSampler(start, eos_token_ids=(2,)), SamplingConfig(max_tokens=4)  # no room
    continued_labels(rollouts, sampler, policy, sampling, continuations=1, hard=True, run_seed=0, step=0)
    assert set(alone.values()) == {1}


def test_coefficients_of_many_completions_decode_a_token_once(
    tmp_path: Path, alone: Counter[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    start = save_start(tmp_path)
    problems = list(prompts_of(load_policy(start)).problems[:6])
    monkeypatch.setattr(inspection, "load_problems", lambda task, split, count: problems)
    content = inspection.draw_coefficients(
        start,
        reference=start,
        critic=None,
        methods={"grpo": build_algorithm("grpo")},
        task=TaskConfig(benchmark="arithmetic", prompt="bare", step_reward="equations"),
        max_tokens=16,
        seed=0,
    )
    lengths = [len(sequence["tokens"]) for sequence in content["sequences"]]
    short = sum(length <= 2 for length in lengths)
    assert sum(lengths) > 5 * len(alone) > 0
    assert alone.total() <= 2 * len(alone) + 3 * short  # once to score them, once to write them down
