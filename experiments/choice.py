"""Choosing a setting of each arm on validation problems, before the comparison that is reported on test problems."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.config import ArmConfig, ConfigMismatchError, Recipe
from experiments.grid import Varied, resolve, with_value
from experiments.plan import run_folder_name
from experiments.run_folder import write_json
from experiments.workers import WorkerError

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
    """Run the choice's comparison in ``out/choice`` and choose; once chosen, ``out/choice.json`` stands.

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
    from_arms = choice_recipe(recipe, varied)
    file, folder = out / "choice.json", out / CHOICE_FOLDER
    path = resolve(recipe, varied.name, within=("method", "training"))
    asked = {"field": path, "values": list(varied.values), "arms": list(recipe.arms)}
    if file.is_file():
        held = json.loads(file.read_text())
        if {name: held.get(name) for name in asked} != asked:
            raise ConfigMismatchError(f"{file} is the choice of another sweep; choose another folder with --out.")
        return held
    failures: dict[str, str] = {}
    try:
        run(from_arms, folder)
    except WorkerError:
        failures = json.loads((folder / "comparison.json").read_text()).get("failures", {})
        if not failures:
            raise
    seed = from_arms.seeds[0]
    table: list[dict[str, Any]] = []
    for name in recipe.arms:
        runs = {value: run_folder_name(_label(name, varied, value), seed) for value in varied.values}
        scores = {value: _pass_at_1(folder / "runs" / run) for value, run in runs.items()}
        best = pick(scores)
        for value, score in scores.items():
            why = failures.get(runs[value])
            row = {"arm": name, "value": value, "pass_at_1": score, "chosen": value == best, "failure": why}
            table.append(row)
    rule = (
        f"each arm was trained at each value of {path} with seed {seed}, which the comparison does not use, and "
        f"evaluated on the validation problems; the highest Pass@1 was kept, of equals the smaller {path}"
    )
    choice = {**asked, "rule": rule, "split": "validation", "seed": seed, "table": table}
    write_json(file, choice)
    return choice


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
    return json.loads(file.read_text())["pass_at_1"] if file.is_file() else None
