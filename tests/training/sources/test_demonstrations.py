"""Demonstrations: worked solutions as the tokens that a model would write behind the prompt."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.problem import Problem
from sampling.prompt import encode_prompts
from tests.sampling.tokenizers import llama
from tests.training.small_run import demonstrations_of, save_start
from training.models.embedded import EmbeddedModelConfig, build_embedded_model
from training.models.policy import Policy, load_policy
from training.sources.demonstrations import DemonstrationSource
from training.sources.prompts import Prompts


def encode(policy: Policy, solution: str | None, question: str = "sold:") -> DemonstrationSource:
    problem = Problem(problem_id="q1", benchmark="mine", question=question, gold_answer="5", solution=solution)
    rendered = encode_prompts(policy.tokenizer, [question], templated=False)
    prompts = Prompts(problems=(problem,), prompt_ids=(rendered[0].ids,), per_step=1, seed="0")
    return DemonstrationSource.encode(policy, prompts, rendered)


def policy_of_llama() -> Policy:
    model = build_embedded_model(EmbeddedModelConfig(hidden_size=16, intermediate_size=16, num_layers=1), seed=0)
    return Policy(model=model, tokenizer=llama(), eos_token_ids=(2,), pad_token_id=0)


def test_a_demonstration_is_what_the_model_would_write() -> None:
    policy = policy_of_llama()
    (rollout,) = encode(policy, "Natalia").rollouts(0)
    assert policy.tokenizer.convert_ids_to_tokens(list(rollout.completion_ids)) == ["Na", "talia", "</s>"]
    assert policy.tokenizer.convert_ids_to_tokens(list(rollout.prompt_ids)) == ["<s>", "▁", *"sold:"]
    assert rollout.completion == "Natalia"


def test_what_is_longer_than_the_model_takes_is_refused() -> None:
    """SFT trained on 1,002 tokens of a model with 512 positions."""
    policy = policy_of_llama()
    limit = policy.max_positions
    fits = "1" * (limit - len("<s>▁sold:") + 2 - 1)  # <s> is one token; EOS is one
    assert len(encode(policy, fits).rollouts(0)[0].completion_ids) + 7 == limit
    with pytest.raises(ValueError, match=rf"1 of 1 demonstrations are longer than the {limit} tokens .* 'q1', has"):
        encode(policy, fits + "1")


def test_a_problem_without_solution_is_refused() -> None:
    with pytest.raises(ValueError, match=r"problem 'q1' has no worked solution; .*: write it into the training file"):
        encode(policy_of_llama(), None)


def test_the_embedded_task_has_the_tokens_it_had(tmp_path: Path) -> None:
    """Its tokenizer has a token a character, so together and apart are one: no number of its runs changes."""
    policy = load_policy(save_start(tmp_path))
    source = demonstrations_of(policy)
    for rollout in source.rollouts(0):
        apart = policy.tokenizer(rollout.problem.solution, add_special_tokens=False).input_ids
        assert rollout.completion_ids == (*apart, policy.end_token_id)
