"""A run's folder on disk: configuration, environment, metrics, samples; written so that no kill or power cut lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from analysis.records.decoding import DECODING_FOLDER, decoding_file, validation_file
from analysis.records.schema import FITS_FILE, SCORE_COLUMNS, START_KL_COLUMNS, START_KL_FILE
from experiments.records.config import RewardFitConfig, RunConfig, StartConfig
from experiments.records.environment import environment, other_checker
from experiments.records.extension import check_longer, extension_of, grown, keep_curve_point
from experiments.records.lock import FolderKindError
from experiments.records.same import (
    ConfigMismatchError,
    FolderDamagedError,
    check_same_config,
    differences,
    read_json,
    to_json,
    write_json,
)
from experiments.records.samples import NumberFile, SampleFile
from experiments.trackers.tracking import Tell
from rewards.verdict import CHECKER_VERSION
from training.durable import digest_of, flush, write_whole, writing

__all__ = ["RunFolder", "holds_work"]

AnyConfig = TypeVar("AnyConfig", RunConfig, StartConfig, RewardFitConfig)

FINISHED_FILES = ("config.json", "environment.json", "metrics.jsonl", "prompts.jsonl", "samples.parquet")
LEARNED_FILES = ("scores.parquet", FITS_FILE)  # of runs with a reward model


class RunFolder(Generic[AnyConfig]):
    """One arm, one seed. Also the `RunLog` of the training loop.

    A finished run whose files are not what was finished is unfinished again: what is damaged is made anew. The
    configuration of a run that failed before it did anything is replaced by whatever is asked for next.

    Args:
        path: the folder; made if absent.
        config: what the run is; the folder may hold the same configuration, to be resumed, or one that asked for less
            (`experiments.records.extension`), but no other.

    Attributes:
        samples: the evaluation samples.
        scores: what the run's reward model says of those of the last evaluation, where it has one.
        start_kl: how far the policies of its evaluations are from its start policy, where it trains.
        notes: what was found damaged and made anew, one sentence each, for the reader.
        listeners: told every row, and every evaluation of the learning curve, once it is written.

    Raises:
        ConfigMismatchError: the folder holds another configuration, or an unfinished run of another checker version.
        FolderDamagedError: ``config.json`` or ``environment.json`` of an unfinished run cannot be read.
    """

    def __init__(self, path: Path, config: AnyConfig) -> None:
        self.path = path
        self.config = config
        self.notes: list[str] = []
        self.listeners: list[Tell] = []
        self.samples = SampleFile(path / "samples.parquet", arm=config.arm, seed=config.seed)
        self.scores = NumberFile(path / "scores.parquet", SCORE_COLUMNS)
        self.start_kl = NumberFile(path / START_KL_FILE, START_KL_COLUMNS)
        if (path / "recipe.json").exists():
            raise FolderKindError(f"{path} holds a comparison; a single run needs a folder of its own (--out).")
        path.mkdir(parents=True, exist_ok=True)
        self._leave_finished()
        if not holds_work(path):  # what was written before it was refused binds nobody
            for name in ("config.json", "environment.json", "prompts.json"):
                (path / name).unlink(missing_ok=True)
        self._go_on()
        check_same_config(path / "config.json", config, grown=grown, keep=self.finished)
        if not (path / "environment.json").exists():
            write_json(path / "environment.json", environment(config.seed))
        elif not self.finished:
            _check_checker(path)
        if not self.finished:
            self._set_aside_if_damaged(self.samples)
            self._set_aside_if_damaged(self.scores)
            self._set_aside_if_damaged(self.start_kl, "what it held is not measured again")

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.path / "checkpoints"

    @property
    def finished(self) -> bool:
        """True once the run is complete."""
        return (self.path / "finished.json").is_file()

    def decoding(self, temperature: float) -> SampleFile:
        """The samples of the last policy at a temperature of its own."""
        return self._decoding(decoding_file(temperature))

    def validation(self, temperature: float) -> SampleFile:
        """The samples of a start policy on validation problems at one of its temperatures."""
        return self._decoding(validation_file(temperature))

    def _decoding(self, name: str) -> SampleFile:
        path = self.path / DECODING_FOLDER / name
        path.parent.mkdir(exist_ok=True)
        file = SampleFile(path, arm=self.config.arm, seed=self.config.seed)
        self._set_aside_if_damaged(file)
        return file

    def finish(self, summary: dict[str, Any]) -> None:
        """Mark the run complete, with the SHA-256 of what it consists of."""
        self.sync()
        names = [
            *FINISHED_FILES,
            *LEARNED_FILES,
            START_KL_FILE,
            *(f"{DECODING_FOLDER}/{file.name}" for file in self._decoding_files()),
        ]
        digests = {name: _digest(self.path / name) for name in names if (self.path / name).is_file()}
        write_json(self.path / "finished.json", {**summary, "notes": self.notes, "sha256": digests})

    def _decoding_files(self) -> list[Path]:
        return sorted((self.path / DECODING_FOLDER).glob("*.parquet"))

    def note(self, text: str) -> None:
        """Keep a sentence for the reader, and print it at once."""
        self.notes.append(text)
        print(f"{self.path.name}: {text}", flush=True)

    def keep(self, name: str, data: dict[str, Any]) -> None:
        """Write `data` to ``name.json``."""
        write_json(self.path / f"{name}.json", data)

    def keep_prompts(self, prompts: Iterable[tuple[str, str]]) -> None:
        """Write the whole prompt of every evaluation problem, (problem id, text), to ``prompts.jsonl``."""
        rows = ({"problem_id": name, "prompt": text} for name, text in prompts)
        write_whole(self.path / "prompts.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))

    def record_prompts(self, use: str, prompts: Sequence[tuple[int, ...]], first: str) -> None:
        """Keep what the model is asked in ``prompts.json``, or check that it is what an earlier start was asked.

        Args:
            use: "evaluation" or "training".
            prompts: token ids.
            first: text of the first, for the reader.

        Raises:
            ConfigMismatchError: the prompts are others: data, prompt file, tokenizer, chat template or date changed.
        """
        file = self.path / "prompts.json"
        held = read_json(file, remedy="remove that file to record the prompts anew") if file.is_file() else {}
        asked = {"number": len(prompts), "sha256": digest_of(prompts), "first": first}
        if held.get(use, asked) != asked:
            raise ConfigMismatchError(
                f"{self.path} holds a run with other {use} prompts: {held[use]!r:.400} there, {asked!r:.400} here; a "
                "run goes on with what it was asked. Put back the data, the tokenizer or the date, choose another "
                "--out, or remove this folder."
            )
        write_json(file, {**held, use: asked})

    def evaluation_seconds(self, step: int) -> float:
        """Seconds of sampling that an evaluation at `step` has taken so far, 0 where none is known."""
        held = self._times()
        return float(held["seconds"]) if held.get("step") == step else 0.0

    def start_kl_seconds(self) -> float:
        """Seconds in which all evaluations so far measured the KL from the start policy, its loading included."""
        return float(self._times().get("start_kl_seconds", 0.0))

    def _times(self) -> dict[str, Any]:
        file = self.path / "evaluation.json"
        try:
            return read_json(file, remedy="") if file.is_file() else {}
        except FolderDamagedError:  # it holds times and nothing else
            return {}

    def rows(self) -> list[dict[str, Any]]:
        """Rows of ``metrics.jsonl`` from step 1 on, up to the first that is missing or cannot be read."""
        file = self.path / "metrics.jsonl"
        rows: list[dict[str, Any]] = []
        for line in file.read_bytes().split(b"\n") if file.is_file() else []:
            try:
                row = json.loads(line)
            except (ValueError, RecursionError):
                break
            if not isinstance(row, dict) or row.get("step") != len(rows) + 1:
                break
            rows.append(row)
        return rows

    def last_whole_row(self) -> int:
        """Step up to which every row is there."""
        return len(self.rows())

    def drop_after(self, step: int) -> None:
        """Forget rows of later steps: they were written after the checkpoint that the run goes on from."""
        rows = self.rows()[:step]
        write_whole(self.path / "metrics.jsonl", "".join(json.dumps(row) + "\n" for row in rows))

    def append(self, row: dict[str, Any]) -> None:
        """See `RunLog.append`."""
        with writing(self.path / "metrics.jsonl"), (self.path / "metrics.jsonl").open("a") as out:
            out.write(json.dumps(row) + "\n")
        self.tell(row["step"], row)

    def tell(self, step: int, numbers: Mapping[str, Any]) -> None:
        """Tell the listeners what was measured at a step."""
        for listener in self.listeners:
            listener(step, numbers)

    def sync(self) -> str:
        """See `RunLog.sync`."""
        if (self.path / "metrics.jsonl").is_file():
            flush(self.path / "metrics.jsonl")
        return self.rows_digest(self.last_whole_row())

    def rows_digest(self, step: int) -> str:
        """Digest of the rows up to a step."""
        return digest_of(self.rows()[:step])

    def _leave_finished(self) -> None:
        """A damaged run is not finished."""
        file = self.path / "finished.json"
        if not file.is_file():
            return
        try:
            summary = read_json(file, remedy="nothing")
            digests = summary.get("sha256", {})  # absent from runs of coeflab 0.1
            damaged = [name for name in digests if _digest(self.path / Path(name)) != digests[name]]
            damaged += self._damaged_start(summary)
        except (FolderDamagedError, AttributeError):
            damaged = [file.name]
        if damaged:
            self.note(f"was finished and is not what was finished ({damaged[0]}): what is damaged is made anew")
            file.unlink()
            rows = self.path / "metrics.jsonl"
            if (
                rows.name in damaged and rows.is_file()
            ):  # a flipped bit may leave lines that can be read: none is trusted
                rows.rename(self.path / "metrics.damaged")

    def _go_on(self) -> None:
        """A run that is asked for more than it was is not finished; what it has stays as far as it belongs to more."""
        file = self.path / "config.json"
        if not file.exists() or not isinstance(self.config, RunConfig):
            return
        held = read_json(file, remedy=f"remove the folder {self.path} to start anew")
        data = to_json(self.config)
        more = extension_of(held, data)
        if not more or differences(grown(held, data), data):
            return
        _check_checker(self.path)
        training = held.get("training")
        steps = training["steps"] if training else 0
        longer = self.config.training is not None and self.config.training.steps > steps
        if longer:
            check_longer(self.config, steps)
        (self.path / "finished.json").unlink(missing_ok=True)
        if longer:
            keep_curve_point(self.samples, self.start_kl, self.config, steps, self.path / DECODING_FOLDER)
        print(f"{self.path.name}: goes on ({more})", flush=True)

    def _damaged_start(self, summary: dict[str, Any]) -> list[str]:
        """The checkpoint that other runs start from, where it is not what was written."""
        if "checkpoint" not in summary:
            return []
        from training.checkpoints import CheckpointError, check_model

        name = Path(str(summary["checkpoint"])).name
        try:
            check_model(self.checkpoints / name)
        except CheckpointError:
            return [f"checkpoints/{name}"]
        return [] if (self.checkpoints / name / "training" / "state.json").is_file() else [f"checkpoints/{name}"]

    def _set_aside_if_damaged(self, file: SampleFile | NumberFile, then: str = "its evaluations are made anew") -> None:
        try:
            file.read()
        except FolderDamagedError as error:
            self.note(f"{error}: {then}")
            file.path.rename(file.path.with_suffix(".damaged"))


def holds_work(path: Path) -> bool:
    """True for a folder in which a run has done anything: a step, a sample, a checkpoint."""
    made = ("metrics.jsonl", "samples.parquet", "finished.json")
    return any((path / name).exists() for name in made) or any((path / "checkpoints").glob("*"))


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; ``None`` where there is none."""
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _check_checker(path: Path) -> None:
    recorded = other_checker(path)
    if recorded is not None:
        raise ConfigMismatchError(
            f"{path} holds an unfinished run that was judged by version {recorded} of the answer checker; this is "
            f"version {CHECKER_VERSION}, and a run is judged by one. Remove that folder to run it anew."
        )
