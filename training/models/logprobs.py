"""Log-probabilities and values of completion tokens under a model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from sampling.truncation import WHOLE, Truncation, kept
from training.models.batches import TrainingBatch
from training.models.packing import PackedBatch, is_compiled, is_packed, pack_batch
from training.models.shards import gathered
from training.models.transfer import sent

__all__ = ["ForwardOptions", "align_to_completion", "autocast", "token_entropies", "token_logprobs", "token_values"]

LOGITS_AT_A_TIME = 2**28  # numbers in float32: 1 GiB, 5,461 tokens of a vocabulary of 49,152


@dataclass(frozen=True, kw_only=True)
class ForwardOptions:
    """How passes over a batch are run; no result depends on the size of a piece beyond rounding.

    Attributes:
        microbatch_tokens: most tokens of one pass with gradient; see `microbatches`, and `scores` for passes without.
        microbatch_size: most sequences of one pass; ``None`` sets no such limit.
        temperature: logprobs are taken at it.
        truncation: and of what it leaves of the distribution.
        use_autocast: forward passes in bfloat16.
        even: pieces, each the indices of its rows, to as many as any rank has of a sharded model, by empty ones.
    """

    microbatch_tokens: int = 16384
    microbatch_size: int | None = None
    temperature: float = 1.0
    use_autocast: bool = False
    truncation: Truncation = WHOLE
    even: Callable[[list[Tensor]], list[Tensor]] = list


def autocast(device: torch.device, enabled: bool) -> contextlib.AbstractContextManager[object]:
    """bfloat16 autocast on `device` where enabled: float32 master weights, bfloat16 matrix products."""
    return torch.autocast(device.type, dtype=torch.bfloat16) if enabled else contextlib.nullcontext()


def token_logprobs(
    model: nn.Module,
    batch: TrainingBatch,
    *,
    temperature: float = 1.0,
    use_autocast: bool = False,
    truncation: Truncation = WHOLE,
) -> Tensor:
    """log π_θ(o_t | q, o_<t) of each completion token at the sampling temperature.

    The logits of at most `LOGITS_AT_A_TIME` / V tokens exist at a time; where a batch has more, the backward pass
    computes them again.

    Args:
        model: a causal language model of transformers; sequences are packed where `is_packed` says so, else padded.
        batch: B sequences.
        temperature: divides the logits, as the sampler did.
        use_autocast: run the forward pass in bfloat16.
        truncation: what the sampler cut; the logprob is that of what is left, renormalised, and the set of tokens that
            is left has no gradient. A token that the policy would not draw any more stays in it.

    Returns:
        (B, T) float32 (float64 from a float64 model) in nats, zero outside the completion mask.
    """
    number = _picked if truncation.silent else partial(_picked_of_kept, truncation)
    return _of_logits(number, model, batch, temperature, use_autocast)


def token_entropies(
    model: nn.Module, batch: TrainingBatch, *, temperature: float = 1.0, use_autocast: bool = False
) -> Tensor:
    """Entropy of π_θ(· | q, o_<t) over the vocabulary at each completion token, at the sampling temperature.

    Args:
        model: see `token_logprobs`.
        batch: B sequences.
        temperature: divides the logits.
        use_autocast: run the forward pass in bfloat16.

    Returns:
        (B, T) float32 (float64 from a float64 model) in nats, zero outside the completion mask.
    """
    return _of_logits(_entropy, model, batch, temperature, use_autocast)


OfLogits = Callable[[Tensor, Tensor, float], Tensor]
"""One number a token from its logits, the token and the temperature: (…, V) and (…) -> (…)."""


def _of_logits(
    number: OfLogits, model: nn.Module, batch: TrainingBatch, temperature: float, use_autocast: bool
) -> Tensor:
    """A number of each completion token's logits. (B, T), zero outside the mask."""
    apart = splits_at_head(model, use_autocast=use_autocast)  # on its own: casts kept from here would have no gradient
    return gathered(model, lambda: _numbers(number, model, batch, temperature, use_autocast, apart=apart))


def _numbers(
    number: OfLogits, model: nn.Module, batch: TrainingBatch, temperature: float, use_autocast: bool, *, apart: bool
) -> Tensor:
    """The same; `apart` says whether the head is taken by itself."""
    with autocast(batch.input_ids.device, use_autocast):
        if not apart:
            return _from_whole_logits(number, model, batch, temperature)
        body: Any = model.base_model
        head: Any = model.get_output_embeddings()  # type: ignore[operator]
        if is_packed(model):
            packed = pack_batch(batch)
            number = _fused(number) if is_compiled(model) else number
            hidden = body(**packed.inputs, use_cache=False).last_hidden_state[0, packed.predicting]  # (M, H)
            return _scatter(_at_head(number, head, hidden, packed.targets, temperature), packed, batch)
        shortest = int(batch.prompt_lengths.min())
        ids = batch.input_ids[:, shortest - 1 :]  # from the last prompt token of the shortest prompt on
        hidden = body(input_ids=batch.input_ids, use_cache=False).last_hidden_state[:, shortest - 1 :]
        targets = ids.roll(-1, dims=1)  # the last column has none, and is dropped
        numbers = _at_head(number, head, hidden.flatten(0, 1), targets.flatten(), temperature).view(targets.shape)
        return align_to_completion(numbers[:, :-1], batch, offset=shortest)


def token_values(
    body: nn.Module, head: nn.Module, batch: TrainingBatch, *, after: bool = False, use_autocast: bool = False
) -> Tensor:
    """A linear head's number at the last hidden state before each completion token, or at the token itself.

    Args:
        body: a model of transformers without a head; see `token_logprobs` for packed and padded ones.
        head: (…, H) -> (…, 1), in float32.
        batch: B sequences.
        after: the number of the text up to and with each token (a score) instead of up to it (a value).
        use_autocast: run the body in bfloat16.

    Returns:
        (B, T), zero outside the completion mask.
    """
    packed = pack_batch(batch) if is_packed(body) else None
    inputs = {"input_ids": batch.input_ids} if packed is None else packed.inputs
    with autocast(batch.input_ids.device, use_autocast):
        hidden = body(**inputs, use_cache=False).last_hidden_state
    hidden = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    if packed is not None:
        read = packed.completion if after else packed.predicting
        return _scatter(head(hidden[0, read])[..., 0], packed, batch)
    return align_to_completion(head(hidden)[..., 0], batch, offset=1 - after)  # position j sees tokens 0..j


def align_to_completion(per_position: Tensor, batch: TrainingBatch, *, offset: int) -> Tensor:
    """Move values from input positions to completion positions.

    Args:
        per_position: (B, N), column j belongs to input token `offset` + j.
        batch: says where each completion starts.
        offset: input position of column 0, at most the shortest prompt.

    Returns:
        (B, T), zero outside the completion mask.
    """
    mask = batch.tokens.completion_mask
    columns = (batch.completion_places() - offset).clamp(0, per_position.shape[1] - 1)
    aligned = per_position.gather(1, sent(columns, mask.device))
    return torch.where(mask, aligned, torch.zeros_like(aligned))


def _scatter(per_token: Tensor, packed: PackedBatch, batch: TrainingBatch) -> Tensor:
    """Values of a packed row's completion tokens at their places. (M,) -> (B, T), zero outside the mask."""
    mask = batch.tokens.completion_mask
    return per_token.new_zeros(mask.numel()).index_put((packed.places,), per_token).view(mask.shape)


def _at_head(number: OfLogits, head: nn.Module, hidden: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Numbers of the head's logits, of which at most `LOGITS_AT_A_TIME` exist at once. (M, H) -> (M,)."""
    vocabulary: int = head.weight.shape[0]  # type: ignore[union-attr,assignment]
    rows = max(1, LOGITS_AT_A_TIME // vocabulary)

    def numbers(part: Tensor, wanted: Tensor) -> Tensor:
        return number(head(part), wanted, temperature)

    pieces = list(zip(hidden.split(rows), targets.split(rows), strict=True))
    if len(pieces) == 1:  # views like the pieces of a longer row: for a tensor of its own, compiled code is made anew
        return numbers(*pieces[0])
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(numbers, *piece, use_reentrant=False) for piece in pieces])  # type: ignore[misc]
    return torch.cat([numbers(*piece) for piece in pieces])


@cache
def _fused(number: OfLogits) -> OfLogits:
    """The same in one pass over the logits, none of whose intermediates exist; what is cut is left as it is."""
    return number if isinstance(number, partial) else torch.compile(number, dynamic=True)


def _picked(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """log-softmax at the targets. (…, V) and (…) -> (…)."""
    logits = _tempered(logits, temperature)
    return logits.gather(-1, targets[..., None])[..., 0] - torch.logsumexp(logits, dim=-1)


def _picked_of_kept(truncation: Truncation, logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """log-softmax of the logits that are left, at the targets, which are always among them. (…, V) and (…) -> (…)."""
    logits = _tempered(logits, temperature)
    held = kept(torch.log_softmax(logits.detach(), dim=-1), truncation).scatter(-1, targets[..., None], True)
    left = logits.masked_fill(~held, float("-inf"))
    return left.gather(-1, targets[..., None])[..., 0] - torch.logsumexp(left, dim=-1)


def _entropy(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """−Σ p log p of the softmax, whatever the targets. (…, V) and (…) -> (…)."""
    logprobs = torch.log_softmax(_tempered(logits, temperature), dim=-1)
    return -(logprobs.exp() * logprobs).sum(dim=-1)


def _tempered(logits: Tensor, temperature: float) -> Tensor:
    """Logits in float32 at least, divided by the temperature."""
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return logits if temperature == 1 else logits / temperature  # dividing by 1 would keep a copy of the largest array


def _from_whole_logits(number: OfLogits, model: nn.Module, batch: TrainingBatch, temperature: float) -> Tensor:
    """The same for an architecture that does something to the logits after the head (soft caps, scales)."""
    shortest = int(batch.prompt_lengths.min())
    keep = batch.input_ids.shape[1] - shortest + 1
    if is_packed(model):
        packed = pack_batch(batch)
        logits = model(**packed.inputs, use_cache=False, logits_to_keep=packed.predicting).logits[0]
        return _scatter(number(logits, packed.targets, temperature), packed, batch)
    logits = model(input_ids=batch.input_ids, use_cache=False, logits_to_keep=keep).logits  # (B, keep, V)
    return align_to_completion(
        number(logits[:, :-1], batch.input_ids[:, shortest:], temperature), batch, offset=shortest
    )


_SPLITS: WeakKeyDictionary[nn.Module, bool] = WeakKeyDictionary()


@torch.no_grad()
def splits_at_head(model: nn.Module, *, use_autocast: bool = False) -> bool:
    """Whether the logits are nothing but the head of the last hidden state; tried on a few tokens, once a model.

    Before the model is sharded or compiled, since these are no passes as a training takes them.
    """
    if model not in _SPLITS:
        head: Any = model.get_output_embeddings()  # type: ignore[operator]
        ids = torch.arange(1, 5, device=next(model.parameters()).device)[None]
        with autocast(ids.device, use_autocast):
            whole = model(input_ids=ids, use_cache=False).logits
            apart = head(model.base_model(input_ids=ids, use_cache=False).last_hidden_state)  # type: ignore[operator]
        _SPLITS[model] = whole.shape == apart.shape and torch.allclose(whole, apart, rtol=1e-4, atol=1e-4)
    return _SPLITS[model]
