"""Run folders read into typed records.

A run (one arm, one seed) is a folder with `config.json`, `environment.json`, `metrics.jsonl` (a row an optimiser step)
and `samples.parquet` (a row an evaluation sample). A comparison is a folder with `comparison.json` and
`runs/ARM-seedN/`. Read from `comparison.json`, all optional: "title" (str), "arms" (names in the order wanted), "runs"
(names of the planned run folders) and "baseline" (an arm).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.frames import (
    VERDICTS,
    RecordError,
    UnfinishedRunError,
    column,
    read_json,
    read_metrics,
    read_samples,
    records_of,
    rows_where,
)

ARM_ORDER = ("sft_start", "continued_sft", "rft", "online_rft", "dpo", "ppo", "grpo", "grpo_process")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunRecord:
    """One arm at one seed. `metrics` may have no rows (nothing trained); `samples` has SAMPLE_COLUMNS."""

    path: Path
    arm: str
    seed: int
    algorithm: str
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    metrics: pd.DataFrame
    samples: pd.DataFrame

    @property
    def final_step(self) -> int:
        """The last optimiser step that was evaluated."""
        return int(column(self.samples, "step").max())

    @property
    def final_samples(self) -> pd.DataFrame:
        """The samples of `final_step`."""
        return rows_where(self.samples, column(self.samples, "step") == self.final_step)

    def samples_on(self, benchmark: str) -> pd.DataFrame:
        """The samples of one benchmark, at every step."""
        return rows_where(self.samples, column(self.samples, "benchmark") == benchmark)

    def final_samples_on(self, benchmark: str) -> pd.DataFrame:
        """The samples of one benchmark at `final_step`."""
        return rows_where(self.final_samples, column(self.final_samples, "benchmark") == benchmark)


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A run folder that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonRecord:
    """Finished runs, ordered by arm and seed, on the same problems; and what is missing."""

    path: Path
    description: Mapping[str, Any]
    runs: tuple[RunRecord, ...]
    unfinished: tuple[UnfinishedRun, ...]

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the finished arms, in order."""
        return tuple(dict.fromkeys(run.arm for run in self.runs))

    @property
    def benchmarks(self) -> tuple[str, ...]:
        """Names of the benchmarks of the last evaluation."""
        return tuple(dict.fromkeys(column(self.runs[0].final_samples, "benchmark")))

    def runs_of(self, arm: str) -> tuple[RunRecord, ...]:
        """The seeds of one arm."""
        return tuple(run for run in self.runs if run.arm == arm)


def load_run(path: str | Path) -> RunRecord:
    """Read one run folder.

    Raises:
        UnfinishedRunError: a file is missing, empty or cut short, the last trained step has no evaluation, or a run of
            ours (its configuration has "evaluation") has no `finished.json`.
        RecordError: a key or column is missing, a value is not of its kind, or rows contradict the configuration.
    """
    folder = Path(path)
    config = read_json(folder / "config.json")
    absent = [key for key in ("arm", "seed", "algorithm") if key not in config]
    if absent:
        raise RecordError(
            f"{folder / 'config.json'}: lacks {absent}; expected the resolved configuration of a run; rerun it"
        )
    if "evaluation" in config and not (folder / "finished.json").exists():  # our own runs say when they are complete
        raise UnfinishedRunError(f"{folder} stopped before its last evaluation; start the same command again to go on")
    environment = read_json(folder / "environment.json") if (folder / "environment.json").exists() else {}
    run = RunRecord(
        path=folder,
        arm=str(config["arm"]),
        seed=int(config["seed"]),
        algorithm=str(config["algorithm"]),
        config=config,
        environment=environment,
        metrics=read_metrics(folder / "metrics.jsonl"),
        samples=read_samples(folder / "samples.parquet"),
    )
    _check_run(run)
    return run


def load_comparison(path: str | Path) -> ComparisonRecord:
    """Read a comparison folder, or a single run folder as a comparison of one.

    Unfinished runs, planned runs that have no folder, and seeds that stop before the others of their arm are left out
    and listed in `unfinished`.

    Raises:
        RecordError: neither kind of folder, no finished run, the same arm and seed twice, or runs on different
        problems.
    """
    folder = Path(path)
    if (folder / "config.json").exists():
        return ComparisonRecord(path=folder, description={}, runs=(load_run(folder),), unfinished=())
    if not (folder / "runs").is_dir():
        raise RecordError(
            f"{folder}: neither config.json (a run) nor runs/ (a comparison) is there; expected a folder that "
            "coeflab compare, train or evaluate wrote; check the path"
        )
    description = read_json(folder / "comparison.json") if (folder / "comparison.json").exists() else {}
    runs, unfinished = _load_runs(folder / "runs", _names(description.get("runs")))
    runs, shorter = _drop_shorter_seeds(runs)
    unfinished = (*unfinished, *shorter)
    if not runs:
        listed = "; ".join(f"{run.name}: {run.reason}" for run in unfinished) or "the folder runs/ is empty"
        raise RecordError(f"{folder}: no finished run ({listed}); expected at least one; let a run finish first")
    _check_same_problems(runs)
    order = [*_names(description.get("arms")), *ARM_ORDER]
    ranked = sorted(runs, key=lambda run: (order.index(run.arm) if run.arm in order else len(order), run.arm, run.seed))
    return ComparisonRecord(path=folder, description=description, runs=tuple(ranked), unfinished=unfinished)


def _load_runs(folder: Path, planned: tuple[str, ...]) -> tuple[tuple[RunRecord, ...], tuple[UnfinishedRun, ...]]:
    """Every run under `runs/`: those that finished, and the others with the reason."""
    present = [child.name for child in sorted(folder.iterdir()) if child.is_dir()]
    runs: dict[tuple[str, int], RunRecord] = {}
    unfinished = [UnfinishedRun(name=name, reason="not started") for name in planned if name not in present]
    for name in present:
        try:
            run = load_run(folder / name)
        except UnfinishedRunError as error:
            unfinished.append(UnfinishedRun(name=name, reason=str(error).replace(f"{folder}/", "")))
            continue
        first = runs.setdefault((run.arm, run.seed), run)
        if first is not run:
            raise RecordError(
                f"{run.path}: arm {run.arm!r} with seed {run.seed} is in {first.path.name} too; expected each once; "
                "remove one"
            )
    return tuple(runs.values()), tuple(unfinished)


def _drop_shorter_seeds(runs: tuple[RunRecord, ...]) -> tuple[tuple[RunRecord, ...], tuple[UnfinishedRun, ...]]:
    """A seed that stops before the others of its arm would drag their mean: it did not finish."""
    last: dict[str, int] = {}
    for run in runs:
        last[run.arm] = max(run.final_step, last.get(run.arm, 0))
    shorter = tuple(
        UnfinishedRun(
            name=run.path.name,
            reason=f"last evaluated at step {run.final_step}, other seeds of {run.arm} at step {last[run.arm]}",
        )
        for run in runs
        if run.final_step < last[run.arm]
    )
    return tuple(run for run in runs if run.final_step == last[run.arm]), shorter


def _check_run(run: RunRecord) -> None:
    """Rows against each other and against the configuration."""
    path = run.path / "samples.parquet"
    strange = sorted(set(map(str, column(run.samples, "verdict"))) - set(VERDICTS))
    if strange:
        raise RecordError(
            f"{path}: verdict(s) {strange}; expected one of {list(VERDICTS)}; evaluate again with this version"
        )
    found = {(str(arm), int(seed)) for arm, seed in run.samples[["arm", "seed"]].drop_duplicates().to_numpy()}
    if found != {(run.arm, run.seed)}:
        raise RecordError(
            f"{path}: rows are of arm and seed {sorted(found)}; expected {(run.arm, run.seed)} as in config.json; "
            "one run a folder"
        )
    keys = ["step", "benchmark", "problem_id", "sample_index"]
    repeated = rows_where(run.samples, run.samples.duplicated(keys).to_numpy())
    if len(repeated):
        first = {key: records_of(repeated.head(1))[0][key] for key in keys}
        raise RecordError(
            f"{path}: {len(repeated)} rows repeat another, first {first}; expected {keys} once each; evaluate again"
        )
    trained = int(column(run.metrics, "step").max()) if len(run.metrics) else 0
    if trained > run.final_step:
        raise UnfinishedRunError(
            f"trained to step {trained} but last evaluated at step {run.final_step}; resume the run in {run.path}"
        )


def _check_same_problems(runs: tuple[RunRecord, ...]) -> None:
    """Paired differences need the same problems, with the same gold answers, in every run."""

    def problems(run: RunRecord) -> set[tuple[Any, ...]]:
        columns = ["benchmark", "problem_id", "gold_answer"]
        return set(run.final_samples[columns].drop_duplicates().itertuples(index=False, name=None))

    expected = problems(runs[0])
    for run in runs[1:]:
        differing = expected ^ problems(run)
        if differing:
            raise RecordError(
                f"{run.path.name} and {runs[0].path.name} were evaluated on different problems: {len(differing)} "
                f"(benchmark, problem_id, gold_answer) are in one only, such as {min(differing, key=str)}; expected "
                "the same; evaluate both on one problem set"
            )


def _names(value: Any) -> tuple[str, ...]:
    """The names in a JSON list of strings or the keys of an object; empty for anything else."""
    return tuple(item for item in value if isinstance(item, str)) if isinstance(value, list | dict) else ()
