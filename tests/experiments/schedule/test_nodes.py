"""What a node must share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.schedule import nodes
from experiments.schedule.nodes import common_ground, existing


@pytest.fixture(autouse=True)
def _stay_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Entering a ground changes the working folder; it is put back."""
    monkeypatch.chdir(Path.cwd())


def test_a_node_that_shares_everything_has_no_complaint_and_leaves_nothing(tmp_path: Path) -> None:
    with common_ground(tmp_path) as ground:
        node = ground.enter("node-1")
        assert node.complaints == ()
        assert ground.seen_by("node-1").is_file()
    assert list(tmp_path.iterdir()) == []


def test_every_lack_is_a_sentence_with_what_was_found_and_what_to_do(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    with common_ground(tmp_path) as ground:
        assert replace(ground, folder=other).enter("n").complaints == (
            f"does not share the folder {other} (No such file or directory); expected storage that every node "
            "reads and writes under this path: name a folder on it with --out",
        )
        (other / ground.mark.name).write_text("of another command")
        [complaint] = replace(ground, folder=other).enter("n").complaints
        assert "another one of that name lies there" in complaint
        [complaint] = replace(ground, code="0" * 64).enter("n").complaints
        assert f"(digest {ground.code[:12]}, here 000000000000)" in complaint and "same commit" in complaint
        [complaint] = replace(ground, versions={**ground.versions, "torch": "0.1", "new": "2"}).enter("n").complaints
        assert f"new absent (here 2), torch {ground.versions['torch']} (here 0.1)" in complaint
        [complaint] = replace(ground, working=tmp_path / "gone").enter("n").complaints
        assert "has no working folder" in complaint and "start the command in a shared folder" in complaint


def test_the_digest_is_of_all_code_and_changes_with_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for room in nodes.ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "a.py").write_text("x = 1\n")
    monkeypatch.setattr(nodes, "_root", lambda: tmp_path)
    digests = {nodes.code_digest()}
    for room in nodes.ROOMS:
        (tmp_path / room / "a.py").write_text("x = 2\n")
        digests.add(nodes.code_digest())
    (tmp_path / "algorithms" / "a.py").rename(tmp_path / "algorithms" / "b.py")
    digests.add(nodes.code_digest())
    assert len(digests) == 1 + len(nodes.ROOMS) + 1


def test_the_nearest_folder_that_exists(tmp_path: Path) -> None:
    assert existing(tmp_path / "not" / "there") == tmp_path
    assert existing(tmp_path) == tmp_path
