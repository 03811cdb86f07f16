"""The commands that train: `coeflab compare` and `coeflab train`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from experiments.commands.options import RecipeOptions, Repeated, checked_workers, results_in, say, seeds_from

if TYPE_CHECKING:
    from experiments.clusters.on_ray import RayCluster
    from experiments.clusters.on_slurm import Slurm
    from experiments.clusters.ranks import Rank
    from experiments.clusters.together import Together
    from experiments.recipes.config import Recipe
    from experiments.schedule.places import Place

__all__ = ["ClusterOptions", "Compare", "Train"]


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(RecipeOptions):
    """The common options of `compare` and `sweep`, whose runs can be done by other machines too."""

    ray: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[HOST:PORT]")] = None
    """Run on a Ray cluster: the address of its head, or nothing for the cluster that this machine belongs to."""
    slurm: Annotated[tuple[str, ...] | None, tyro.conf.arg(metavar="[NAME=VALUE …]")] = None
    """Run on Slurm, each run a Slurm job: timeout_min, mem_gb and options of sbatch, such as partition=gpu."""
    job_cpus: int = 1
    """On a cluster: CPUs of a run, and its threads."""
    job_gpus: float = 0
    """On a cluster: GPUs of a run; on Ray also a part of one, 0.5."""

    def cluster(self) -> RayCluster | Slurm | None:
        """The cluster that is asked for.

        Raises:
            ValueError: two of them, several addresses, or numbers that cannot be.
        """
        if self.ray is None and self.slurm is None:
            if (self.job_cpus, self.job_gpus) != (1, 0):
                raise ValueError("--job-cpus and --job-gpus are for a cluster; give --ray or --slurm with them.")
            return None
        if self.job_cpus < 1 or self.job_gpus < 0:
            raise ValueError(
                f"--job-cpus is {self.job_cpus} and --job-gpus {self.job_gpus:g}; expected at least 1 and 0."
            )
        if self.ray is not None and self.slurm is not None:
            raise ValueError("--ray and --slurm are two clusters; give one of them.")
        if self.ray is not None:
            from experiments.clusters.on_ray import RayCluster

            if len(self.ray) > 1:
                raise ValueError(f"--ray has {len(self.ray)} addresses ({' '.join(self.ray)}); expected at most one.")
            address = self.ray[0] if self.ray else "auto"
            return RayCluster(address=address, cpus=self.job_cpus, gpus=self.job_gpus, say=say)
        from experiments.clusters.on_slurm import Slurm, slurm_settings

        if self.job_gpus != int(self.job_gpus):
            raise ValueError(f"--job-gpus is {self.job_gpus:g}; expected a whole number on Slurm.")
        cluster, settings = slurm_settings(self.slurm or ())
        return Slurm(settings=settings, cpus=self.job_cpus, gpus=int(self.job_gpus), say=say, cluster=cluster)

    def device(self) -> str:
        """See `RecipeOptions.device`: on a cluster it is not this machine's."""
        return super().device() if self.cluster() is None else "cuda" if self.job_gpus else "cpu"

    def side_by_side(self, out: Path) -> int:
        """See `RecipeOptions.side_by_side`."""
        workers = None if self.workers is None else checked_workers(self.workers)
        cluster = self.cluster()
        return checked_workers(workers) if cluster is None else cluster.room(out, workers)

    def place(self) -> Place:
        """Where the runs are done."""
        from experiments.schedule.workers import THIS_MACHINE

        return self.cluster() or THIS_MACHINE


@dataclass(frozen=True, kw_only=True)
class Compare(ClusterOptions):
    """Train every method of a recipe from the same start policies for equally many steps, and write the report.

    Most methods draw equally many completions in them; DAPO draws more, and the report says what each arm spent.
    """

    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "arithmetic"
    """The comparison; its arms, budget and evaluation."""
    algorithm: Repeated[tuple[str, ...]] = ()
    """Compare these only: arms of the recipe, other methods, TRL's trainers (trl:grpo), or path/to/file.py:Name. May be
    repeated."""
    controls: bool = False
    """Also run the control arms: random reward, format only, shuffled verdicts, no update, continued SFT."""
    seeds: tuple[int, ...] | None = None
    """One number: so many seeds, from 0. Several: these seeds. Default: the recipe's."""
    dry_run: bool = False
    """Print the runs, their cost and the differences that this design can find, and do nothing."""
    pilot: Path | None = None
    """A finished comparison whose variances --dry-run takes; without it those of the embedded comparison."""

    def run(self) -> None:
        """Run what is missing of the comparison and write its report; or print its design."""
        if self.pilot is not None and not self.dry_run:
            raise ValueError("--pilot says whose variances a dry run takes; give --dry-run with it.")
        recipe = self.recipe(self.recipe_name, self.algorithm or None)  # a typo is told before torch is loaded
        from experiments.recipes.arms import select_arms, with_controls

        arms = select_arms(recipe, self.algorithm)
        arms = with_controls(recipe, arms) if self.controls else arms
        recipe = replace(recipe, arms=arms, seeds=seeds_from(self.seeds) or recipe.seeds)
        out = self.out or Path("runs") / recipe.name
        if self.dry_run:
            print("\n".join(self._design(recipe, out)))
            return
        recipe, workers, about = self.checked(self.with_settings(recipe), out, evaluate_start=True)
        from experiments.schedule.compare import compare

        with results_in(out, recipe, with_coefficients=True) as board:
            compare(
                recipe,
                out,
                workers=workers,
                board=board,
                evaluate_start=True,
                description=about,
                trackers=self.track,
                place=self.place(),
            )

    def _design(self, recipe: Recipe, out: Path) -> list[str]:
        """The lines of a dry run, once everything that the recipe names was opened."""
        from experiments.schedule.design import design_lines
        from experiments.schedule.door import check_recipe

        recipe = check_recipe(self.with_settings(recipe))
        return design_lines(recipe, out, workers=checked_workers(self.workers), pilot=self.pilot)


@dataclass(frozen=True, kw_only=True)
class Train(RecipeOptions):
    """Train one method of a recipe and evaluate it."""

    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "arithmetic"
    """Where everything but the method comes from."""
    algorithm: str | None = None
    """The method: an arm of the recipe, another method, or path/to/file.py:Name. Default: the recipe's last arm."""
    learning_rate: float | None = None
    """In place of the recipe's."""
    seed: int = 0
    """Of everything random in the run."""
    gpus: int | None = None
    """GPUs that train the run together, one process each; torchrun in front of the command does the same."""
    ranks: int | None = None
    """As many processes that train the run together on this machine's CPUs, to try it."""

    def run(self) -> None:
        """Run what is missing of the run and write its report; with several processes, this one's part of it."""
        from experiments.clusters.ranks import rank_of_environment

        rank = rank_of_environment()
        if rank is None and self._launched():
            return
        together = None if rank is None or rank.world == 1 else self._joined(rank)
        recipe = self.chosen()
        [(name, arm)] = recipe.arms.items()
        out = self.out or Path("runs") / f"train-{recipe.name}-{name}-seed{self.seed}"
        workers = self.workers
        ranks = 1 if together is None else together.rank.world
        if together is not None:
            from experiments.clusters.together import check_together

            check_together(arm, ranks, workers)
            workers = 1
        recipe, workers, about = replace(self, workers=workers).checked(recipe, out, evaluate_start=False, ranks=ranks)
        from experiments.clusters.together import other_number
        from experiments.schedule.compare import compare
        from experiments.schedule.workers import THIS_MACHINE

        if (warning := other_number(out, ranks)) is not None:
            say(f"warning: {warning}")
        with results_in(out, recipe, with_coefficients=False) as board:
            compare(
                recipe,
                out,
                workers=workers,
                board=board,
                evaluate_start=False,
                description=about,
                trackers=self.track,
                place=together or THIS_MACHINE,
            )

    def chosen(self) -> Recipe:
        """The recipe with the one arm that is trained and every option in it."""
        asked = () if self.algorithm is None else (self.algorithm,)
        recipe = self.recipe(self.recipe_name, asked)  # a mistyped name is told before torch is loaded
        from experiments.recipes.arms import select_arms

        [(name, arm)] = select_arms(recipe, [self.algorithm or list(recipe.arms)[-1]]).items()
        if self.learning_rate is not None:
            arm = replace(arm, training=replace(arm.training, learning_rate=self.learning_rate))
        return self.settled(replace(recipe, arms={name: arm}, seeds=(self.seed,)))

    def settled(self, recipe: Recipe) -> Recipe:
        """The recipe with every ``--set`` in it; what it asks of the start is not asked here, and needs no decoding."""
        if recipe.contrasts is None:
            return self.with_settings(recipe)
        asked = tuple(each for each in recipe.contrasts if not each.names_start)
        settled = self.with_settings(replace(recipe, contrasts=asked))
        kept = [each for each in recipe.contrasts if each in asked or each.temperature in {None, *settled.decoded}]
        return replace(settled, contrasts=tuple(kept))

    def _joined(self, rank: Rank) -> Together:
        """The processes that torchrun started, on rank 0; the others do their part, and end here.

        Raises:
            ValueError: the options ask for another number of them.
        """
        if self._asked() not in (1, rank.world):
            raise ValueError(
                f"{self._asked()} processes are asked for, and torchrun started {rank.world}; leave the option out."
            )
        rank.enter(gpu=self.ranks is None)
        from experiments.clusters.together import Together, follow

        if rank.rank > 0:
            follow(rank)
        return Together(rank=rank)

    def device(self) -> str:
        """See `RecipeOptions.device`."""
        return "cpu" if self.ranks is not None else super().device()

    def _asked(self) -> int:
        """Processes that the options ask for; 1 where they say nothing.

        Raises:
            ValueError: fewer than one, or both options.
        """
        if self.gpus is not None and self.ranks is not None:
            raise ValueError("--gpus is for GPUs and --ranks for CPUs; give one of them.")
        option, count = ("--ranks", self.ranks) if self.gpus is None else ("--gpus", self.gpus)
        if count is not None and count < 1:
            raise ValueError(f"{option} is {count}; expected at least 1.")
        return count or 1

    def _launched(self) -> bool:
        """Start as many processes of this command as are asked for, and wait for them; false where it is one.

        Raises:
            ValueError: more GPUs are asked for than there are, or the processes could not share the run.
            RankError: see `launch`.
        """
        from experiments.clusters.ranks import launch

        count = self._asked()
        if self.gpus is not None:
            import torch

            found = torch.cuda.device_count()
            if found < count:
                raise ValueError(
                    f"--gpus is {count}, and this machine has {found}; --ranks {count} runs as many processes on CPUs."
                )
        if count == 1:
            return False
        from experiments.clusters.together import check_together

        [arm] = self.chosen().arms.values()
        check_together(arm, count, self.workers)  # each process takes seconds and memory to start
        launch(count)
        return True
