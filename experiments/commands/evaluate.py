"""The commands `coeflab evaluate` and `coeflab report`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from experiments.commands.options import Repeated, current_device, say, write_report_of

__all__ = ["Evaluate", "WriteReport"]


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Sample a model on a benchmark, check the answers, and write Pass@K and Maj@K."""

    model: str
    """A model folder or hub id."""
    benchmark: tuple[str, ...] = ("gsm8k",)
    """Names (`coeflab benchmarks` lists them) or files of problems in JSON Lines, FILE.jsonl; `paper` is all those of
    the paper's Tables 2 and 5, `all` all there are. `gsm8k+python` asks for a program (the columns of Tables 3 and 6),
    `gsm8k+tool` lets programs be run in turns (Table 5). Several make a table with the paper's values beside."""
    prompt: str | None = None
    """auto, bare, chain_of_thought, few_shot, …, or a text file with {question} in it. Default: auto, which is
    chain_of_thought for a model with a chat template and few_shot for one without (arithmetic: bare)."""
    data_dir: str | None = None
    """Folder of benchmark files in JSON Lines; without it, the Hugging Face hub."""
    samples: int = 8
    """Completions a problem; Pass@K and Maj@K are given up to it."""
    limit: int | None = None
    """The first so many problems; default all."""
    split: Literal["train", "validation", "test"] = "test"
    """The problems."""
    temperature: float = 0.7
    """Of the sampling; Figure 7 has 0.7."""
    max_tokens: int = 256
    """Longest completion."""
    seed: int = 0
    """Of the samples."""
    settings: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="set")] = ()
    """field=value of the evaluation, the task or the engine (top_p=0.95, engine.vllm.max_num_seqs=64). May be
    repeated."""
    engine: Literal["vllm", "transformers"] = "vllm"
    """Sampling engine; transformers is the slow reference."""
    out: Path | None = None
    """Folder of the results; a stopped evaluation goes on from what it holds."""
    search: tuple[Literal["beam", "best_first"], ...] = ()
    """Search solutions step by step instead, guided by --reward-model, and set accuracy against tokens beside Maj@K and
    best of K at equal tokens: printed, drawn, and written to search.csv. Where --out is the folder of a comparison or
    evaluation, its report has them too. A stopped search goes on from what --out holds."""
    reward_model: str | None = None
    """Folder of a fit (reward_models/… of a comparison), or a model folder or hub id with a head of one number."""
    budget: tuple[int, ...] = (256, 512, 1024)
    """Most tokens that a search draws for a problem."""
    width: int = 4
    """Beams; solutions after which best-first search ends."""
    branching: int = 4
    """Next steps drawn of a prefix."""

    def run(self) -> None:
        """Evaluate what is left of the problems and write the report."""
        if self.search:
            self._search()
            return
        from experiments.records.lock import lock_folder
        from experiments.schedule.compare import evaluate_model
        from experiments.schedule.door import evaluation_run
        from experiments.schedule.progress import progress_board
        from experiments.schedule.suite import benchmark_names, evaluate_suite, folder_name

        names = benchmark_names(self.benchmark)
        label = folder_name(names[0]) if len(names) == 1 else "-".join(map(folder_name, self.benchmark))[:60]
        out = self.out or Path("runs") / f"evaluate-{label}-{Path(self.model).name}"
        recipes = [self._recipe(name, several=len(names) > 1) for name in names]
        runs = [evaluation_run(self.model, each.task, each.evaluation, each.engine, seed=self.seed) for each in recipes]
        with lock_folder(out), progress_board() as board:
            if len(runs) == 1:
                evaluate_model(runs[0], out, board=board)
            else:
                evaluate_suite(dict(zip(names, runs, strict=True)), out, board=board)
        write_report_of(out)

    def _search(self) -> None:
        """Search at every budget, print the table and write it."""
        if self.reward_model is None or len(self.benchmark) != 1:
            raise ValueError(
                f"--search with --reward-model {self.reward_model} and {len(self.benchmark)} benchmarks; expected the "
                "fit of a reward model, and one benchmark."
            )
        from sampling.search import SearchConfig

        searches = [
            SearchConfig(method=method, width=self.width, branching=self.branching, budget=budget)
            for method in self.search
            for budget in self.budget
        ]
        import pandas as pd

        from analysis.report.export import write_frames
        from analysis.report.trust.searches import search_pictures
        from experiments.records.lock import lock_folder
        from experiments.schedule.door import evaluation_run
        from experiments.searching.comparison import evaluate_search, point_rows, search_lines

        [name] = self.benchmark
        each = self._recipe(name, several=False)
        run = evaluation_run(self.model, each.task, each.evaluation, each.engine, seed=self.seed)
        out = self.out or Path("runs") / f"search-{Path(name).stem}-{Path(self.model).name}"
        with lock_folder(out):
            points = evaluate_search(run, self.reward_model, searches, out, report=say)
            print("\n".join(search_lines(points)))
            table = pd.DataFrame(point_rows(points, benchmark=Path(name).stem))
            files = list(write_frames({"search": table}, out))
            for picture in search_pictures(table):
                for drawn, content in picture.files().items():
                    (out / drawn).write_bytes(content)
                    files.append(out / drawn)
        print("\n".join(map(str, files)))
        if (out / "runs").is_dir():
            write_report_of(out)

    def _recipe(self, name: str, *, several: bool) -> Any:
        """What is asked of one benchmark, with every ``--set``."""
        from experiments.recipes.catalogue import real_model_engine
        from experiments.recipes.config import EvaluationConfig, Recipe, TaskConfig
        from experiments.recipes.fields import apply_settings
        from experiments.schedule.suite import split_name

        benchmark, own_prompt = split_name(name)
        if own_prompt is not None and self.prompt is not None:
            raise ValueError(f"{name} has a prompt of its own, and --prompt gives another; expected one of them.")
        likeliest, device = self.prompt == "likelihood", current_device()
        task = TaskConfig(
            benchmark=benchmark,
            data_dir=self.data_dir,
            prompt=own_prompt or self.prompt or ("bare" if benchmark.startswith("arithmetic") else "auto"),
        )
        evaluation = EvaluationConfig(
            split=self.split,
            problems=self.limit,
            samples=1 if likeliest else self.samples,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            chunk_problems=max(64, 4096 // max(1, self.samples)) if device == "cuda" else 64,
            decoding_temperatures=() if several or likeliest else EvaluationConfig.decoding_temperatures,
        )
        engine = replace(real_model_engine(device), name=self.engine)
        recipe = Recipe(name="evaluate", model=self.model, task=task, evaluation=evaluation, engine=engine, arms={})
        return apply_settings(recipe, self.settings, within=("evaluation", "task", "engine"))


@dataclass(frozen=True, kw_only=True)
class WriteReport:
    """Write the report of a finished or half-finished comparison or run again, or of several joined."""

    folders: tyro.conf.Positional[tuple[Path, ...]]
    """Folders of `compare`, `train` or `evaluate`. Several are joined, where they were evaluated on the same problems,
    at one temperature, by one version of the checker."""
    baseline: str | None = None
    """The arm that the others are compared with."""
    out: Path | None = None
    """Folder of the report. Default: report/ in the comparison's; of several, report-A-B beside the first."""
    refresh: int | None = None
    """Write it again every so many seconds until no run is at work any more; an open page reads itself again."""

    def run(self) -> None:
        """Write the report and print its table."""
        if not self.folders:
            raise ValueError("no folder; expected what `compare`, `train` or `evaluate` wrote.")
        if self.refresh is not None:
            self._follow(self.refresh)
        write_report_of(self.folders, self.baseline, self.out)

    def _follow(self, seconds: int) -> None:
        """Write the report again and again while a run is running or waits for a worker."""
        import time

        from analysis import RecordError, write_report
        from experiments.schedule.status import read_status

        if seconds < 1:
            raise ValueError(f"--refresh {seconds}; expected at least 1 second.")
        while any(run.state in ("running", "waiting") for folder in self.folders for run in read_status(folder)):
            try:
                page = write_report(self.folders, baseline=self.baseline, out=self.out, again_s=seconds)
                say(f"{time.strftime('%H:%M:%S')}: {page}")
            except RecordError as error:  # no run has finished yet
                say(f"{time.strftime('%H:%M:%S')}: {error}")
            time.sleep(seconds)
