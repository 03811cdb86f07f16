"""One optimiser step: coefficients, surrogate loss and gradients, added up over microbatches."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from algorithms.checks import check_coefficients
from algorithms.interface import (
    Aggregation,
    Algorithm,
    Coefficients,
    DataSource,
    Denominator,
    Need,
    counted,
    surrogate_loss,
)
from algorithms.ratios import kl_penalty
from algorithms.token_batch import TokenBatch
from training.models.batches import TrainingBatch
from training.models.logprobs import ForwardOptions, token_logprobs
from training.models.transfer import sent

__all__ = ["TokenNumbers", "accumulate_gradients", "denominator_of", "log_probabilities"]

TokenNumbers = Callable[[nn.Module, TrainingBatch, ForwardOptions], Tensor]
"""The number of each completion token that coefficients multiply the gradient of: (B, T), zero outside the mask."""


def log_probabilities(model: nn.Module, batch: TrainingBatch, options: ForwardOptions) -> Tensor:
    """log π_θ of each completion token: what every method of Table 10 trains. (B, T), in nats."""
    return token_logprobs(
        model,
        batch,
        temperature=options.temperature,
        use_autocast=options.use_autocast,
        truncation=options.truncation,
    )


def denominator_of(batch: TrainingBatch) -> Denominator:
    """The whole batch's counts, by which every microbatch's terms are divided; for means over sequences or tokens."""
    return Denominator(units=len(batch), tokens=int(batch.tokens.completion_mask.sum()), max_length=1)


def accumulate_gradients(
    model: nn.Module,
    algorithm: Algorithm,
    batch: TrainingBatch,
    credit: Tensor,
    split: Iterable[Tensor],
    options: ForwardOptions,
    numbers: TokenNumbers = log_probabilities,
    *,
    spread: bool = False,
) -> dict[str, float]:
    """Add the gradient of the surrogate loss over all microbatches to `.grad`; how it is split changes nothing.

    Where the batch holds no old logprobs although the algorithm reads them, this is the only update on the batch, and
    π_old = π_θ (Eq. 18 and 21): the ratio is exactly 1.

    Args:
        model: π_θ.
        algorithm: gives the coefficients.
        batch: B sequences, the whole optimiser step.
        credit: (B, T) the algorithm's credit for the batch.
        split: row indices of each microbatch; an empty one is passed through the model and counts for nothing.
        options: temperature and precision of the passes.
        numbers: what the model says of a token; a reward model's score takes the place of log π_θ.
        spread: add the token mean of ρ², ``ratio_square``, where the algorithm tells its ratio.

    Returns:
        ``loss`` (the surrogate's value), ``coefficient_abs_mean``, ``tokens_trained`` (tokens whose coefficient is not
        0), the token means of the algorithm's diagnostics, and in nats a token: −mean log π_θ, which is called
        ``entropy`` where the batch was drawn from π_θ and ``nll`` elsewhere, and, for such a batch with reference
        logprobs, ``kl``, the k3 estimate of KL(π_θ ‖ π_ref).
    """
    left = counted(algorithm, batch.tokens)
    constant = algorithm.aggregation == Aggregation.CONSTANT
    limit = batch.tokens.require("max_length", "aggregation 'constant'") if constant else 1
    denominator = left.denominator(algorithm.batch_unit, limit)
    online = algorithm.data_source == DataSource.ONLINE
    nll = ("entropy" if online else "nll") if numbers is log_probabilities else None
    sums: dict[str, Tensor] = {}

    def add(name: str, value: Tensor) -> None:  # stays on the device: reading it would make each pass wait for it
        sums[name] = sums.get(name, 0.0) + value.detach().double()

    for rows in split:
        if not len(rows):  # other ranks have a further piece of a sharded model, which all pass through together
            (0.0 * numbers(model, batch.shortest(), options).sum()).backward()
            continue
        part, there = batch.rows(rows), sent(rows, credit.device)
        mask = left.mask[there][:, : part.tokens.completion_mask.shape[1]]
        logprobs = numbers(model, part, options)
        tokens = replace(part.tokens, completion_mask=mask)
        if tokens.old_logprobs is None and Need.OLD_LOGPROBS in algorithm.needs:
            tokens = replace(tokens, old_logprobs=logprobs.detach())
        part_credit = credit[there][:, : mask.shape[1]]
        coefficients = algorithm.coefficients(tokens, part_credit, logprobs.detach())
        check_coefficients(coefficients, mask, type(algorithm).__name__)
        loss = surrogate_loss(coefficients.values, logprobs, mask, algorithm.aggregation, denominator)
        loss.backward()

        add("loss", loss)
        add("tokens_trained", (coefficients.values != 0).sum())
        for name, values in _told(
            tokens, logprobs.detach(), coefficients, nll=nll, online=online, spread=spread
        ).items():
            add(name, torch.where(mask, values, 0).sum().double() / denominator.tokens)
    return {name: float(value) for name, value in sums.items()}


def _told(
    tokens: TokenBatch, logprobs: Tensor, coefficients: Coefficients, *, nll: str | None, online: bool, spread: bool
) -> dict[str, Tensor]:
    """What is told of a microbatch as a mean over tokens: (B, T) each, by name; see `accumulate_gradients`.

    Raises:
        ValueError: a diagnostic of the algorithm has the name of one of ours.
    """
    told = {"coefficient_abs_mean": coefficients.values.abs()}
    if nll is not None:
        told[nll] = -logprobs
    if online and tokens.reference_logprobs is not None:
        told["kl"] = kl_penalty(logprobs, tokens.reference_logprobs, "k3")
    diagnostics = coefficients.diagnostics
    if spread and "ratio" in diagnostics:
        told["ratio_square"] = diagnostics["ratio"].double().square()
    if clash := diagnostics.keys() & (told.keys() | {"loss", "tokens_trained"}):
        raise ValueError(f"diagnostics {sorted(clash)} have the name of a column of metrics.jsonl; rename them.")
    return {**told, **diagnostics}
