"""What all programs of this process may hold together: half of what the machine, or its control group, has."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from pathlib import Path

__all__ = ["programs_budget", "programs_memory"]

_changed = threading.Condition()
_held: list[int] = []  # bytes of each program that runs now

CONTROL_GROUP_FILES = (
    "/sys/fs/cgroup/memory.max",
    "/sys/fs/cgroup/memory/memory.limit_in_bytes",
)


@functools.cache
def programs_budget() -> int:
    """Bytes that all programs may hold at a time: half of the machine's memory, or of the control group's limit."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in CONTROL_GROUP_FILES:
        with contextlib.suppress(OSError, ValueError):  # absent, or "max"
            total = min(total, int(Path(name).read_text(encoding="ascii")))
    return total // 2


@contextlib.contextmanager
def programs_memory(size: int) -> Iterator[None]:
    """Wait until a program of `size` bytes fits beside those that run; one alone always does."""
    with _changed:
        _changed.wait_for(lambda: not _held or sum(_held) + size <= programs_budget())
        _held.append(size)
    try:
        yield
    finally:
        with _changed:
            _held.remove(size)
            _changed.notify_all()
