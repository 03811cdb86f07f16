"""Random models of a few thousand weights, one of each kind of architecture, with the embedded tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoModelForCausalLM

from training.models.embedded import build_embedded_tokenizer
from training.models.policy import Policy, load_policy

# Sizes that vLLM's kernels take on a CPU: heads of 32 channels, experts of 32.
OWN: dict[str, dict[str, Any]] = {
    "llama": {"tie_word_embeddings": True},
    "qwen2": {"num_key_value_heads": 1},
    "qwen3_moe": {
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "moe_intermediate_size": 32,
        "num_key_value_heads": 1,
        "head_dim": 32,
    },
    "mixtral": {"num_local_experts": 4, "num_key_value_heads": 1},
    "gpt_neox": {"rotary_pct": 1.0},
}


def tiny_config(kind: str, **changed: Any) -> Any:
    """Two layers of 64 channels and 64 tokens; weights as large as trained ones, so that each of them shows.

    A field that is changed to ``None`` is left out.
    """
    fields: dict[str, Any] = {
        "vocab_size": 64,
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "initializer_range": 0.3,
        **OWN.get(kind, {}),
        **changed,
    }
    return AutoConfig.for_model(kind, **{name: value for name, value in fields.items() if value is not None})


def save_tiny(kind: str, folder: Path, *, seed: int = 0, **changed: Any) -> Path:
    """A model folder of that architecture."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(tiny_config(kind, **changed))
    Policy(model=model, tokenizer=build_embedded_tokenizer(), eos_token_ids=(2,), pad_token_id=0).save(folder)
    return folder


def tiny_policy(kind: str, folder: Path) -> Policy:
    """The policy that `load_policy` makes of such a folder."""
    return load_policy(save_tiny(kind, folder))
