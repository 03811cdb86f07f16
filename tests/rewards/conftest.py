"""Symbolic workers, and wall time against a machine that others may be using at the same time."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import rewards.algebra.symbolic as symbolic
from rewards.algebra.symbolic import SymbolicWorker

_SPIN = "import time\nstart = time.monotonic()\nwhile time.process_time() < 0.3: pass\nprint(time.monotonic() - start)"


def _seconds_of_one_processor_second() -> float:
    """How long the machine takes now for one second of processor time; at least 1, more where it is loaded."""
    run = subprocess.run([sys.executable, "-c", _SPIN], capture_output=True, text=True, check=True, timeout=300)
    return max(1.0, float(run.stdout) / 0.28)


@pytest.fixture(scope="session")
def idle_seconds() -> Callable[[float], float]:
    """`idle_seconds(elapsed)`: wall time, from two seconds on divided by the load of the moment."""

    def corrected(elapsed: float) -> float:
        return elapsed if elapsed < 2.0 else elapsed / _seconds_of_one_processor_second()

    return corrected


@pytest.fixture(scope="session")
def in_time(idle_seconds: Callable[[float], float]) -> Callable[..., Any]:
    """`in_time(function, *arguments)` calls it, checks that it took less than two seconds, and returns its value."""

    def call(function: Callable[..., Any], *arguments: Any) -> Any:
        start = time.monotonic()
        value = function(*arguments)
        elapsed = time.monotonic() - start
        assert idle_seconds(elapsed) < 2.0, f"{elapsed:.2f} s by the clock"
        return value

    return call


@pytest.fixture
def worker() -> Iterator[SymbolicWorker]:
    """A worker of the test's own."""
    made = SymbolicWorker()
    yield made
    made.close()


@pytest.fixture
def worker_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], SymbolicWorker]]:
    """A worker whose comparison is the given code, with `left` and `right`; limits and guards are the real ones."""
    made: list[SymbolicWorker] = []

    def make(code: str) -> SymbolicWorker:
        file = tmp_path / "worker.py"
        file.write_text(
            f"import importlib.util, sys\n"
            f"spec = importlib.util.spec_from_file_location('worker', {str(symbolic._WORKER_FILE)!r})\n"
            f"worker = importlib.util.module_from_spec(spec)\n"
            f"spec.loader.exec_module(worker)\n"
            f"def compare(left, right):\n{textwrap.indent(textwrap.dedent(code), '    ')}\n"
            f"    return {{'equal': True, 'readable': True}}\n"
            f"worker._import_everything = worker._warm_up = lambda: None\n"
            f"worker._compare = compare\n"
            f"worker.main()\n"
        )
        monkeypatch.setattr(symbolic, "_WORKER_FILE", file)
        made.append(SymbolicWorker())
        return made[-1]

    yield make
    for each in made:
        each.close()
