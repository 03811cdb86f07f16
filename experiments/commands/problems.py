"""The commands on problems and how they are asked: `coeflab prompt | decontaminate | export`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from experiments.commands.options import Repeated

__all__ = ["Decontaminate", "Export", "ShowPrompt"]


@dataclass(frozen=True, kw_only=True)
class ShowPrompt:
    """Print the whole prompt that a model gets for a problem of a benchmark, with every special token."""

    model: str
    """A model folder or hub id; its tokenizer alone is loaded."""
    benchmark: str = "gsm8k"
    """A name (`coeflab benchmarks` lists them), or a file of problems in JSON Lines, FILE.jsonl."""
    prompt: str = "auto"
    """auto, bare, chain_of_thought, few_shot, program, tool, likelihood …, or a text file with {question} in it."""
    data_dir: str | None = None
    """Folder of benchmark files in JSON Lines; without it, the Hugging Face hub."""
    split: Literal["train", "validation", "test"] = "test"
    """Of the problem."""
    problem: str | None = None
    """Id of the problem. Default: the first."""
    settings: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="set")] = ()
    """field=value of the task (shots=2, language=zh, system=FILE.txt, chat_template=FILE.jinja). May be repeated."""

    def run(self) -> None:
        """Print the prompt on stdout, and on stderr what it is."""
        from experiments.inspection.prompt import print_prompt
        from experiments.recipes.config import EvaluationConfig, Recipe, TaskConfig
        from experiments.recipes.fields import apply_settings
        from sampling.engines import EngineConfig

        task = TaskConfig(benchmark=self.benchmark, data_dir=self.data_dir, prompt=self.prompt)
        recipe = Recipe(
            name="prompt", model=self.model, task=task, evaluation=EvaluationConfig(), engine=EngineConfig(), arms={}
        )
        recipe = apply_settings(recipe, self.settings, within=("task",))
        print_prompt(self.model, recipe.task, self.split, self.problem)


@dataclass(frozen=True, kw_only=True)
class Decontaminate:
    """Leave the rows out of a training file that hold ten words in a row of a test question, or a whole shorter one."""

    train: tyro.conf.Positional[Path]
    """JSON Lines, plain or gzipped; every text of a row counts."""
    against: tuple[str, ...]
    """Benchmarks by name (their test split), or files with a question a row."""
    out: Path
    """Gets the clean rows as they were; the hits go beside it, NAME.hits.jsonl, with both texts."""
    data_dir: str | None = None
    """Folder of benchmark files in JSON Lines; without it, the Hugging Face hub."""

    def run(self) -> None:
        """Write both files and print a table."""
        from experiments.inspection.decontaminate import (
            decontaminate,
            hits_file,
            read_against,
            table_lines,
            write_found,
        )

        if self.out.resolve() == self.train.resolve():
            raise ValueError(f"{self.out} is the training file itself; name another file for the clean rows.")
        against = read_against(self.against, self.data_dir)
        found = decontaminate(self.train, against)
        write_found(found, self.out)
        print("\n".join(table_lines(found, against)))
        print(f"clean rows: {self.out}; hits with both texts: {hits_file(self.out)}")


@dataclass(frozen=True, kw_only=True)
class Export:
    """Write benchmarks as tasks of lm-evaluation-harness, asked with our prompts and judged by our checker."""

    kind: tyro.conf.Positional[Literal["lm-eval"]]
    """Whose tasks."""
    folder: tyro.conf.Positional[Path]
    """Gets them: `lm_eval --include_path FOLDER --tasks coeflab_gsm8k`, with coeflab importable there."""
    benchmark: tuple[str, ...] = ("paper",)
    """Names (`coeflab benchmarks` lists them) or files FILE.jsonl; `paper`, `all`."""
    prompt: str = "chain_of_thought"
    """chain_of_thought (a message: use lm-eval's --apply_chat_template), few_shot, bare, or a text file."""
    data_dir: str | None = None
    """Folder of benchmark files in JSON Lines; without it, the Hugging Face hub."""
    limit: int | None = None
    """The first so many problems; default all."""
    max_tokens: int = 1024
    """Longest completion."""

    def run(self) -> None:
        """Write the tasks and say how they are run."""
        from benchmarks.prompts import choose_prompt
        from experiments.recipes.config import TaskConfig
        from experiments.runs.problems import load_problems, load_split
        from experiments.schedule.suite import benchmark_names, folder_name
        from rewards.lm_eval_tasks import export_task

        tasks = []
        for name in benchmark_names(self.benchmark):
            task = TaskConfig(benchmark=name, data_dir=self.data_dir, prompt=self.prompt)
            prompt = choose_prompt(
                self.prompt, name, chat=True, load=lambda each, split: load_split(each, split, self.data_dir)
            )
            problems = load_problems(task, "test", self.limit)
            tasks.append(export_task(self.folder, folder_name(name), problems, prompt, max_tokens=self.max_tokens))
            print(f"{tasks[-1]}: {len(problems):,} problems, prompt {prompt.name}")
        chat = "" if prompt.whole else " --apply_chat_template"
        print(f"lm_eval --include_path {self.folder} --tasks {','.join(tasks)}{chat} --log_samples --output_path OUT …")
