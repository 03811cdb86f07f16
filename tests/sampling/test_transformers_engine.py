"""The reference engine: how often it waits for its device."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from sampling import Request, SamplingConfig
from sampling.transformers_engine import TransformersSampler


def test_the_device_is_waited_for_once_a_token_and_logprobs_are_made_where_asked(
    checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wait is a tensor made into numbers; asking for logprobs changes no draw."""
    config = SamplingConfig(max_tokens=24)
    requests = [Request(prompt_ids=(5, 9, 18), seed=index) for index in range(20)]
    waits = list[str]()

    def counting(name: str) -> Callable[..., Any]:
        original = getattr(torch.Tensor, name)

        def counted(tensor: torch.Tensor) -> Any:
            waits.append(name)
            return original(tensor)

        return counted

    sampler = TransformersSampler(checkpoint, eos_token_ids=(2,))
    silent = sampler.generate(requests, config)
    for name in ("tolist", "item", "__int__", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, counting(name))
    assert sampler.generate(requests, config) == silent
    steps = max(len(item.completion_ids) for item in silent)
    assert waits == ["tolist"] * steps
    waits.clear()
    told = sampler.generate(requests, replace(config, with_logprobs=True))
    assert waits == ["tolist"] * (2 * steps)
    assert [replace(item, logprobs=None) for item in told] == silent
    assert {item.logprobs is not None and len(item.logprobs) - len(item.completion_ids) for item in told} == {0}
