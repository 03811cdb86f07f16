"""Engines in processes of their own: the same samples as one engine, every one checked, failures told."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import pytest
import torch

from benchmarks.arithmetic import generate_problems
from sampling import Request, SamplingConfig, request_seed
from sampling.engines import EngineConfig, build_sampler
from sampling.replicas import EngineProcessError, ReplicatedSampler
from sampling.sampler import stretches
from sampling.transformers_engine import TransformersSampler
from sampling.vllm_engine import VllmConfig
from tests.sampling.failing import Failing
from training.models.engine_check import SamplerMismatchError, check_weight_loading
from training.models.policy import load_policy, named_weights

PROBLEMS = generate_problems("train", 10)


def requests_of(checkpoint: Path) -> list[Request]:
    tokenizer = load_policy(checkpoint).tokenizer
    return [
        Request(
            prompt_ids=tuple(tokenizer(problem.question, add_special_tokens=False).input_ids),
            seed=request_seed(0, 0, problem.problem_id, index),
        )
        for problem in PROBLEMS
        for index in range(3)
    ]


@pytest.fixture(scope="module")
def two(checkpoint: Path) -> Iterable[ReplicatedSampler]:
    config = EngineConfig(name="transformers", vllm=VllmConfig(dtype="float32"), replicas=2)
    sampler = build_sampler(checkpoint, config, eos_token_ids=(2,), max_positions=96)
    assert isinstance(sampler, ReplicatedSampler)
    yield sampler
    sampler.close()


def test_a_request_gives_the_same_sample_whichever_engine_draws_it(two: ReplicatedSampler, checkpoint: Path) -> None:
    requests, config = requests_of(checkpoint), SamplingConfig(max_tokens=24)
    alone = TransformersSampler(checkpoint, eos_token_ids=(2,)).generate(requests, config)
    done: list[int] = []
    assert two.generate(requests, config, done.append) == alone
    assert sum(done) == len(requests)
    assert two.generate(requests[::-1], config) == alone[::-1], "each is now drawn by the other engine"


def test_every_engine_holds_the_weights_after_a_load(two: ReplicatedSampler, checkpoint: Path) -> None:
    policy = load_policy(checkpoint)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    prompts = [request.prompt_ids for request in requests_of(checkpoint)[:4]]
    check = check_weight_loading(two, policy, prompts, tolerance=1e-4, policy_version=3)
    assert check.max_difference < 1e-4
    assert two.policy_version == 3
    sequences = [(prompts[0], (5, 9, 18, 11, 2))]
    first, second = (engine.logprobs(sequences) for engine in two.engines)
    assert first == second


def test_the_order_of_the_weights_may_change(two: ReplicatedSampler, checkpoint: Path) -> None:
    policy = load_policy(checkpoint)
    sequences = [(requests_of(checkpoint)[0].prompt_ids, (5, 9, 18, 11, 2))]
    found = []
    for weights in (list(named_weights(policy.model)), list(named_weights(policy.model))[::-1]):
        two.load_weights(weights, 0)
        found.append(two.logprobs(sequences))
    assert found[0] == found[1] == TransformersSampler(checkpoint, eos_token_ids=(2,)).logprobs(sequences)


def test_the_check_sees_one_stale_engine_among_two(
    two: ReplicatedSampler, checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy = load_policy(checkpoint)
    prompts = [request.prompt_ids for request in requests_of(checkpoint)[:4]]
    stale = two.engines[1]
    answer = stale.ask
    monkeypatch.setattr(
        stale, "ask", lambda what, argument: answer(*(("logprobs", ([],)) if what == "load" else (what, argument)))
    )
    with pytest.raises(SamplerMismatchError, match="not the policy's"):
        check_weight_loading(two, policy, prompts, tolerance=1e-4, policy_version=0)


def test_a_failing_engine_says_why_and_one_that_dies_is_named() -> None:
    sampler = ReplicatedSampler(Failing, count=1)
    with pytest.raises(EngineProcessError, match=r"kv_cache_gib"):
        sampler.generate([Request(prompt_ids=(1,), seed=0)], SamplingConfig(max_tokens=1))
    sampler.close()
    sampler = ReplicatedSampler(Failing, count=1)
    with pytest.raises(EngineProcessError, match="exit code 7"):
        sampler.logprobs([((1,), (2,))])
    sampler.close()


def test_two_engines_on_a_card_need_the_size_of_their_caches() -> None:
    with pytest.raises(ValueError, match="kv_cache_gib"):
        EngineConfig(device="cuda", replicas=2)
    config = EngineConfig(device="cuda", replicas=2, vllm=VllmConfig(kv_cache_gib=8))
    with pytest.raises(ValueError, match="at least 1"):
        dataclasses.replace(config, replicas=0)


@pytest.mark.parametrize(("count", "parts"), [(5, 3), (2, 4), (0, 2), (6, 2), (7, 1)])
def test_stretches_keep_the_order_and_are_even(count: int, parts: int) -> None:
    found = stretches(range(count), parts)
    assert [item for part in found for item in part] == list(range(count))
    assert len(found) == parts and max(map(len, found)) - min(map(len, found)) <= 1
