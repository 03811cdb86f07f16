"""The KL from the start policy, estimated on completions by k3, against policies that are tables."""

from __future__ import annotations

import math
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks.problem import Problem
from rewards.verdict import ScoredRollout, Status, Verdict
from sampling.rollout import Rollout
from training.models.batches import TrainingBatch, build_batch
from training.models.logprobs import ForwardOptions
from training.models.scores import score_completion_kl

# π(next | token) of five tokens; row 0 is of the padding, and as different as can be.
POLICY = [
    [0.96, 0.01, 0.01, 0.01, 0.01],
    [0.10, 0.10, 0.50, 0.20, 0.10],
    [0.25, 0.25, 0.10, 0.25, 0.15],
    [0.20, 0.20, 0.20, 0.20, 0.20],
    [0.10, 0.20, 0.30, 0.20, 0.20],
]
START = [
    [0.01, 0.01, 0.01, 0.01, 0.96],
    [0.20, 0.25, 0.25, 0.20, 0.10],
    [0.10, 0.10, 0.20, 0.50, 0.10],
    [0.60, 0.10, 0.10, 0.10, 0.10],
    [0.30, 0.20, 0.10, 0.20, 0.20],
]


class Bigram(nn.Module):
    """A causal language model whose next token depends on the last alone, by a table of probabilities."""

    def __init__(self, table: list[list[float]]) -> None:
        super().__init__()
        self.base_model = OneHot(len(table))
        self.head = nn.Linear(len(table), len(table), bias=False, dtype=torch.float64)
        self.head.weight.data = torch.tensor(table, dtype=torch.float64).log().T

    def get_output_embeddings(self) -> nn.Module:
        return self.head

    def forward(self, input_ids: Tensor, use_cache: bool) -> Any:
        return SimpleNamespace(logits=self.head(self.base_model(input_ids, use_cache).last_hidden_state))


class OneHot(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size

    def forward(self, input_ids: Tensor, use_cache: bool) -> Any:
        return SimpleNamespace(last_hidden_state=nn.functional.one_hot(input_ids, self.size).double())


def batch_of(*completions: tuple[int, ...], prompt: tuple[int, ...] = (4, 1), tool: int | None = None) -> TrainingBatch:
    """The completions of one prompt; a token `tool` was written by a tool."""
    unjudged = Verdict(status=Status.NO_ANSWER, answer="", answer_class="")
    problem = Problem(problem_id="p", benchmark="b", question="q", gold_answer="1")
    scored = [
        ScoredRollout(
            rollout=Rollout(
                problem=problem,
                prompt_ids=prompt,
                completion_ids=ids,
                completion="",
                finish_reason="stop",
                sample_index=index,
                seed=0,
                policy_version=0,
                own_tokens=None if tool is None else tuple(token != tool for token in ids),
            ),
            verdict=unjudged,
            reward=0.0,
        )
        for index, ids in enumerate(completions)
    ]
    return build_batch(scored, pad_token_id=0)


def kl(policy: list[list[float]], start: list[list[float]], batch: TrainingBatch, **options: Any) -> list[float]:
    return score_completion_kl(Bigram(policy), Bigram(start), batch, ForwardOptions(**options)).tolist()


def test_the_estimate_by_hand() -> None:
    """After the prompt's 1: 2 has 1/2 and 1/4 of the start, so r = 1/2 and r − log r − 1 = log 2 − 1/2. After 2: 3 has
    1/4 and 1/2, so r = 2 and 1 − log 2. The sum is 1/2; the shorter completion has the first part, and no padding."""
    found = kl(POLICY, START, batch_of((2, 3), (2,)))
    assert found == pytest.approx([0.5, math.log(2) - 0.5], abs=1e-12)
    assert kl(POLICY, START, batch_of((2, 3), (2,)), microbatch_size=1) == pytest.approx(found, abs=1e-12)


def test_what_a_tool_wrote_is_read_and_not_counted() -> None:
    """After 1 comes 2 as above; 4 is a tool's; after it 2 has 0.3 and 0.1: r = 1/3."""
    found = kl(POLICY, START, batch_of((2, 4, 2), tool=4))
    assert found == pytest.approx([math.log(2) - 0.5 + 1 / 3 + math.log(3) - 1], abs=1e-12)


def test_equal_policies_are_at_0_exactly() -> None:
    assert kl(POLICY, POLICY, batch_of((2, 3, 4), (1,))) == [0.0, 0.0]


@pytest.mark.parametrize("temperature", [1.0, 0.5])
def test_its_mean_over_the_policys_completions_is_the_kl_of_whole_completions(temperature: float) -> None:
    """Σ_o π_θ(o) log π_θ(o)/π_start(o) over all 125 completions of three tokens, both at the temperature."""

    def probability(table: list[list[float]], ids: tuple[int, ...]) -> float:
        sharpened = [[value ** (1 / temperature) for value in row] for row in table]
        pairs = zip((1, *ids), ids, strict=False)
        return math.prod(sharpened[last][own] / sum(sharpened[last]) for last, own in pairs)

    every = list(product(range(5), repeat=3))
    ours, theirs = ([probability(table, ids) for ids in every] for table in (POLICY, START))
    exact = sum(our * math.log(our / their) for our, their in zip(ours, theirs, strict=True))
    found = kl(POLICY, START, batch_of(*every), temperature=temperature)
    assert sum(our * each for our, each in zip(ours, found, strict=True)) == pytest.approx(exact, abs=1e-12)
    assert min(found) >= 0 and exact > 0.1
