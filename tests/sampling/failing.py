"""An engine that fails, in a file that its process reads in a second: no model, no transformers."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from sampling import Generation, Request, SamplingConfig


class Failing:
    """An engine that has no memory left, and whose process ends where it is asked for log-probabilities."""

    policy_version = 0

    def generate(
        self, requests: Sequence[Request], config: SamplingConfig, on_progress: object = None
    ) -> list[Generation]:
        raise torch.OutOfMemoryError("no memory for sampling. Lower engine.vllm.kv_cache_gib")

    def logprobs(self, sequences: object) -> list[tuple[float, ...]]:
        raise SystemExit(7)

    def load_weights(self, named_tensors: object, policy_version: int) -> None: ...
