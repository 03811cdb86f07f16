"""The state of a folder of results, read from its files alone; a damaged folder is told of like any other."""

from __future__ import annotations

import fcntl
import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from analysis.records.showing import number_of

__all__ = ["RunStatus", "read_status", "status_lines"]

State = Literal["finished", "running", "waiting", "stopped", "failed", "damaged"]
MOST_BYTES = 16_000_000  # of a JSON file that is read
TAIL_BYTES = 65_536  # of metrics.jsonl
LONGEST = 160  # characters of a detail


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """One run of a folder.

    Attributes:
        state: finished; running; waiting for a worker; stopped, which the same command takes up again; failed; damaged.
        name: of its folder.
        detail: how far it is, or why it failed.
    """

    state: State
    name: str
    detail: str


def status_lines(folder: Path) -> list[str]:
    """A line a run, the state first, and one that counts them.

    Raises:
        ValueError: the folder does not exist, or nothing of ours is in it.
    """
    found = read_status(folder)
    width = max(len(_clean(run.name)) for run in found)
    counts = Counter(run.state for run in found)
    total = f"{number_of(len(found), 'run')}: " + ", ".join(f"{count} {state}" for state, count in counts.most_common())
    return [*(f"{run.state:<8}  {_clean(run.name):<{width}}  {_clean(run.detail)}".rstrip() for run in found), total]


def read_status(folder: Path) -> list[RunStatus]:
    """Every run that a folder holds or plans.

    Raises:
        ValueError: the folder does not exist, or nothing of ours is in it.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is no folder; expected what compare, sweep, train or evaluate writes (--out).")
    busy = _is_locked(folder)
    if (folder / "config.json").exists() and not (folder / "runs").is_dir():
        return [_run_status(folder, folder.name, busy, None)]
    suite = _read(folder / "suite.json")
    if isinstance(suite, dict) and _is_list(suite.get("benchmarks")):
        names = [each["name"] for each in suite["benchmarks"] if isinstance(each, dict) and "name" in each]
        return [_run_status(folder / Path(str(name)).name, str(name), busy, None) for name in names]
    known = ("comparison.json", "recipe.json", "runs", "choice", "suite.json")
    if not any((folder / name).exists() for name in known):
        raise ValueError(f"{folder} holds no results of coeflab; expected one of {', '.join(known)} in it.")
    return [run for part in (folder / "choice", folder) if part.is_dir() for run in _comparison(part, busy, folder)]


def _comparison(part: Path, busy: bool, folder: Path) -> Iterator[RunStatus]:
    about = _read(part / "comparison.json")
    about = about if isinstance(about, dict) else {}
    failures = about.get("failures")
    failures = failures if isinstance(failures, dict) else {}
    planned = [name for name in about.get("runs", []) if isinstance(name, str)] if _is_list(about.get("runs")) else []
    starts = sorted(path for path in part.glob("start*") if path.is_dir())
    there = sorted(path.name for path in (part / "runs").glob("*") if path.is_dir())
    prefix = "" if part == folder else f"{part.name}/"
    for path in starts:
        yield _run_status(path, prefix + path.name, busy, failures.get(path.name))
    for name in dict.fromkeys([*planned, *there]):
        yield _run_status(part / "runs" / name, prefix + name, busy, failures.get(name))


def _run_status(path: Path, name: str, busy: bool, failure: Any) -> RunStatus:
    if (path / "finished.json").exists():
        finished = _read(path / "finished.json")
        if not isinstance(finished, dict):
            return RunStatus(state="damaged", name=name, detail="finished.json is not whole; see coeflab report")
        return RunStatus(state="finished", name=name, detail=_result(finished))
    if failure is not None:
        return RunStatus(state="failed", name=name, detail=str(failure).strip().splitlines()[0] if failure else "")
    if not path.is_dir():
        return RunStatus(state="waiting" if busy else "stopped", name=name, detail="not started")
    config = _read(path / "config.json")
    if (path / "config.json").exists() and not isinstance(config, dict):
        return RunStatus(state="damaged", name=name, detail="config.json is not whole")
    if _is_foreign(config) and (path / "samples.parquet").is_file():
        return RunStatus(state="finished", name=name, detail=str(config["algorithm"]))
    return RunStatus(state="running" if busy else "stopped", name=name, detail=_progress(path, config))


def _is_foreign(config: Any) -> bool:
    """Whether it is that of a run which says nothing of its end, and is read as `load_run` reads it."""
    return isinstance(config, dict) and {"arm", "seed", "algorithm"} <= config.keys() and "evaluation" not in config


def _result(finished: dict[str, Any]) -> str:
    told = []
    if isinstance(finished.get("steps"), int):
        told.append(number_of(finished["steps"], "step"))
    for key in ("pass_at_1", "validation_pass_at_1"):
        if isinstance(finished.get(key), int | float):
            told.append(f"Pass@1 {finished[key]:.3f}")
    return ", ".join(told)


def _progress(path: Path, config: Any) -> str:
    training = config.get("training") if isinstance(config, dict) else None
    steps = training.get("steps") if isinstance(training, dict) else None
    done = _last_step(path / "metrics.jsonl")
    newest = max((file.stat().st_mtime for file in path.iterdir()), default=time.time())
    written = f"last written {max(0.0, time.time() - newest):.0f} s ago"
    if done is None:
        return f"no step yet, {written}"
    return f"step {done}{f' of {steps}' if isinstance(steps, int) else ''}, {written}"


def _last_step(file: Path) -> int | None:
    """Step of the last whole row of metrics."""
    try:
        with file.open("rb") as rows:
            rows.seek(max(0, file.stat().st_size - TAIL_BYTES))
            lines = rows.read().split(b"\n")
    except OSError:
        return None
    for line in reversed(lines):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(row, dict) and isinstance(row.get("step"), int):
            return row["step"]
    return None


def _read(file: Path) -> Any:
    """The content of a JSON file; ``None`` where it cannot be read."""
    try:
        if file.stat().st_size > MOST_BYTES:
            return None
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_locked(folder: Path) -> bool:
    """True while a process writes to the folder."""
    try:
        with (folder / ".lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _clean(text: str) -> str:
    """Text that a terminal shows as it is, on one line and not without end."""
    shown = "".join(character if character.isprintable() else "?" for character in text)
    return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]}…"
