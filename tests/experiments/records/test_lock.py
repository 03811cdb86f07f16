"""A refused command leaves nothing behind, and one that wrote something keeps its lock."""

from __future__ import annotations

import fcntl
import threading
from pathlib import Path

import pytest

from experiments.records.lock import FolderBusyError, lock_folder


def test_a_refused_command_leaves_neither_a_lock_nor_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="refused"), lock_folder(tmp_path / "a" / "b"):
        raise ValueError("refused")
    assert not list(tmp_path.iterdir())
    (tmp_path / "mine").mkdir()
    with pytest.raises(ValueError, match="refused"), lock_folder(tmp_path / "mine"):
        raise ValueError("refused")
    assert [path.name for path in tmp_path.rglob("*")] == ["mine"]
    with lock_folder(tmp_path / "mine"):
        (tmp_path / "mine" / "results").touch()
    assert (tmp_path / "mine" / "results").exists()


def test_who_looks_whether_a_folder_is_held_does_not_hold_it(tmp_path: Path) -> None:
    """`coeflab status` may be asked at any time, also while a command starts; a second writer is refused."""
    (tmp_path / "results").touch()
    with (tmp_path / ".lock").open("w") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.2, fcntl.flock, (looking.fileno(), fcntl.LOCK_UN)).start()
        with lock_folder(tmp_path), pytest.raises(FolderBusyError, match="another coeflab process writes to"):
            lock_folder(tmp_path).__enter__()
