"""TRL's own trainers as arms: the same numbers as our equation of theirs, and a kill that changes none of them."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from safetensors.torch import load_file

from analysis.records.schema import TIME_COLUMNS
from experiments.recipes.arms import select_arms
from experiments.recipes.config import Recipe
from experiments.recipes.fields import apply_settings
from experiments.runs.engines import SamplerCache
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from tests.experiments.miniature import recipe
from tests.training.small_run import save_start

# An untrained model is never right; whatever it writes has a length, so that rewards differ and pairs are found.
REWARD = """
from rewards.reward import EachCompletion
reward = EachCompletion(name="length", function=lambda rollout, verdict: len(rollout.completion_ids) % 7, right_above=2)
"""

Report = Callable[[str, float, float, str], None]


def asked(folder: Path, algorithm: str, *, settings: tuple[str, ...] = (), **training: Any) -> Recipe:
    """One arm on an untrained model of the reference engine."""
    full = recipe()
    (folder / "reward.py").write_text(REWARD)
    [(name, arm)] = select_arms(full, [algorithm]).items()
    few = {"steps": 3, "problems_per_step": 3, "group_size": 4, "max_completion_tokens": 12, "learning_rate": 2e-3}
    arm = replace(arm, training=replace(arm.training, **{**few, **training}), control=None)
    asked = replace(
        full,
        arms={name: arm},
        default_arms=None,
        engine=EngineConfig(name="transformers", vllm=VllmConfig(dtype="float32")),
        evaluation=replace(
            full.evaluation, problems=2, samples=2, curve_samples=1, max_tokens=12, decoding_temperatures=()
        ),
        model=str(save_start(folder / "model")),
        supervised=None,
        reward=f"{folder / 'reward.py'}:reward",
    )
    return apply_settings(asked, settings)


def nothing(*progress: object) -> None:
    pass


def run(recipe: Recipe, out: Path, report: Report = nothing) -> Path:
    """What the worker of a comparison does for its only arm; the run's folder."""
    jobs = plan_jobs(check_recipe(recipe), out, evaluate_start=False)
    samplers = SamplerCache()
    for job in jobs:
        job.run(samplers, report)
    return jobs[-1].folder  # type: ignore[union-attr]


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIME_COLUMNS} for row in lines]


def weights(folder: Path) -> dict[str, Any]:
    return load_file(folder / "checkpoints" / "step-000003" / "model.safetensors")


@pytest.mark.parametrize(
    ("theirs", "ours", "of_theirs", "of_ours", "training"),
    [
        ("trl:grpo", "grpo@trl-1.16", (), (), {}),
        ("trl:grpo", "grpo@trl-1.16", ("beta=0.3",), ("kl_coef=0.3",), {"updates_per_batch": 2, "microbatch_size": 5}),
        ("trl:rloo", "rloo@trl-1.16", (), (), {}),
        ("trl:dpo", "dpo@trl-1.16", ("beta=0.5",), ("dpo_beta=0.5",), {}),
        ("trl:sft", "sft", (), ("aggregation=token_mean",), {"microbatch_size": 3}),
    ],
)
def test_a_trainer_of_trl_takes_the_steps_of_our_equation_of_it(
    theirs: str,
    ours: str,
    of_theirs: tuple[str, ...],
    of_ours: tuple[str, ...],
    training: dict[str, Any],
    tmp_path: Path,
) -> None:
    """Two implementations of a method, the same tokens, problems, rewards and rates: the same policy after each step.

    Completions are drawn from the trained policy, so that equal samples say that weights agreed before.
    """
    correction = ("mismatch_correction=none",) if ours == "grpo@trl-1.16" else ()
    peer = run(asked(tmp_path, theirs, settings=of_theirs, **training), tmp_path / "theirs")
    own = run(asked(tmp_path, ours, settings=(*of_ours, *correction), **training), tmp_path / "ours")
    for there, here in zip(rows(peer), rows(own), strict=True):
        for name in ("reward_mean", "completion_tokens_mean", "completions_sampled", "tokens_trained", "learning_rate"):
            assert there[name] == here[name], name
        assert there["flops"] == here["flops"]
        assert there["grad_norm"] == pytest.approx(here["grad_norm"], rel=2e-4)
        assert here["grad_norm"] > 1e-3
    held, expected = weights(peer), weights(own)
    assert held.keys() == expected.keys()
    start = load_file(tmp_path / "model" / "model.safetensors")
    moved = max(float((expected[name] - start[name]).abs().max()) for name in expected)
    apart = max(float((expected[name] - held[name]).abs().max()) for name in expected)
    assert moved > 3e-3
    assert apart < 1e-3 * moved
    samples = [pd.read_parquet(folder / "samples.parquet")["completion"].tolist() for folder in (peer, own)]
    assert samples[0] == samples[1]


class Stopped(RuntimeError):
    """Stands for a kill within a step."""


def stopping_at(step: int) -> Report:
    def report(what: str, done: float, total: float, unit: str) -> None:
        if (what, done) == ("train", step):
            raise Stopped

    return report


@pytest.mark.parametrize("algorithm", ["trl:grpo", "trl:rloo", "trl:dpo", "trl:sft"])
def test_a_run_that_was_stopped_goes_on_from_trls_checkpoint_bit_for_bit(algorithm: str, tmp_path: Path) -> None:
    whole = run(asked(tmp_path, algorithm), tmp_path / "whole")
    with pytest.raises(Stopped):  # the row of step 2 is there, its evaluation and its checkpoint are not
        run(asked(tmp_path, algorithm), tmp_path / "stopped", stopping_at(2))
    stopped = tmp_path / "stopped" / "runs" / whole.name
    first = (stopped / "metrics.jsonl").read_text().splitlines()[0]
    assert [path.name for path in (stopped / "trl").glob("checkpoint-*")] == ["checkpoint-1"]
    run(asked(tmp_path, algorithm), tmp_path / "stopped")
    assert (stopped / "metrics.jsonl").read_text().splitlines()[0] == first  # seconds too: step 1 was not done again
    assert rows(stopped) == rows(whole)
    assert (stopped / "samples.parquet").read_bytes() == (whole / "samples.parquet").read_bytes()
    for name, weight in weights(whole).items():
        assert (weights(stopped)[name] == weight).all(), name


def _die_at(step: int, recipe: Recipe, out: Path) -> None:
    def report(what: str, done: float, total: float, unit: str) -> None:
        if (what, done) == ("train", step):
            os.kill(os.getpid(), signal.SIGKILL)

    run(recipe, out, report)


def test_a_killed_process_leaves_a_run_that_can_be_gone_on_with(tmp_path: Path) -> None:
    asked_for = asked(tmp_path, "trl:grpo")
    process = multiprocessing.get_context("spawn").Process(target=_die_at, args=(3, asked_for, tmp_path / "killed"))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    killed = run(asked_for, tmp_path / "killed")
    whole = run(asked_for, tmp_path / "whole")
    assert rows(killed) == rows(whole)
    assert json.loads((killed / "finished.json").read_text())["notes"] == []


def test_a_checkpoint_that_is_not_whole_is_passed_over_and_said(tmp_path: Path) -> None:
    whole = run(asked(tmp_path, "trl:grpo"), tmp_path / "whole")
    with pytest.raises(Stopped):
        run(asked(tmp_path, "trl:grpo"), tmp_path / "stopped", stopping_at(3))
    stopped = tmp_path / "stopped" / "runs" / whole.name
    moments = stopped / "trl" / "checkpoint-2" / "optimizer.pt"
    moments.write_bytes(moments.read_bytes()[:-1] + b"\0\0")
    (stopped / "trl" / "checkpoint-1" / "whole.json").unlink()
    run(asked(tmp_path, "trl:grpo"), tmp_path / "stopped")
    assert json.loads((stopped / "finished.json").read_text())["notes"] == [
        "went back to step 0: TRL's checkpoint-2 is not what was written (SHA-256)",
        "went back to step 0: TRL's checkpoint-1 was not written to its end",
    ]
    assert rows(stopped) == rows(whole)


def test_more_steps_are_those_of_a_run_that_was_long_from_the_start(tmp_path: Path) -> None:
    run(asked(tmp_path, "trl:grpo", steps=2), tmp_path / "grown")
    grown = run(asked(tmp_path, "trl:grpo"), tmp_path / "grown")
    whole = run(asked(tmp_path, "trl:grpo"), tmp_path / "whole")
    assert rows(grown) == rows(whole)


def test_a_step_without_pairs_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    asked_for = asked(tmp_path, "trl:dpo")
    (tmp_path / "reward.py").write_text(REWARD.replace("right_above=2", "right_above=99"))
    with pytest.raises(ValueError, match=r"step 1 has no problem with a right and a wrong completion"):
        run(asked_for, tmp_path / "out")
