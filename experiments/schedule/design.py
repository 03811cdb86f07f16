"""Power and cost of a comparison's design, before it runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from analysis import load_comparison, score_comparison
from analysis.noise.power import Components
from analysis.records.showing import number_of
from analysis.report.terminal import design_text, measured_components
from analysis.statistics.contrasts import Contrast
from analysis.statistics.decoding import contrast_scores, tuned_starts
from experiments.recipes.config import EvaluationConfig, Recipe
from experiments.runs.problems import load_problems
from experiments.schedule.declared import declared_contrasts
from experiments.schedule.estimate import assumed_rates, cost_lines, job_costs, measured_rates
from experiments.schedule.plan import plan_jobs

__all__ = ["design_lines"]

# The variances of the embedded comparison of 2026-11-29 (four seeds), a contrast's divided by the sum of its squared
# weights: greedily the means over its six declared contrasts, at temperature 1 those of online − offline. Each seed has
# a start policy of its own, which is most of the second; known from 3 degrees of freedom.
GREEDY = Components(problem=0.0065, seed=0.0051, local=0.121, completion=0.0, pilot_freedom=3, pilot_rest=0.121 / 400)
SAMPLED = Components(
    problem=0.0033,
    seed=0.0042,
    local=0.0094,
    completion=0.140,
    pilot_freedom=3,
    pilot_rest=(0.0094 + 0.140 / 16) / 400,
)


def design_lines(recipe: Recipe, out: Path, *, workers: int, pilot: Path | None) -> list[str]:
    """The output of ``compare --dry-run``: the runs and their cost, and what the declared contrasts can find.

    Args:
        recipe: its arms chosen.
        out: folder of the comparison; rates are taken from the runs that it holds, if any.
        workers: runs side by side.
        pilot: a finished comparison whose variances are taken; without it those of the embedded comparison.

    Raises:
        ValueError: the pilot has a single seed, or a single problem.
    """
    rates = measured_rates([out]) or assumed_rates(recipe)
    costs = job_costs(plan_jobs(recipe, out, evaluate_start=True), rates)
    minutes = sum(cost.seconds for cost in costs) / 60 / workers
    contrasts = declared_contrasts(recipe, evaluate_start=True)
    problems = len(load_problems(recipe.task, recipe.evaluation.split, recipe.evaluation.problems))
    samples, seeds = recipe.evaluation.samples, len(recipe.seeds)
    measured = {} if pilot is None else _pilot(pilot, contrasts)
    parts = {each.name: measured.get(each.name) or _assumed(each, recipe.evaluation) for each in contrasts}
    assumed = [name for name in parts if name not in measured]
    size = f"{number_of(seeds, 'seed')} and {number_of(problems, 'problem')}"
    drawn, asked = number_of(samples, "sample"), number_of(len(contrasts), "contrast")
    lines = [
        *cost_lines(costs),
        "",
        f"seeds {', '.join(map(str, recipe.seeds))}: about {number_of(round(minutes), 'minute')} with "
        f"{number_of(workers, 'worker')} (start of the processes and report aside). An estimate: {rates.source}.",
        "",
        f"differences in Pass@1, in points, that {size} find 4 times in 5, and the",
        f"chance of finding others; {drawn} a problem at temperature {recipe.evaluation.temperature:g}, one",
        f"greedily; at 5 % over {asked}, by the first step of Holm's correction, which is cautious",
        design_text(parts, contrasts, seeds=seeds, problems=problems, samples=samples),
    ]
    if seeds == 2:
        lines.append("two seeds: what they find 4 times in 5 is often more than everything, and is not stated")
    if seeds < 2:
        lines.append("one seed: no contrast gets a verdict, whatever the difference; ask for two or more (--seeds 2)")
    if assumed:
        which = "all contrasts" if len(assumed) == len(parts) else ", ".join(assumed)
        lines.append(f"variances of {which}: assumed, as the embedded comparison had them; --pilot DIR takes another's")
    return lines


def _pilot(folder: Path, contrasts: Sequence[Contrast]) -> dict[str, Components]:
    """The variances in a finished comparison, of contrasts whose arms it has, on its first benchmark."""
    comparison = load_comparison(folder)
    named = comparison.description.get("baseline")
    baseline = str(named) if named in comparison.arms else None
    scores = score_comparison(comparison, [1])
    decoded = contrast_scores(comparison, scores, contrasts, tuned_starts(comparison, baseline))
    first = comparison.benchmarks[0]
    return measured_components([arm for arm in decoded if arm.benchmark == first], contrasts)


def _assumed(contrast: Contrast, evaluation: EvaluationConfig) -> Components:
    temperature = evaluation.temperature if contrast.temperature is None else contrast.temperature
    own = SAMPLED if temperature else GREEDY
    squares = sum(weight**2 for weight in contrast.weights)
    return Components(
        problem=own.problem * squares,
        seed=own.seed * squares,
        local=own.local * squares,
        completion=own.completion * squares,
        pilot_freedom=own.pilot_freedom,
        pilot_rest=own.pilot_rest * squares,
    )
