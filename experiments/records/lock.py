"""Who may write to a folder of results: one process at a time, and no file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

__all__ = ["FolderBusyError", "FolderKindError", "check_folder", "is_read_only", "lock_folder"]


class FolderKindError(ValueError):
    """The folder holds another kind of result."""


class FolderBusyError(RuntimeError):
    """Another process writes to the folder."""


def check_folder(path: Path) -> None:
    """Refuse a file where results are to be written.

    Raises:
        FolderKindError: `path`, or what it lies below, is a file.
    """
    for place in (path, *path.parents):
        if place.exists():
            if not place.is_dir():
                raise FolderKindError(f"{place} is a file; expected a folder for the results (--out).")
            return


def is_read_only(path: Path) -> bool:
    """True for a folder that is there and cannot be written."""
    return path.is_dir() and not os.access(path, os.W_OK)


@contextmanager
def lock_folder(path: Path) -> Iterator[None]:
    """Hold `path` for this process; the lock goes with the process, however it ends.

    Where nothing was written meanwhile, a refused command for one, the lock leaves nothing behind. A folder that
    cannot be written needs none: it can only be read.

    Raises:
        FolderBusyError: another process holds it.
        FolderKindError: it is a file.
    """
    check_folder(path)
    if is_read_only(path):
        yield
        return
    made = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    lock = path / ".lock"
    there = lock.exists()
    with lock.open("w") as file:
        while not _try(file, fcntl.LOCK_EX):
            if not _try(file, fcntl.LOCK_SH):
                raise FolderBusyError(
                    f"another coeflab process writes to {path}; wait for it, stop it, or choose another --out."
                )
            fcntl.flock(file, fcntl.LOCK_UN)  # nobody writes: `coeflab status` looks, for a moment
        try:
            yield
        finally:
            if not there and list(path.iterdir()) == [lock]:
                lock.unlink()
                for folder in made:
                    if not any(folder.iterdir()):
                        folder.rmdir()


def _try(file: IO[str], lock: int) -> bool:
    """Take a lock on an open file, and say whether that could be done at once."""
    try:
        fcntl.flock(file, lock | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
