"""Per-token coefficients of any method on one frozen batch, with what they are made of."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from algorithms import Algorithm, TokenBatch, aggregation_weights, counted
from algorithms.checks import check_coefficients, check_token_numbers
from experiments.inspection.frozen_batch import FrozenBatch
from experiments.recipes.files import is_file_reference
from experiments.recipes.plugins import load_algorithm

__all__ = ["MethodCoefficients", "coefficients_of", "coefficients_with", "print_explanations", "print_tables"]


@dataclass(frozen=True, kw_only=True)
class MethodCoefficients:
    """Credit and coefficients of a method on a batch; every list has one entry a sequence, in input order.

    Attributes:
        algorithm: the method's name.
        aggregation: how its token terms are averaged.
        credit: credit of each token.
        coefficients: GC of each token.
        weights: aggregation weight of each token of a sequence; 0 for a sequence that is left out.
        factors: by name, what credit is multiplied by, of each token.
        terms: by name, what is added, of each token.
    """

    algorithm: str
    aggregation: str
    credit: list[list[float]]
    coefficients: list[list[float]]
    weights: list[float]
    factors: dict[str, list[list[float]]]
    terms: dict[str, list[list[float]]]

    def summary(self) -> dict[str, Any]:
        """The fields that `coeflab coefficients --json` prints."""
        return {
            "algorithm": self.algorithm,
            "aggregation": self.aggregation,
            "credit": self.credit,
            "coefficients": self.coefficients,
            "weights": self.weights,
        }

    def explained(self) -> dict[str, Any]:
        """The summary, and factors and terms by name."""
        return {**self.summary(), "factors": self.factors, "terms": self.terms}


def coefficients_of(frozen: FrozenBatch, name: str, settings: Mapping[str, Any]) -> MethodCoefficients:
    """Credit, coefficients and weights of the method `name`, or ``file.py:Name``, on a batch, in float64.

    The batch is one optimiser step: its sequences (or pairs) and tokens are what the weights are divided by.

    Raises:
        ValueError: unknown method or field, or the batch lacks what the method reads.
    """
    return coefficients_with(frozen, load_algorithm(name, settings), name)


def coefficients_with(frozen: FrozenBatch, algorithm: Algorithm, name: str) -> MethodCoefficients:
    """The same as `coefficients_of`, of a method that is built already.

    Raises:
        ValueError: the batch lacks what the method reads, or a method of somebody's file fails or gives something other
            than finite (B, T) numbers; the message names what and where.
    """
    frozen.check_for(algorithm, name)
    batch = frozen.batch
    logprobs = frozen.policy_logprobs
    if logprobs is None:
        logprobs = torch.zeros(batch.completion_mask.shape, dtype=torch.float64)
    with failures_of(name, algorithm):
        credit = algorithm.credit(batch)
        _check_tokens(credit, batch, f"credit of {name}")
        found = algorithm.coefficients(batch, credit, logprobs)
    check_coefficients(found, batch.completion_mask, name)
    _check_tokens(found.values, batch, f"coefficients of {name}")
    left = counted(algorithm, batch)
    denominator = left.denominator(algorithm.batch_unit, batch.max_length or 1)
    weights = aggregation_weights(left.mask, algorithm.aggregation, denominator)

    def ragged(values: Tensor) -> list[list[float]]:
        rows = (values.to(torch.float64) + 0.0).expand_as(batch.completion_mask).tolist()  # never -0
        return [row[:length] for row, length in zip(rows, frozen.lengths, strict=True)]

    return MethodCoefficients(
        algorithm=name,
        aggregation=str(algorithm.aggregation),
        credit=ragged(credit),
        coefficients=ragged(found.values),
        weights=weights[:, 0].tolist(),
        factors={key: ragged(value) for key, value in found.factors.items()},
        terms={key: ragged(value) for key, value in found.terms.items()},
    )


@contextmanager
def failures_of(name: str, algorithm: Algorithm) -> Iterator[None]:
    """What a method of somebody's file fails with, as a `ValueError` that names the line; of ours, as it is."""
    try:
        yield
    except Exception as error:  # the user's own code: anything may come
        own = None if not is_file_reference(name) else sys.modules[type(algorithm).__module__].__file__
        lines = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own]
        if own is None or not lines:
            raise
        what = f"{type(error).__name__}: {error}"
        raise ValueError(f"{own}, line {lines[-1].lineno}, in {lines[-1].name}: {what}; mend it there.") from error


def _check_tokens(values: Any, batch: TokenBatch, what: str) -> None:
    """Refuse what would be broadcast to wrong numbers, or cannot be printed."""
    check_token_numbers(values, batch.completion_mask, what)
    values = values.expand(batch.completion_mask.shape)
    strange = ~torch.isfinite(values) & batch.completion_mask
    if bool(strange.any()):
        row, token = (int(index) for index in strange.nonzero()[0])
        raise ValueError(
            f"{what} is {float(values[row, token])} at token {token} of sequence {row}; expected a finite number."
        )


def print_tables(frozen: FrozenBatch, results: Sequence[MethodCoefficients], console: Console) -> None:
    """One table a method, one line a sequence."""
    for result in results:
        table = Table(title=f"{result.algorithm} · aggregation {result.aggregation}", title_style="", pad_edge=False)
        for heading in ("sequence", "group", "reward", "tokens", "credit", "coefficient: mean", "min", "max", "weight"):
            table.add_column(heading, justify="left" if heading in ("sequence", "group") else "right")
        for index, values in enumerate(result.coefficients):
            credit = result.credit[index]
            same = min(credit) == max(credit)
            table.add_row(
                str(index),
                str(frozen.sequences[index].get("group", "-")),
                _number(frozen.sequences[index].get("reward")),
                str(len(values)),
                _number(credit[0]) if same else f"{_number(min(credit))} … {_number(max(credit))}",
                *(_number(value) for value in (sum(values) / len(values), min(values), max(values))),
                _number(result.weights[index]),
            )
        console.print(table)


def print_explanations(frozen: FrozenBatch, results: Sequence[MethodCoefficients], console: Console) -> None:
    """One table a sequence and method, one line a token: coefficient = credit × factors + terms, and its weight."""
    for result in results:
        for index, values in enumerate(result.coefficients):
            sequence = frozen.sequences[index]
            described = ", ".join(f"{name} {sequence[name]}" for name in ("group", "reward") if name in sequence)
            title = f"{result.algorithm} · sequence {index}{', ' if described else ''}{described}"
            table = Table(title=title, title_style="", pad_edge=False)
            headings = ["credit", *(f"× {name}" for name in result.factors), *(f"+ {name}" for name in result.terms)]
            for heading in ("token", "", *headings, "= coefficient", "weight"):
                table.add_column(heading, justify="right")
            tokens = sequence.get("tokens", [""] * len(values))
            for place, value in enumerate(values):
                parts = [result.credit, *result.factors.values(), *result.terms.values()]
                numbers = [_number(part[index][place]) for part in parts]
                weight = _number(result.weights[index])
                table.add_row(str(place), str(tokens[place]), *numbers, _number(value), weight)
            console.print(table)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
