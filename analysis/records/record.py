"""The records of a run and of a comparison, as the rest of the room reads them."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.records.frames import column, read_rows, read_samples, rows_where
from analysis.records.schema import START_ARM
from analysis.records.showing import number_of, table_html


@dataclass(frozen=True, kw_only=True, eq=False)
class RunRecord:
    """One arm at one seed. `metrics` may have no rows (nothing trained).

    `judgements` has JUDGEMENT_COLUMNS, a row a sample, indexed by the row number in `samples.parquet`: what every
    number is computed from. The texts stay on disk (`samples`, `texts`).
    """

    path: Path
    arm: str
    seed: int
    algorithm: str
    config: Mapping[str, Any]
    environment: Mapping[str, Any]
    metrics: pd.DataFrame
    judgements: pd.DataFrame

    def _repr_html_(self) -> str:
        about = {
            "arm": self.arm,
            "seed": self.seed,
            "algorithm": self.algorithm,
            "last step": self.final_step,
            "samples": len(self.judgements),
            "steps trained": len(self.metrics),
        }
        return table_html(str(self.path), {name: [value] for name, value in about.items()})

    @property
    def samples(self) -> pd.DataFrame:
        """All SAMPLE_COLUMNS of the rows of `judgements`, read anew each time; large where completions are long."""
        samples = read_samples(self.path / "samples.parquet")
        return samples if len(samples) == len(self.judgements) else samples.loc[self.judgements.index]

    def texts(self, rows_N: np.ndarray) -> pd.DataFrame:
        """SAMPLE_COLUMNS of some rows, in the order asked for; reads only the parts of the file that hold them.

        Args:
            rows_N: row numbers in `samples.parquet`, which are the index of `judgements`.
        """
        return read_rows(self.path / "samples.parquet", rows_N)

    @property
    def checker_version(self) -> str:
        """The version of the answer checker that judged the samples; "" where it was not recorded."""
        return str(self.environment.get("checker_version", ""))

    @property
    def temperature(self) -> float | None:
        """The sampling temperature of `judgements`; None where it was not recorded."""
        evaluation = self.config.get("evaluation")
        found = evaluation.get("temperature") if isinstance(evaluation, Mapping) else None
        return float(found) if isinstance(found, int | float) else None

    @property
    def final_step(self) -> int:
        """The last optimiser step that was evaluated."""
        return int(column(self.judgements, "step").max())

    @property
    def final_samples(self) -> pd.DataFrame:
        """The judgements of `final_step`."""
        return rows_where(self.judgements, column(self.judgements, "step") == self.final_step)

    def samples_on(self, benchmark: str) -> pd.DataFrame:
        """The judgements on one benchmark, at every step."""
        return rows_where(self.judgements, column(self.judgements, "benchmark") == benchmark)

    def final_samples_on(self, benchmark: str) -> pd.DataFrame:
        """The judgements on one benchmark at `final_step`."""
        return rows_where(self.final_samples, column(self.final_samples, "benchmark") == benchmark)


@dataclass(frozen=True, kw_only=True)
class UnfinishedRun:
    """A run folder that was left out, and why; `damaged` where it finished, or holds what no run of ours writes."""

    name: str
    reason: str
    damaged: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class ComparisonRecord:
    """Finished runs, ordered by arm and seed, on the same problems; what is missing, and what a reader must know."""

    path: Path
    description: Mapping[str, Any]
    runs: tuple[RunRecord, ...]
    unfinished: tuple[UnfinishedRun, ...]
    notes: tuple[str, ...]

    def _repr_html_(self) -> str:
        columns = {
            "arm": self.arms,
            "algorithm": [self.runs_of(arm)[0].algorithm for arm in self.arms],
            "seeds": [" ".join(str(run.seed) for run in self.runs_of(arm)) for arm in self.arms],
            "last step": [self.runs_of(arm)[0].final_step for arm in self.arms],
        }
        left_out = f"; {number_of(len(self.unfinished), 'run')} left out" if self.unfinished else ""
        return table_html(f"{self.path}: {', '.join(self.benchmarks)}{left_out}", columns)

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

    def start_of(self, arm: str) -> str:
        """The arm that evaluates the start policy of `arm` as `arm` is evaluated; a start arm is its own."""
        starts = self.description.get("starts")
        own = starts.get(arm, START_ARM) if isinstance(starts, Mapping) else START_ARM
        return arm if arm.startswith(f"{START_ARM} ") else str(own)

    def baseline_of(self, arm: str, baseline: str | None) -> str | None:
        """The arm that `arm` is compared with where `baseline` is asked for: one of the same start and evaluation.

        Its own start where the start policy is the baseline; nothing where the two are not alike or it is not there.
        """
        if baseline is None:
            return None
        own = self.start_of(arm) if baseline == START_ARM else baseline
        return own if own in self.arms and self.start_of(own) == self.start_of(arm) else None

    @property
    def alike(self) -> tuple[tuple[str, ...], ...]:
        """The arms in groups of one start and one evaluation each; only these are compared with each other."""
        starts = dict.fromkeys(self.start_of(arm) for arm in self.arms)
        return tuple(tuple(arm for arm in self.arms if self.start_of(arm) == start) for start in starts)
