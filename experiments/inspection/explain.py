"""Why two presets give different gradients on one batch: the fields in which they differ, swapped one at a time.

The gradient is taken in the space of the tokens' logprobs: its entry is aggregation weight × coefficient, what the
surrogate sends back to log π_θ(o_t). Its direction is the cosine to the first preset's. What a model's parameters make
of it depends on the model; no parameter is looked at here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from algorithms import Algorithm
from experiments.inspection.coefficients import MethodCoefficients, coefficients_with
from experiments.inspection.frozen_batch import FrozenBatch
from experiments.inspection.shapley import shapley
from experiments.recipes.plugins import load_algorithm

__all__ = ["Explanation", "explain"]


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """The change from one preset to another, shared out over the fields in which they differ.

    Attributes:
        names: the two presets.
        totals: quantity, start, end and change of each quantity.
        shares: a row a field: its two values, its share of the change of the coefficients (in units of their distance
            ‖c_to − c_from‖, along the change), of the cosine and of the norm; shares sum to the changes.
        tokens: a row a token: sequence, token, the two coefficients and each field's share of their difference.
        exact: whether every order of swaps was counted, else the number that was drawn.
        standard_errors: a row a field, of drawn orders: cosine and norm.
    """

    names: tuple[str, str]
    totals: pd.DataFrame
    shares: pd.DataFrame
    tokens: pd.DataFrame
    exact: bool | int
    standard_errors: pd.DataFrame


def explain(frozen: FrozenBatch, before: str, after: str, *, settings: Mapping[str, Any] | None = None) -> Explanation:
    """Shapley shares of the fields in which the presets `before` and `after` differ, on a batch that is one step.

    Args:
        frozen: the batch.
        before: method, preset or ``file.py:Name``.
        after: another of the same class.
        settings: fields set in both.

    Raises:
        ValueError: they are not of one class, do not differ, or the batch lacks what one of them reads.
    """
    ends = tuple(load_algorithm(name, settings or {}) for name in (before, after))
    differing = differing_fields(*ends, names=(before, after))
    starting = _vector(coefficients_with(frozen, ends[0], before))

    def value(chosen: frozenset[str]) -> NDArray[np.float64] | None:
        """Coefficients, cosine and norm of the first preset with the chosen fields of the second."""
        changed = {name: getattr(ends[name in chosen], name) for name in _settable(ends[0])}
        try:
            found = coefficients_with(frozen, type(ends[0])(**changed), after if chosen else before)
        except ValueError:  # fields that do not go together, or that this batch cannot serve
            if not chosen or len(chosen) == len(differing):
                raise
            return None
        gradient = _vector(found)
        return np.concatenate([_flat(found.coefficients), [_cosine(starting, gradient), np.linalg.norm(gradient)]])

    found = shapley(tuple(differing), value)
    first, last = value(frozenset()), value(frozenset(differing))
    assert first is not None and last is not None
    change = last - first
    distance = float(np.linalg.norm(change[:-2]))
    along = change[:-2] / distance if distance else change[:-2]
    totals = pd.DataFrame(
        [
            {"quantity": "coefficients", "from": 0.0, "to": distance, "change": distance},
            {"quantity": "cosine", "from": first[-2], "to": last[-2], "change": change[-2]},
            {"quantity": "norm", "from": first[-1], "to": last[-1], "change": change[-1]},
        ]
    )
    errors = [
        {"field": name, "cosine": float(error[-2]), "norm": float(error[-1])}
        for name, error in found.standard_error.items()
    ]
    return Explanation(
        names=(before, after),
        totals=totals,
        shares=_share_table((before, after), differing, found.values, along),
        tokens=_token_table(frozen, first[:-2], last[:-2], {name: share[:-2] for name, share in found.values.items()}),
        exact=found.orders or True,
        standard_errors=pd.DataFrame(errors),
    )


def _share_table(
    names: tuple[str, str],
    differing: Mapping[str, tuple[Any, Any]],
    shares: Mapping[str, NDArray[np.float64]],
    along: NDArray[np.float64],
) -> pd.DataFrame:
    """A row a field: its two values, its share of the coefficients' way `along` their change, of cosine and norm."""
    before, after = names
    return pd.DataFrame(
        [
            {
                "field": name,
                before: _literal(differing[name][0]),
                after: _literal(differing[name][1]),
                "coefficients": float(share[:-2] @ along),
                "cosine": float(share[-2]),
                "norm": float(share[-1]),
            }
            for name, share in shares.items()
        ]
    )


def differing_fields(first: Algorithm, second: Algorithm, *, names: tuple[str, str]) -> dict[str, tuple[Any, Any]]:
    """Settable fields with two values, by name.

    Raises:
        ValueError: the methods are not of one class, or have equal fields.
    """
    if type(first) is not type(second) or not is_dataclass(first):
        raise ValueError(
            f"{names[0]} is a {type(first).__name__} and {names[1]} a {type(second).__name__}; expected two presets of "
            "one class, which share their fields."
        )
    pairs = {name: (getattr(first, name), getattr(second, name)) for name in _settable(first)}
    differing = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    if not differing:
        raise ValueError(f"{names[0]} and {names[1]} have the same fields; expected two that differ.")
    return differing


def _settable(method: Any) -> list[str]:
    return [item.name for item in fields(method) if item.init]


def _flat(rows: list[list[float]]) -> NDArray[np.float64]:
    return np.array([value for row in rows for value in row])


def _vector(found: MethodCoefficients) -> NDArray[np.float64]:
    """weight × coefficient of every token: the step's gradient with respect to the logprobs."""
    return _flat(
        [[weight * value for value in row] for weight, row in zip(found.weights, found.coefficients, strict=True)]
    )


def _cosine(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Cosine of two gradients; 0 where one of them is zero and has no direction."""
    norms = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / norms if norms else 0.0


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _token_table(
    frozen: FrozenBatch,
    first: NDArray[np.float64],
    last: NDArray[np.float64],
    shares: Mapping[str, NDArray[np.float64]],
) -> pd.DataFrame:
    places = [(row, token) for row, length in enumerate(frozen.lengths) for token in range(length)]
    table = pd.DataFrame(places, columns=["sequence", "token"])
    return table.assign(**{"from": first, "to": last}, **dict(shares))
