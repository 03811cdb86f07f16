"""A sweep in miniature, run: the choice on validation problems, control arms, a failing arm; and its dry run."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import experiments.schedule.compare
from analysis import load_comparison
from benchmarks.arithmetic import generate_problems
from experiments.commands.sweep import Sweep
from experiments.recipes import catalogue as recipes
from experiments.recipes.config import Recipe
from experiments.schedule.workers import WorkerError
from tests.experiments.miniature import recipe, run_here


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sweeps, run to the end: one with a choice and all controls, one of which every second arm fails.

    The jobs run in this process, one after the other, with one engine for all; `test_workers.py` and `test_compare.py`
    have processes.
    """
    out = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(out)
        patch.setattr(experiments.schedule.compare, "run_jobs", run_here)
        patch.setitem(recipes.RECIPES, "miniature", lambda device: _without_curve(recipe()))
        _sweep().run()
        # A number at the trial before a run, where seeds are 0 and 1; in a run they are hashes.
        (out / "broken.py").write_text(
            "def reward(rollout, verdict):\n    return float('nan') if rollout.seed > 1 else 0.0\n"
        )
        with pytest.raises(WorkerError, match=r"2 of 6 runs failed(.|\n)*reward=broken\.py_reward.* is nan"):
            _sweep_dpo().run()
    return out


def _without_curve(full: Recipe) -> Recipe:
    return replace(full, evaluation=replace(full.evaluation, every=0))


def _sweep(**changes: Any) -> Sweep:
    options: dict[str, Any] = {
        "recipe_name": "miniature",
        "algorithm": ("grpo",),
        "vary": ("kl_coef=0,0.5",),
        "choose": "learning_rate=1e-3,2e-3",
        "controls": True,
        "seeds": (1,),
        "out": Path("out"),
        "workers": 1,
    }
    return Sweep(**{**options, **changes})


def _sweep_dpo() -> Sweep:
    vary = ("reward=correctness,broken.py:reward",)
    return _sweep(algorithm=("online_dpo", "iterative_dpo"), vary=vary, choose=None, controls=False, out=Path("dpo"))


def test_a_failing_arm_stops_no_other(swept: Path) -> None:
    comparison = load_comparison(swept / "dpo")
    assert list(comparison.arms) == ["sft_start", "online_dpo reward=correctness", "iterative_dpo reward=correctness"]
    failures = json.loads((swept / "dpo" / "comparison.json").read_text())["failures"]
    lost = {"online_dpo_reward=broken.py_reward-seed0", "iterative_dpo_reward=broken.py_reward-seed0"}
    assert set(failures) == lost == {run.name for run in comparison.unfinished}
    assert (swept / "dpo" / "report" / "index.html").is_file()


def test_the_choice_is_by_pass_at_1_on_validation_problems(swept: Path) -> None:
    description = json.loads((swept / "out" / "comparison.json").read_text())
    rows = description["choice"]["table"]
    arms = ("grpo kl_coef=0", "grpo kl_coef=0.5")
    assert [(row["arm"], row["value"]) for row in rows] == [(arm, rate) for arm in arms for rate in (1e-3, 2e-3)]
    validation = {problem.problem_id for problem in generate_problems("validation", 6)}
    measured = []
    for row in rows:
        folder = f"{row['arm'].replace(' ', '_')}_learning_rate={row['value']}-seed100"
        samples = pd.read_parquet(swept / "out" / "choice" / "runs" / folder / "samples.parquet")
        assert set(samples["problem_id"]) == validation
        measured.append((samples["verdict"].to_numpy() == "CORRECT").mean())
    assert [row["pass_at_1"] for row in rows] == measured
    for arm, (low, high) in zip(arms, (measured[:2], measured[2:]), strict=True):
        run = swept / "out" / "runs" / f"{arm.replace(' ', '_')}-seed0"
        rate = json.loads((run / "config.json").read_text())["training"]["learning_rate"]
        assert rate == (1e-3 if low >= high else 2e-3)
        assert not set(pd.read_parquet(run / "samples.parquet")["problem_id"]) & validation
        assert [row["value"] for row in rows if row["arm"] == arm and row["chosen"]] == [rate]


def test_control_runs_say_so_and_do_what_they_say(swept: Path) -> None:
    runs = swept / "out" / "runs"
    configs = {path.name: json.loads((path / "config.json").read_text()) for path in runs.iterdir()}
    kinds = {name.removesuffix("-seed0"): config["control"] for name, config in configs.items()}
    assert kinds == {
        "sft_start": None,
        "grpo_kl_coef=0": None,
        "grpo_kl_coef=0.5": None,
        "control_random": "random_reward",
        "control_format": "format_reward",
        "control_shuffled": "shuffled_verdicts",
        "control_no_update": "no_update",
        "control_sft": "continued_sft",
    }
    description = json.loads((swept / "out" / "comparison.json").read_text())
    assert description["controls"] == {name: kind for name, kind in kinds.items() if kind is not None}
    start = swept / "out" / "start-seed0"
    checkpoint = json.loads((start / "finished.json").read_text())["checkpoint"]
    before = load_file(start / "checkpoints" / checkpoint / "model.safetensors")
    for arm, changed in (("control_no_update", False), ("control_random", True)):
        after = load_file(runs / f"{arm}-seed0" / "checkpoints" / "step-000003" / "model.safetensors")
        assert any(not torch.equal(before[name], after[name]) for name in before) is changed
    rewards = [json.loads(line)["reward_mean"] for line in (runs / "control_random-seed0" / "metrics.jsonl").open()]
    # 16 fair coins a step: below 2 or above 14 heads comes once in 2,000.
    assert all(2 / 16 <= mean <= 14 / 16 for mean in rewards)


def test_online_and_iterated_dpo_train_on_pairs_of_the_policy(swept: Path) -> None:
    runs = swept / "dpo" / "runs"
    rows = {
        arm: [json.loads(line) for line in (runs / f"{arm}_reward=correctness-seed0" / "metrics.jsonl").open()]
        for arm in ("online_dpo", "iterative_dpo")
    }
    assert all([row["completions_sampled"] for row in arm] == [16, 32, 48] for arm in rows.values())
    drawn = sorted((runs / "iterative_dpo_reward=correctness-seed0").glob("drawn-*.jsonl"))
    versions = [json.loads(path.read_text().splitlines()[0])["rollouts"][0]["policy_version"] for path in drawn]
    assert versions == [0, 1, 2]
    # Iterations of one step draw with the seeds of online DPO: the first step is the same, in every number.
    for name in ("accuracy", "tokens_generated", "completion_tokens_mean"):
        assert rows["online_dpo"][0][name] == rows["iterative_dpo"][0][name]


def test_a_dry_run_counts_every_completion_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(recipes.RECIPES, "miniature", lambda device: recipe())
    _sweep(vary=("group_size=4,8",), choose=None, controls=False, seeds=(2,), dry_run=True).run()
    printed = capsys.readouterr().out
    # 3 steps of 4 problems; 6 problems × 4 samples at the end, × 2 at step 2 (step 0 is the start policy's), × 1
    # greedily and × 2 at two other temperatures; 2 seeds. The start answers 6 validation problems too: × 1 greedily and
    # × 2 at three temperatures.
    expected = {"grpo group_size=4": (2, 96, 132), "grpo group_size=8": (2, 192, 132), "sft_start": (2, 0, 192)}
    for arm, numbers in expected.items():
        [line] = [line for line in printed.splitlines() if line.startswith(f"{arm} ")]
        assert tuple(int(part) for part in line.removeprefix(arm).split()[:3]) == numbers
    assert f"{96 + 192 + 132 + 132 + 192} completions" in printed
    assert "An estimate: no finished run here to measure" in printed
    assert not list(tmp_path.iterdir())


def test_training_problems_that_hold_a_question_of_the_report_are_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `compare` and `train` tell of them: on stderr, and in ``comparison.json``."""
    rows = [{"id": f"{n}", "question": f"How much is {n} and {n} more?", "answer": f"{2 * n}"} for n in range(30)]
    for row in rows:
        row["solution"] = row["answer"]
    for split, some in (("train", rows), ("test", [{**rows[3], "id": "copy"}])):
        (tmp_path / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
    told: list[Any] = []

    def compared(*arguments: Any, description: Any, **options: Any) -> None:
        told.append(description)
        raise WorkerError("not run here")

    monkeypatch.setattr(experiments.schedule.compare, "compare", compared)
    monkeypatch.setitem(recipes.RECIPES, "miniature", lambda device: _without_curve(recipe()))
    sweep = _sweep(choose=None, controls=False, benchmark=str(tmp_path / "{split}.jsonl"), out=tmp_path / "out")
    with pytest.raises(WorkerError, match="not run here"):
        sweep.run()
    [line] = told[0]["overlaps"]
    assert "3 and copy share" in line
    assert f"warning: {line}" in capsys.readouterr().err
