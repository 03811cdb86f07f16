"""Labels by continuations are the policy's own chances, and coefficients under a step model are the paper's."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from algorithms import GRPO, SFT, surrogate_loss
from algorithms.interface import counted
from rewards.reward import EachSolution
from rewards.scoring import judge, score_rollouts
from rewards.verdict import StepVerdict
from sampling.rollout import Rollout
from sampling.sampler import SamplingConfig
from sampling.text import token_ends
from sampling.transformers_engine import TransformersSampler
from tests.algorithms.batches import surrogate_gradient
from tests.training.reward_models.small_model import TOKENIZER, rollout_of, scalar_model
from tests.training.small_run import save_start
from training.models.batches import build_batch
from training.models.logprobs import ForwardOptions, token_logprobs
from training.models.policy import Policy, load_policy
from training.reward_models.labels import continued_labels, outcome_labels, rule_step_labels
from training.reward_models.serving import LearnedStepReward, RewardModel

DIGITS = "1234"  # the policy below boxes one of these; 1 is right


def boxing_policy(folder: Path) -> Policy:
    """A policy that was shown, after a first line, each of four boxes as often."""
    policy = load_policy(save_start(folder / "untrained"))
    shown = score_rollouts([rollout_of("1=", f"{line}\n\\boxed{{{d}}}") for line in (5, 6) for d in DIGITS])
    batch = build_batch(shown, pad_token_id=0)
    optimizer = torch.optim.AdamW(policy.model.parameters(), lr=2e-2)
    for _ in range(60):
        logprobs, method = token_logprobs(policy.model, batch), SFT()
        coefficients = method.coefficients(batch.tokens, method.credit(batch.tokens), logprobs)
        left = counted(method, batch.tokens)
        divisor = left.denominator(method.batch_unit, 1)
        loss = surrogate_loss(coefficients.values, logprobs, left.mask, method.aggregation, divisor)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    policy.save(folder / "policy")
    return policy


def exact_chance(policy: Policy, rollout: Rollout, end: int, room: int) -> float:
    """The probability that a continuation of at most `room` tokens is right, by all 22³ of them.

    Only three tokens can be right here, a box of one token; a continuation that ends itself earlier is wrong.
    """
    prefix = rollout.completion_ids[: end + 1]
    one = TOKENIZER("1", add_special_tokens=False).input_ids[0]
    tails = [tail for tail in itertools.product(range(22), repeat=room) if one in tail and 2 not in tail]
    wholes = [
        replace(rollout, completion_ids=(*prefix, *tail), completion=TOKENIZER.decode([*prefix, *tail], True))
        for tail in tails
    ]
    right = [whole for whole, verdict in zip(wholes, judge(wholes), strict=True) if verdict.correct]
    batch = build_batch(score_rollouts(right), pad_token_id=0)
    with torch.no_grad():
        logprobs = token_logprobs(policy.model, batch)[:, len(prefix) :]
    return float(logprobs.sum(dim=1).exp().sum())


def test_monte_carlo_labels_converge_to_the_enumerated_chance(tmp_path: Path) -> None:
    """Within the bound that n continuations exceed once in a million times (Hoeffding): √(ln(2·10⁶) / 2n)."""
    policy = boxing_policy(tmp_path)
    sampler = TransformersSampler(tmp_path / "policy", eos_token_ids=(2,), batch_size=512)
    rollouts = [rollout_of("1=", "5\n\\boxed{1}"), rollout_of("1=", "6\n\\boxed{2}", index=1)]
    room = 3
    for count in (64, 1024):
        found = continued_labels(
            rollouts,
            sampler,
            policy,
            SamplingConfig(max_tokens=2 + room),
            continuations=count,
            hard=False,
            run_seed=0,
            step=0,
        )
        assert found.completions == 2 * count  # one step each but the last
        bound = math.sqrt(math.log(2e6) / (2 * count))
        for example, last in zip(found.examples, (1.0, 0.0), strict=True):
            assert example.step_ends == (1, 5) and example.step_rewards[1] == last
            truth = exact_chance(policy, example.rollout, end=1, room=room)
            assert 0.1 < truth < 0.6
            assert example.step_rewards[0] == pytest.approx(truth, abs=bound)
    hard = continued_labels(
        rollouts, sampler, policy, SamplingConfig(max_tokens=5), continuations=64, hard=True, run_seed=0, step=0
    )
    assert [example.step_rewards for example in hard.examples] == [(1.0, 1.0), (1.0, 0.0)]


def test_labels_of_the_rule_are_its_signs_and_what_it_cannot_check_has_none(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path)
    rollouts = [rollout_of("1=", "5\n6\n\\boxed{1}"), rollout_of("1=", "\\boxed{2}", index=1)]
    rewards = {0: (1.0, 0.0, -1.0), 1: (1.0,)}

    def rule(rollout: Rollout) -> tuple[StepVerdict, ...]:
        ends = (2, 4, len(rollout.completion)) if rollout.sample_index == 0 else (len(rollout.completion),)
        return tuple(
            StepVerdict(end=end, reward=reward) for end, reward in zip(ends, rewards[rollout.sample_index], strict=True)
        )

    first, second = rule_step_labels(rollouts, EachSolution(name="rule", function=rule), policy)
    assert (first.step_rewards, first.step_ends) == ((1.0, 0.0), (1, 7))
    assert (second.step_rewards, second.step_ends) == ((1.0,), (3,))
    right, wrong = outcome_labels(rollouts)
    assert (right.step_rewards, right.step_ends) == ((1.0,), (7,))
    assert (wrong.step_rewards, wrong.step_ends) == ((0.0,), (3,))


def test_coefficients_under_a_step_model_are_the_gradient_of_section_4_1_3(tmp_path: Path) -> None:
    """Scores by transformers' own forward pass, one sequence at a time; the objective written out; all in float64."""
    model = scalar_model(tmp_path, head_seed=3)
    model.model.double()
    texts = ["2+3=5\n5*4=20\n\\boxed{20}", "\\boxed{6}", "2+3=6\n\\boxed{24}", "1\n2\n3\n\\boxed{9}"]
    rollouts = [rollout_of("(2+3)*4=", text, index=index) for index, text in enumerate(texts)]
    prm = LearnedStepReward(
        name="prm", model=RewardModel(members=[model], temperatures=[2.0], options=ForwardOptions())
    )
    scored = score_rollouts(rollouts, step_reward=prm, token_ends=lambda ids: token_ends(TOKENIZER, ids))
    tokens = build_batch(scored, pad_token_id=0).tokens
    steps = torch.zeros(tokens.step_rewards.shape, dtype=torch.float64)  # type: ignore[union-attr]
    for row, item in enumerate(scored):
        steps[row, : len(item.step_rewards)] = torch.tensor(item.step_rewards, dtype=torch.float64)
    draw = torch.Generator().manual_seed(0)
    old, reference, logprobs = (
        -1 - torch.rand(tokens.completion_mask.shape, generator=draw, dtype=torch.float64) for _ in range(3)
    )
    logprobs.requires_grad_()
    batch = replace(
        tokens,
        rewards=tokens.rewards.double(),
        step_rewards=steps,
        old_logprobs=old,
        reference_logprobs=reference,
    )
    ends = [_line_ends(rollout) for rollout in rollouts]
    rewards = [_heads(model, rollout, where) for rollout, where in zip(rollouts, ends, strict=True)]
    pool = [reward for row in rewards for reward in row]
    mean = sum(pool) / len(pool)
    std = (sum((reward - mean) ** 2 for reward in pool) / (len(pool) - 1)) ** 0.5
    objective = torch.zeros((), dtype=torch.float64)
    for row, rollout in enumerate(rollouts):
        length = len(rollout.completion_ids)
        total = torch.zeros((), dtype=torch.float64)
        for t in range(length):
            advantage = sum((r - mean) / std for r, end in zip(rewards[row], ends[row], strict=True) if end >= t)
            ratio = torch.exp(logprobs[row, t] - old[row, t])
            gain = torch.minimum(ratio * advantage, ratio.clamp(0.8, 1.2) * advantage)
            gap = reference[row, t] - logprobs[row, t]
            total = total + gain - 0.04 * (torch.exp(gap) - gap - 1)
        objective = objective + total / length
    published = torch.autograd.grad(objective / len(rollouts), logprobs)[0]
    assert published.abs().max() > 1e-3
    found = surrogate_gradient(GRPO(supervision="process"), batch, logprobs)
    torch.testing.assert_close(found, published, rtol=1e-9, atol=1e-12)


def _line_ends(rollout: Rollout) -> list[int]:
    """Tokens that are newlines, and the last one: every step of these completions is a line."""
    newline = TOKENIZER("\n", add_special_tokens=False).input_ids[0]
    ids = rollout.completion_ids
    return [*(place for place, token in enumerate(ids) if token == newline), len(ids) - 1]


def _heads(model: Policy, rollout: Rollout, ends: list[int]) -> list[float]:
    """σ(z / 2) after each of these tokens, from a forward pass over the text up to it."""
    found = []
    for end in ends:
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids[: end + 1]]])
        with torch.no_grad():
            score = model.model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0, 0]
        found.append(1 / (1 + math.exp(-float(score) / 2)))
    return found
