"""`coeflab sweep`: the arms of a recipe at every point of a grid, as one comparison."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from experiments.commands.compare import ClusterOptions
from experiments.commands.options import Repeated, checked_workers, keep_coefficients, say, seeds_from, write_report_of

if TYPE_CHECKING:
    from experiments.recipes.config import Recipe
    from experiments.recipes.grid import Varied

__all__ = ["Sweep"]


@dataclass(frozen=True, kw_only=True)
class Sweep(ClusterOptions):
    """Train every method at every point of a grid of settings, and write the report. A failed run stops no other."""

    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "arithmetic"
    """Where everything but the grid comes from."""
    algorithm: Repeated[tuple[str, ...]] = ()
    """Methods of the grid, as in `compare`; may be repeated. Default: all arms of the recipe."""
    vary: Repeated[tuple[str, ...]] = ()
    """field=value,value: a field of the method, its training or the recipe; JSON literals. May be repeated."""
    choose: str | None = None
    """field=value,value: trains each arm at each value and keeps the best on validation problems (highest Pass@1)."""
    controls: bool = False
    """Also run the control arms, once, with the recipe's settings."""
    seeds: tuple[int, ...] | None = None
    """One number: so many seeds, from 0. Several: these seeds. Default: the recipe's."""
    dry_run: bool = False
    """Print the grid with the completions and the time it will take, and do nothing."""

    def run(self) -> None:
        """Run what is missing of the grid and write its report; or print the plan."""
        recipe = self.recipe(self.recipe_name, self.algorithm or None)  # a mistyped name is told before torch is loaded
        from experiments.recipes.arms import select_arms
        from experiments.recipes.grid import grid_arms, parse_varied

        recipe = replace(recipe, arms=select_arms(recipe, self.algorithm), seeds=seeds_from(self.seeds) or recipe.seeds)
        recipe = self.with_settings(recipe)
        varied = [parse_varied(text) for text in self.vary]
        if not varied and self.choose is None:
            raise ValueError("nothing to sweep; give --vary field=value,value, e.g. --vary kl_coef=0,0.04.")
        chosen = None if self.choose is None else parse_varied(self.choose, "--choose")
        grid = replace(recipe, arms=grid_arms(recipe, varied))
        out = self.out or Path("runs") / f"sweep-{recipe.name}"
        if self.dry_run:
            print("\n".join(self._plan(grid, chosen, out)))
        else:
            self._execute(grid, varied, chosen, out)

    def _execute(self, grid: Recipe, varied: Sequence[Varied], chosen: Varied | None, out: Path) -> None:
        """Choose, compare, report; failures are raised when all else is done."""
        from experiments.records.lock import lock_folder
        from experiments.schedule.choice import CHOICE_FOLDER, apply_choice, choice_recipe, choose
        from experiments.schedule.compare import compare
        from experiments.schedule.door import check_recipe, contamination
        from experiments.schedule.progress import progress_board
        from experiments.schedule.workers import WorkerError

        description: dict[str, Any] = {"sweep": {"vary": {item.name: list(item.values) for item in varied}}}
        failures: list[str] = []
        workers = self.side_by_side(out)
        checked = check_recipe(self._with_controls(grid))
        if chosen is not None:
            check_recipe(choice_recipe(grid, chosen))
        if overlaps := contamination(checked):
            description["overlaps"] = overlaps
            say("\n".join(f"warning: {line}" for line in overlaps))
        with lock_folder(out), progress_board() as board:

            def run(recipe: Recipe, folder: Path, evaluate_start: bool = False) -> None:
                about = description if evaluate_start else None
                compare(
                    recipe,
                    folder,
                    workers=workers,
                    board=board,
                    evaluate_start=evaluate_start,
                    description=about,
                    trackers=self.track,
                    place=self.place(),
                )

            if chosen is not None:
                description["choice"] = choose(grid, chosen, out, run)
                asked, grid = grid, apply_choice(grid, description["choice"])
                checked = check_recipe(self._with_controls(grid))
                failures += [
                    f"{name}: left out, because all its runs in {out / CHOICE_FOLDER} failed"
                    for name in asked.arms
                    if name not in grid.arms
                ]
            try:
                run(checked, out, evaluate_start=True)
            except WorkerError as error:
                failures.append(str(error))
        if not failures or any(out.glob("runs/*/finished.json")):
            keep_coefficients(grid, out)
            write_report_of(out)
        if failures:
            raise WorkerError("\n".join(failures))

    def _with_controls(self, grid: Recipe) -> Recipe:
        from experiments.recipes.arms import with_controls

        if not self.controls:
            return grid
        base = self.recipe(self.recipe_name, self.algorithm or None)
        controls = with_controls(base, grid.arms)
        held = replace(base, arms={name: arm for name, arm in controls.items() if name not in grid.arms})
        return replace(grid, arms={**grid.arms, **self.with_settings(held).arms})

    def _plan(self, grid: Recipe, chosen: Varied | None, out: Path) -> list[str]:
        """The lines of a dry run."""
        from analysis.records.showing import number_of
        from experiments.schedule.choice import CHOICE_FOLDER, choice_recipe
        from experiments.schedule.door import check_recipe
        from experiments.schedule.estimate import assumed_rates, cost_lines, job_costs, measured_rates
        from experiments.schedule.plan import plan_jobs

        recipe = check_recipe(self._with_controls(grid))
        rates = measured_rates([out, out / CHOICE_FOLDER]) or assumed_rates(recipe)
        jobs = (
            [] if chosen is None else plan_jobs(choice_recipe(grid, chosen), out / CHOICE_FOLDER, evaluate_start=False)
        )
        on_validation = len(jobs)
        jobs += plan_jobs(recipe, out, evaluate_start=True)
        costs = job_costs(jobs, rates)
        width = max(len(cost.arm or cost.job) for cost in costs)
        head, *lines = cost_lines(costs[on_validation:], width=width)
        if chosen is not None:
            choice = cost_lines(costs[:on_validation], heading=False, width=width)
            lines = ["validation problems:", *choice, "comparison:", *lines]
        lines = [head, *lines]
        workers = checked_workers(self.workers)
        minutes = sum(cost.seconds for cost in costs) / 60
        completions = sum(cost.training_completions + cost.evaluation_completions for cost in costs)
        lines += [
            "",
            f"{number_of(len(grid.arms), 'point')} of the grid, {number_of(len(recipe.arms), 'arm')}, "
            f"seed{'s' if len(recipe.seeds) > 1 else ''} {', '.join(map(str, recipe.seeds))}: "
            f"{completions:,} completions, about {number_of(round(minutes / workers), 'minute')} with "
            f"{number_of(workers, 'worker')} (start of the processes and report aside).",
            f"An estimate: {rates.source}.",
        ]
        return lines
