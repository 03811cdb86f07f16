"""Both engines hold the policy's weights, answer with its logprobs, and repeat themselves."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.arithmetic import generate_problems
from sampling import Request, SamplingConfig, request_seed, sample_rollouts
from sampling.transformers_engine import TransformersSampler
from sampling.truncation import Truncation, kept
from sampling.vllm_engine import VllmSampler
from sampling.weights import checkpoint_weights
from training.models.engine_check import SamplerMismatchError, check_weight_loading
from training.models.policy import Policy, load_policy, named_weights

CONFIG = SamplingConfig(max_tokens=24)
PROBLEMS = generate_problems("train", 12)


def prompts_of(policy: Policy) -> list[tuple[int, ...]]:
    return [tuple(policy.tokenizer(problem.question, add_special_tokens=False).input_ids) for problem in PROBLEMS]


def requests_of(policy: Policy) -> list[Request]:
    return [
        Request(prompt_ids=ids, seed=request_seed(0, 0, problem.problem_id, index))
        for problem, ids in zip(PROBLEMS, prompts_of(policy), strict=True)
        for index in range(3)
    ]


def disturb(policy: Policy, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in policy.model.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))


def policy_logprobs(policy: Policy, sequences: list) -> list[torch.Tensor]:
    rows = []
    for prompt_ids, completion_ids in sequences:
        ids = torch.tensor([[*prompt_ids, *completion_ids]])
        with torch.no_grad():
            logits = policy.model(input_ids=ids).logits[0, len(prompt_ids) - 1 : -1]
        rows.append(torch.log_softmax(logits, -1).gather(-1, ids[0, len(prompt_ids) :, None])[:, 0])
    return rows


@pytest.fixture
def policy(checkpoint: Path) -> Policy:
    return load_policy(checkpoint)


@pytest.fixture
def engine(vllm_engine: VllmSampler, policy: Policy) -> VllmSampler:
    vllm_engine.load_weights(named_weights(policy.model), 0)
    return vllm_engine


def test_both_engines_give_the_same_logprobs(engine: VllmSampler, checkpoint: Path, policy: Policy) -> None:
    reference = TransformersSampler(checkpoint, eos_token_ids=(2,))
    with_logprobs = SamplingConfig(max_tokens=24, with_logprobs=True)
    generations = engine.generate(requests_of(policy), with_logprobs)
    sequences = [
        (request.prompt_ids, generation.completion_ids)
        for request, generation in zip(requests_of(policy), generations, strict=True)
    ]
    ours, theirs = engine.logprobs(sequences), reference.logprobs(sequences)
    for row, other, generation in zip(ours, theirs, generations, strict=True):
        assert row == pytest.approx(other, abs=1e-4)
        assert generation.logprobs == pytest.approx(row, abs=1e-4)


def test_after_a_load_the_engine_is_the_trained_policy(engine: VllmSampler, policy: Policy) -> None:
    """Also the trap: a CPU build that packs weights reports success and keeps the old ones."""
    sequences = [(request.prompt_ids, (5, 9, 18, 11, 2)) for request in requests_of(policy)[:6]]
    before = engine.logprobs(sequences)
    for seed in (1, 2):
        disturb(policy, seed)
        engine.load_weights(named_weights(policy.model), seed)
        assert engine.policy_version == seed
        for row, expected in zip(engine.logprobs(sequences), policy_logprobs(policy, sequences), strict=True):
            assert row == pytest.approx(expected.tolist(), abs=1e-4)
    moved = max(
        abs(a - b)
        for old, new in zip(before, engine.logprobs(sequences), strict=True)
        for a, b in zip(old, new, strict=True)
    )
    assert moved > 0.05


def test_transformers_engine_loads_weights_too(checkpoint: Path, policy: Policy) -> None:
    reference = TransformersSampler(checkpoint, eos_token_ids=(2,))
    sequences = [(request.prompt_ids, (5, 9, 18, 2)) for request in requests_of(policy)[:4]]
    disturb(policy, 1)
    reference.load_weights(named_weights(policy.model), 7)
    assert reference.policy_version == 7
    for row, expected in zip(reference.logprobs(sequences), policy_logprobs(policy, sequences), strict=True):
        assert row == pytest.approx(expected.tolist(), abs=1e-5)


@pytest.mark.parametrize("which", ["vllm", "transformers"])
def test_a_sample_depends_on_its_seed_and_not_on_its_neighbours(
    which: str, engine: VllmSampler, checkpoint: Path, policy: Policy
) -> None:
    sampler = engine if which == "vllm" else TransformersSampler(checkpoint, eos_token_ids=(2,), batch_size=7)
    requests = requests_of(policy)
    first = sampler.generate(requests, CONFIG)
    assert sampler.generate(requests, CONFIG) == first
    assert sampler.generate(requests[::-1], CONFIG) == first[::-1]
    assert sampler.generate(requests[5:9], CONFIG) == first[5:9]
    others = [Request(prompt_ids=request.prompt_ids, seed=request.seed + 1) for request in requests]
    assert sampler.generate(others, CONFIG) != first


def test_what_an_abandoned_call_left_is_not_taken_for_the_next_ones(engine: VllmSampler, policy: Policy) -> None:
    """Left by the caller's own error, by Ctrl-C, and by a prompt that the engine refuses after it took others."""
    requests = requests_of(policy)
    whole = engine.generate(requests, CONFIG)
    sequences = [(request.prompt_ids, item.completion_ids) for request, item in zip(requests, whole, strict=True)]
    logprobs = engine.logprobs(sequences[:4])

    def stop(error: BaseException) -> Callable[[int], None]:
        def on_progress(count: int) -> None:
            raise error

        return on_progress

    others = [Request(prompt_ids=request.prompt_ids, seed=request.seed + 1) for request in requests]
    too_long = Request(prompt_ids=(5,) * 200, seed=0)
    for prompts, on_progress, raised, message in (
        (others, stop(ZeroDivisionError("no")), ZeroDivisionError, "no"),
        (others, stop(KeyboardInterrupt("no")), KeyboardInterrupt, "no"),
        ([*others, too_long], None, Exception, "maximum context length"),
    ):
        with pytest.raises(raised, match=message):
            engine.generate(prompts, CONFIG, on_progress)
        assert engine.generate(requests, CONFIG) == whole
        assert engine.logprobs(sequences[:4]) == logprobs


def test_engines_sample_from_the_same_distribution(engine: VllmSampler, checkpoint: Path, policy: Policy) -> None:
    """First-token frequencies of 2,000 draws against the policy's probabilities, both engines, by χ²."""
    [prompt] = prompts_of(policy)[:1]
    with torch.no_grad():
        probabilities = torch.softmax(policy.model(input_ids=torch.tensor([prompt])).logits[0, -1].double(), -1)
    requests = [Request(prompt_ids=prompt, seed=request_seed(1, 0, "p", index)) for index in range(2000)]
    for sampler in (engine, TransformersSampler(checkpoint, eos_token_ids=(2,), batch_size=500)):
        drawn = [item.completion_ids[0] for item in sampler.generate(requests, SamplingConfig(max_tokens=1))]
        counts = torch.bincount(torch.tensor(drawn), minlength=len(probabilities)).double()
        chi2 = float(((counts - 2000 * probabilities) ** 2 / (2000 * probabilities)).sum())
        assert chi2 < 55  # 21 degrees of freedom: P(χ² > 55) < 1e-4


def test_end_of_sequence_and_length_limit(engine: VllmSampler, checkpoint: Path, policy: Policy) -> None:
    for sampler in (engine, TransformersSampler(checkpoint, eos_token_ids=(2,))):
        generations = sampler.generate(requests_of(policy), CONFIG)
        assert {item.finish_reason for item in generations} == {"stop", "length"}
        for item in generations:
            assert 2 not in item.completion_ids[:-1]
            assert (item.finish_reason == "stop") == (item.completion_ids[-1] == 2)
            if item.finish_reason == "length":
                assert len(item.completion_ids) == 24


def test_greedy_takes_the_most_likely_token(engine: VllmSampler, checkpoint: Path, policy: Policy) -> None:
    greedy = SamplingConfig(temperature=0.0, max_tokens=6)
    reference = TransformersSampler(checkpoint, eos_token_ids=(2,))
    requests = requests_of(policy)[::3]
    assert engine.generate(requests, greedy) == reference.generate(requests, greedy)


def test_nucleus_leaves_out_the_tail(checkpoint: Path, policy: Policy) -> None:
    reference = TransformersSampler(checkpoint, eos_token_ids=(2,), batch_size=500)
    [prompt] = prompts_of(policy)[:1]
    with torch.no_grad():
        probabilities = torch.softmax(policy.model(input_ids=torch.tensor([prompt])).logits[0, -1].double(), -1)
    ordered, order = probabilities.sort(descending=True)
    nucleus = set(order[: int((ordered.cumsum(0) < 0.5).sum()) + 1].tolist())
    requests = [Request(prompt_ids=prompt, seed=index) for index in range(500)]
    drawn = {item.completion_ids[0] for item in reference.generate(requests, SamplingConfig(top_p=0.5, max_tokens=1))}
    assert drawn == nucleus


@pytest.mark.parametrize(
    "cut", [{"top_k": 4}, {"min_p": 0.4}, {"top_p": 0.6}, {"top_k": 6, "top_p": 0.7, "min_p": 0.2}]
)
def test_both_engines_draw_from_what_training_takes_for_left(
    engine: VllmSampler, checkpoint: Path, policy: Policy, cut: dict[str, Any]
) -> None:
    """First-token frequencies of 2,000 draws against p(v) / Σ_kept p, by χ²: min-p first, then top-k, then top-p."""
    [prompt] = prompts_of(policy)[:1]
    with torch.no_grad():
        logits = policy.model(input_ids=torch.tensor([prompt])).logits[0, -1].double()
    left = kept(torch.log_softmax(logits, -1), Truncation(**cut))
    probabilities = torch.softmax(logits.masked_fill(~left, float("-inf")), -1)
    requests = [Request(prompt_ids=prompt, seed=request_seed(1, 0, "p", index)) for index in range(2000)]
    config = SamplingConfig(max_tokens=1, **cut)
    for sampler in (engine, TransformersSampler(checkpoint, eos_token_ids=(2,), batch_size=500)):
        drawn = [item.completion_ids[0] for item in sampler.generate(requests, config)]
        counts = torch.bincount(torch.tensor(drawn), minlength=len(probabilities)).double()
        assert 1 < left.sum() < len(left) and not counts[~left].any()
        expected = 2000 * probabilities[left]
        assert float(((counts[left] - expected) ** 2 / expected).sum()) < 45  # at most 21 degrees of freedom


def test_rollouts_carry_problem_seed_and_policy_version(engine: VllmSampler, policy: Policy) -> None:
    engine.load_weights(named_weights(policy.model), 4)
    pairs = list(zip(PROBLEMS[:3], prompts_of(policy)[:3], strict=True))
    rollouts = sample_rollouts(engine, policy.tokenizer, pairs, CONFIG, samples_per_problem=2, run_seed=5, step=4)
    assert [(item.problem.problem_id, item.sample_index) for item in rollouts] == [
        (problem.problem_id, index) for problem in PROBLEMS[:3] for index in range(2)
    ]
    assert {item.policy_version for item in rollouts} == {4}
    assert rollouts[3].seed == request_seed(5, 4, PROBLEMS[1].problem_id, 1)
    assert all(
        item.completion == policy.tokenizer.decode(list(item.completion_ids), skip_special_tokens=True)
        for item in rollouts
    )
    more = sample_rollouts(
        engine, policy.tokenizer, pairs, CONFIG, samples_per_problem=1, run_seed=5, step=4, first_sample_index=1
    )
    assert [item.completion_ids for item in more] == [item.completion_ids for item in rollouts[1::2]]


def test_weight_check_passes_and_leaves_the_policy_as_it_was(engine: VllmSampler, policy: Policy) -> None:
    before = [parameter.clone() for parameter in policy.model.parameters()]
    check = check_weight_loading(engine, policy, prompts_of(policy)[:4], tolerance=1e-4, policy_version=0)
    assert check.num_tokens > 20
    assert check.mean_difference < 1e-5 and check.disturbed_mean_difference < 1e-5
    assert check.disturbance > 100 * check.disturbed_mean_difference
    assert all(torch.equal(a, b) for a, b in zip(before, policy.model.parameters(), strict=True))


class StaleWeights:
    """An engine that ignores part of every load."""

    def __init__(self, engine: TransformersSampler, ignored: str) -> None:
        self._engine, self._ignored = engine, ignored
        self._old = {name: tensor.clone() for name, tensor in checkpoint_weights(engine._model).items()}
        self.policy_version = 0
        self.generate, self.logprobs = engine.generate, engine.logprobs

    def load_weights(self, named_tensors, policy_version: int) -> None:
        self._engine.load_weights(
            [(name, self._old[name] if self._ignored in name else tensor) for name, tensor in named_tensors],
            policy_version,
        )


def test_weight_check_stops_a_stale_engine_even_on_the_weights_it_was_built_from(
    checkpoint: Path, policy: Policy
) -> None:
    """The matrices of all layers are ignored, as in the packed CPU build."""
    stale = StaleWeights(TransformersSampler(checkpoint, eos_token_ids=(2,)), "_proj")
    with pytest.raises(SamplerMismatchError, match="ignores"):
        check_weight_loading(stale, policy, prompts_of(policy)[:4], tolerance=1e-4, policy_version=0)


def test_weight_check_sees_each_tensor_alone_in_float32(policy: Policy, tmp_path: Path) -> None:
    """On matrices as large as trained ones: an untrained model attends to all tokens alike, whatever its queries."""
    with torch.no_grad():
        for name, parameter in policy.model.named_parameters():
            parameter.mul_(5 if "_proj" in name else 1)
    policy.save(tmp_path)
    names = [name for name, _ in named_weights(policy.model)]
    assert len(names) == 29
    for ignored in names:
        stale = StaleWeights(TransformersSampler(tmp_path, eos_token_ids=(2,)), ignored)
        with pytest.raises(SamplerMismatchError, match=r"mean difference 0\.00e\+00 .* after loading the policy"):
            check_weight_loading(stale, policy, prompts_of(policy)[:4], tolerance=1e-4, policy_version=0)


def test_request_seeds_differ_in_every_part() -> None:
    seeds = {
        request_seed(run, step, problem, index, purpose)
        for run in (0, 1)
        for step in (0, 1)
        for problem in ("a", "b")
        for index in (0, 1)
        for purpose in ("train", "evaluate")
    }
    assert len(seeds) == 32 and all(0 <= seed < 2**63 for seed in seeds)


def test_logprobs_at_another_temperature_are_refused() -> None:
    with pytest.raises(ValueError, match="temperature 1"):
        SamplingConfig(temperature=0.7, with_logprobs=True)
