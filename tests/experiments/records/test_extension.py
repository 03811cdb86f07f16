"""A comparison that is asked for more is the one that had been asked for all of it at once."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from analysis.records.load import _extension_notes
from analysis.records.schema import TIME_COLUMNS
from experiments.recipes.config import Recipe
from experiments.records.config import RunConfig
from experiments.records.extension import check_longer, extension_of, grown
from experiments.records.same import ConfigMismatchError, to_json
from experiments.runs.engines import SamplerCache
from experiments.schedule import compare as schedule
from experiments.schedule.door import check_recipe
from experiments.schedule.plan import plan_jobs
from experiments.schedule.progress import Board
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from tests.experiments.miniature import recipe
from tests.training.small_run import save_start

ARMS = ("continued_sft", "rft", "ppo", "grpo")  # demonstrations, offline, with a critic, online
ORDER = ["step", "benchmark", "problem_id", "sample_index"]


# An untrained model is never right; whatever it writes has a length.
REWARD = """
from rewards.reward import EachCompletion
reward = EachCompletion(name="length", function=lambda rollout, verdict: len(rollout.completion_ids) % 7, right_above=1)
"""


def asked(*, steps: int, seeds: tuple[int, ...] = (0,), **evaluation: Any) -> Recipe:
    full = recipe()
    arms = {name: replace(full.arms[name], training=replace(full.arms[name].training, steps=steps)) for name in ARMS}
    engine = EngineConfig(name="transformers", vllm=VllmConfig(dtype="float32"))
    few = {"problems": 2, "samples": 3, "curve_samples": 2, "max_tokens": 12, **evaluation}
    return replace(full, arms=arms, seeds=seeds, engine=engine, evaluation=replace(full.evaluation, **few))


def run(recipe: Recipe, arm: str, out: Path) -> str:
    """What the worker of a comparison does for this arm."""
    jobs = plan_jobs(check_recipe(replace(recipe, arms={arm: recipe.arms[arm]})), out, evaluate_start=False)
    samplers, said = SamplerCache(), ""
    for job in jobs:
        said = job.run(samplers, lambda *progress: None)
    return said


def rows(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name not in TIME_COLUMNS} for row in lines]


def samples(file: Path) -> pd.DataFrame:
    return pd.read_parquet(file).sort_values(ORDER, ignore_index=True)


@pytest.mark.parametrize(("arm", "every"), [*((arm, 2) for arm in ARMS), ("rft", 3)])
def test_a_run_made_longer_is_the_run_that_was_long_from_the_start(
    arm: str, every: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model, reward = save_start(tmp_path / "model"), tmp_path / "reward.py"
    reward.write_text(REWARD)

    def of(steps: int, **evaluation: Any) -> Recipe:
        return replace(asked(steps=steps, **evaluation), model=str(model), supervised=None, reward=f"{reward}:reward")

    further: dict[str, Any] = {"further_benchmarks": ("arithmetic-long",), "further_problems": 1}
    more = of(4, samples=5, every=every, decoding_temperatures=(0.0, 0.4), **further)
    run(more, arm, tmp_path / "whole")
    run(of(2, every=every, decoding_temperatures=(0.0,), **further), arm, tmp_path / "grown")
    grown_run, whole_run = (tmp_path / name / "runs" / f"{arm}-seed0" for name in ("grown", "whole"))
    before = (grown_run / "metrics.jsonl").read_text().splitlines()
    capsys.readouterr()
    run(more, arm, tmp_path / "grown")
    assert f"{arm}-seed0: goes on (" in capsys.readouterr().out
    assert (grown_run / "metrics.jsonl").read_text().splitlines()[:2] == before  # seconds too: nothing was done twice
    assert rows(grown_run) == rows(whole_run)
    assert len(before) == 2 and len(rows(grown_run)) == 4
    assert all(row["grad_norm"] > 0 for row in rows(grown_run))
    for name in ("samples.parquet", "start_kl.parquet"):
        pd.testing.assert_frame_equal(samples(grown_run / name), samples(whole_run / name))
    assert set(samples(whole_run / "start_kl.parquet")["step"]) == {*range(0, 4, every), 4}
    assert {file.name for file in (grown_run / "decoding").iterdir()} == {
        file.name for file in (whole_run / "decoding").iterdir()
    }
    for file in (whole_run / "decoding").iterdir():
        pd.testing.assert_frame_equal(samples(grown_run / "decoding" / file.name), samples(file))
    assert run(more, arm, tmp_path / "grown") == "was already finished"


def test_more_seeds_and_steps_of_a_comparison_are_planned_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned: list[list[str]] = []
    monkeypatch.setattr(schedule, "run_jobs", lambda jobs, **_: planned.append([job.name for job in jobs]))

    def start(recipe: Recipe) -> dict[str, Any]:
        schedule.compare(check_recipe(recipe), tmp_path, workers=1, board=Board(None))
        return json.loads((tmp_path / "comparison.json").read_text())

    assert start(asked(steps=2))["extensions"] == []
    (tmp_path / "runs" / "grpo-seed0").mkdir(parents=True)
    (tmp_path / "runs" / "grpo-seed0" / "finished.json").write_text("{}")
    (said,) = start(asked(steps=4, seeds=(0, 1)))["extensions"]
    assert "arms.grpo.training.steps is 2 there and 4 here" in said["what"]
    assert "seeds is [0] there and [0, 1] here" in said["what"]
    assert "grpo-seed1" in planned[-1] and "grpo-seed1" not in planned[0]
    assert start(asked(steps=4, seeds=(0, 1)))["extensions"] == [said]
    with pytest.raises(ConfigMismatchError, match=r"arms\.continued_sft\.training\.steps is 4 there and 2 here"):
        start(asked(steps=2, seeds=(0, 1)))
    (note,) = _extension_notes([said])
    assert note.startswith(f"Asked for on {said['day']}, when runs had finished: arms.")


def test_less_or_other_things_are_refused() -> None:
    held = to_json(asked(steps=2, seeds=(0, 1)))
    assert extension_of(held, to_json(asked(steps=2, seeds=(0, 1)))) == ""
    for less in (asked(steps=1, seeds=(0, 1)), asked(steps=2, seeds=(0, 2)), asked(steps=2, seeds=(0, 1), samples=1)):
        assert grown(held, to_json(less)) == held
    other = to_json(asked(steps=4, seeds=(0, 1), temperature=0.7))
    assert grown(held, other)["evaluation"] == held["evaluation"]
    assert grown(held, other)["arms"]["grpo"]["training"]["steps"] == 4


def run_config(steps: int, algorithm: str = "grpo", **changes: Any) -> RunConfig:
    base = asked(steps=steps)
    return RunConfig(
        recipe="miniature",
        arm=algorithm,
        seed=0,
        algorithm=algorithm,
        settings={},
        training=replace(base.arms["grpo"].training, **changes),
        model=None,
        task=base.task,
        evaluation=base.evaluation,
        engine=base.engine,
    )


def test_a_falling_rate_does_not_go_on() -> None:
    held, data = to_json(run_config(2, schedule="linear")), to_json(run_config(4, schedule="linear"))
    with pytest.raises(ConfigMismatchError, match="the schedule is linear: the learning rate of the 2 steps"):
        grown(held, data)


def test_an_iteration_that_was_cut_short_does_not_go_on() -> None:
    iterated = run_config(4, "iterative_dpo", iteration_steps=2)
    check_longer(iterated, 2)
    with pytest.raises(ConfigMismatchError, match="3 steps, which end within an iteration of 2"):
        check_longer(iterated, 3)
    online = run_config(4, iteration_steps=2)  # the reference moves, and is in the checkpoint
    check_longer(online, 3)
