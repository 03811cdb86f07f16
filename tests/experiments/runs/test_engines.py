"""The engine that a worker keeps between its jobs."""

from __future__ import annotations

import gc
import weakref
from pathlib import Path
from typing import Any

import pytest

from experiments.runs.engines import SamplerCache
from tests.experiments.miniature import recipe
from tests.training.models.tiny import save_tiny
from training.models.policy import load_policy


class Left:
    """What a job leaves behind: it refers to itself, as a sharded model does."""

    def __init__(self) -> None:
        self.itself = self


def test_what_an_earlier_job_left_is_gone_before_the_heap_is_frozen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would stay on the card for the rest of the command: a frozen object is never collected."""
    built: list[Any] = []
    monkeypatch.setattr(
        "experiments.runs.engines.build_sampler", lambda *given, **more: built.append(given) or object()
    )
    policy = load_policy(save_tiny("llama", tmp_path))
    gc.disable()
    try:
        left = weakref.ref(Left())
        assert left() is not None
        SamplerCache().get(recipe().engine, tmp_path, policy)
        assert built and left() is None
    finally:
        gc.enable()
        gc.unfreeze()
