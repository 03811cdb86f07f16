"""Gradient coefficients: one interface, every method a preset or a small class of it, one surrogate loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from functools import partial
from typing import Any, get_type_hints

from algorithms.advantages import generalized_advantages, group_advantages, process_advantages
from algorithms.beyond import BEYOND_TABLE_10
from algorithms.catalogue import TABLE_10, Method
from algorithms.grpo import GRPO
from algorithms.interface import (
    Aggregation,
    Algorithm,
    BatchUnit,
    Coefficients,
    Counted,
    DataSource,
    Denominator,
    Exclusion,
    Need,
    TokenBatch,
    aggregation_weights,
    compose,
    counted,
    surrogate_loss,
)
from algorithms.peers import PEERS
from algorithms.ppo import PPO
from algorithms.preference.dpo import DPO
from algorithms.preference.ipo import IPO
from algorithms.preference.kto import KTO
from algorithms.preference.orpo import ORPO
from algorithms.preference.simpo import SimPO
from algorithms.reinforce_plus_plus import ReinforcePlusPlus
from algorithms.rft import RFT, OnlineRFT, RAFTPlusPlus
from algorithms.settings import converted, fits, type_in_words
from algorithms.sft import SFT
from benchmarks.naming import did_you_mean

__all__ = [
    "ALGORITHMS",
    "DPO",
    "GRPO",
    "IPO",
    "KTO",
    "METHODS",
    "ORPO",
    "PEERS",
    "PPO",
    "RFT",
    "SFT",
    "TABLE_10",
    "Aggregation",
    "Algorithm",
    "BatchUnit",
    "Coefficients",
    "Counted",
    "DataSource",
    "Denominator",
    "Exclusion",
    "Method",
    "Need",
    "OnlineRFT",
    "RAFTPlusPlus",
    "ReinforcePlusPlus",
    "SimPO",
    "TokenBatch",
    "aggregation_weights",
    "build_algorithm",
    "compose",
    "configure",
    "counted",
    "generalized_advantages",
    "group_advantages",
    "process_advantages",
    "surrogate_loss",
]

METHODS: dict[str, Method] = {**TABLE_10, **BEYOND_TABLE_10, **PEERS}
ALGORITHMS: dict[str, Callable[..., Algorithm]] = {name: method.factory for name, method in METHODS.items()}


def build_algorithm(name: str, settings: Mapping[str, Any] | None = None) -> Algorithm:
    """The algorithm `name` with `settings` in place of its defaults.

    Raises:
        ValueError: no such algorithm or field (the nearest names are given), or a value that the algorithm refuses.
    """
    if name not in ALGORITHMS:
        raise ValueError(
            f"unknown algorithm {name!r}{did_you_mean(name, ALGORITHMS)}Known: {', '.join(sorted(ALGORITHMS))}."
        )
    return configure(ALGORITHMS[name], settings or {}, name)


def configure(factory: Callable[..., Algorithm], settings: Mapping[str, Any], name: str) -> Algorithm:
    """Build `factory` (a dataclass or a preset of one) after checking that every setting is one of its fields."""
    target: Any = factory.func if isinstance(factory, partial) else factory
    if not (isinstance(target, type) and is_dataclass(target)):
        if is_dataclass(target):
            made = type(target).__name__
            raise ValueError(
                f"{name} is one {made} with its fields set; expected the class, or functools.partial({made}, field=…)."
            )
        kind = f"class {target.__name__}" if isinstance(target, type) else f"a {type(target).__name__}"
        raise ValueError(f"{name} is {kind}; expected a dataclass with credit and coefficients (docs/extending.md).")
    known = [item.name for item in fields(target) if item.init]
    hints = get_type_hints(target)
    values = {}
    for field, value in settings.items():
        if field not in known:
            there = ", ".join(sorted(known)) or "none"
            raise ValueError(f"algorithm {name!r} has no field {field!r}{did_you_mean(field, known)}Known: {there}.")
        if not fits(value, hints[field]):
            raise ValueError(f"{field} of algorithm {name!r} is {value!r}; expected {type_in_words(hints[field])}.")
        values[field] = converted(value, hints[field])
    given = {*values, *(factory.keywords if isinstance(factory, partial) else ())}
    needed = [each.name for each in fields(target) if each.init and each.default is each.default_factory is MISSING]
    if unset := [field for field in needed if field not in given]:
        raise ValueError(
            f"algorithm {name!r} has no value for {', '.join(unset)}; expected a default in the class, or "
            f"functools.partial({target.__name__}, {unset[0]}=…)."
        )
    return factory(**values)
