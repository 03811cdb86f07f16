"""Sequences side by side in one row, without padding, the prompt of a group once.

A model that `pack_attention` has switched takes such a row: transformers hands the lengths through to the attention
function (`training.models.attention`). Everything but attention and positions works on single tokens, so nothing else
has to know.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_layers import GradientCheckpointingLayer

from training.models.attention import ATTENTION, packed_attention
from training.models.batches import TrainingBatch

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
    gives; of 32 completions of one prompt, 31 prompts are never computed. Indices are made on the CPU, so that no pass
    waits for the GPU.
    """
    device, width = batch.input_ids.device, batch.input_ids.shape[1]
    lengths, prompts = batch.lengths.cpu(), batch.prompt_lengths.cpu()
    own, first_of, prompt_of = torch.arange(len(batch)), torch.zeros(0, dtype=torch.int64), None
    starts = torch.zeros_like(lengths)  # of what is a sequence's own
    if batch.prompts is not None:
        prompt_of, first_of = batch.distinct_prompts()
        starts = prompts
    segment_rows = torch.cat([first_of, own])
    segment_starts = torch.cat([torch.zeros_like(first_of), starts])
    sizes = torch.cat([prompts[first_of], lengths - starts])
    begins = sizes.cumsum(0) - sizes
    cells = _ranges(segment_rows * width + segment_starts, sizes).to(device)  # (N,)
    ids = batch.input_ids.flatten()[cells]
    before = begins[prompt_of] if prompt_of is not None else begins  # where each sequence's prompt begins
    places = batch.completion_places()  # (B, T) position of completion token t in its sequence
    completion = places >= 0
    at = begins[len(first_of) :, None] + places - starts[:, None]
    predicting = torch.where(places > starts[:, None], at - 1, (before + prompts)[:, None] - 1)
    keys = sizes if prompt_of is None else sizes + torch.cat([torch.zeros_like(first_of), prompts])
    inputs: dict[str, Any] = {
        "input_ids": ids[None],
        "position_ids": _ranges(segment_starts, sizes).to(device)[None],
        "cu_seq_lens_q": _bounds(sizes).to(device),
        "cu_seq_lens_k": _bounds(keys).to(device),
        "max_length_q": int(sizes.max()),
        "max_length_k": int(keys.max()),
    }
    if prompt_of is not None:
        shared = _shared_keys(begins, sizes, prompt_of, len(first_of))
        inputs |= {name: index.to(device) for name, index in shared.items()}
    at = at[completion].to(device)
    return PackedBatch(
        inputs=inputs,
        predicting=predicting[completion].to(device),
        completion=at,
        targets=ids[at],
        places=torch.nonzero(completion.flatten())[:, 0].to(device),
    )


def _shared_keys(begins: Tensor, sizes: Tensor, prompt_of: Tensor, heads: int) -> dict[str, Tensor]:
    """The indices of `share_keys` for a row of `heads` prompts followed by what each sequence has of its own.

    Args:
        begins: (G + B,) first position of each prompt and of each sequence's own tokens.
        sizes: (G + B,) their tokens.
        prompt_of: (B,) each sequence's prompt.
        heads: G.
    """
    none = torch.zeros(heads, dtype=torch.int64)
    shown = torch.stack([torch.cat([none, begins[prompt_of]]), begins], dim=1)  # (G + B, 2) prompt, then own
    lengths = torch.stack([torch.cat([none, sizes[prompt_of]]), sizes], dim=1)
    key_begins = (lengths.flatten().cumsum(0) - lengths.flatten()).view(-1, 2)
    order = torch.argsort(prompt_of, stable=True)
    counts = torch.bincount(prompt_of, minlength=heads)
    most = max(2, int(counts.max()))  # never 1, for which a compiled layer would be compiled anew
    rank = torch.arange(len(prompt_of)) - (counts.cumsum(0) - counts)[prompt_of[order]]
    table = torch.full((heads, most), -1)
    table[prompt_of[order], rank] = key_begins[heads:, 0][order]
    within = _ranges(none, sizes[:heads])
    of_token = torch.repeat_interleave(table, sizes[:heads], dim=0)  # (tokens of prompts, copies) their prompt's begin
    return {
        "key_rows": _ranges(shown.flatten(), lengths.flatten()),
        "own_keys": _ranges(key_begins[:, 1], sizes),
        "copies": torch.where(of_token >= 0, of_token + within[:, None], -1),
    }


def _ranges(begins: Tensor, sizes: Tensor) -> Tensor:
    """begin, begin + 1, …, as many as its size, one range behind the other."""
    before = sizes.cumsum(0) - sizes
    return torch.repeat_interleave(begins - before, sizes) + torch.arange(int(sizes.sum()))


def _bounds(sizes: Tensor) -> Tensor:
    """0 and the cumulative sizes, as attention with lengths takes them."""
    return torch.cat([torch.zeros(1, dtype=torch.int32), sizes.cumsum(0).to(torch.int32)])


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
