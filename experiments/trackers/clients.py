"""TensorBoard, trackio and Weights & Biases, each opened where it is first told something."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, Protocol

from benchmarks.naming import did_you_mean

__all__ = ["TRACKERS", "TrackedRun", "Tracker", "check_trackers", "open_tracker"]


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """What a tracker is told of a run before its first number.

    Attributes:
        folder: of the run; files go below it where the tracker lets one choose.
        project: the recipe.
        name: of the run.
        config: of the run, as JSON data.
        first_step: of the first number; what a stopped process told of this step and later ones is told again.
    """

    folder: Path
    project: str
    name: str
    config: Mapping[str, Any]
    first_step: int


class Tracker(Protocol):
    """A tracker that is open."""

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        """Take the numbers of a step."""
        ...

    def close(self) -> None:
        """Bring everything where it belongs."""
        ...


class _TensorBoard:
    """Event files in ``tensorboard/`` of the run; of a step that is told twice the later telling counts."""

    def __init__(self, run: TrackedRun) -> None:
        from torch.utils.tensorboard.writer import SummaryWriter

        self._writer = SummaryWriter(str(run.folder / "tensorboard"), purge_step=run.first_step)
        self._writer.add_text("config", f"```\n{dict(run.config)}\n```", run.first_step)

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class _Trackio:
    """A run of trackio's own store; the project is the recipe."""

    def __init__(self, run: TrackedRun) -> None:
        import trackio  # pyright: ignore[reportMissingImports]

        self._trackio = trackio
        trackio.init(project=run.project, name=_told_name(run), config=dict(run.config), resume="allow")

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._trackio.log(dict(numbers), step=step)

    def close(self) -> None:
        self._trackio.finish()


class _WandB:
    """A run of Weights & Biases, gone on with after a kill; it keeps the first telling of a step."""

    def __init__(self, run: TrackedRun, *, mode: Literal["offline"] | None) -> None:
        import wandb  # pyright: ignore[reportMissingImports]

        self._run = wandb.init(
            project=run.project,
            name=run.name,
            id=_identity(run),
            resume="allow",
            dir=str(run.folder),
            config=dict(run.config),
            mode=mode,
        )

    def log(self, step: int, numbers: Mapping[str, float]) -> None:
        self._run.log(dict(numbers), step=step)

    def close(self) -> None:
        self._run.finish()


def _identity(run: TrackedRun) -> str:
    """The same for the same folder, so that a resumed run goes on and a copy elsewhere is another one."""
    return hashlib.sha256(str(run.folder.resolve()).encode()).hexdigest()[:16]


def _told_name(run: TrackedRun) -> str:
    return f"{run.name}-{_identity(run)[:6]}"


# What opens each, and the package that it needs; the extra has the package's name.
TRACKERS: dict[str, tuple[Callable[[TrackedRun], Tracker], str]] = {
    "tensorboard": (_TensorBoard, "tensorboard"),
    "trackio": (_Trackio, "trackio"),
    "wandb": (partial(_WandB, mode=None), "wandb"),
    "wandb-offline": (partial(_WandB, mode="offline"), "wandb"),
}


def open_tracker(name: str, run: TrackedRun) -> Tracker:
    """A tracker of `TRACKERS`, open; whatever it raises is its own."""
    return TRACKERS[name][0](run)


def check_trackers(names: tuple[str, ...]) -> None:
    """Refuse what could only fail later.

    Raises:
        ValueError: an unknown tracker, or one whose package is not installed; a tracker twice.
    """
    for name in names:
        if name not in TRACKERS:
            near = did_you_mean(name, TRACKERS)
            raise ValueError(f"unknown tracker {name!r}{near}Known: {', '.join(TRACKERS)}.")
        package = TRACKERS[name][1]
        if find_spec(package) is None:
            raise ValueError(
                f"--track {name} needs the package {package}, which is not installed; expected the extra "
                f"`{package}`: pip install 'coeflab[{package}]'."
            )
    packages = [TRACKERS[name][1] for name in names]
    if len(set(packages)) != len(packages):
        raise ValueError(f"--track names a tracker twice: {', '.join(names)}; expected each once.")
