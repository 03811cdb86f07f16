"""A tiny model and tokenizer in memory, and completions of fixed tokens, for TRL's own trainers."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

PAD, EOS = 0, 1
VOCABULARY = ("<pad>", "</s>", *(str(digit) for digit in range(10)), "+", "=", "a", "b")


def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word; no file and no network."""
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(VOCABULARY)}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", padding_side="left", model_max_length=64
    )


def tiny_model(seed: int) -> LlamaForCausalLM:
    """A random Llama of one layer, float32."""
    config = LlamaConfig(
        vocab_size=len(VOCABULARY),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=PAD,
        eos_token_id=EOS,
        bos_token_id=None,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def disturbed(model: LlamaForCausalLM, *, seed: int, scale: float) -> LlamaForCausalLM:
    """A copy with normal noise on every weight: another policy over the same tokens."""
    generator = torch.Generator().manual_seed(seed)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in other.parameters():
            parameter += scale * torch.randn(parameter.shape, generator=generator)
    return other


def logprobs_of(model: LlamaForCausalLM, prompt_ids: list[int], completion_ids: list[int]) -> list[float]:
    """log π of each completion token, of one sequence without padding: an implementation that TRL has no part in."""
    with torch.no_grad():
        logits = model(torch.tensor([prompt_ids + completion_ids])).logits[0]
    logprobs = torch.log_softmax(logits, dim=-1)[len(prompt_ids) - 1 : -1]
    return logprobs.gather(1, torch.tensor(completion_ids)[:, None])[:, 0].tolist()


@dataclass(frozen=True, kw_only=True)
class Completions:
    """Sequences of one optimiser step as a sampling engine would hand them over, groups one after the other.

    Attributes:
        group_size: completions of each prompt.
        prompt_ids: tokens of each sequence's prompt, ragged.
        completion_ids: tokens of each completion, ragged; one that does not end in EOS was cut.
        rewards: one a completion.
        engine_noise: nats that the engine's logprob of each token is off, ragged.
    """

    group_size: int
    prompt_ids: list[list[int]]
    completion_ids: list[list[int]]
    rewards: list[float]
    engine_noise: list[list[float]]

    @property
    def mask(self) -> torch.Tensor:
        """(B, T) bool, True on tokens of a completion."""
        lengths = torch.tensor([len(ids) for ids in self.completion_ids])
        return torch.arange(int(lengths.max())) < lengths[:, None]

    @property
    def group(self) -> torch.Tensor:
        """(B,) index of the prompt."""
        return torch.arange(len(self.rewards)) // self.group_size

    @property
    def truncated(self) -> torch.Tensor:
        """(B,) bool, True where the completion does not end."""
        return torch.tensor([ids[-1] != EOS for ids in self.completion_ids])

    def logprobs(self, model: LlamaForCausalLM) -> list[list[float]]:
        """log π of each token under `model`, ragged."""
        return [logprobs_of(model, *ids) for ids in zip(self.prompt_ids, self.completion_ids, strict=True)]

    def sampler_logprobs(self, model: LlamaForCausalLM) -> list[list[float]]:
        """What an engine that is `engine_noise` off would report of `model`, ragged."""
        pairs = zip(self.logprobs(model), self.engine_noise, strict=True)
        return [[logprob + noise for logprob, noise in zip(*rows, strict=True)] for rows in pairs]

    def padded(self, rows: list[list[float]]) -> torch.Tensor:
        """(B, T) float32 of a ragged list, 0 on padding."""
        width = max(len(ids) for ids in self.completion_ids)
        return torch.tensor([row + [0.0] * (width - len(row)) for row in rows])


def ragged_completions(rewards: list[list[float]], *, seed: int, engine_noise: float) -> Completions:
    """Random tokens of 1 to 9 a completion, about a third of them cut, for these rewards by group.

    Args:
        rewards: one list a group, all of one length.
        seed: of tokens, lengths and noise.
        engine_noise: standard deviation of the noise on a logprob, in nats.
    """
    generator = torch.Generator().manual_seed(seed)

    def draw(low: int, high: int, size: int) -> list[int]:
        return torch.randint(low, high, (size,), generator=generator).tolist()

    prompt_ids, completion_ids, noise = [], [], []
    for group in rewards:
        prompt = draw(2, len(VOCABULARY), draw(1, 5, 1)[0])
        for _ in group:
            tokens = draw(2, len(VOCABULARY), draw(1, 10, 1)[0])
            if draw(0, 3, 1)[0] > 0:
                tokens[-1] = EOS
            prompt_ids.append(prompt)
            completion_ids.append(tokens)
            noise.append((engine_noise * torch.randn(len(tokens), generator=generator)).tolist())
    return Completions(
        group_size=len(rewards[0]),
        prompt_ids=prompt_ids,
        completion_ids=completion_ids,
        rewards=[reward for group in rewards for reward in group],
        engine_noise=noise,
    )
