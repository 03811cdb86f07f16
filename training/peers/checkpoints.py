"""TRL's own checkpoints, marked when they are whole, so that a killed run goes on from one that can be trusted.

TRL writes a checkpoint file by file. What it wrote is flushed and gets ``whole.json``: the SHA-256 of every file and of
the rows of metrics up to its step. A folder without that mark, or that is not what the mark says, is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

from training.durable import flush, sealed, unsealed, write_whole

__all__ = ["mark_whole", "newest_whole"]

MARK = "whole.json"


def mark_whole(checkpoint: Path, *, step: int, rows: str) -> None:
    """Flush a checkpoint that TRL has just written, and mark it.

    Args:
        checkpoint: TRL's folder.
        step: steps of the run that are done.
        rows: digest of the rows up to that step.
    """
    for entry in [*checkpoint.rglob("*"), checkpoint]:
        flush(entry)
    told = {"step": step, "rows": rows, "sha256": _digests(checkpoint)}
    write_whole(checkpoint / MARK, json.dumps(sealed(told), indent=2) + "\n")


def newest_whole(
    folder: Path, *, agreed: int, rows_digest: Callable[[int], str]
) -> tuple[Path | None, int, tuple[str, ...]]:
    """The newest checkpoint that can be gone on from.

    Args:
        folder: of TRL's checkpoints.
        agreed: step up to which rows and evaluations are all there.
        rows_digest: digest of the rows up to a step.

    Returns:
        The checkpoint, ``None`` where there is none; the steps that it holds; why each newer one was passed over.
    """
    passed_over = []
    found = [path for path in folder.glob("checkpoint-*") if path.name.removeprefix("checkpoint-").isdigit()]
    for checkpoint in sorted(found, key=lambda path: -int(path.name.removeprefix("checkpoint-"))):
        try:
            told = unsealed(json.loads((checkpoint / MARK).read_text()))
            step, rows, written = int(told["step"]), told["rows"], told["sha256"]
        except FileNotFoundError:
            passed_over.append(f"TRL's {checkpoint.name} was not written to its end")
            continue
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            passed_over.append(f"the mark of TRL's {checkpoint.name} is damaged ({type(error).__name__}: {error})")
            continue
        if step > agreed:
            passed_over.append(f"TRL's {checkpoint.name} is newer than the rows and evaluations, whole up to {agreed}")
        elif written != _digests(checkpoint):
            passed_over.append(f"TRL's {checkpoint.name} is not what was written (SHA-256)")
        elif rows != rows_digest(step):
            passed_over.append(f"TRL's {checkpoint.name} was written beside other rows than there are up to its step")
        else:
            return checkpoint, step, tuple(passed_over)
    return None, 0, tuple(passed_over)


def _digests(checkpoint: Path) -> dict[str, str]:
    """SHA-256 of every file of a checkpoint but its mark, by its path in it."""
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path.name != MARK)
    digests = {}
    for path in files:
        with path.open("rb") as file:
            digests[path.relative_to(checkpoint).as_posix()] = hashlib.file_digest(file, "sha256").hexdigest()
    return digests
