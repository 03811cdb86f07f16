"""Whether a folder holds what is about to be run: configurations as JSON, written whole and compared."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

__all__ = ["ConfigMismatchError", "check_same_config", "differences", "to_json", "write_whole"]


class ConfigMismatchError(ValueError):
    """A folder holds a run with another configuration."""


def to_json(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON data."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def check_same_config(file: Path, config: Any, *, may_gain: tuple[str, ...] = ()) -> None:
    """Write `config` to `file`, or check that `file` holds the same.

    Args:
        file: JSON file.
        config: dataclass.
        may_gain: fields, mappings, that may have more entries than in `file`, which then gets them too.

    Raises:
        ConfigMismatchError: `file` holds another configuration; the message lists the differing fields.
    """
    data = to_json(config)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(data, indent=2) + "\n")
        return
    try:
        held = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise ConfigMismatchError(
            f"{file} is not JSON ({error}); remove the folder {file.parent} to start anew."
        ) from error
    gained = {name: data[name] | held.get(name, {}) for name in may_gain}
    differing = differences(held | gained, data)
    if differing:
        raise ConfigMismatchError(
            f"{file.parent} already holds a run with another configuration: {differing}. "
            "Choose another folder with --out, or remove this one."
        )
    if held != data:
        write_whole(file, json.dumps(data, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, whenever the process is killed."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.rename(path)


def differences(held: dict[str, Any], data: dict[str, Any]) -> str:
    """The fields in which two configurations, as JSON data, differ; the first five in words. Empty where none does."""
    there, here = _flatten(held), _flatten(data)
    differing = [
        f"{name} is {there.get(name, 'absent')!r} there and {here.get(name, 'absent')!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name, "absent") != here.get(name, "absent")
    ]
    return "; ".join(differing[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")


def _flatten(data: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(data, dict):
        return {prefix: data}
    return {
        name: value
        for key, item in data.items()
        for name, value in _flatten(item, f"{prefix}.{key}" if prefix else key).items()
    }
