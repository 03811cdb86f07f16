"""What a stopped evaluation of searches goes on from: finished pieces, each a sealed file of a few problems.

Layout below the folder: ``search.json`` (what is evaluated), and a folder ``search/NAME`` a search or a draw of samples
with ``NNNNNN.json`` a piece, NNNNNN the place of its first problem. No result depends on which problems are searched
together, so that pieces of several processes are those of one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.records.config import RunConfig
from experiments.records.same import FolderDamagedError, check_same_config, read_json, write_json
from training.models.policy import Policy

__all__ = ["Pieces", "SearchRun", "weights_digest"]

CONFIG, PIECES = "search.json", "search"


@dataclass(frozen=True, kw_only=True)
class SearchRun:
    """What all searches of a folder share.

    Attributes:
        run: policy, problems, temperature and length.
        reward_model: SHA-256 of the weights that lead and choose.
    """

    run: RunConfig
    reward_model: str


def weights_digest(members: Iterable[Policy], temperatures: Sequence[float]) -> str:
    """SHA-256 of the weights of reward models, by name, and of their temperatures."""
    digest = hashlib.sha256(repr(list(temperatures)).encode())
    for member in members:
        for name, parameter in sorted(member.model.named_parameters()):
            digest.update(name.encode())
            digest.update(parameter.detach().to("cpu", torch.float32).numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """The pieces of one folder.

    Attributes:
        folder: holds them.
        size: problems of a piece.
    """

    folder: Path
    size: int

    @classmethod
    def open(cls, folder: Path, asked: SearchRun) -> Pieces:
        """The pieces of a folder that holds nothing yet, or what the same search left.

        Raises:
            ConfigMismatchError: the folder holds another evaluation.
        """
        check_same_config(folder / CONFIG, asked)
        return cls(folder=folder / PIECES, size=asked.run.evaluation.chunk_problems)

    def rows(self, name: str, count: int, make: Callable[[range], list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
        """A row a problem, or several, in order: from the pieces that are there, the others made and written.

        Args:
            name: of the search or draw.
            count: problems in all.
            make: the rows of the problems at these places.

        Raises:
            FolderDamagedError: a piece is not what was written.
        """
        for first in range(0, count, self.size):
            places = range(first, min(first + self.size, count))
            file = self.folder / name / f"{first:06d}.json"
            if not file.is_file():
                file.parent.mkdir(parents=True, exist_ok=True)
                write_json(file, {"problems": len(places), "rows": make(places)})
            held = read_json(file, remedy="remove it, and start the same command again")
            if held.get("problems") != len(places):
                raise FolderDamagedError(
                    f"{file} has {held.get('problems')} problems, and {len(places)} are asked; remove the folder "
                    f"{file.parent}, and start the same command again."
                )
            yield from held["rows"]
