"""A refused command leaves nothing behind, and one that wrote something keeps its lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.records.lock import lock_folder


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
