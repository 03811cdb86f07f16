"""The common parts of several commands: their options, and their end."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import tyro

from experiments.records.lock import check_folder

if TYPE_CHECKING:
    from experiments.schedule.progress import Board

__all__ = [
    "RecipeOptions",
    "Repeated",
    "current_device",
    "checked_workers",
    "keep_coefficients",
    "results_in",
    "opening",
    "say",
    "seeds_from",
    "write_report_of",
]

Repeated = tyro.conf.UseAppendAction


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """The common options of `compare` and `train`."""

    model: str | None = None
    """Start policy: a model folder or hub id, in place of the recipe's."""
    settings: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="set")] = ()
    """field=value of the method, its training or the recipe (kl_coef=0.1, training.temperature=0.8,
    evaluation.samples=128); the value a JSON literal or text. May be repeated; `coeflab show` lists the fields."""
    benchmark: str | None = None
    """Problems, in place of the recipe's: a name (`coeflab benchmarks`), or path/{split}.jsonl for files of yours."""
    prompt: str | None = None
    """The prompt: bare, chain_of_thought, …, or a text file with {question} in it."""
    data_dir: str | None = None
    """Folder of benchmark files in JSON Lines; without it, the Hugging Face hub."""
    reward: str | None = None
    """Outcome reward: correctness, format, random, code, … (docs/rewards.md), or path/to/file.py:function."""
    step_reward: str | None = None
    """Step reward: next_operations, equations, or path/to/file.py:function."""
    steps: int | None = None
    """Training steps, in place of the recipe's."""
    split: Literal["validation", "test"] | None = None
    """Problems that arms are evaluated on, in place of the recipe's; choose anything you choose on validation."""
    engine: Literal["vllm", "transformers"] | None = None
    """Sampling engine, in place of the recipe's; transformers is the slow reference."""
    out: Path | None = None
    """Folder of the results; a stopped run goes on from what it holds. Default: runs/ and the recipe's name."""
    workers: int | None = None
    """Runs side by side. Default: one a core, at most 2 (each holds about 2 GB); one on a GPU; on a cluster, as many as
    it has room for."""
    track: Repeated[tuple[str, ...]] = ()
    """Also tell a tracker what every run measures: tensorboard, trackio, wandb or wandb-offline. May be repeated."""

    def recipe(self, name: str, asked: Sequence[str] | None = None) -> Any:
        """The recipe with these options put in.

        Args:
            name: of the recipe.
            asked: arms that will be run; ``None`` is the recipe's default, and none of them is its last arm.

        Raises:
            ValueError: what an option names is not there, or an arm that will be run cannot have its value.
        """
        from experiments.recipes.catalogue import find_recipe
        from experiments.trackers.clients import check_trackers

        check_trackers(self.track)
        make = find_recipe(name)  # before torch is loaded to ask for the device
        say(f"{name}: loading (the first start after set-up takes up to two minutes)")
        recipe = make(self.device())
        task = replace(
            recipe.task,
            benchmark=self.benchmark or recipe.task.benchmark,
            prompt=self.prompt or recipe.task.prompt,
            data_dir=self.data_dir or recipe.task.data_dir,
            step_reward=self.step_reward or recipe.task.step_reward,
        )
        further = tuple(name for name in recipe.evaluation.further_benchmarks if name != task.benchmark)
        arms = recipe.arms if self.steps is None else _with_steps(recipe, self.steps, asked)
        recipe = recipe if self.model is None else recipe.with_model(self.model)
        return replace(
            recipe,
            task=task,
            arms=arms,
            reward=self.reward or recipe.reward,
            evaluation=replace(
                recipe.evaluation, split=self.split or recipe.evaluation.split, further_benchmarks=further
            ),
            engine=replace(recipe.engine, name=self.engine or recipe.engine.name),
        )

    def device(self) -> str:
        """What the runs train on: ``"cuda"`` or ``"cpu"``."""
        return current_device()

    def side_by_side(self, out: Path) -> int:
        """Runs at once; refused is what cannot be, such as a cluster that does not answer."""
        return checked_workers(self.workers)

    def with_settings(self, recipe: Any) -> Any:
        """The recipe, its arms chosen, with every ``--set`` in it."""
        from experiments.recipes.fields import apply_settings

        return apply_settings(recipe, self.settings)

    def checked(
        self, recipe: Any, out: Path, *, evaluate_start: bool, ranks: int = 1
    ) -> tuple[Any, int, dict[str, Any]]:
        """The recipe with everything that it names opened, the workers, and what ``comparison.json`` is to say of it.

        Says on stderr what is about to run, and warns of training problems that hold a problem of the report.
        """
        from experiments.schedule.door import check_recipe, contamination

        recipe = check_recipe(recipe, ranks=ranks)
        check_folder(out)
        workers = self.side_by_side(out)
        overlaps = contamination(recipe)
        for line in overlaps:
            say(f"warning: {line}")
        say(opening(recipe, out, workers, evaluate_start=evaluate_start, ranks=ranks))
        return recipe, workers, {"overlaps": overlaps} if overlaps else {}


def _with_steps(recipe: Any, steps: int, asked: Sequence[str] | None) -> dict[str, Any]:
    """The recipe's arms with so many steps; one that cannot be as short is left out where no run is made of it.

    Raises:
        ValueError: it is run, or others are made of it: controls, iterated arms and TRL's (`experiments.recipes.arms`).
    """
    from experiments.recipes.arms import BASES

    run = tuple(recipe.default_arms or recipe.arms) if asked is None else asked
    needed = {*run, *(name.removeprefix("trl:") for name in run), *BASES, list(recipe.arms)[-1]}
    made = {}
    for name, arm in recipe.arms.items():
        try:
            made[name] = replace(arm, training=replace(arm.training, steps=steps))
        except ValueError as error:
            if name in needed or arm.control is not None:
                raise ValueError(f"{name}: {error}") from error
    return made


@contextmanager
def results_in(out: Path, recipe: Any, *, with_coefficients: bool) -> Iterator[Board]:
    """The folder is held and progress shown while runs are at work; then the report is written and its table printed.

    Runs that failed are raised when the others are reported.
    """
    from experiments.records.lock import is_read_only, lock_folder
    from experiments.schedule.progress import progress_board
    from experiments.schedule.workers import WorkerError

    failed: WorkerError | None = None
    with lock_folder(out), progress_board() as board:
        try:
            yield board
        except WorkerError as error:
            if not any(out.glob("runs/*/finished.json")):
                raise
            failed = error
    if with_coefficients and not is_read_only(out):
        keep_coefficients(recipe, out)
    write_report_of(out, may_be_left_out=is_read_only(out))
    if failed is not None:
        raise failed


def say(text: str) -> None:
    """Print a line on stderr, at once."""
    print(text, file=sys.stderr, flush=True)


def opening(recipe: Any, out: Path, workers: int, *, evaluate_start: bool, ranks: int = 1) -> str:
    """What is about to run, how long that usually takes, what it will hold in memory, and where the results go."""
    from analysis.records.showing import number_of
    from experiments.schedule.estimate import assumed_rates, job_costs, measured_rates
    from experiments.schedule.memory import memory_lines
    from experiments.schedule.plan import plan_jobs
    from experiments.schedule.progress import time_text

    jobs = plan_jobs(recipe, out, evaluate_start=evaluate_start)
    done = {
        file.parent.name
        for pattern in ("*", "runs/*", "reward_models/*")
        for file in out.glob(f"{pattern}/finished.json")
    }
    left = [job for job in jobs if job.name not in done]
    rates = measured_rates([out]) or assumed_rates(recipe)
    seconds = sum(cost.seconds for cost in job_costs(left, rates)) / workers
    if not left:
        count = "its run is" if len(jobs) == 1 else f"all {len(jobs)} runs are"
        return f"{recipe.name}: {count} finished; writing the report in {out}"
    held = f" ({len(jobs) - len(left)} of them finished)" if len(left) < len(jobs) else ""
    seeds = ", ".join(map(str, recipe.seeds))
    return (
        f"{recipe.name}: {number_of(len(jobs), 'job')}{held} for {number_of(len(recipe.arms), 'arm')}, "
        f"seed{'s' if len(recipe.seeds) > 1 else ''} {seeds}; about {time_text(seconds)} "
        f"with {workers} at a time, and a minute to start. Results: {out}\n({rates.source})"
        + "".join(f"\n{line}" for line in memory_lines(recipe, ranks=ranks))
    )


def seeds_from(numbers: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Seeds of ``--seeds``: one number says how many, from 0; several are the seeds themselves, in whatever order.

    Raises:
        ValueError: none at all.
    """
    if numbers is None or len(numbers) > 1:
        return None if numbers is None else tuple(sorted(numbers))
    if not numbers or numbers[0] < 1:
        raise ValueError(f"--seeds is {numbers[0] if numbers else 'empty'}; expected how many, or several seeds.")
    return tuple(range(numbers[0]))


def keep_coefficients(recipe: Any, out: Path) -> None:
    """Write what every method makes of the same completions, where the policy is small enough to do so in passing."""
    from experiments.inspection.rollouts import write_coefficients

    models = {recipe.model, *(recipe.overridden(arm.overrides).model for arm in recipe.arms.values())}
    if models == {None}:
        print("drawing completions for the coefficients of every method")
        try:
            write_coefficients(out, max_tokens=recipe.evaluation.max_tokens, seed=recipe.seeds[0])
        except (ValueError, RuntimeError, OSError) as error:  # the report has its other parts all the same
            say(f"warning: the coefficients of every method could not be computed ({type(error).__name__}: {error})")


def write_report_of(
    folder: Path | tuple[Path, ...],
    baseline: str | None = None,
    out: Path | None = None,
    *,
    may_be_left_out: bool = False,
) -> None:
    """Write the report of a comparison's folder (of several, joined), there or in `out`, and print its table.

    Args:
        folder: of the comparison, or of several.
        baseline: arm that the others are compared with.
        out: in place of the folder's own ``report/``.
        may_be_left_out: print the table all the same where the report cannot be written.

    Raises:
        ValueError: the report's folder cannot be written.
        RuntimeError: a damaged run was left out; told after everything is written and printed.
    """
    from analysis import comparison_text, load_joined, report_folder, write_report
    from analysis.report.benchmark_table import is_suite

    folders = (folder,) if isinstance(folder, Path) else folder
    if len(folders) == 1 and is_suite(folders[0]):
        write_suite_of(folders[0], out)
        return
    try:
        written = f"report: {write_report(folders, baseline=baseline, out=out)}"
    except OSError as error:
        where = report_folder(folders) if out is None else out
        named = " ".join(str(each) for each in folders)
        written = (
            f"the report cannot be written to {where} ({error.strerror or error}); `coeflab report {named} --out "
            "FOLDER` writes it elsewhere."
        )
        if not may_be_left_out:
            raise ValueError(written) from error
    comparison = load_joined(folders)
    if baseline is None and len(comparison.arms) > 1 and comparison.description.get("baseline") in comparison.arms:
        baseline = str(comparison.description["baseline"])
    print(comparison_text(comparison, baseline=baseline))
    for run in comparison.unfinished:
        print(f"left out: {run.name}: {run.reason}")
    print(f"\n{written}")
    damaged = [run.name for run in comparison.unfinished if run.damaged]
    if damaged:
        raise RuntimeError(f"left out as damaged: {', '.join(damaged)}; the reasons are above.")


def write_suite_of(folder: Path, out: Path | None) -> None:
    """Write the table of one model's benchmarks, there or in `out`, and print it.

    Raises:
        ValueError: the folder of the table cannot be written.
        RecordError: no benchmark is finished.
    """
    from analysis.report.benchmark_table import load_suite, suite_text, write_suite

    suite, where = load_suite(folder), folder / "report" if out is None else out
    print(suite_text(suite))
    try:
        page = write_suite(suite, where)
    except OSError as error:
        raise ValueError(
            f"the table cannot be written to {where} ({error.strerror or error}); `coeflab report {folder} --out "
            "FOLDER` writes it elsewhere."
        ) from error
    print(f"table: {page}")


def checked_workers(workers: int | None) -> int:
    """Runs side by side: as many as asked for; else one on a GPU, or one a core that this process may use, at most 2.

    Raises:
        ValueError: fewer than one is asked for.
    """
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; expected at least 1.")
    if workers is not None:
        return workers
    from experiments.schedule.workers import usable_cores

    return 1 if current_device() == "cuda" else min(2, usable_cores())


def current_device() -> str:
    """``"cuda"`` where a GPU answers, else ``"cpu"``."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
