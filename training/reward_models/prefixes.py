"""Scores of completions behind prompts that several have in common, each prompt read once, where nothing is packed.

A prompt's keys and values are kept and handed to each of its completions; what is computed is what each sequence alone
gives, beyond rounding. Of 16 completions of one prompt, 15 prompts are never read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from training.models.batches import TrainingBatch
from training.models.logprobs import ForwardOptions, autocast
from training.models.packing import can_pack, is_packed
from training.models.transfer import sent

__all__ = ["can_share_prompts", "score_behind_prompts"]


def can_share_prompts(model: nn.Module, batch: TrainingBatch) -> bool:
    """Whether prompts are shared, and the model's attention is the plain causal kind that takes any mask."""
    config: Any = model.config
    plain = can_pack(model) and not is_packed(model) and config._attn_implementation == "sdpa"
    return plain and batch.prompts is not None and batch.places is None


@torch.no_grad()
def score_behind_prompts(model: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """The score z of each completion's text up to and with each token.

    Args:
        model: a scalar-head model for which `can_share_prompts`.
        batch: B sequences, some with the same prompt.
        options: most tokens of a pass, of prompts or of completions.

    Returns:
        (B, T), zero outside the mask.
    """
    device = batch.input_ids.device
    mask = batch.tokens.completion_mask
    prompt_of, first_of = batch.distinct_prompts()
    lengths = batch.prompt_lengths[first_of]
    result = torch.zeros(mask.shape, device=device)
    for chosen in _pieces(lengths, options.microbatch_tokens):
        prompts = batch.input_ids[sent(first_of[chosen], device), : int(lengths[chosen].max())]
        kept = _keys_and_values(model, prompts, options)
        place = torch.full((len(lengths),), -1)
        place[chosen] = torch.arange(len(chosen))
        [rows] = torch.nonzero(place[prompt_of] >= 0, as_tuple=True)
        wide = torch.maximum(batch.lengths - batch.prompt_lengths, batch.prompt_lengths)[rows]
        for part in _pieces(wide, options.microbatch_tokens):
            here = rows[part]
            scores = _scores(model, batch.rows(here), kept, place[prompt_of[here]], options)
            result = result.to(scores.dtype)
            result[sent(here, device), : scores.shape[1]] = scores
    return torch.where(mask, result, torch.zeros_like(result))


def _pieces(lengths: Tensor, tokens: int) -> Iterator[Tensor]:
    """Indices of sequences of these lengths, the shortest first, at most so many tokens with padding together."""
    order = torch.argsort(lengths, stable=True)
    start = 0
    for end in range(1, len(order) + 1):
        if end == len(order) or int(lengths[order[end]]) * (end + 1 - start) > tokens:
            yield order[start:end]
            start = end


def _keys_and_values(model: nn.Module, prompts: Tensor, options: ForwardOptions) -> list[tuple[Tensor, Tensor]]:
    """Of each layer, for prompts padded on the right."""
    body: Any = model.base_model
    cache = DynamicCache()
    with autocast(prompts.device, options.use_autocast):
        body(input_ids=prompts, past_key_values=cache, use_cache=True)
    return [(layer.keys, layer.values) for layer in cache.layers]  # type: ignore[misc]


def _scores(
    model: nn.Module,
    batch: TrainingBatch,
    kept: list[tuple[Tensor, Tensor]],
    prompt_of: Tensor,
    options: ForwardOptions,
) -> Tensor:
    """The scores of completions behind the kept prompts at `prompt_of`. (B', T')."""
    body: Any = model.base_model
    head: Any = model.score
    device = batch.input_ids.device
    longest, own = int(batch.prompt_lengths.max()), batch.tokens.completion_mask.shape[1]
    prompt_lengths, index = sent(batch.prompt_lengths, device)[:, None], sent(prompt_of, device)
    places = prompt_lengths + torch.arange(own, device=device)  # (B', T') positions, beyond the end at the padding
    ids = batch.input_ids.gather(1, places.clamp(max=batch.input_ids.shape[1] - 1))
    cache = DynamicCache()
    for number, (keys, values) in enumerate(kept):
        cache.update(keys[index, :, :longest], values[index, :, :longest], number)
    prompt_seen = (torch.arange(longest, device=device) < prompt_lengths)[:, None].expand(-1, own, -1)
    own_seen = torch.ones(own, own, dtype=torch.bool, device=device).tril()[None].expand(len(batch), -1, -1)
    seen = torch.cat([prompt_seen, own_seen], dim=2)[:, None]  # (B', 1, T', longest + T')
    with autocast(device, options.use_autocast):
        hidden = body(
            input_ids=ids,
            past_key_values=cache,
            attention_mask=seen,
            position_ids=places,
            use_cache=True,
        ).last_hidden_state
    return head(hidden.to(torch.promote_types(hidden.dtype, torch.float32)))[..., 0]
