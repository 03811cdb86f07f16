"""Files that are there whole or not at all, whenever the process is killed or the power fails."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["flush", "put_in_place", "write_whole"]


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all, and be done only when it is on the disk."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text, encoding="utf-8")
    put_in_place(temporary, path)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give what is whole in `temporary` its name, on the disk: contents first, then the name, then the folder's list.

    Args:
        temporary: a file, or a folder with all that is below it.
        path: in the same folder.
    """
    for entry in [*temporary.rglob("*"), temporary] if temporary.is_dir() else [temporary]:
        flush(entry)
    temporary.rename(path)
    flush(path.parent)


def flush(path: Path) -> None:
    """Force one file, or the list of names of one folder, to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
