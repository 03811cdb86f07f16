"""The methods beyond the first ones in one embedded comparison in miniature: each trains, is evaluated and reported."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import experiments.schedule.compare
from algorithms import ALGORITHMS
from analysis import load_comparison
from experiments.commands.compare import Compare
from experiments.recipes import catalogue as recipes
from experiments.recipes.config import Recipe
from tests.experiments.miniature import recipe, run_here

ONLINE = ("sapo", "vespo", "gmpo", "gfpo", "lite_ppo", "dapo_top_entropy", "grpo_off_policy_mask")
OFFLINE = ("simpo", "orpo", "kto")
GATED = {"sapo": "gate", "vespo": "gate", "gmpo": "clip_fraction", "grpo_off_policy_mask": "off_policy_fraction"}


def small() -> Recipe:
    """Two updates a batch, so that ratios are not 1."""
    full = recipe()
    return replace(
        full,
        arms={
            name: replace(arm, training=replace(arm.training, updates_per_batch=2)) for name, arm in full.arms.items()
        },
        evaluation=replace(full.evaluation, every=0),
    )


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("losses")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(out)
        patch.setattr(experiments.schedule.compare, "run_jobs", run_here)
        patch.setitem(recipes.RECIPES, "miniature", lambda device: small())
        Compare(recipe_name="miniature", algorithm=(*ONLINE, *OFFLINE), seeds=(1,), out=Path("out"), workers=1).run()
    return out / "out"


def rows_of(compared: Path, arm: str) -> list[dict]:
    return [json.loads(line) for line in (compared / "runs" / f"{arm}-seed0" / "metrics.jsonl").open()]


def test_every_arm_is_in_the_comparison_and_its_report(compared: Path) -> None:
    comparison = load_comparison(compared)
    assert list(comparison.arms) == ["sft_start", *ONLINE, *OFFLINE] and not comparison.unfinished
    assert {*ONLINE, *OFFLINE} <= {*ALGORITHMS}
    page = (compared / "report" / "index.html").read_text(encoding="utf-8")
    assert [arm for arm in (*ONLINE, *OFFLINE) if arm not in page] == []


@pytest.mark.parametrize("arm", [*ONLINE, *OFFLINE])
def test_each_moves_the_policy_by_finite_gradients(compared: Path, arm: str) -> None:
    rows = rows_of(compared, arm)
    assert [row["step"] for row in rows] == [1, 2, 3]
    assert all(math.isfinite(row["grad_norm"]) for row in rows) and rows[-1]["tokens_trained"] > 0
    start = compared / "start-seed0"
    checkpoint = json.loads((start / "finished.json").read_text())["checkpoint"]
    before = load_file(start / "checkpoints" / checkpoint / "model.safetensors")
    after = load_file(compared / "runs" / f"{arm}-seed0" / "checkpoints" / "step-000003" / "model.safetensors")
    assert any(not torch.equal(before[name], after[name]) for name in before)
    if arm in GATED:
        assert all(math.isfinite(row[GATED[arm]]) for row in rows)


def test_arms_of_one_data_source_learn_from_the_same_first_completions_and_not_alike(compared: Path) -> None:
    firsts = {arm: rows_of(compared, arm)[0] for arm in ONLINE if arm != "dapo_top_entropy"}  # which draws again
    assert len({row["reward_mean"] for row in firsts.values()}) == 1
    assert len({row["grad_norm"] for row in firsts.values()}) == len(firsts)


def test_kto_measures_from_the_kl_and_top_entropy_trains_on_fewer_tokens(compared: Path) -> None:
    points = [row["kl_estimate"] for row in rows_of(compared, "kto")]
    assert points[0] == pytest.approx(0.0, abs=1e-5) and all(point >= 0 for point in points)  # π_θ = π_ref at first
    [top] = [row for row in rows_of(compared, "dapo_top_entropy") if row["step"] == 1]
    [whole] = [row for row in rows_of(compared, "lite_ppo") if row["step"] == 1]
    assert top["tokens_trained"] < 0.5 * whole["tokens_trained"]
