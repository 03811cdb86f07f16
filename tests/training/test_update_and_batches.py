"""The gradient depends on neither the split into microbatches nor the padding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from algorithms import DPO, GRPO, PPO, SFT, Aggregation, Algorithm, BatchUnit
from algorithms.interface import Coefficients
from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from training.models.batches import TrainingBatch, build_batch, build_pair_batch
from training.models.embedded import EmbeddedModelConfig, build_embedded_model
from training.models.logprobs import ForwardOptions, token_logprobs
from training.models.microbatches import microbatches
from training.update import accumulate_gradients


def scored(problem: str, prompt: list[int], completion: list[int], reward: float, index: int) -> ScoredRollout:
    rollout = Rollout(
        problem=Problem(problem_id=problem, benchmark="b", question="q", gold_answer="1"),
        prompt_ids=tuple(prompt),
        completion_ids=tuple(completion),
        completion="",
        finish_reason="stop",
        sample_index=index,
        seed=0,
        policy_version=0,
    )
    status = Status.CORRECT if reward > 0 else Status.INCORRECT
    verdict = Verdict(status=status, answer="1", answer_class=str(status))
    return ScoredRollout(
        rollout=rollout,
        verdict=verdict,
        reward=reward,
        step_rewards=(1.0, reward),
        step_ends=(0, len(completion) - 1),
    )


def eight_rollouts() -> list[ScoredRollout]:
    generator = torch.Generator().manual_seed(1)
    result = []
    for index in range(8):
        prompt = torch.randint(3, 22, (4 + 3 * (index // 4),), generator=generator).tolist()
        completion = torch.randint(3, 22, (3 + (5 * index) % 7,), generator=generator).tolist()
        result.append(scored(f"p{index // 4}", prompt, completion, float(index % 3 == 0), index))
    return result


def make_model() -> torch.nn.Module:
    config = EmbeddedModelConfig(hidden_size=32, num_layers=2, num_heads=2, intermediate_size=48)
    return build_embedded_model(config, seed=0).double().eval()


def with_arrays(batch: TrainingBatch, model: torch.nn.Module) -> TrainingBatch:
    logprobs = token_logprobs(model, batch).detach().double()
    generator = torch.Generator().manual_seed(2)
    noise = torch.randn(logprobs.shape, generator=generator, dtype=torch.float64)
    tokens = replace(
        batch.tokens,
        rewards=batch.tokens.rewards.double(),
        step_rewards=batch.tokens.step_rewards.double(),  # type: ignore[union-attr]
        old_logprobs=logprobs + 0.2 * noise,
        reference_logprobs=logprobs - 0.1 * noise,
        values=0.3 * noise,
        max_length=12,
    )
    return batch.with_tokens(tokens)


def gradient(algorithm: Algorithm, batch: TrainingBatch, split: list[torch.Tensor]) -> torch.Tensor:
    model = make_model()
    accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), split, ForwardOptions())
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


ALL = [
    SFT(),
    SFT(aggregation=Aggregation.TOKEN_MEAN),
    DPO(),
    PPO(normalize_advantages=True),
    GRPO(),
    GRPO(supervision="process", aggregation=Aggregation.CONSTANT),
]


@pytest.mark.parametrize("algorithm", ALL)
def test_one_microbatch_equals_eight_equals_three_and_five(algorithm: Algorithm) -> None:
    rollouts = eight_rollouts()
    if algorithm.batch_unit is BatchUnit.PAIR:
        built = build_pair_batch(rollouts, pad_token_id=0)
        assert built is not None and len(built) == 6
    else:
        built = build_batch(rollouts, pad_token_id=0)
    batch = with_arrays(built, make_model())
    whole = gradient(algorithm, batch, [torch.arange(len(batch))])
    assert whole.abs().max() > 1e-4
    if algorithm.batch_unit is BatchUnit.PAIR:
        splits = [
            microbatches(batch, BatchUnit.PAIR, tokens=1000, sequences=2),
            [torch.tensor([0, 1]), torch.arange(2, 6)],
        ]
    else:
        splits = [
            microbatches(batch, BatchUnit.SEQUENCE, tokens=1),
            [torch.tensor([1, 4, 6]), torch.tensor([0, 2, 3, 5, 7])],
        ]
    for split in splits:
        torch.testing.assert_close(gradient(algorithm, batch, split), whole, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["kl", "entropy", "coefficient_abs_mean", "loss", "tokens_trained"])
def test_a_diagnostic_of_the_name_of_a_column_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    own = GRPO.coefficients

    def telling(*given: Any, **more: Any) -> Coefficients:
        found = own(*given, **more)
        return replace(found, diagnostics={name: torch.ones_like(found.values)})

    monkeypatch.setattr(GRPO, "coefficients", telling)
    batch = with_arrays(build_batch(eight_rollouts(), pad_token_id=0), make_model())
    with pytest.raises(ValueError, match=rf"diagnostics \['{name}'\] have the name of a column"):
        gradient(GRPO(), batch, [torch.arange(8)])


@pytest.mark.parametrize("algorithm", [SFT(), PPO(), GRPO(), GRPO(supervision="process")])
def test_padding_changes_nothing(algorithm: Algorithm) -> None:
    batch = with_arrays(build_batch(eight_rollouts(), pad_token_id=0), make_model())
    short = [row for row in range(8) if int(batch.lengths[row] - batch.prompt_lengths[row]) <= 6]
    rows = torch.tensor(short)
    tight = batch.rows(rows)
    assert tight.input_ids.shape[1] < batch.input_ids.shape[1]
    loose = TrainingBatch(
        input_ids=torch.where(torch.arange(batch.input_ids.shape[1]) < batch.lengths[:, None], batch.input_ids, 7)[
            rows
        ],
        prompt_lengths=batch.prompt_lengths[rows],
        lengths=batch.lengths[rows],
        tokens=batch.tokens.rows(rows),
    )
    everything = [torch.arange(len(short))]
    model = make_model()
    credit = algorithm.credit(loose.tokens)
    torch.testing.assert_close(
        credit[:, : tight.tokens.completion_mask.shape[1]], algorithm.credit(tight.tokens), rtol=0, atol=0
    )
    assert not credit[:, tight.tokens.completion_mask.shape[1] :].any()
    torch.testing.assert_close(
        token_logprobs(model, loose)[:, : tight.tokens.completion_mask.shape[1]],
        token_logprobs(model, tight),
        rtol=1e-6,
        atol=1e-6,
    )
    torch.testing.assert_close(
        gradient(algorithm, loose, everything), gradient(algorithm, tight, everything), rtol=1e-6, atol=1e-8
    )


def test_token_logprobs_are_those_of_the_whole_sequence() -> None:
    """Against log_softmax of each sequence alone, at two temperatures."""
    model, batch = make_model(), build_batch(eight_rollouts(), pad_token_id=0)
    for temperature in (1.0, 0.5):
        together = token_logprobs(model, batch, temperature=temperature)
        for row, item in enumerate(eight_rollouts()):
            ids = torch.tensor([[*item.rollout.prompt_ids, *item.rollout.completion_ids]])
            logits = model(input_ids=ids).logits[0, :-1] / temperature
            picked = torch.log_softmax(logits, -1).gather(-1, ids[0, 1:, None])[:, 0]
            n, start = len(item.rollout.completion_ids), len(item.rollout.prompt_ids)
            torch.testing.assert_close(together[row, :n], picked[start - 1 :], rtol=1e-5, atol=1e-5)
            assert not together[row, n:].any()


def test_microbatches_cover_every_row_once_and_keep_pairs_together() -> None:
    built = build_pair_batch(eight_rollouts(), pad_token_id=0)
    assert built is not None and built.tokens.pair is not None
    for size in (1, 2, 3, 4, 6):
        split = microbatches(built, BatchUnit.PAIR, tokens=1000, sequences=size)
        assert sorted(torch.cat(split).tolist()) == list(range(len(built)))
        for rows in split:
            assert len(rows) <= max(size, 2)
            counts = torch.bincount(built.tokens.pair[rows])
            assert set(counts[counts > 0].tolist()) == {2}


def test_pairs_take_each_completion_once_and_match_right_with_wrong() -> None:
    built = build_pair_batch(eight_rollouts(), pad_token_id=0)
    assert built is not None and built.tokens.chosen is not None and built.tokens.pair is not None
    # rewards 1,0,0,1 | 0,0,1,0: two pairs of the first problem, one of the second
    assert built.tokens.rewards.tolist() == [1.0, 0.0, 1.0, 0.0, 1.0, 0.0]
    assert built.tokens.chosen.tolist() == [True, False] * 3
    assert built.tokens.pair.tolist() == [0, 0, 1, 1, 2, 2]
    assert built.tokens.group.tolist() == [0, 0, 0, 0, 1, 1]


def test_no_pairs_where_every_completion_is_right() -> None:
    rollouts = [scored("p", [3, 4], [5, 6], 1.0, index) for index in range(4)]
    assert build_pair_batch(rollouts, pad_token_id=0) is None
    assert build_pair_batch(rollouts, pad_token_id=0, by_reward=True) is None


def graded(rewards: list[float], right: list[bool]) -> list[ScoredRollout]:
    """One problem's completions, (k, k, …) the k-th, with rewards that do not say who is right."""
    items = [scored("p", [3], [4 + index, 2], reward, index) for index, reward in enumerate(rewards)]
    return [replace(item, correct_by_reward=correct) for item, correct in zip(items, right, strict=True)]


def pairs_of(items: list[ScoredRollout], *, by_reward: bool) -> list[tuple[int, int]]:
    """(chosen, rejected) by their places among `items`."""
    built = build_pair_batch(items, pad_token_id=0, by_reward=by_reward)
    if built is None:
        return []
    assert built.tokens.chosen is not None and built.tokens.pair is not None
    assert built.tokens.chosen.tolist() == [True, False] * (len(built) // 2)
    assert built.tokens.pair.tolist() == [row // 2 for row in range(len(built))]
    places = (built.input_ids[:, 1] - 4).tolist()
    return list(zip(places[::2], places[1::2], strict=True))


def test_the_chosen_completion_is_right_and_the_rejected_one_wrong() -> None:
    """With a box worth 0.1 the first two are wrong and have a reward above 0; the right one comes last."""
    items = graded([0.1, 0.1, 0.0, 1.1], [False, False, False, True])
    assert pairs_of(items, by_reward=False) == [(3, 0)]
    assert pairs_of(graded([0.1, 0.0, 0.1, 0.0], [False] * 4), by_reward=False) == []
    assert pairs_of(graded([-0.5, 0.1], [True, False]), by_reward=False) == [(0, 1)]  # overlong and right


def test_ranked_pairs_by_hand() -> None:
    """0.9, 0.5, 0.5, 0.2, 0.1: the best with the worst, then 0.5 with 0.2; the other 0.5 is left over."""
    assert pairs_of(graded([0.5, 0.1, 0.9, 0.5, 0.2], [False] * 5), by_reward=True) == [(2, 1), (0, 4)]
    assert pairs_of(graded([0.5, 0.5, 0.5, 0.1], [False] * 4), by_reward=True) == [(0, 3)]  # equals are no pair
    assert pairs_of(graded([0.3, 0.1 + 0.2], [False] * 2), by_reward=True) == []  # in float32, as batches hold them
    assert pairs_of(graded([0.3, 0.1 + 0.2, 0.0, 0.0], [False] * 4), by_reward=True) == [(0, 2), (1, 3)]


@pytest.mark.parametrize("seed", range(20))
def test_with_two_rewards_both_pairings_are_the_same(seed: int) -> None:
    right = (torch.rand(2 + seed % 7, generator=torch.Generator().manual_seed(seed)) > 0.5).tolist()
    items = graded([float(correct) for correct in right], right)
    assert pairs_of(items, by_reward=True) == pairs_of(items, by_reward=False)


def test_empty_completion_is_named() -> None:
    broken = ScoredRollout(
        rollout=replace(eight_rollouts()[0].rollout, completion_ids=()),
        verdict=eight_rollouts()[0].verdict,
        reward=0.0,
    )
    with pytest.raises(ValueError, match="'p0' has a completion without tokens; expected at least one"):
        build_batch([broken], pad_token_id=0)
