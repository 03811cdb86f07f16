"""The command `coeflab prompt`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import tyro

from experiments.commands.options import Repeated

__all__ = ["ShowPrompt"]


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
