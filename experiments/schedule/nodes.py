"""Other machines: what one must share with this one before a job runs there."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from experiments.records.environment import environment, processor_name

__all__ = ["Ground", "Node", "code_digest", "common_ground", "existing"]

ROOMS = ("algorithms", "analysis", "benchmarks", "experiments", "rewards", "sampling", "training")


@dataclass(frozen=True, kw_only=True)
class Node:
    """What a machine says of itself.

    Attributes:
        name: its host name.
        processor: its kind; other kinds may give other last digits.
        complaints: what it lacks of the common ground, one sentence each; empty where jobs may run there.
    """

    name: str
    processor: str
    complaints: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Ground:
    """What a node must have in common with the machine of the command, else its numbers would not be the same.

    Attributes:
        folder: of the results, or the nearest above it that exists; there is a file with the token in it.
        working: the working folder, which paths are relative to.
        token: of this command.
        code: `code_digest`.
        versions: of Python and packages.
    """

    folder: Path
    working: Path
    token: str
    code: str = field(default_factory=lambda: code_digest())
    versions: Mapping[str, str] = field(default_factory=lambda: _versions())

    @property
    def mark(self) -> Path:
        """The file that a node must see."""
        return self.folder / f".coeflab-{self.token}"

    def seen_by(self, host: str) -> Path:
        """The file that a node leaves beside it."""
        return self.mark.with_name(f"{self.mark.name}-{host}")

    def enter(self, node: str) -> Node:
        """Look around on the node that this is called on, and make the working folder its own.

        Args:
            node: a name for it without a slash.
        """
        return Node(name=socket.gethostname(), processor=processor_name(), complaints=tuple(self._complaints(node)))

    def _complaints(self, node: str) -> Iterator[str]:
        try:
            os.chdir(self.working)
        except OSError as error:
            yield f"has no working folder {self.working} ({error.strerror}); start the command in a shared folder"
        try:
            held = self.mark.read_text(encoding="utf-8")
            self.seen_by(node).touch()
        except OSError as error:
            held, why = None, error.strerror
        else:
            why = "another one of that name lies there"
        if held != self.token:
            yield (
                f"does not share the folder {self.folder} ({why}); expected storage that every node reads and writes "
                "under this path: name a folder on it with --out"
            )
        if (code := code_digest()) != self.code:
            yield (
                f"has other code of coeflab in {_root()} (digest {code[:12]}, here {self.code[:12]}); bring both to "
                "the same commit, or run from one shared checkout"
            )
        there = _versions()
        others = [
            f"{name} {there.get(name, 'absent')} (here {self.versions.get(name, 'absent')})"
            for name in sorted({*there, *self.versions})
            if there.get(name) != self.versions.get(name)
        ]
        if others:
            yield f"has other versions: {', '.join(others)}; install the same lock on both"


@contextmanager
def common_ground(folder: Path) -> Iterator[Ground]:
    """What nodes are asked for while the block runs; nothing is left in the folder.

    Args:
        folder: it exists.
    """
    ground = Ground(folder=folder.resolve(), working=Path.cwd(), token=secrets.token_hex(8))
    ground.mark.write_text(ground.token, encoding="utf-8")
    try:
        yield ground
    finally:
        for file in ground.folder.glob(f"{ground.mark.name}*"):
            file.unlink(missing_ok=True)


def existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    return next(place for place in (path.resolve(), *path.resolve().parents) if place.is_dir())


def code_digest() -> str:
    """SHA-256 of the code of every room, as it would be imported here."""
    digest = hashlib.sha256()
    for room in ROOMS:
        for file in sorted((_root() / room).rglob("*.py")):
            digest.update(f"{file.relative_to(_root()).as_posix()}\0".encode() + file.read_bytes() + b"\0")
    return digest.hexdigest()


def _root() -> Path:
    return Path(__file__).resolve().parents[2]


def _versions() -> dict[str, str]:
    about = environment(0)
    return {"python": about["python"], **about["versions"]}
