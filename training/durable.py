"""Files that are there whole or not at all, whenever the process is killed or the power fails, and that show damage."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

__all__ = ["SEAL", "DiskError", "digest_of", "flush", "put_in_place", "sealed", "unsealed", "write_whole", "writing"]

SEAL = "seal"
"""Key of a JSON object of ours: SHA-256 of the rest of it, so that a flipped bit shows."""


class DiskError(OSError):
    """The disk refused to take a file."""


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A block that writes to `path`.

    Raises:
        DiskError: the system refused; names the file and the remedy.
    """
    try:
        yield
    except DiskError:
        raise
    except OSError as error:
        why = error.strerror or str(error)
        raise DiskError(
            f"{path} could not be written ({why}); what was there before is whole. Free some disk space, give "
            "the right to write, or remove what stands in its place, and start the same command again."
        ) from error


def write_whole(path: Path, text: str) -> None:
    """Write a text file whole or not at all, and be done only when it is on the disk."""
    temporary = path.with_name(path.name + ".tmp")
    with writing(path):
        temporary.write_text(text, encoding="utf-8")
    put_in_place(temporary, path)


def put_in_place(temporary: Path, path: Path) -> None:
    """Give what is whole in `temporary` its name, on the disk: contents first, then the name, then the folder's list.

    Args:
        temporary: a file, or a folder with all that is below it.
        path: in the same folder.
    """
    with writing(path):
        for entry in [*temporary.rglob("*"), temporary] if temporary.is_dir() else [temporary]:
            flush(entry)
        temporary.rename(path)
        flush(path.parent)


def flush(path: Path) -> None:
    """Force one file, or the list of names of one folder, to the disk."""
    with writing(path):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def digest_of(data: Any) -> str:
    """SHA-256 of JSON data, whatever the order of its keys and its spaces."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """`data` with the digest of it."""
    return {**data, SEAL: digest_of(data)}


def unsealed(data: dict[str, Any]) -> dict[str, Any]:
    """What `sealed` was given; data without a seal, as earlier versions wrote it, as it is.

    Raises:
        ValueError: the seal is not that of the rest.
    """
    rest = {name: item for name, item in data.items() if name != SEAL}
    if SEAL in data and data[SEAL] != digest_of(rest):
        raise ValueError(f"it is not what was written: its SHA-256 is not the one under {SEAL!r}")
    return rest
