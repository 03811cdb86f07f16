"""Where the start policy of a run lies, once the jobs before the run are done."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from experiments.records.same import FolderDamagedError, read_json

__all__ = ["StartPolicy", "trained_start"]


@dataclass(frozen=True, kw_only=True)
class StartPolicy:
    """A start policy that is there, or will be.

    Attributes:
        trained: folder of the `StartJob` that trains it; ``None`` takes `model` as it is.
        model: folder or hub id.
    """

    trained: Path | None = None
    model: str | None = None

    def __post_init__(self) -> None:
        if self.trained is None and self.model is None:
            raise ValueError("a start policy is trained or a model; got neither.")

    def folder(self) -> Path:
        """The model's folder; the files of a checkpoint of ours are what was written.

        Raises:
            ModelNotFoundError: no such model.
            FolderDamagedError: the training's summary cannot be read, or the model is not what was trained.
        """
        from training.checkpoints import CheckpointError, check_model
        from training.models.folder import resolve_model

        folder = resolve_model(str(self.model)) if self.trained is None else trained_start(self.trained)
        try:
            check_model(folder)
        except CheckpointError as error:
            remedy = "put back a copy" if self.trained is None else "start the same command again, which trains it anew"
            raise FolderDamagedError(f"the start policy is damaged: {error}; {remedy}.") from error
        return folder


def trained_start(path: Path) -> Path:
    """The model that a `StartJob` left in `path`."""
    return path / "checkpoints" / read_json(path / "finished.json", remedy=f"remove the folder {path}")["checkpoint"]
