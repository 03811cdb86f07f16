"""The text of a completion: what begins, ends and fills up sequences is no part of it, every other token is."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import pytest
from tokenizers import Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from benchmarks.arithmetic import generate_problems
from rewards import check_answer
from sampling.rollout import FinishReason, Rollout
from sampling.sampler import Generation, SamplingConfig, sample_rollouts
from sampling.text import TokenTexts, completion_text, completion_texts, token_ends
from tests.sampling.tokenizers import by_words, llama
from training.models.embedded import build_embedded_tokenizer

TOKENIZER = by_words("5", "6", "so", r"\boxed{5}", r"\boxed{6}", special=("<think>", "</think>", "<|end|>"))


def ids(text: str) -> list[int]:
    return [int(TOKENIZER.convert_tokens_to_ids(word)) for word in text.split()]  # type: ignore[arg-type]


def test_special_tokens_of_reasoning_stay_and_bounds_go() -> None:
    text = completion_text(TOKENIZER, ids("<think> 5 </think> 6 <eos> <pad> <pad>"))
    assert text == "<think> 5 </think> 6"


class Shouting(PreTrainedTokenizerFast):
    """A tokenizer that does something of its own to what it decodes."""

    def _decode(self, *args: Any, **kwargs: Any) -> str:
        return super()._decode(*args, **kwargs).upper()


def cleaning(kind: Any, *, corrupt: bool = False) -> PreTrainedTokenizerFast:
    """A tokenizer that takes blanks before punctuation out of the text, BPE only where it is told to."""
    vocabulary = {word: index for index, word in enumerate(("so", "5", " .", " !", "<eos>"))}
    backend = Tokenizer(models.BPE(vocabulary, []) if kind is models.BPE else models.WordLevel(vocabulary, "<eos>"))
    backend.decoder = decoders.Fuse()
    options = {"clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output": True} if corrupt else {}
    return PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<eos>", clean_up_tokenization_spaces=True, **options
    )


@pytest.mark.parametrize(
    "tokenizer",
    [
        TOKENIZER,
        llama(),
        build_embedded_tokenizer(),
        Shouting(tokenizer_object=llama().backend_tokenizer, eos_token="</s>"),
        cleaning(models.WordLevel),
        cleaning(models.BPE),
        cleaning(models.BPE, corrupt=True),
        SimpleNamespace(eos_token_id=1, decode=lambda ids, skip_special_tokens: " ".join(map(str, ids))),
    ],
    ids=["words", "sentencepiece", "embedded", "of its own", "cleaning", "BPE", "cleaning BPE", "any other"],
)
def test_many_texts_at_once_are_those_of_each_alone(tokenizer: Any) -> None:
    draw = random.Random(0)
    tokens = getattr(tokenizer, "vocab_size", 9)
    sequences = [[draw.randrange(tokens) for _ in range(draw.randrange(30))] for _ in range(60)]
    ends = [sequence[-1:] if draw.random() < 0.5 else () for sequence in sequences]
    found = completion_texts(tokenizer, sequences, ends)
    assert found == [completion_text(tokenizer, *each) for each in zip(sequences, ends, strict=True)]
    assert len(set(found)) > 10


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
    assert sampled("so 5 <|end|>", finish_reason).completion == text


def sampled(
    completion: str,
    finish_reason: FinishReason = "length",
    prompt: str = "so",
    stop: str = "",
    *,
    met_stop: bool = False,
) -> Rollout:
    """The rollout of an engine that writes `completion`."""
    written = tuple(ids(completion))
    generation = Generation(
        completion_ids=written, finish_reason=finish_reason, logprobs=(-1.0,) * len(written), met_stop=met_stop
    )
    sampler = SimpleNamespace(policy_version=0, generate=lambda requests, config, on_progress: [generation])
    (rollout,) = sample_rollouts(
        sampler,  # type: ignore[arg-type]
        TOKENIZER,
        [(generate_problems("test", 1)[0], tuple(ids(prompt)))],
        SamplingConfig(stop=(stop,) if stop else ()),
        samples_per_problem=1,
        run_seed=0,
        step=0,
    )
    return rollout


def test_a_completion_ends_at_the_first_stop_text() -> None:
    """A base model that has answered goes on with a problem of its own; nothing of that is judged or counted."""
    rollout = sampled("so 5 6 so 6 5", stop=" 6 so")
    assert (rollout.completion, rollout.finish_reason) == ("so 5", "stop")
    assert rollout.completion_ids == tuple(ids("so 5 6 so"))
    assert rollout.sampler_logprobs == (-1.0,) * 4
    assert sampled("so 5 6 so", "stop", stop=" 6 so", met_stop=True) == rollout  # an engine that stopped there itself
    at_the_limit = sampled("so 5 6 so", "length", stop=" 6 so")
    assert at_the_limit == rollout
    untouched = sampled("so 5 6", stop="5 5")
    assert (untouched.completion, untouched.finish_reason) == ("so 5 6", "length")


@pytest.mark.parametrize(
    ("prompt", "completion", "status"),
    [
        ("so <think>", r"so \boxed{5}", "NO_ANSWER"),
        ("so <think>", r"so \boxed{6} </think> \boxed{5}", "CORRECT"),
        ("so", r"so \boxed{5}", "CORRECT"),
    ],
)
def test_a_thought_that_the_template_opened_is_no_answer_before_it_is_closed(
    prompt: str, completion: str, status: str
) -> None:
    rollout = sampled(completion, prompt=prompt)
    assert rollout.opening == ("<think>" if "<think>" in prompt else "")
    assert rollout.completion == completion
    assert check_answer(rollout.judged_text, "5").status == status


def test_tokens_end_where_they_end_in_that_text() -> None:
    sequence = ids("<think> 5 </think> 6 <|end|> <eos> <pad>")
    text = completion_text(TOKENIZER, sequence, ids("<|end|>"))
    ends = token_ends(TOKENIZER, sequence, ids("<|end|>"))
    assert text == "<think> 5 </think> 6"
    assert ends == [7, 9, 18, 20, 20, 20, 20]


def test_ends_are_those_of_every_prefix_and_a_piece_that_comes_again_is_decoded_once() -> None:
    """A reward model of steps asks for them at every step of the training; decoding is most of what that costs."""
    tokenizer = build_embedded_tokenizer()
    asked = list[tuple[int, ...]]()

    class Counting:
        bos_token_id, eos_token_id, pad_token_id = (
            tokenizer.bos_token_id,
            tokenizer.eos_token_id,
            tokenizer.pad_token_id,
        )

        def decode(self, token_ids: list[int], skip_special_tokens: bool = False) -> str:
            asked.append(tuple(token_ids))
            return str(tokenizer.decode(token_ids, skip_special_tokens=skip_special_tokens))

    texts = TokenTexts(Counting())
    for written in ("12+3=15\n15-4=11", "12+3=15\n1-1=0"):
        sequence = [*tokenizer(written, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
        prefixes = [completion_text(tokenizer, sequence[:length]) for length in range(1, len(sequence) + 1)]
        assert texts.ends(sequence) == [len(prefix) for prefix in prefixes]
    distinct = set("12+3=15\n15-4=11" + "1-1=0")
    assert len(asked) == 2 + len(distinct) + 1  # both whole, each character once, and the end
