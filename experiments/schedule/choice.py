"""Choosing a setting of each arm on validation problems, before the comparison that is reported on test problems."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.recipes.config import ArmConfig, Recipe
from experiments.recipes.grid import Varied, resolve, with_value
from experiments.records.same import ConfigMismatchError, differences, read_json, to_json, write_json
from experiments.schedule.door import with_files
from experiments.schedule.plan import run_folder_name
from experiments.schedule.workers import WorkerError

__all__ = ["CHOICE_FOLDER", "apply_choice", "choice_recipe", "choice_seed", "choose", "pick"]

CHOICE_FOLDER = "choice"
FIRST_CHOICE_SEED = 100  # far from the seeds that comparisons use; the next free one where it is among them


def choice_recipe(recipe: Recipe, varied: Varied) -> Recipe:
    """The comparison that the choice is made from: every arm at every value, another seed, validation problems.

    Raises:
        ValueError: the field is not one of the method or its training, or a value is no number or refused; or the
            recipe itself is evaluated on validation problems.
    """
    if recipe.evaluation.split == "validation":
        raise ValueError("--choose takes the validation problems; the comparison itself needs others (--split test).")
    path = resolve(recipe, varied.name, within=("method", "training"))
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in varied.values):
        raise ValueError(f"--choose {varied.name}: values are {list(varied.values)}; expected numbers.")
    arms = {
        _label(name, varied, value): with_value(recipe, arm, path, value)
        for name, arm in recipe.arms.items()
        for value in varied.values
    }
    return replace(
        recipe,
        name=f"{recipe.name}-choice",
        arms=arms,
        seeds=(choice_seed(recipe.seeds),),
        evaluation=replace(recipe.evaluation, split="validation", every=0),
    )


def choice_seed(seeds: Sequence[int]) -> int:
    """A seed that the comparison does not use."""
    return next(seed for seed in range(FIRST_CHOICE_SEED, FIRST_CHOICE_SEED + len(seeds) + 1) if seed not in seeds)


def pick(scores: Mapping[float, float | None]) -> float | None:
    """The value of the highest score, the smaller one of equals; ``None`` where no value has a score."""
    scored = [(-score, value) for value, score in scores.items() if score is not None]
    return min(scored)[1] if scored else None


def choose(recipe: Recipe, varied: Varied, out: Path, run: Callable[[Recipe, Path], None]) -> dict[str, Any]:
    """Run the choice's comparison in ``out/choice`` and choose.

    What was chosen for an arm stands in ``out/choice.json``; an arm of which every run failed is tried again.

    Args:
        recipe: arms to choose for.
        varied: field and values.
        out: folder of the sweep.
        run: runs a comparison in a folder; raises `WorkerError` where runs failed.

    Returns:
        What ``comparison.json`` says of the choice: field, rule, split, seed, and a row for each arm and value with
        Pass@1 on the validation problems (``None`` where the run failed), whether it was chosen, and the failure.

    Raises:
        ConfigMismatchError: `out` holds the choice of another sweep.
    """
    from_arms = with_files(choice_recipe(recipe, varied))
    file, folder, seed = out / "choice.json", out / CHOICE_FOLDER, from_arms.seeds[0]
    path = resolve(recipe, varied.name, within=("method", "training"))
    asked = {"field": path, "values": list(varied.values), "arms": list(recipe.arms), "seed": seed}
    table = _held_table(file, asked, from_arms)
    settled = {row["arm"] for row in table if row["chosen"]}
    complete = settled.issuperset(recipe.arms)
    if not complete:
        failures = _run_all(from_arms, folder, run)
        for name in recipe.arms:
            if name not in settled:
                table = [row for row in table if row["arm"] != name] + _rows(name, varied, seed, folder, failures)
        table.sort(key=lambda row: asked["arms"].index(row["arm"]))
    rule = (
        f"each arm was trained at each value of {path} with seed {seed}, which the comparison does not use, and "
        f"evaluated on the validation problems; the highest Pass@1 was kept, of equals the smaller {path}"
    )
    choice = {**asked, "rule": rule, "split": "validation", "table": table}
    if not complete and any(row["chosen"] for row in table):
        write_json(file, {**choice, "recipe": to_json(from_arms)})
    return choice


def _held_table(file: Path, asked: Mapping[str, Any], from_arms: Recipe) -> list[dict[str, Any]]:
    """The table of an earlier choice, empty where there is none; the choice must be the same one.

    Raises:
        ConfigMismatchError: it is another one.
    """
    if not file.is_file():
        return []
    held = read_json(file, remedy="remove it to choose anew")
    differing = differences({name: held.get(name) for name in asked}, dict(asked))
    if not differing and "recipe" in held:  # older ones do not have it
        differing = differences({"recipe": held["recipe"]}, {"recipe": to_json(from_arms)})
    if differing:
        raise ConfigMismatchError(
            f"{file} is the choice of another sweep: {differing}. Choose another folder with --out."
        )
    return held["table"]


def _run_all(from_arms: Recipe, folder: Path, run: Callable[[Recipe, Path], None]) -> dict[str, str]:
    """Run the choice's comparison; why runs failed, by folder."""
    try:
        run(from_arms, folder)
    except WorkerError:
        failures = read_json(folder / "comparison.json", remedy=f"remove the folder {folder}").get("failures", {})
        if not failures:
            raise
        return failures
    return {}


def _rows(arm: str, varied: Varied, seed: int, folder: Path, failures: Mapping[str, str]) -> list[dict[str, Any]]:
    """The rows of an arm in the table of the choice."""
    runs = {value: run_folder_name(_label(arm, varied, value), seed) for value in varied.values}
    scores = {value: _pass_at_1(folder / "runs" / run) for value, run in runs.items()}
    best = pick(scores)
    return [
        {"arm": arm, "value": value, "pass_at_1": score, "chosen": value == best, "failure": failures.get(runs[value])}
        for value, score in scores.items()
    ]


def apply_choice(recipe: Recipe, choice: Mapping[str, Any]) -> Recipe:
    """The recipe with every arm at its chosen value; arms of which every run failed are left out.

    Raises:
        WorkerError: that leaves no arm.
    """
    chosen = {row["arm"]: row["value"] for row in choice["table"] if row["chosen"]}
    arms: dict[str, ArmConfig] = {
        name: with_value(recipe, arm, choice["field"], chosen[name])
        for name, arm in recipe.arms.items()
        if name in chosen
    }
    if not arms:
        raise WorkerError(f"no run of the choice finished: {choice['table'][0]['failure']}")
    return replace(recipe, arms=arms)


def _label(arm: str, varied: Varied, value: Any) -> str:
    return f"{arm} {varied.name}={json.dumps(value)}"


def _pass_at_1(run: Path) -> float | None:
    file = run / "finished.json"
    return read_json(file, remedy=f"remove the folder {file.parent}")["pass_at_1"] if file.is_file() else None
