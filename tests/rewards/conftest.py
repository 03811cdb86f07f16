"""Wall time against a machine that others may be using at the same time."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

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
