"""Tokens of a tool's output are read by the policy and by nothing else: no loss, no credit, no count."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from algorithms import GRPO, PPO
from algorithms.interface import BatchUnit
from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from tests.training.models.test_packing import make
from training.models.batches import build_batch, build_pair_batch, with_other_completions
from training.models.logprobs import ForwardOptions, token_logprobs, token_values
from training.models.microbatches import microbatches
from training.models.packing import pack_attention, pack_batch
from training.update import accumulate_gradients

PROBLEM = Problem(problem_id="p", benchmark="b", question="q", gold_answer="1")
# (prompt, completion, which tokens of it the policy drew, reward, ends of steps)
SAMPLED = (
    ((3, 4, 5), (6, 7, 30, 31, 32, 8, 9), (1, 1, 0, 0, 0, 1, 1), 1.0, (1, 3, 6)),
    ((3, 4), (10, 11, 12), (1, 1, 1), 0.0, (0, 2)),
    ((5, 6, 7, 8), (13, 33, 14, 34, 35, 15), (1, 0, 1, 0, 0, 1), 0.0, (2, 5)),
    ((9,), (16, 17, 18, 19, 36), (1, 1, 1, 1, 0), 1.0, (4,)),
)
OWN_ENDS = ((1, 3), (0, 2), (1, 2), (3,))


def scored(*, with_outputs: bool = True) -> list[ScoredRollout]:
    result = []
    for index, (prompt, completion, own, reward, ends) in enumerate(SAMPLED):
        drawn = [token for token, mine in zip(completion, own, strict=True) if mine]
        rollout = Rollout(
            problem=PROBLEM,
            prompt_ids=prompt,
            completion_ids=completion if with_outputs else tuple(drawn),
            completion="",
            finish_reason="stop",
            sample_index=index,
            seed=0,
            policy_version=0,
            sampler_logprobs=tuple(-float(token) for token in (completion if with_outputs else drawn)),
            own_tokens=tuple(map(bool, own)) if with_outputs else None,
        )
        ends = ends if with_outputs else OWN_ENDS[index]
        status = Status.CORRECT if reward else Status.INCORRECT
        result.append(
            ScoredRollout(
                rollout=rollout,
                verdict=Verdict(status=status, answer="", answer_class=""),
                reward=reward,
                step_rewards=tuple(1.0 + step for step in range(len(ends))),
                step_ends=ends,
            )
        )
    return result


def test_what_algorithms_read_knows_nothing_of_outputs() -> None:
    """The arrays are those of the same completions with the outputs cut out: so is every credit of every method."""
    with_outputs, without = (build_batch(scored(with_outputs=each), pad_token_id=0).tokens for each in (True, False))
    for name, array in without.arrays().items():
        if name.startswith("step_"):
            continue
        torch.testing.assert_close(with_outputs.arrays()[name], array, rtol=0, atol=0)
    assert with_outputs.completion_mask.sum(dim=1).tolist() == [4, 3, 3, 4]
    # Steps at (own tokens): row 0 at 1, 1 (within the output) and 3; row 3 ended in its output, so at its last own one.
    assert with_outputs.at_step_ends(with_outputs.step_rewards).tolist() == [  # type: ignore[arg-type]
        [0, 1 + 2, 0, 3],
        [1, 0, 2, 0],
        [0, 1, 2, 0],
        [0, 0, 0, 1],
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_log_probabilities_of_own_tokens_are_taken_behind_the_outputs(packed: bool) -> None:
    model, batch = make("llama"), build_batch(scored(), pad_token_id=0)
    expected = torch.zeros(4, 4, dtype=torch.float64)
    for row, (prompt, completion, own, *_) in enumerate(SAMPLED):
        table = torch.log_softmax(model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0], -1)
        places = [len(prompt) + index for index, mine in enumerate(own) if mine]
        for column, place in enumerate(places):
            expected[row, column] = table[place - 1, [*prompt, *completion][place]]
    values = torch.nn.Linear(32, 1).double()
    body = model.base_model
    hidden = [
        body(input_ids=torch.tensor([[*prompt, *completion]])).last_hidden_state[0]
        for prompt, completion, *_ in SAMPLED
    ]
    if packed:
        pack_attention(model)
    torch.testing.assert_close(token_logprobs(model, batch), expected, rtol=0, atol=1e-12)
    for rows in microbatches(batch, BatchUnit.SEQUENCE, tokens=9):  # cut into pieces, each with its own padding
        part = token_logprobs(model, batch.rows(rows))
        torch.testing.assert_close(part, expected[rows][:, : part.shape[1]], rtol=0, atol=1e-12)
    found = token_values(body, values, batch)
    assert found[0].tolist() == pytest.approx(
        values(hidden[0])[[2, 3, 7, 8], 0].tolist(), abs=1e-12
    )  # before 3, 4, 8, 9


@pytest.mark.parametrize("packed", [False, True])
def test_the_gradient_is_that_of_own_tokens_alone(packed: bool) -> None:
    """GRPO by hand: rewards 1, 0, 0, 1 give ±1 (std with ddof 0), 1/|o| counts what the policy drew."""
    algorithm = GRPO(kl_coef=0.0, std_ddof=0, std_eps=0.0)
    model = make("llama")
    loss = torch.zeros((), dtype=torch.float64)
    for (prompt, completion, own, *_), advantage in zip(SAMPLED, (1.0, -1.0, -1.0, 1.0), strict=True):
        ids = [*prompt, *completion]
        table = torch.log_softmax(model(input_ids=torch.tensor([ids])).logits[0], -1)
        drawn = [table[len(prompt) + i - 1, completion[i]] for i, mine in enumerate(own) if mine]
        loss = loss - advantage * torch.stack(drawn).mean() / 4
    loss.backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
    model = make("llama")
    if packed:
        pack_attention(model)
    batch = build_batch(scored(), pad_token_id=0)
    batch = batch.with_tokens(replace(batch.tokens, rewards=batch.tokens.rewards.double()))
    for tokens in (1000, 9):
        model.zero_grad()
        split = microbatches(batch, BatchUnit.SEQUENCE, tokens=tokens, packed=packed)
        row = accumulate_gradients(model, algorithm, batch, algorithm.credit(batch.tokens), split, ForwardOptions())
        found = torch.cat([parameter.grad.flatten() for parameter in model.parameters()])
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-9)
        assert row["tokens_trained"] == 4 + 3 + 3 + 4


def test_advantages_pass_over_outputs() -> None:
    """GAE with discount 0.5 by hand: the token behind an output is the next one in time, not five steps later."""
    tokens = replace(
        build_batch(scored()[:1], pad_token_id=0).tokens,
        values=torch.zeros(1, 4),
        old_logprobs=torch.zeros(1, 4),
        reference_logprobs=torch.zeros(1, 4),
    )
    credit = PPO(discount=0.5, gae_lambda=1.0, kl_coef=0.0, normalize_advantages=False).credit(tokens)
    assert credit.tolist() == [[0.125, 0.25, 0.5, 1.0]]


def test_pairs_keep_their_gaps() -> None:
    batch = build_pair_batch(scored(), pad_token_id=0)
    assert batch is not None and batch.places is not None
    assert batch.places.tolist() == [[3, 4, 8, 9], [2, 3, 4, -1], [1, 2, 3, 4], [4, 6, 9, -1]]


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("rows", [(0, 2), (0, 1, 2, 3)])
def test_another_prompts_completion_keeps_its_gaps(rows: tuple[int, ...], packed: bool) -> None:
    """KTO's reference point: the outputs go with the completion, and only what the policy drew is scored."""
    model = make("llama")
    other = with_other_completions(build_batch([scored()[row] for row in rows], pad_token_id=0))
    expected = torch.zeros(other.tokens.completion_mask.shape, dtype=torch.float64)
    targets = []
    for row, (mine, following) in enumerate(zip(rows, (*rows[1:], rows[0]), strict=True)):
        prompt, (_, completion, own, *_) = SAMPLED[mine][0], SAMPLED[following]
        assert other.input_ids[row, : other.lengths[row]].tolist() == [*prompt, *completion]
        table = torch.log_softmax(model(input_ids=torch.tensor([[*prompt, *completion]])).logits[0], -1)
        drawn = [index for index, its in enumerate(own) if its]
        assert other.completion_places()[row].tolist()[: len(drawn)] == [len(prompt) + index for index in drawn]
        assert other.completion_places()[row].tolist()[len(drawn) :] == [-1] * (expected.shape[1] - len(drawn))
        for column, index in enumerate(drawn):
            expected[row, column] = table[len(prompt) + index - 1, completion[index]]
        targets += [completion[index] for index in drawn]
    assert pack_batch(other).targets.tolist() == targets
    if packed:
        pack_attention(model)
    torch.testing.assert_close(token_logprobs(model, other), expected, rtol=0, atol=1e-12)


def test_lengths_that_do_not_agree_are_refused() -> None:
    with pytest.raises(ValueError, match="2 own_tokens for 3 completion_ids"):
        replace(scored()[1].rollout, own_tokens=(True, False))
