"""A prompt that several completions have in common is read once, and no score knows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch

from sampling.rollout import Rollout
from tests.training.reward_models.small_model import rollout_of, scalar_model
from training.models.batches import unjudged_batch
from training.models.logprobs import ForwardOptions
from training.models.packing import pack_attention
from training.models.policy import Policy
from training.reward_models.model import score_tokens
from training.reward_models.prefixes import can_share_prompts

PROMPTS = ["9=", "(2+3)*4=", "7-1=", "((1+2)*3-4)*5="]


def completions(seed: int, count: int = 14) -> list[Rollout]:
    """Completions of one to twelve symbols, shuffled among the prompts; the last prompt has one."""
    draw = random.Random(seed)
    asked = [*draw.choices(PROMPTS[:3], k=count - 1), PROMPTS[3]]
    texts = ["".join(draw.choices("0123456789+=\n", k=draw.randint(1, 12))) for _ in asked]
    return [rollout_of(*each, index=index) for index, each in enumerate(zip(asked, texts, strict=True))]


def alone(policy: Policy, rollout: Rollout) -> list[float]:
    """By one pass over the sequence and nothing else."""
    with torch.no_grad():
        ids = torch.tensor([[*rollout.prompt_ids, *rollout.completion_ids]])
        hidden = policy.model.base_model(ids).last_hidden_state  # type: ignore[operator]
        return policy.model.score(hidden)[0, len(rollout.prompt_ids) :, 0].tolist()  # type: ignore[operator]


@pytest.mark.parametrize("tokens", [1, 16, 40, 4096])
def test_scores_behind_a_shared_prompt_are_those_of_each_sequence_alone(tmp_path: Path, tokens: int) -> None:
    """In float64, whatever the pieces: prompts and completions in passes of one sequence, of a few, of all."""
    policy = scalar_model(tmp_path, head_seed=1)
    policy.model.double()
    for seed in range(3):
        every = completions(seed)
        batch = unjudged_batch(every, pad_token_id=0)
        assert can_share_prompts(policy.model, batch)
        found = score_tokens(policy.model, batch, ForwardOptions(microbatch_tokens=tokens))
        for row, item in zip(found, every, strict=True):
            expected = alone(policy, item)
            assert row[: len(expected)].tolist() == pytest.approx(expected, abs=1e-9)
            assert not row[len(expected) :].any()


def test_each_prompt_is_read_once(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path, head_seed=1)
    every = [rollout_of("12+3=", f"{n}{n}\n") for n in range(8)]
    batch, read = unjudged_batch(every, pad_token_id=0), list[int]()
    handle = policy.model.get_input_embeddings().register_forward_hook(  # type: ignore[operator]
        lambda module, inputs, output: read.append(inputs[0].numel())
    )
    score_tokens(policy.model, batch, ForwardOptions())
    handle.remove()
    assert sum(read) == 5 + 8 * 4  # one prompt of five symbols; eight completions of three and the end of sequence


def test_where_nothing_is_shared_or_rows_are_packed_it_is_not_used(tmp_path: Path) -> None:
    policy = scalar_model(tmp_path, head_seed=1)
    every = completions(0)
    single = unjudged_batch([every[-1], every[0]], pad_token_id=0)
    assert single.prompts is None and not can_share_prompts(policy.model, single)
    pack_attention(policy.model)
    assert not can_share_prompts(policy.model, unjudged_batch(every, pad_token_id=0))
