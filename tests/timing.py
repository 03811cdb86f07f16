"""Processor time in turns of a plain loop: a slow machine and a busy one stretch both alike."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["turns"]


def turns(call: Callable[[], object]) -> float:
    """The turns that an empty loop would make in the processor time of a call: 40 to 100 million a second."""
    before = _seconds_of_a_turn()
    start = time.process_time()
    call()
    seconds = time.process_time() - start
    return seconds / max(before, _seconds_of_a_turn())


def _seconds_of_a_turn(number: int = 100_000) -> float:
    start = time.process_time()
    for _ in range(number):
        pass
    return (time.process_time() - start) / number
