"""The grid of a sweep: fields of a method, of its training or of the recipe, by name, and the arms they make."""

from __future__ import annotations

import dataclasses
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, get_type_hints

from algorithms.settings import fits, type_in_words
from benchmarks.naming import did_you_mean
from experiments.recipes.config import ArmConfig, Recipe
from experiments.recipes.plugins import load_algorithm

__all__ = ["Varied", "grid_arms", "parse_varied", "resolve", "with_value"]

# One comparison asks every arm the same problems; these change which.
PROBLEM_FIELDS = ("task.benchmark", "task.data_dir", "evaluation.split", "evaluation.problems")
NOT_A_SETTING = ("name", "arms", "seeds", "files")
# What makes a control one (`experiments.recipes.arms`).
CONTROL_FIELDS = {
    "random_reward": "reward",
    "format_reward": "reward",
    "shuffled_verdicts": "reward",
    "no_update": "training.learning_rate",
}


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
        values = [_literal(part.strip()) for part in listed.split(",")]
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
    known = [path for path in _known_fields(recipe) if not within or path.split(".")[0] in within]
    found = [path for path in known if path == name] or [path for path in known if path.endswith(f".{name}")]
    if not found:
        names = known if "." in name else sorted({path.rpartition(".")[2] for path in known})
        hint = did_you_mean(name, names, cutoff=0.5) or f"known: {', '.join(sorted(known))}."
        raise ValueError(f"no field {name!r} to vary; {hint}")
    if len(found) > 1:
        raise ValueError(f"{name!r} is {' and '.join(found)}; give the one you mean.")
    [path] = found
    if path in PROBLEM_FIELDS:
        raise ValueError(
            f"{path} changes which problems are asked, and arms on different problems cannot be compared; "
            "make a comparison of each value, each in a folder of its own (--out)."
        )
    without = [arm for arm, config in recipe.arms.items() if path not in _arm_fields(config) | _recipe_fields(recipe)]
    if without:
        raise ValueError(f"no field {name!r} in {', '.join(without)}; sweep the methods that have it on their own.")
    return path


def with_value(recipe: Recipe, arm: ArmConfig, path: str, value: Any) -> ArmConfig:
    """`arm` with `value` in the field of that dotted name.

    Raises:
        ValueError: the field does not take such a value, or makes the arm the control that it is.
    """
    if arm.control is not None and path == CONTROL_FIELDS.get(arm.control):
        raise ValueError(f"a {arm.control} control is one by its {path}; it cannot be varied too.")
    hint = (_arm_fields(arm) | _recipe_fields(recipe))[path]
    if not fits(value, hint):
        raise ValueError(f"{path} is {value!r}; expected {type_in_words(hint)}.")
    section, _, name = path.partition(".")
    if section == "method":
        return replace(arm, settings={**arm.settings, name: value})
    if section == "training":
        changes: dict[str, Any] = {name: value}
        return replace(arm, training=replace(arm.training, **changes))
    return replace(arm, overrides={**arm.overrides, path: value})


def _literal(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _known_fields(recipe: Recipe) -> dict[str, Any]:
    known = _recipe_fields(recipe)
    for arm in recipe.arms.values():
        known |= _arm_fields(arm)
    return known


def _arm_fields(arm: ArmConfig) -> dict[str, Any]:
    """Type of every field of the arm's method and training, by dotted name."""
    algorithm = load_algorithm(arm.algorithm, arm.settings)
    return _fields_of(algorithm, "method.") | _fields_of(arm.training, "training.")


def _recipe_fields(recipe: Recipe) -> dict[str, Any]:
    """Type of every field of the recipe that an arm can override, by dotted name."""
    fields = _fields_of(recipe, "")
    return {path: hint for path, hint in fields.items() if path.split(".")[0] not in NOT_A_SETTING}


def _fields_of(config: Any, prefix: str) -> dict[str, Any]:
    hints = get_type_hints(type(config))
    fields: dict[str, Any] = {}
    for item in dataclasses.fields(config):
        value = getattr(config, item.name)
        if not item.init:
            continue
        if dataclasses.is_dataclass(value):
            fields |= _fields_of(value, f"{prefix}{item.name}.")
        else:
            fields[f"{prefix}{item.name}"] = hints[item.name]
    return fields
