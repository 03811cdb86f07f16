"""Configurations as JSON, written whole and compared: a folder holds what is about to be run, or it is refused."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from training.durable import sealed, unsealed, write_whole

__all__ = [
    "ConfigMismatchError",
    "FolderDamagedError",
    "check_same_config",
    "differences",
    "read_json",
    "to_json",
    "write_json",
]

# Fields on which no result depends: they say how much is computed at once, and where. A stopped run may go on with
# other values.
PIECE_FIELDS = ("microbatch_size", "microbatch_tokens", "shard")
LARGEST_JSON = 64 * 2**20  # bytes; our own files have a few hundred thousand at most


class ConfigMismatchError(ValueError):
    """A folder holds a run with another configuration."""


class FolderDamagedError(ValueError):
    """A file of a results folder is not what was written there."""


def to_json(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON data."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def write_json(path: Path, data: dict[str, Any], *, seal: bool = True) -> None:
    """Write JSON whole or not at all.

    Args:
        path: the file.
        data: what it is to hold.
        seal: add the digest of it, which `read_json` checks; a file that is compared with what is asked needs none.
    """
    write_whole(path, json.dumps(sealed(data) if seal else data, indent=2) + "\n")


def read_json(path: Path, *, remedy: str) -> dict[str, Any]:
    """The data that `write_json` wrote.

    Args:
        path: the file.
        remedy: what to do where it is damaged, as the end of a sentence: "remove the folder …".

    Raises:
        FolderDamagedError: it cannot be read, or holds something else; names file and remedy.
    """
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise ValueError(f"{path.stat().st_size:,} bytes")
        data = json.loads(path.read_bytes())
        if not isinstance(data, dict):
            raise ValueError(f"{type(data).__name__} in place of an object")
        data = unsealed(data)
    except (OSError, ValueError, RecursionError) as error:
        why = str(error).partition("\n")[0][:200]
        raise FolderDamagedError(f"{path} is damaged ({type(error).__name__}: {why}); {remedy}.") from error
    return data


def check_same_config(
    file: Path,
    config: Any,
    *,
    may_gain: tuple[str, ...] = (),
    grown: Callable[[dict[str, Any], dict[str, Any]], dict[str, Any]] | None = None,
    keep: bool = False,
) -> None:
    """Write `config` to `file`, or check that `file` holds the same, `PIECE_FIELDS` aside.

    Args:
        file: JSON file.
        config: dataclass.
        may_gain: fields, mappings, that may have more entries than in `file`, which then gets them too.
        grown: gives what `file` holds, as JSON data, with what may have grown since as `config` has it.
        keep: leave a file that is there as it is.

    Raises:
        ConfigMismatchError: `file` holds another configuration; the message lists the differing fields.
        FolderDamagedError: `file` cannot be read.
    """
    data = to_json(config)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_json(file, data, seal=False)
        return
    held = read_json(file, remedy=f"remove the folder {file.parent} to start anew")
    known = held if grown is None else grown(held, data)
    gained = {name: {**data[name], **_mapping(known.get(name))} for name in may_gain}
    differing = differences(_without_pieces({**known, **gained}), _without_pieces(data))
    if differing:
        raise ConfigMismatchError(
            f"{file.parent} already holds a run with another configuration: {differing}. "
            "Choose another folder with --out, or remove this one."
        )
    if held != data and not keep:
        write_json(file, data, seal=False)


def differences(held: dict[str, Any], data: dict[str, Any]) -> str:
    """The fields in which two configurations, as JSON data, differ; the first five in words. Empty where none does."""
    there, here = _flatten(held), _flatten(data)
    differing = [
        f"{name} is {there.get(name, 'absent')!r:.200} there and {here.get(name, 'absent')!r:.200} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)  # a field that is new since then, and null, changes nothing
    ]
    return "; ".join(differing[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")


def _mapping(data: Any) -> dict[str, Any]:
    return data if isinstance(data, dict) else {}


def _without_pieces(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    return {name: _without_pieces(item) for name, item in data.items() if name not in PIECE_FIELDS}


def _flatten(data: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(data, dict):
        return {prefix: data}
    return {
        name: value
        for key, item in data.items()
        for name, value in _flatten(item, f"{prefix}.{key}" if prefix else key).items()
    }
