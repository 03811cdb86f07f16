r"""The embedded model: a Llama of a few hundred thousand parameters and its 22-token vocabulary, made from scratch.

It speaks only the language of `benchmarks.arithmetic`. It is saved in the ordinary layout (``config.json``,
``model.safetensors``, ``tokenizer.json``), so `AutoModelForCausalLM`, `AutoTokenizer` and vLLM load it like any other.
"""

from __future__ import annotations

import re

import torch
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from training.models.sizes import EmbeddedModelConfig

__all__ = ["EmbeddedModelConfig", "build_embedded_model", "build_embedded_tokenizer"]

PAD, BOS, EOS = "<pad>", "<bos>", "<eos>"
SYMBOLS = (*"0123456789", *"+-*()=", "\n", r"\boxed{", "}")
PROGRAM_SYMBOLS = ("a", "print", "```", "python", "output")


def build_embedded_tokenizer(vocabulary: str | None = None) -> PreTrainedTokenizerFast:
    r"""One token a character, except ``\boxed{``, which is one token; 22 with pad, bos and eos.

    Args:
        vocabulary: see `EmbeddedModelConfig`; ``"programs"`` has 27 tokens.
    """
    symbols = _symbols(vocabulary)
    words = "|".join(re.escape(symbol) for symbol in symbols if len(symbol) > 1)
    ids = {symbol: index for index, symbol in enumerate((PAD, BOS, EOS, *symbols))}
    tokenizer = Tokenizer(models.WordLevel(ids, unk_token=PAD))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(rf"{words}|[\s\S]"), behavior="isolated")
    tokenizer.decoder = decoders.Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token=PAD, bos_token=BOS, eos_token=EOS, clean_up_tokenization_spaces=False
    )


def _symbols(vocabulary: str | None) -> tuple[str, ...]:
    return (*SYMBOLS, *PROGRAM_SYMBOLS) if vocabulary == "programs" else SYMBOLS


def build_embedded_model(config: EmbeddedModelConfig, *, seed: int) -> LlamaForCausalLM:
    """A freshly initialised float32 Llama; the same seed repeats the same weights."""
    generator_state = torch.get_rng_state()
    torch.manual_seed(seed)
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(_symbols(config.vocabulary)) + 3,
            hidden_size=config.hidden_size,
            intermediate_size=config.intermediate_size,
            num_hidden_layers=config.num_layers,
            num_attention_heads=config.num_heads,
            num_key_value_heads=config.num_heads,
            max_position_embeddings=config.max_length,
            tie_word_embeddings=True,
            pad_token_id=0,
            bos_token_id=1,
            eos_token_id=2,
            dtype="float32",
        )
    )
    torch.set_rng_state(generator_state)
    model.generation_config.pad_token_id = 0
    return model
