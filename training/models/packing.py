"""Sequences side by side in one row, without padding, the prompt of a group once.

A model that `pack_attention` has switched takes such a row: transformers hands the lengths through to the attention
function (`training.models.attention`). Everything but attention and positions works on single tokens, so nothing else
has to know.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_layers import GradientCheckpointingLayer

from training.models.attention import ATTENTION, packed_attention
from training.models.batches import TrainingBatch
from training.models.transfer import sent

__all__ = [
    "PackedBatch",
    "can_pack",
    "checkpoint_layers",
    "compile_layers",
    "is_compiled",
    "is_packed",
    "pack_attention",
    "pack_batch",
]

Indices = np.ndarray[Any, np.dtype[np.integer[Any]]]

# What an architecture's attention may add that neither varlen nor plain SDPA computes.
UNSUPPORTED = ("attn_logit_softcapping", "attention_sinks", "alibi", "attention_chunk_size")


@dataclass(frozen=True, kw_only=True)
class PackedBatch:
    """A batch as one row of N tokens.

    Attributes:
        inputs: keyword arguments of the model: ids and positions (1, N), cumulative lengths of queries and keys, the
            longest of each, and where prompts are shared `key_rows`, `own_keys` and `copies` of `share_keys`.
        predicting: (M,) position in the row of the token before each completion token, sequence by sequence.
        completion: (M,) position in the row of those completion tokens.
        targets: (M,) the tokens themselves.
        places: (M,) where each belongs in a flattened (B, T) array.
    """

    inputs: dict[str, Any]
    predicting: Tensor
    completion: Tensor
    targets: Tensor
    places: Tensor


def pack_batch(batch: TrainingBatch) -> PackedBatch:
    """The sequences of `batch` end to end, a prompt that several have in common once and before them all.

    A completion's queries then see the keys of its prompt and its own. What is computed is what each sequence alone
    gives; of 32 completions of one prompt, 31 prompts are never computed. Indices are made on the CPU, in one thread
    (torch's threads wait for one another wherever engines keep the cores busy), and no pass waits for the GPU.
    """
    device, width = batch.input_ids.device, batch.input_ids.shape[1]
    lengths, prompts = batch.lengths.numpy(), batch.prompt_lengths.numpy()
    first_of, prompt_of = np.zeros(0, dtype=np.int64), None
    starts = np.zeros_like(lengths)  # of what is a sequence's own
    if batch.prompts is not None:
        prompt_of, first_of = (index.numpy() for index in batch.distinct_prompts())
        starts = prompts
    segment_rows = np.concatenate([first_of, np.arange(len(batch))])
    segment_starts = np.concatenate([np.zeros_like(first_of), starts])
    sizes = np.concatenate([prompts[first_of], lengths - starts])
    begins = sizes.cumsum() - sizes
    ids = batch.input_ids.flatten()[sent(_ranges(segment_rows * width + segment_starts, sizes), device)]  # (N,)
    before = begins if prompt_of is None else begins[prompt_of]  # where each sequence's prompt begins
    places = batch.completion_places().numpy()  # (B, T) position of completion token t in its sequence
    completion = places >= 0
    at = begins[len(first_of) :, None] + places - starts[:, None]
    predicting = np.where(places > starts[:, None], at - 1, (before + prompts)[:, None] - 1)
    keys = sizes if prompt_of is None else sizes + np.concatenate([np.zeros_like(first_of), prompts])
    inputs: dict[str, Any] = {
        "input_ids": ids[None],
        "position_ids": sent(_ranges(segment_starts, sizes), device)[None],
        "cu_seq_lens_q": sent(_bounds(sizes), device),
        "cu_seq_lens_k": sent(_bounds(keys), device),
        "max_length_q": int(sizes.max()),
        "max_length_k": int(keys.max()),
    }
    if prompt_of is not None:
        shared = _shared_keys(begins, sizes, prompt_of, len(first_of))
        inputs |= {name: sent(index, device) for name, index in shared.items()}
    read = sent(at[completion], device)
    return PackedBatch(
        inputs=inputs,
        predicting=sent(predicting[completion], device),
        completion=read,
        targets=ids[read],
        places=sent(np.flatnonzero(completion), device),
    )


def _shared_keys(begins: Indices, sizes: Indices, prompt_of: Indices, heads: int) -> dict[str, Indices]:
    """The indices of `share_keys` for a row of `heads` prompts followed by what each sequence has of its own.

    Args:
        begins: (G + B,) first position of each prompt and of each sequence's own tokens.
        sizes: (G + B,) their tokens.
        prompt_of: (B,) each sequence's prompt.
        heads: G.
    """
    none = np.zeros(heads, dtype=np.int64)
    shown = np.stack([np.concatenate([none, begins[prompt_of]]), begins], axis=1)  # (G + B, 2) prompt, then own
    lengths = np.stack([np.concatenate([none, sizes[prompt_of]]), sizes], axis=1)
    key_begins = (lengths.ravel().cumsum() - lengths.ravel()).reshape(-1, 2)
    order = np.argsort(prompt_of, kind="stable")
    counts = np.bincount(prompt_of, minlength=heads)
    most = max(2, int(counts.max()))  # never 1, for which a compiled layer would be compiled anew
    rank = np.arange(len(prompt_of)) - (counts.cumsum() - counts)[prompt_of[order]]
    table = np.full((heads, most), -1)
    table[prompt_of[order], rank] = key_begins[heads:, 0][order]
    within = _ranges(none, sizes[:heads])
    of_token = np.repeat(table, sizes[:heads], axis=0)  # (tokens of prompts, copies) their prompt's begin
    return {
        "key_rows": _ranges(shown.ravel(), lengths.ravel()),
        "own_keys": _ranges(key_begins[:, 1], sizes),
        "copies": np.where(of_token >= 0, of_token + within[:, None], -1),
    }


def _ranges(begins: Indices, sizes: Indices) -> Indices:
    """begin, begin + 1, …, as many as its size, one range behind the other."""
    before = sizes.cumsum() - sizes
    return np.repeat(begins - before, sizes) + np.arange(sizes.sum())


def _bounds(sizes: Indices) -> Indices:
    """0 and the cumulative sizes, as attention with lengths takes them."""
    return np.concatenate([[0], sizes.cumsum()]).astype(np.int32)


def can_pack(model: nn.Module) -> bool:
    """Whether the architecture takes any attention function and its attention is the plain kind."""
    config: Any = model.config
    base: Any = getattr(model, "base_model", model)
    takes = inspect.signature(base.forward).parameters
    return (
        bool(getattr(model, "_supports_attention_backend", False))
        and "position_ids" in takes
        and all(getattr(config, name, None) in (None, False) for name in UNSUPPORTED)
        and not getattr(config, "is_encoder_decoder", False)
    )


def pack_attention(model: nn.Module) -> None:
    """Switch the model to packed rows, in place; `is_packed` says so afterwards.

    Raises:
        ValueError: the architecture's attention cannot be replaced.
    """
    if not can_pack(model):
        raise ValueError(
            f"{type(model).__name__} cannot be trained on packed rows: its attention is not the plain causal kind that "
            "transformers lets one replace. Set packed = false."
        )
    AttentionInterface.register(ATTENTION, packed_attention)
    model.set_attn_implementation(ATTENTION)  # type: ignore[operator]


def compile_layers(model: nn.Module) -> None:
    """Fuse what each decoder layer does between its matrix products, in place; lengths stay free.

    `is_compiled` says so afterwards, and the log-softmax behind the head is fused too. What it gives:
    docs/performance.md. Parameters keep their names.
    """
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.compile(dynamic=True)


def is_compiled(model: nn.Module) -> bool:
    """Whether `compile_layers` fused the model's layers."""
    layers = (module for module in model.modules() if isinstance(module, GradientCheckpointingLayer))
    return any(layer._compiled_call_impl is not None for layer in layers)


def checkpoint_layers(model: nn.Module) -> None:
    """Compute each decoder layer's activations again in the backward pass instead of keeping them, in place.

    transformers does so in training mode only; the layers alone are set to it, so that no dropout comes with it.
    """
    model.gradient_checkpointing_enable({"use_reentrant": False})  # type: ignore[operator]
    for module in model.modules():
        if isinstance(module, GradientCheckpointingLayer):
            module.training = True


def is_packed(model: nn.Module) -> bool:
    """Whether `pack_attention` switched the model."""
    config: Any = getattr(model, "config", None)
    return getattr(config, "_attn_implementation", None) == ATTENTION
