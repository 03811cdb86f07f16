"""The grid of a sweep: fields of a method, of its training or of the recipe, by name, and the arms they make."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from experiments.recipes.config import ArmConfig, Recipe
from experiments.recipes.fields import find_field, has_field, literal, with_value

__all__ = ["Varied", "grid_arms", "parse_varied", "resolve", "with_value"]

# One comparison asks every arm the same problems; these change which.
PROBLEM_FIELDS = (
    "task.benchmark",
    "task.data_dir",
    "evaluation.split",
    "evaluation.problems",
    "evaluation.further_benchmarks",
    "evaluation.further_problems",
)


@dataclass(frozen=True, kw_only=True)
class Varied:
    """One dimension of the grid.

    Attributes:
        name: the field as the user wrote it; part of the arms' names.
        values: different ones, at least one.
    """

    name: str
    values: tuple[Any, ...]


def parse_varied(text: str, option: str = "--vary") -> Varied:
    """``kl_coef=0,0.04``: JSON literals separated by commas; what is no JSON is a string.

    Raises:
        ValueError: no ``=``, no value, or the same value twice.
    """
    name, equals, listed = text.partition("=")
    if not equals or not name or not listed.strip():
        raise ValueError(f"{option} {text!r}: expected field=value,value, e.g. {option} kl_coef=0,0.04.")
    try:
        values = json.loads(f"[{listed}]")
    except json.JSONDecodeError:
        values = [literal(part.strip()) for part in listed.split(",")]
    shown = [json.dumps(value) for value in values]
    if len(set(shown)) != len(shown):
        raise ValueError(f"{option} {text!r} names a value twice; expected different ones.")
    return Varied(name=name, values=tuple(values))


def grid_arms(recipe: Recipe, varied: Sequence[Varied]) -> dict[str, ArmConfig]:
    """Every arm of the recipe at every point of the grid, named ``grpo kl_coef=0.04 group_size=8``.

    Raises:
        ValueError: a field is unknown, ambiguous, varied twice or not to be varied, or a value is not of its type.
    """
    fields = {item.name: resolve(recipe, item.name) for item in varied}
    twice = [name for name, path in fields.items() if list(fields.values()).count(path) > 1]
    if len(fields) < len(varied) or twice:
        raise ValueError(f"--vary names {[item.name for item in varied]}; expected different fields.")
    arms: dict[str, ArmConfig] = {}
    for (name, arm), point in itertools.product(recipe.arms.items(), itertools.product(*(i.values for i in varied))):
        label = name
        for item, value in zip(varied, point, strict=True):
            arm = with_value(recipe, arm, fields[item.name], value)
            label += f" {item.name}={value if isinstance(value, str) else json.dumps(value)}"
        arms[label] = arm
    return arms


def resolve(recipe: Recipe, name: str, within: tuple[str, ...] = ()) -> str:
    """The dotted name of the field `name`: itself, or the only one that ends in it.

    Args:
        recipe: whose arms say which methods' fields there are.
        name: ``"kl_coef"``, ``"training.learning_rate"``, ``"evaluation.samples"``.
        within: sections that are searched, such as ``("method", "training")``; all where it is empty.

    Raises:
        ValueError: there is none (the nearest are given), there are several, or not every arm has it.
    """
    path = find_field(recipe, name, within)
    if path in PROBLEM_FIELDS:
        raise ValueError(
            f"{path} changes which problems are asked, and arms on different problems cannot be compared; "
            "make a comparison of each value, each in a folder of its own (--out)."
        )
    without = [arm for arm, config in recipe.arms.items() if not has_field(recipe, config, path)]
    if without:
        raise ValueError(f"no field {name!r} in {', '.join(without)}; sweep the methods that have it on their own.")
    return path
