"""On a GPU: a short comparison from its start policy to its samples, made longer afterwards. Skipped without one."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from experiments.recipes.config import Recipe
from experiments.runs.engines import SamplerCache
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from tests.experiments.miniature import recipe

DEVICE: Any = "cuda"
ENGINE: Any = "vllm"
pytestmark = pytest.mark.skipif(
    DEVICE == "cuda" and not torch.cuda.is_available(), reason="NO GPU HERE: runs are not tested on one"
)


def short(steps: int) -> Recipe:
    """GRPO and PPO for so many steps in bfloat16, with pieces so small that each step has several."""
    full, on_gpu = recipe(), DEVICE == "cuda"
    vllm = VllmConfig(
        dtype="bfloat16" if on_gpu else "float32",
        max_num_seqs=256 if on_gpu else 64,
        gpu_memory_utilization=0.1,
        kv_cache_gib=0.5 if on_gpu else None,
    )
    arms = {
        name: replace(
            full.arms[name],
            training=replace(full.arms[name].training, steps=steps, microbatch_tokens=256, use_autocast=on_gpu),
        )
        for name in ("grpo", "ppo")
    }
    engine = EngineConfig(name=ENGINE, device=DEVICE, vllm=vllm, logprob_tolerance=0.2 if on_gpu else 1e-4)
    # heads of 64 channels, and as many as FlashAttention 3 is known to bear: see test_training_on_gpu.py
    model = replace(full.embedded, hidden_size=512, num_heads=8) if on_gpu else full.embedded
    return replace(full, arms=arms, engine=engine, embedded=model)


def run(recipe: Recipe, out: Path) -> list[str]:
    """Every job in this process, as a comparison's worker does them."""
    samplers = SamplerCache()
    jobs = plan_jobs(check_recipe(recipe), out, evaluate_start=True)
    return [job.run(samplers, lambda *progress: None) for job in jobs]


def test_a_short_comparison_runs_and_goes_on(tmp_path: Path) -> None:
    run(short(2), tmp_path)
    before = {
        name: (tmp_path / f"runs/{name}-seed0/metrics.jsonl").read_text().splitlines() for name in ("grpo", "ppo")
    }
    said = run(short(3), tmp_path)
    assert said[0] == "was already trained"
    for name, lines in before.items():
        rows = (tmp_path / f"runs/{name}-seed0/metrics.jsonl").read_text().splitlines()
        assert rows[:2] == lines and len(rows) == 3  # nothing was trained twice
        norms = [json.loads(row)["grad_norm"] for row in rows]
        assert all(math.isfinite(norm) for norm in norms)  # 0 in a step of GRPO whose groups have equal rewards
        assert name == "grpo" or min(norms) > 0
        assert ((json.loads(rows[-1]).get("peak_memory_gib") or 0) > 0) == (DEVICE == "cuda")
        samples = pd.read_parquet(tmp_path / f"runs/{name}-seed0/samples.parquet")
        assert sorted(samples["step"].unique()) == [0, 2, 3]
