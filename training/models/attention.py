"""Attention within the sequences of a packed row: `torch.nn.attention.varlen` on a GPU, else one SDPA a sequence."""

from __future__ import annotations

import itertools
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["ATTENTION", "packed_attention", "share_keys"]

ATTENTION = "coeflab_varlen"


class _ShareKeys(torch.autograd.Function):
    """Copies of a row's keys; the gradients of the copies are added up in a fixed order, without atomics."""

    @staticmethod
    def forward(ctx: Any, row: Tensor, key_rows: Tensor, own_keys: Tensor, copies: Tensor) -> Tensor:
        ctx.save_for_backward(own_keys, copies)
        return row.index_select(0, key_rows)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:  # type: ignore[override]
        own_keys, copies = ctx.saved_tensors
        heads, most = copies.shape
        of_copies = gradient.index_select(0, copies.clamp(min=0).flatten()).view(heads, most, -1)
        of_copies = of_copies.masked_fill((copies < 0)[..., None], 0.0).sum(dim=1, dtype=_wide(gradient.dtype))
        own = gradient.index_select(0, own_keys)
        of_prompts = (own[:heads] + of_copies.view(heads, *own.shape[1:])).to(own.dtype)
        return torch.cat([of_prompts, own[heads:]]), None, None, None


def _wide(dtype: torch.dtype) -> torch.dtype:
    return torch.promote_types(dtype, torch.float32)


def share_keys(row: Tensor, key_rows: Tensor, own_keys: Tensor, copies: Tensor) -> Tensor:
    """Keys, or values, as sequences see them: each sequence's prompt and then its own.

    Args:
        row: (N, …) of the packed row, the H tokens of shared prompts first.
        key_rows: (K,) position in the row of each key that is seen.
        own_keys: (N,) where among the keys each token of the row is seen by its own segment.
        copies: (H, C) where else each prompt token is seen; −1 at the padding.

    Returns:
        (K, …).
    """
    return _ShareKeys.apply(row, key_rows, own_keys, copies)  # type: ignore[no-any-return]


def packed_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    cu_seq_lens_q: Tensor | None = None,
    cu_seq_lens_k: Tensor | None = None,
    max_length_q: int | None = None,
    max_length_k: int | None = None,
    key_rows: Tensor | None = None,
    own_keys: Tensor | None = None,
    copies: Tensor | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **_: object,
) -> tuple[Tensor, None]:
    """Causal attention within each sequence; (B, heads, L, D) -> (B, L, heads, D).

    The queries of a sequence are its last ones: with fewer queries than keys, the first keys are its shared prompt's.
    Without cumulative lengths every row of the batch is one sequence, padded on the right if at all.
    """
    if softcap is not None or s_aux is not None or dropout or query.shape[2] != key.shape[2]:
        raise ValueError(
            f"{type(module).__name__} asks for attention that packed rows do not have (soft cap, sinks, dropout or a "
            "cache). Set packed = false."
        )
    if torch.is_autocast_enabled(query.device.type):  # rotary embeddings leave query and key in float32
        dtype = torch.get_autocast_dtype(query.device.type)
        query, key, value = query.to(dtype), key.to(dtype), value.to(dtype)
    if cu_seq_lens_q is None or cu_seq_lens_k is None:
        key, value = (_as_many_heads(each, query, dim=1) for each in (key, value))
        return _sdpa(query, key, value, scaling, sliding_window).transpose(1, 2), None
    rows = [tensor[0].transpose(0, 1) for tensor in (query, key, value)]  # (N, heads, D) each
    if key_rows is not None and own_keys is not None and copies is not None:
        rows[1:] = [share_keys(row, key_rows, own_keys, copies) for row in rows[1:]]
    rows[1:] = [_as_many_heads(row, rows[0], dim=1) for row in rows[1:]]
    if query.is_cuda and query.dtype in (torch.bfloat16, torch.float16):
        from torch.nn.attention.varlen import varlen_attn

        out = varlen_attn(
            *(row.contiguous() for row in rows),
            cu_seq_q=cu_seq_lens_q,
            cu_seq_k=cu_seq_lens_k,
            max_q=int(max_length_q or 0),
            max_k=int(max_length_k or 0),
            scale=scaling,
            window_size=(-1 if sliding_window is None else sliding_window - 1, 0),
        )
        return out[None], None  # type: ignore[index]
    return _one_by_one(rows, cu_seq_lens_q, cu_seq_lens_k, scaling, sliding_window), None


def _as_many_heads(row: Tensor, query: Tensor, *, dim: int) -> Tensor:
    """Keys or values with as many heads as the queries have."""
    repeats = query.shape[dim] // row.shape[dim]
    return row if repeats == 1 else row.repeat_interleave(repeats, dim=dim)


def _one_by_one(rows: list[Tensor], queries: Tensor, keys: Tensor, scaling: float | None, window: int | None) -> Tensor:
    """Attention of each sequence by itself: (N, heads, D) of queries, keys and values -> (1, N, heads, D)."""
    query, key, value = (row.transpose(0, 1)[None] for row in rows)
    bounds = zip(itertools.pairwise(queries.tolist()), itertools.pairwise(keys.tolist()), strict=True)
    parts = [
        _sdpa(query[:, :, start:end], key[:, :, first:last], value[:, :, first:last], scaling, window)
        for (start, end), (first, last) in bounds
    ]
    return torch.cat(parts, dim=2).transpose(1, 2)


def _sdpa(query: Tensor, key: Tensor, value: Tensor, scaling: float | None, window: int | None) -> Tensor:
    """Causal attention of the last tokens of a sequence, each seeing at most `window` tokens, itself among them."""
    mask, (queries, keys) = None, (query.shape[2], key.shape[2])
    if queries < keys or (window is not None and window < keys):
        places = torch.arange(keys, device=query.device)
        ages = places[keys - queries :, None] - places
        mask = (ages >= 0) & (ages < (keys if window is None else window))
    return nn.functional.scaled_dot_product_attention(
        query, key, value, attn_mask=mask, is_causal=mask is None, scale=scaling
    )
