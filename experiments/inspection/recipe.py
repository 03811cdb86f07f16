"""A recipe in words: every field with its value and what it means."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from experiments.inspection.methods import attribute_meanings
from experiments.recipes.config import ArmConfig, Recipe
from experiments.recipes.fields import recipe_fields

__all__ = ["recipe_lines"]


def recipe_lines(recipe: Recipe) -> list[str]:
    """The lines that `coeflab show` prints.

    Fields of the recipe first, then the training that all arms share, then each arm with what is its own.
    """
    lines = [f"recipe {recipe.name}: seeds {', '.join(map(str, recipe.seeds))}", ""]
    for path in recipe_fields(recipe):
        owner, name = _owner(recipe, path)
        lines += _field(path, getattr(owner, name), attribute_meanings(type(owner)).get(name, ""))
    trainings = [arm.training for arm in recipe.arms.values()]
    if trainings:
        meanings = attribute_meanings(type(trainings[0]))
        shared = {
            item.name: getattr(trainings[0], item.name)
            for item in dataclasses.fields(trainings[0])
            if len({getattr(training, item.name) for training in trainings}) == 1
        }
        lines += ["", "training of every arm:", ""]
        for name, value in shared.items():
            lines += _field(f"training.{name}", value, meanings.get(name, ""))
        lines += ["", "arms (fields of a method: `coeflab methods NAME`):", ""]
        lines += [_arm(name, arm, shared) for name, arm in recipe.arms.items()]
    return lines


def _owner(recipe: Recipe, path: str) -> tuple[Any, str]:
    *sections, name = path.split(".")
    owner: Any = recipe
    for section in sections:
        owner = getattr(owner, section)
    return owner, name


def _field(path: str, value: Any, meaning: str) -> list[str]:
    return [f"{path} = {_json(value)}", *([f"    {meaning}"] if meaning else [])]


def _arm(name: str, arm: ArmConfig, shared: dict[str, Any]) -> str:
    own = {f"training.{key}": value for key, value in vars(arm.training).items() if key not in shared}
    settings = {f"method.{key}": value for key, value in arm.settings.items()}
    listed = "".join(f", {key}={_json(value)}" for key, value in {**settings, **own, **arm.overrides}.items())
    control = f" (control: {arm.control})" if arm.control is not None else ""
    return f"{name}: {arm.algorithm}{control}{listed}"


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
