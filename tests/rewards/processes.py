"""Processes of tests: run, and seen to end."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run_code(code: str, *, expect: int) -> str:
    """What a Python process prints that runs this code and ends with this exit code."""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT)
    assert run.returncode == expect, run.stderr
    return run.stdout


def is_running(pid: int) -> bool:
    """Whether the process is there and no zombie."""
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] not in ("Z", "X")


def all_end(pids: list[int]) -> bool:
    """Whether these processes all end within 20 s."""
    end = time.monotonic() + 20
    while time.monotonic() < end and any(is_running(pid) for pid in pids):
        time.sleep(0.05)
    return not any(is_running(pid) for pid in pids)
