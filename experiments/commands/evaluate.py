"""The commands `coeflab evaluate` and `coeflab report`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import tyro

from experiments.commands.options import current_device, write_report_of

__all__ = ["Evaluate", "Report"]


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
        from experiments.recipes.catalogue import real_model_engine
        from experiments.recipes.config import EvaluationConfig, TaskConfig
        from experiments.runs.folder import lock_folder
        from experiments.schedule.compare import evaluate_model
        from experiments.schedule.door import evaluation_run
        from experiments.schedule.progress import progress_board

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
        engine = replace(real_model_engine(current_device()), name=self.engine)
        run = evaluation_run(self.model, task, evaluation, engine, seed=self.seed)
        with lock_folder(out), progress_board() as board:
            evaluate_model(run, out, board=board)
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
