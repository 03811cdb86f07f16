"""Fields of a comparison by name: what `--set` of every command sets and what `--vary` of a sweep varies.

A field is one of a method (``method.kl_coef``), of its training (``training.group_size``) or of the recipe
(``evaluation.samples``, ``engine.vllm.max_num_seqs``, ``reward``); the last part of the name is enough where only one
field ends in it. Values are JSON literals; what is no JSON is text.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, get_type_hints

from algorithms.settings import converted, fits, type_in_words
from benchmarks.naming import did_you_mean
from experiments.recipes.config import ArmConfig, Recipe
from experiments.recipes.plugins import load_method

__all__ = ["apply_settings", "find_field", "has_field", "literal", "parse_setting", "recipe_fields", "with_value"]

NOT_A_SETTING = ("name", "arms", "default_arms", "seeds", "contrasts", "files", "reward_models")
# What is said of those of them that people ask for.
ELSEWHERE = {
    "arms": "--algorithm names the arms",
    "seeds": "--seeds says them, --seed that of `train`",
    "contrasts": "a recipe of your own declares them (`coeflab new recipe`)",
    "reward_models": "a recipe of your own declares them (`coeflab new recipe`)",
}
# What makes a control one (`experiments.recipes.arms`).
CONTROL_FIELDS = {
    "random_reward": "reward",
    "format_reward": "reward",
    "shuffled_verdicts": "reward",
    "no_update": "training.learning_rate",
}


def parse_setting(text: str, option: str = "--set") -> tuple[str, Any]:
    """Name and value of ``field=value``.

    Raises:
        ValueError: no ``=``, no name or no value.
    """
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise ValueError(f"{option} {text!r}: expected field=value, e.g. {option} kl_coef=0.04.")
    return name.strip(), literal(value.strip())


def literal(text: str) -> Any:
    """A JSON literal, or the text itself."""
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def apply_settings(recipe: Recipe, settings: Sequence[str], within: Iterable[str] = ()) -> Recipe:
    """The recipe with fields set in every arm, and in the recipe itself where they are its own.

    A control arm keeps the field that makes it one, and takes no field that its method lacks.

    Args:
        recipe: as it is.
        settings: ``field=value`` each.
        within: sections that are searched; all where it is empty.

    Raises:
        ValueError: a field is unknown or ambiguous, or a method lacks it, or does not take the value.
    """
    for setting in settings:
        name, value = parse_setting(setting)
        path = find_field(recipe, name, within)
        if path in recipe_fields(recipe):
            recipe = recipe.overridden({path: _checked(path, value, recipe_fields(recipe)[path])})
            continue
        lacking = [arm for arm, config in recipe.arms.items() if path not in _arm_fields(config)]
        refused = [arm for arm in lacking if recipe.arms[arm].control is None]
        if refused:
            raise ValueError(
                f"no field {name!r} in {', '.join(refused)}; name the methods that have it with --algorithm."
            )
        arms = {
            arm: config
            if arm in lacking or CONTROL_FIELDS.get(config.control or "") == path
            else with_value(recipe, config, path, value)
            for arm, config in recipe.arms.items()
        }
        recipe = replace(recipe, arms=arms)
    return recipe


def find_field(recipe: Recipe, name: str, within: Iterable[str] = ()) -> str:
    """The dotted name of the field `name`: itself, or the only one that ends in it.

    Args:
        recipe: whose arms say which methods' fields there are.
        name: ``"kl_coef"``, ``"training.learning_rate"``, ``"evaluation.samples"``.
        within: sections that are searched, such as ``("method", "training")``; all where it is empty.

    Raises:
        ValueError: there is none (the nearest are given), or there are several.
    """
    sections = tuple(within)
    every = recipe_fields(recipe)
    for arm in recipe.arms.values():
        every |= _arm_fields(arm)
    known = [path for path in every if not sections or path.split(".")[0] in sections]
    found = [path for path in known if path == name] or [path for path in known if path.endswith(f".{name}")]
    if not found:
        raise ValueError(_no_field(name, known))
    if len(found) > 1:
        raise ValueError(f"{name!r} is {' and '.join(found)}; give the one you mean.")
    return found[0]


def _no_field(name: str, known: Sequence[str]) -> str:
    """What is said of a name that is no field: the fields inside where it is a group of them, else the nearest."""
    inside = [path for path in known if f".{name}." in f".{path}"]
    if inside:
        return f"{name!r} is a group of fields; expected one of them: {', '.join(inside)}."
    if name in ELSEWHERE:
        return f"no field {name!r}; {ELSEWHERE[name]}."
    groups = {path.rpartition(".")[0] for path in known if "." in path}
    if "." in name:
        names = [*known, *(f"{group}.…" for group in groups if "." in group)]
    else:
        names = sorted({path.rpartition(".")[2] for path in known})
        names += sorted({f"{part}.…" for group in groups for part in group.split(".")})
    return f"no field {name!r}{did_you_mean(name, names)}`coeflab show` and `coeflab methods NAME` list the fields."


def with_value(recipe: Recipe, arm: ArmConfig, path: str, value: Any) -> ArmConfig:
    """`arm` with `value` in the field of that dotted name.

    Raises:
        ValueError: the arm has no such field, which does not take the value, or makes the arm the control that it is.
    """
    if arm.control is not None and path == CONTROL_FIELDS.get(arm.control):
        raise ValueError(f"a {arm.control} control is one by its {path}; it cannot be varied too.")
    hints = _arm_fields(arm) | recipe_fields(recipe)
    if path not in hints:
        raise ValueError(f"{arm.algorithm} has no field {path!r}.")
    value = _checked(path, value, hints[path])
    section, _, name = path.partition(".")
    if section == "method":
        return replace(arm, settings={**arm.settings, name: value})
    if section == "training":
        changes: dict[str, Any] = {name: value}
        return replace(arm, training=replace(arm.training, **changes))
    return replace(arm, overrides={**arm.overrides, path: value})


def has_field(recipe: Recipe, arm: ArmConfig, path: str) -> bool:
    """True for a field of the recipe, or of the arm's method or training."""
    return path in _arm_fields(arm) or path in recipe_fields(recipe)


def recipe_fields(recipe: Recipe) -> dict[str, Any]:
    """Type of every field of the recipe that can be set or that an arm can override, by dotted name."""
    fields = _fields_of(recipe, "")
    return {path: hint for path, hint in fields.items() if path.split(".")[0] not in NOT_A_SETTING}


def _checked(path: str, value: Any, hint: Any) -> Any:
    if not fits(value, hint):
        raise ValueError(f"{path} is {value!r}; expected {type_in_words(hint)}.")
    return value if isinstance(value, str) else converted(value, hint)  # the method itself reads enumerations


def _arm_fields(arm: ArmConfig) -> dict[str, Any]:
    """Type of every field of the arm's method and training, by dotted name."""
    algorithm = load_method(arm.algorithm, arm.settings)
    return _fields_of(algorithm, "method.") | _fields_of(arm.training, "training.")


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
