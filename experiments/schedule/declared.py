"""The questions of a comparison, declared before anything runs."""

from __future__ import annotations

from analysis.statistics.contrasts import TUNED_START, Contrast, check_names, default_contrasts
from experiments.recipes.config import Recipe
from experiments.schedule.plan import start_arms

__all__ = ["declared_contrasts"]


def declared_contrasts(recipe: Recipe, *, evaluate_start: bool) -> tuple[Contrast, ...]:
    """The recipe's own contrasts that the chosen arms can answer, and the default ones of arms that are in none.

    Only arms that are alike in start policy and evaluation are set against each other.

    Args:
        recipe: its arms chosen.
        evaluate_start: see `plan.plan_jobs`; without it nothing is asked about the start.
    """
    starts = start_arms(recipe)
    tuned = evaluate_start and bool(recipe.evaluation.sweep) and len(set(starts.values())) == 1
    controls = [name for name, arm in recipe.arms.items() if arm.control is not None]
    declared = list[Contrast]()
    for start in dict.fromkeys(starts.values()):
        arms = [name for name in recipe.arms if starts[name] == start]
        known = {*arms, *([start] if evaluate_start else []), *([TUNED_START] if tuned else [])}
        own = [each for each in recipe.contrasts or () if set(each.arms) <= known]
        others = [name for name in arms if not any(name in each.arms for each in own)]
        declared += own
        if evaluate_start:
            declared += default_contrasts([start, *others], start=start, controls=controls, tuned=tuned)
        else:
            declared += default_contrasts(others, start=None, controls=controls)
    return check_names(declared)
