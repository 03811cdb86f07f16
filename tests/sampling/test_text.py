"""The text of a completion: what begins, ends and fills up sequences is no part of it, every other token is."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from benchmarks.arithmetic import generate_problems
from rewards import check_answer
from sampling.rollout import FinishReason
from sampling.sampler import Generation, SamplingConfig, sample_rollouts
from sampling.text import completion_text, token_ends
from tests.sampling.tokenizers import by_words

TOKENIZER = by_words("5", "6", "so", r"\boxed{5}", r"\boxed{6}", special=("<think>", "</think>", "<|end|>"))


def ids(text: str) -> list[int]:
    return [int(TOKENIZER.convert_tokens_to_ids(word)) for word in text.split()]  # type: ignore[arg-type]


def test_special_tokens_of_reasoning_stay_and_bounds_go() -> None:
    text = completion_text(TOKENIZER, ids("<think> 5 </think> 6 <eos> <pad> <pad>"))
    assert text == "<think> 5 </think> 6"


def test_the_draft_is_not_the_answer() -> None:
    """Without its special tokens the text would be two boxed answers, the first of which is a thought."""
    text = completion_text(TOKENIZER, ids(r"<think> \boxed{5} <eos>"))
    assert check_answer(text, "5").status == "NO_ANSWER"
    assert check_answer(str(TOKENIZER.decode(ids(r"<think> \boxed{5}"), skip_special_tokens=True)), "5").correct


@pytest.mark.parametrize(
    ("finish_reason", "text"), [("stop", "so 5"), ("length", "so 5 <|end|>")], ids=["ended", "cut at the limit"]
)
def test_whatever_ended_the_completion_is_no_part_of_it(finish_reason: FinishReason, text: str) -> None:
    """Chat models end turns with tokens of their own; the one that ended this completion is told by the engine."""
    generation = Generation(completion_ids=tuple(ids("so 5 <|end|>")), finish_reason=finish_reason, logprobs=None)
    sampler = SimpleNamespace(policy_version=0, generate=lambda requests, config, on_progress: [generation])
    (rollout,) = sample_rollouts(
        sampler,  # type: ignore[arg-type]
        TOKENIZER,
        [(generate_problems("test", 1)[0], (1,))],
        SamplingConfig(),
        samples_per_problem=1,
        run_seed=0,
        step=0,
    )
    assert rollout.completion == text


def test_tokens_end_where_they_end_in_that_text() -> None:
    sequence = ids("<think> 5 </think> 6 <|end|> <eos> <pad>")
    text = completion_text(TOKENIZER, sequence, ids("<|end|>"))
    ends = token_ends(TOKENIZER, sequence, ids("<|end|>"))
    assert text == "<think> 5 </think> 6"
    assert ends == [7, 9, 18, 20, 20, 20, 20]
