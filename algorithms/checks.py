"""What is asked of a method of somebody's own, which nothing else would notice: names that are members, and shapes.

A data source, unit or aggregation that is given as text equals its member and is not it, and numbers of another shape
are broadcast: either trains something else than the method says.
"""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import Any

from torch import Tensor

from algorithms.interface import Aggregation, BatchUnit, Coefficients, DataSource, Exclusion, Need

__all__ = ["check_coefficients", "check_members", "check_token_numbers"]

ONE_OF: dict[str, type[enum.StrEnum]] = {
    "data_source": DataSource,
    "batch_unit": BatchUnit,
    "aggregation": Aggregation,
}
SETS_OF: dict[str, type[enum.StrEnum]] = {"needs": Need, "exclude": Exclusion}


def check_members(algorithm: Any, name: str) -> None:
    """Refuse a method whose data source, unit, aggregation, needs or exclusions are anything but members.

    Args:
        algorithm: has every part of `algorithms.interface.Algorithm`.
        name: the method's, for the message.

    Raises:
        ValueError: names the part and what it may be.
    """
    for part, kind in ONE_OF.items():
        _check_member(getattr(algorithm, part), kind, f"{part} of {name}")
    for part, kind in SETS_OF.items():
        held = getattr(algorithm, part)
        if isinstance(held, str) or not isinstance(held, Collection):
            raise ValueError(f"{part} of {name} is {held!r}; expected a frozenset of members of {kind.__name__}.")
        for member in held:
            _check_member(member, kind, f"{part} of {name}")


def _check_member(value: Any, kind: type[enum.StrEnum], what: str) -> None:
    if isinstance(value, kind):
        return
    named = [member for member in kind if member == value]
    choices = ", ".join(f"{kind.__name__}.{member.name}" for member in named or kind)
    raise ValueError(f"{what} is {value!r}, a {type(value).__name__}; expected {'' if named else 'one of '}{choices}.")


def check_coefficients(found: Any, mask: Tensor, name: str) -> None:
    """Refuse what a method returned as its coefficients, where it is no `Coefficients` of such a microbatch.

    Args:
        found: what `Algorithm.coefficients` returned.
        mask: (B, T) bool completion mask.
        name: the method's, for the message.

    Raises:
        ValueError: names what came instead.
    """
    if not isinstance(found, Coefficients):
        raise ValueError(
            f"coefficients of {name} returned a {type(found).__name__}; expected algorithms.Coefficients(values=…)."
        )
    check_token_numbers(found.values, mask, f"coefficients of {name}")


def check_token_numbers(values: Any, mask: Tensor, what: str) -> None:
    """Refuse what would be broadcast to wrong numbers.

    Args:
        values: expected (B, T), or (B, 1) where all tokens of a sequence have the same.
        mask: (B, T) bool completion mask.
        what: whose numbers, for the message.

    Raises:
        ValueError: another shape, or no tensor.
    """
    expected = tuple(mask.shape)
    if not isinstance(values, Tensor) or tuple(values.shape) not in (expected, (expected[0], 1)):
        got = f"shape {tuple(values.shape)}" if isinstance(values, Tensor) else f"a {type(values).__name__}"
        raise ValueError(
            f"{what} has {got}; expected {expected}, a number for each token: rewards[:, None] * batch.completion_mask "
            "spreads one of each sequence."
        )
