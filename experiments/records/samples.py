"""Evaluation samples of a run and numbers of them: Parquet files, replaced whole, with checksums in their pages."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from analysis import SAMPLE_COLUMNS
from analysis.records.schema import LATER_COLUMNS
from experiments.records.same import FolderDamagedError
from rewards.verdict import Verdict
from sampling.rollout import Rollout
from training.durable import put_in_place, writing

__all__ = ["NumberFile", "ProblemKey", "SampleFile", "SampleKey", "key_of"]

DIGEST = b"coeflab.sha256"
"""Key in the file's metadata: SHA-256 of the rows. The checksums of pages leave out what says where pages lie."""

SampleKey = tuple[str, str, int]
"""Benchmark, problem and sample index: which sample of a step."""

ProblemKey = tuple[str, str]
"""Benchmark and problem: an id is one problem's within its benchmark alone."""


class SampleFile:
    """``samples.parquet`` of one run.

    Args:
        path: the file; it may be absent.
        arm: of the run.
        seed: of the run.
    """

    def __init__(self, path: Path, *, arm: str, seed: int) -> None:
        self.path, self._arm, self._seed = path, arm, seed

    def read(self) -> pd.DataFrame:
        """All samples so far.

        Raises:
            FolderDamagedError: the file is not what was written.
        """
        if not self.path.exists():
            return pd.DataFrame(columns=list(SAMPLE_COLUMNS))
        frame = _read(self.path)
        absent = [name for name in LATER_COLUMNS if name not in frame]
        frame = frame.assign(**dict.fromkeys(absent, "")) if absent else frame
        if list(frame.columns) != list(SAMPLE_COLUMNS):
            raise FolderDamagedError(f"{self.path} is damaged (it has columns {list(frame.columns)[:20]})")
        return frame

    def at(self, step: int) -> pd.DataFrame:
        """The samples of one evaluation."""
        samples = self.read()
        return samples.iloc[samples["step"].to_numpy() == step]

    def counts(self, step: int) -> Counter[ProblemKey]:
        """Number of samples of each problem at `step`."""
        return Counter(_problems(self.at(step)))

    def pass_at_1(self, step: int, *, benchmark: str) -> float:
        """Share of correct samples of one benchmark at `step`."""
        samples = self.at(step)
        right_N = samples["verdict"].to_numpy() == "CORRECT"
        return float(right_N[samples["benchmark"].to_numpy() == benchmark].mean())

    def tokens(self, step: int) -> int:
        """Completion tokens at `step`."""
        return int(self.at(step)["num_tokens"].to_numpy().sum())

    def add(self, step: int, judged: Sequence[tuple[Rollout, Verdict, str]]) -> None:
        """Add samples of one evaluation, each with its verdict and chain, in place of what it had of their problems."""
        new = pd.DataFrame([self._row(step, *each) for each in judged], columns=list(SAMPLE_COLUMNS))
        old = self.read()
        again = (old["step"] == step).to_numpy() & _is_of(old, new)
        self._write(new if old.empty else pd.concat([old.iloc[~again], new], ignore_index=True))

    def take(self, other: Path, *, step: int, samples: int) -> None:
        """Take the first `samples` of each problem at `step` from another run of the same policy and seed.

        What seeds a sample does not say which arm asks, so these are the completions that this run would draw itself.
        A file that is absent or damaged gives nothing.
        """
        if self.counts(step):
            return
        try:
            theirs = SampleFile(other, arm=self._arm, seed=self._seed).at(step)
        except FolderDamagedError:
            return
        taken = theirs.iloc[(theirs["sample_index"] < samples).to_numpy()].assign(arm=self._arm)
        old = self.read()
        self._write(taken if old.empty else pd.concat([old, taken], ignore_index=True))

    def keep_first(self, step: int, samples: int) -> None:
        """Keep the first `samples` of each problem at `step`, of the benchmarks that earlier steps have too."""
        held = self.read()
        steps, benchmarks = held["step"].to_numpy(), held["benchmark"].to_numpy()
        on_curve = held["benchmark"].isin(list(set(benchmarks[steps < step]))).to_numpy()
        beyond = (steps == step) & ((held["sample_index"].to_numpy() >= samples) | ~on_curve)
        if beyond.any():
            self._write(held.iloc[~beyond])

    def drop_after(self, step: int) -> None:
        """Forget evaluations of later steps, which a resumed run will make again."""
        samples = self.read()
        steps = samples["step"].to_numpy()
        if (steps > step).any():
            self._write(samples.iloc[steps <= step])

    def _write(self, samples: pd.DataFrame) -> None:
        _write(self.path, samples)

    def _row(self, step: int, rollout: Rollout, verdict: Verdict, chain: str) -> dict[str, Any]:
        return {
            "arm": self._arm,
            "seed": self._seed,
            "step": step,
            "benchmark": rollout.problem.benchmark,
            "problem_id": rollout.problem.problem_id,
            "sample_index": rollout.sample_index,
            "question": rollout.problem.question,
            "gold_answer": rollout.problem.gold_answer,
            "completion": rollout.completion,
            "answer": verdict.answer,
            "answer_class": verdict.answer_class,
            "verdict": str(verdict.status),
            "num_tokens": rollout.num_own_tokens,
            "finish_reason": rollout.finish_reason,
            "policy_version": rollout.policy_version,
            "level": rollout.problem.level or "",
            "chain": chain,
        }


class NumberFile:
    """One number of each of some evaluation samples of a run, beside ``samples.parquet``.

    Args:
        path: the file; it may be absent.
        columns: step, benchmark, problem_id, sample_index, and the number's own name.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self._columns = path, list(columns)

    def read(self) -> pd.DataFrame:
        """All numbers so far.

        Raises:
            FolderDamagedError: the file is not what was written.
        """
        if not self.path.exists():
            return pd.DataFrame(columns=self._columns)
        frame = _read(self.path)
        if list(frame.columns) != self._columns:
            raise FolderDamagedError(f"{self.path} is damaged (it has columns {list(frame.columns)[:20]})")
        return frame

    def counts(self, step: int) -> Counter[ProblemKey]:
        """How many samples of each problem have a number at `step`."""
        held = self.read()
        return Counter(_problems(held.iloc[held["step"].to_numpy() == step]))

    def add(self, step: int, keys: Sequence[SampleKey], numbers: Sequence[float], *, only: bool = False) -> None:
        """Add a number a sample at `step`, in place of what the file had of their problems there.

        Args:
            step: optimiser step of the policy.
            keys: which samples.
            numbers: theirs.
            only: forget all other steps.
        """
        if not keys:
            return
        rows = [(step, *key, number) for key, number in zip(keys, numbers, strict=True)]
        new, old = pd.DataFrame(rows, columns=self._columns), self.read()
        here = (old["step"] == step).to_numpy()
        again = here & _is_of(old, new)
        kept = (here if only else True) & ~again
        _write(self.path, pd.concat([old.iloc[kept], new], ignore_index=True) if kept.any() else new)

    def drop_after(self, step: int) -> None:
        """Forget the numbers of later steps."""
        held = self.read()
        steps = held["step"].to_numpy()
        if (steps > step).any():
            _write(self.path, held.iloc[steps <= step])


def key_of(rollout: Rollout) -> SampleKey:
    """Which sample of its step a completion is."""
    return rollout.problem.benchmark, rollout.problem.problem_id, rollout.sample_index


def _problems(frame: pd.DataFrame) -> list[ProblemKey]:
    """The problem of each row."""
    return list(zip(frame["benchmark"], frame["problem_id"], strict=True))


def _is_of(frame: pd.DataFrame, other: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows of `frame` are of problems that `other` has too."""
    known = set(_problems(other))
    return np.array([problem in known for problem in _problems(frame)], dtype=bool)


def _read(path: Path) -> pd.DataFrame:
    """What `_write` wrote.

    Raises:
        FolderDamagedError: the file is not that.
    """
    try:
        table = pq.read_table(path, page_checksum_verification=True)
        written = (table.schema.metadata or {}).get(DIGEST)  # absent from files of coeflab 0.1
        if written is not None and written != _digest(table):
            raise pa.ArrowInvalid("its rows are not those that were written (SHA-256)")
        return table.to_pandas()
    except (OSError, ValueError, pa.ArrowException) as error:
        why = str(error).partition("\n")[0][:200]
        raise FolderDamagedError(f"{path} is damaged ({type(error).__name__}: {why})") from error


def _write(path: Path, frame: pd.DataFrame) -> None:
    """The frame with its digest, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    table = pa.Table.from_pandas(frame, preserve_index=False)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), DIGEST: _digest(table)})
    with writing(path):
        pq.write_table(table, temporary, write_page_checksum=True)
    put_in_place(temporary, path)


def _digest(table: pa.Table) -> bytes:
    """SHA-256 of names, types, values and what pandas keeps with them, whatever the chunks they lie in."""
    rest = {name: text for name, text in (table.schema.metadata or {}).items() if name != DIGEST}
    plain, content = table.replace_schema_metadata(rest).combine_chunks(), pa.BufferOutputStream()
    with pa.ipc.new_stream(content, plain.schema) as stream:
        stream.write_table(plain)
    return hashlib.sha256(content.getvalue()).hexdigest().encode()
