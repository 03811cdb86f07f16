"""An engine ends a completion where its text, drawn to the end, would be cut afterwards."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from benchmarks.arithmetic import generate_problems
from sampling import Generation, Request, Sampler, SamplingConfig, sample_rollouts
from sampling.rollout import Rollout
from sampling.stopping import StopFinder
from sampling.text import cut_at
from sampling.transformers_engine import TransformersSampler
from sampling.vllm_engine import VllmSampler
from tests.sampling.tokenizers import by_words, llama
from training.models.embedded import build_embedded_tokenizer


def by_bytes() -> PreTrainedTokenizerFast:
    """A token a byte, as GPT-2 spells them, and two longer ones: most Chinese characters take three tokens."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {piece: index for index, piece in enumerate(["<eos>", *alphabet, "``", "```", "ĊĊ"])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [("`", "`"), ("``", "`"), ("Ċ", "Ċ")]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<eos>", clean_up_tokenization_spaces=False)


WRITTEN = [
    (by_bytes(), "x\n```p\ny\n```\n\n问题：5\n问题", ("\n```\n", "\n问题：")),
    (by_bytes(), "a ``` b\n``` c``\n```", ("\n```",)),
    (by_bytes(), "abcdefg", ("abcdef", "cd")),
    (llama(), "Na: Natalia sold 5\nNatalia: 6", ("lia: ", "\nNa")),
    (by_words("5", "so", "end"), "so 5 end so 5 end", (" 5 end so", "so so")),
    (by_bytes(), "nothing of that kind", ("\n```", "问")),
]


@pytest.mark.parametrize(("tokenizer", "text", "stop"), WRITTEN)
def test_the_first_token_at_which_the_text_holds_a_stop_text(
    tokenizer: PreTrainedTokenizerFast, text: str, stop: tuple[str, ...]
) -> None:
    """By decoding every prefix; the text in front of it is cut where it was first complete."""
    ids = tokenizer(text, add_special_tokens=False).input_ids
    prefixes = [tokenizer.decode(ids[:length]) for length in range(len(ids) + 1)]
    first = next((length for length, prefix in enumerate(prefixes) if any(each in prefix for each in stop)), None)
    finder, written = StopFinder(tokenizer, stop), list[int]()
    assert finder.extend(written, ids) == (first is not None)
    assert len(written) == (len(ids) if first is None else first)
    before, kept = cut_at(tokenizer, ids, stop)
    assert kept == first
    assert (before, kept) == (cut_at(tokenizer, written, stop) if first is not None else (prefixes[-1], None))


def test_of_two_stop_texts_the_one_that_is_complete_first_ends_the_text() -> None:
    assert cut_at(by_bytes(), by_bytes()("abcdefg").input_ids, ("abcdef", "cd")) == ("ab", 4)


@pytest.mark.parametrize("stop", [("\n```\n",), ("：", "``"), (" ", "a")])
def test_any_tokens_at_all_are_cut_at_the_same_place(stop: tuple[str, ...]) -> None:
    """Random bytes, most of them no text: a finder may only be late, and here it never is."""
    tokenizer, drawn = by_bytes(), random.Random(0)
    likely = tokenizer("\n```\n：a` ").input_ids
    finder = StopFinder(tokenizer, stop)
    for _ in range(200):
        ids = [drawn.choice(likely) if drawn.random() < 0.7 else drawn.randrange(len(tokenizer)) for _ in range(40)]
        written = list[int]()
        finder.extend(written, ids)
        assert len(written) == (cut_at(tokenizer, ids, stop)[1] or len(ids))


class _ToTheEnd:
    """An engine that knows no stop texts."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler, self.policy_version = sampler, 0
        self.drawn: list[Generation] = []

    def generate(self, requests: Sequence[Request], config: SamplingConfig, on_progress: object = None) -> list:
        self.drawn = self._sampler.generate(requests, replace(config, stop=()))
        return self.drawn


@pytest.mark.parametrize("which", ["vllm", "transformers"])
@pytest.mark.parametrize("with_logprobs", [False, True])
def test_engines_stop_where_the_text_is_cut_afterwards(
    which: str, with_logprobs: bool, vllm_engine: VllmSampler, checkpoint: Path
) -> None:
    sampler = vllm_engine if which == "vllm" else TransformersSampler(checkpoint, eos_token_ids=(2,), batch_size=7)
    tokenizer = build_embedded_tokenizer()
    prompts = [(each, tuple(tokenizer(each.question).input_ids)) for each in generate_problems("train", 8)]
    config = SamplingConfig(max_tokens=24, stop=("7", "=1", "+"), with_logprobs=with_logprobs)

    def sampled(engine: Sampler) -> list[Rollout]:
        return sample_rollouts(engine, tokenizer, prompts, config, samples_per_problem=4, run_seed=1, step=0)

    afterwards = _ToTheEnd(sampler)
    expected = sampled(afterwards)  # type: ignore[arg-type]
    found = sampled(sampler)
    strip = [replace(rollout, sampler_logprobs=None) for rollout in found]
    assert strip == [replace(rollout, sampler_logprobs=None) for rollout in expected]
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.sampler_logprobs is None) == (not with_logprobs)
        assert ours.sampler_logprobs == pytest.approx(theirs.sampler_logprobs, abs=1e-5)
    cut = [rollout for rollout in expected if not {"7", "+"}.isdisjoint(tokenizer.decode(list(rollout.completion_ids)))]
    assert 8 < len(cut) < len(expected)  # some are cut, some are not
    generations = sampler.generate(
        [Request(prompt_ids=rollout.prompt_ids, seed=rollout.seed) for rollout in expected], config
    )
    drawn = [len(generation.completion_ids) for generation in generations]
    assert drawn == [len(rollout.completion_ids) for rollout in expected]  # and not one token more
    assert sum(drawn) < sum(len(generation.completion_ids) for generation in afterwards.drawn)
    assert not sampler._llm.llm_engine.has_unfinished_requests() if which == "vllm" else True  # type: ignore[union-attr]


def test_a_sequence_at_its_own_limit_did_not_end_itself(checkpoint: Path) -> None:
    """Its neighbours are drawn on; what the model would have written next says nothing of it."""
    sampler = TransformersSampler(checkpoint, eos_token_ids=(2,))
    prompt = (5, 9, 18)
    long = [Request(prompt_ids=prompt, seed=seed) for seed in range(12)]
    short = [Request(prompt_ids=prompt, seed=seed, max_tokens=3) for seed in range(12)]
    whole = sampler.generate([*long, *short], SamplingConfig(max_tokens=24))
    for ended, cut in zip(whole[:12], whole[12:], strict=True):
        assert cut.completion_ids == ended.completion_ids[:3]
        assert cut.finish_reason == ("stop" if 2 in cut.completion_ids else "length")
