"""A sweep in miniature: the grid, the choice on validation problems, control arms, a failing arm; and its dry run."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file

import experiments.compare
from analysis import load_comparison
from benchmarks.arithmetic import generate_problems
from experiments import recipes
from experiments.arms import named_arms, select_arms, with_controls
from experiments.choice import apply_choice, choice_recipe, choice_seed, choose, pick
from experiments.config import ConfigMismatchError, Recipe
from experiments.estimate import Rates, job_costs, measured_rates
from experiments.grid import Varied, grid_arms, parse_varied, resolve
from experiments.plan import plan_jobs, run_folder_name
from experiments.run_commands import seeds_from
from experiments.sweep import Sweep
from experiments.workers import Job, WorkerError
from tests.experiments.miniature import recipe


def only(*names: str) -> Recipe:
    return replace(recipe(), arms=select_arms(recipe(), names))


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("kl_coef=0,0.04", (0, 0.04)),
        ("learning_rate=1e-4", (1e-4,)),
        ("baseline=mean,leave_one_out", ("mean", "leave_one_out")),
        ("normalize_advantages=true,false", (True, False)),
        ('step_reward="equations",my.py:steps', ("equations", "my.py:steps")),
        ("iteration_steps=null,2", (None, 2)),
    ],
)
def test_values_are_json_or_bare_text(text: str, values: tuple[Any, ...]) -> None:
    parsed = parse_varied(text).values
    assert parsed == values
    assert [type(value) for value in parsed] == [type(value) for value in values]


def test_the_grid_has_every_point_and_changes_nothing_else() -> None:
    base = only("grpo")
    varied = [parse_varied("kl_coef=0,0.5"), parse_varied("group_size=2,3"), parse_varied("evaluation.samples=8")]
    arms = grid_arms(base, varied)
    grpo = base.arms["grpo"]
    assert arms == {
        f"grpo kl_coef={kl} group_size={size} evaluation.samples=8": replace(
            grpo,
            settings={"kl_coef": kl},
            training=replace(grpo.training, group_size=size),
            overrides={"evaluation.samples": 8},
        )
        for kl in (0, 0.5)
        for size in (2, 3)
    }


def test_folders_of_runs_are_safe_and_different() -> None:
    assert run_folder_name("grpo kl_coef=0.04 group_size=8", 1) == "grpo_kl_coef=0.04_group_size=8-seed1"
    assert run_folder_name("grpo reward=../a b/c.py:f", 0) == "grpo_reward=.._a_b_c.py_f-seed0"
    assert run_folder_name("grpo_process", 0) == "grpo_process-seed0"
    long = [run_folder_name("x" * 300 + end, 0) for end in "ab"]
    assert long[0] != long[1] and max(map(len, long)) < 200
    twins = replace(only("grpo"), arms=grid_arms(only("grpo"), [Varied(name="reward", values=("a.py:f", "a.py f"))]))
    with pytest.raises(ValueError, match="need different names"):
        plan_jobs(twins, Path("out"), evaluate_start=True)


@pytest.mark.parametrize(
    ("vary", "message"),
    [
        (["klcoef=1,2"], "no field 'klcoef' to vary; did you mean 'kl_coef'"),
        (["training.learning_rat=1,2"], "did you mean 'training.learning_rate'"),
        (["learning_rate=1,2"], "supervised.learning_rate and training.learning_rate; give the one you mean"),
        (["kl_coef=a"], "expected a finite float"),
        (["group_size=2.5"], "training.group_size is 2.5; expected a finite int"),
        (["group_size=true"], "training.group_size is True"),
        (["schedule=cosine"], "expected one of 'constant', 'linear'"),
        (["group_size=0"], "group_size is 0; expected at least 1"),
        (["kl_coef=1,1"], "names a value twice"),
        (["kl_coef=1", "kl_coef=2"], "expected different fields"),
        (["kl_coef=1", "method.kl_coef=2"], "expected different fields"),
        (["kl_coef"], "expected field=value,value"),
        (["evaluation.split=test,train"], "changes which problems are asked"),
        (["seeds=1,2"], "no field 'seeds'"),
    ],
)
def test_mistakes_in_a_grid_are_named(vary: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grid_arms(only("grpo"), [parse_varied(text) for text in vary])


def test_a_field_that_a_method_lacks_and_one_that_makes_a_control_are_refused() -> None:
    with pytest.raises(ValueError, match="no field 'kl_coef' in online_rft"):
        grid_arms(only("grpo", "online_rft"), [parse_varied("kl_coef=0,1")])
    with pytest.raises(ValueError, match=r"a no_update control is one by its training\.learning_rate"):
        grid_arms(only("control_no_update"), [parse_varied("training.learning_rate=1,2")])


def test_only_what_changes_the_start_policy_makes_another_one() -> None:
    base = only("rft", "dpo", "grpo")
    varied = [parse_varied("task.train_problems=32,64"), parse_varied("supervised.decay_steps=5,6")]
    jobs = plan_jobs(replace(base, arms=grid_arms(base, varied)), Path("out"), evaluate_start=True)
    names = [job.name for job in jobs]
    assert [name for name in names if name.startswith("start")] == [
        "start-seed0",
        "start_supervised.decay_steps=5-seed0",
        "start_supervised.decay_steps=6-seed0",
    ]
    # RFT and DPO share what is drawn: one draw for each of two start policies and two training sets.
    assert len([name for name in names if name.startswith("offline")]) == 4
    assert len([name for name in names if name.startswith(("rft", "dpo", "grpo"))]) == 12


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ({1e-4: 0.5, 2e-4: 0.7, 4e-4: 0.6}, 2e-4),
        ({4e-4: 0.7, 2e-4: 0.7, 1e-4: 0.6}, 2e-4),
        ({1e-4: None, 2e-4: 0.0}, 2e-4),
        ({1e-4: None}, None),
    ],
)
def test_the_highest_score_wins_and_of_equals_the_smaller_value(scores: dict, best: float | None) -> None:
    assert pick(scores) == best


def test_the_choice_sees_neither_the_test_problems_nor_the_seeds_of_the_comparison() -> None:
    base = replace(only("grpo"), seeds=(0, 100, 101))
    choice = choice_recipe(base, parse_varied("learning_rate=1e-4,2e-4"))
    assert choice.seeds == (choice_seed(base.seeds),) == (102,)
    assert choice.evaluation.split == "validation"
    assert {arm.training.learning_rate for arm in choice.arms.values()} == {1e-4, 2e-4}
    on_validation = replace(base, evaluation=replace(base.evaluation, split="validation"))
    with pytest.raises(ValueError, match="the comparison itself needs others"):
        choice_recipe(on_validation, parse_varied("learning_rate=1e-4,2e-4"))
    with pytest.raises(ValueError, match="expected numbers"):
        choice_recipe(base, parse_varied("schedule=constant,linear"))
    with pytest.raises(ValueError, match="no field 'max_tokens'"):
        choice_recipe(base, parse_varied("max_tokens=8,16"))


def test_one_number_is_how_many_seeds_and_several_are_the_seeds() -> None:
    assert seeds_from((3,)) == (0, 1, 2)
    assert seeds_from((5, 7)) == (5, 7)
    assert seeds_from(None) is None
    with pytest.raises(ValueError, match="--seeds is 0"):
        seeds_from((0,))


def test_controls_differ_from_grpo_in_what_they_are_named_for_only() -> None:
    base = replace(recipe(), arms=grid_arms(only("grpo"), [parse_varied("kl_coef=0.5")]))
    base = replace(base, arms={"grpo": base.arms["grpo kl_coef=0.5"], **base.arms})
    grpo, named = base.arms["grpo"], named_arms(base)
    assert named["control_random"] == replace(grpo, overrides={"reward": "random"}, control="random_reward")
    assert named["control_format"] == replace(grpo, overrides={"reward": "format"}, control="format_reward")
    shuffled = replace(grpo.training, shuffle_rewards=True)
    assert named["control_shuffled"] == replace(grpo, training=shuffled, control="shuffled_verdicts")
    still = replace(grpo.training, learning_rate=0.0)
    assert named["control_no_update"] == replace(grpo, training=still, control="no_update")
    assert (named["control_sft"].algorithm, named["control_sft"].control) == ("sft", "continued_sft")
    assert named["control_sft"].training == grpo.training
    every = {name: arm.control for name, arm in with_controls(recipe(), recipe().arms).items() if arm.control}
    assert every == {
        "continued_sft": "continued_sft",  # the recipe's own, so `control_sft` is not added
        "control_random": "random_reward",
        "control_format": "format_reward",
        "control_shuffled": "shuffled_verdicts",
        "control_no_update": "no_update",
    }


def test_iterated_arms_have_three_iterations_and_the_recipes_settings() -> None:
    named = named_arms(recipe())
    assert named["grpo_iterative"].training.iteration_steps == 1  # three steps
    assert named["iterative_dpo"].settings == named["online_dpo"].settings == {"dpo_beta": 30.0}
    assert named["online_dpo"].training.iteration_steps is None


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sweeps, run to the end: one with a choice and all controls, one of which every second arm fails.

    The jobs run in this process, one after the other, with one engine for all; `test_workers.py` and `test_compare.py`
    have processes.
    """
    out = tmp_path_factory.mktemp("swept")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(out)
        patch.setattr(experiments.compare, "run_jobs", run_here)
        patch.setitem(recipes.RECIPES, "miniature", lambda device: _without_curve(recipe()))
        _sweep().run()
        (out / "broken.py").write_text("def reward(rollout, verdict):\n    return float('nan')\n")
        with pytest.raises(WorkerError, match=r"2 of 6 runs failed(.|\n)*reward=broken\.py_reward.* is nan"):
            _sweep_dpo().run()
    return out


CONTEXT: dict[str, Any] = {}


def run_here(jobs: Sequence[Job], *, on_done: Any, on_failed: Any, **ignored: Any) -> None:
    """`run_jobs` without processes."""
    for job in jobs:
        try:
            on_done(job.name, job.function(CONTEXT, *job.arguments, lambda *progress: None))
        except ValueError as error:
            on_failed(job.name, str(error))


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


def test_values_whose_runs_failed_are_not_chosen_and_the_choice_stands(tmp_path: Path) -> None:
    base = replace(only("grpo", "ppo"), seeds=(0,))
    varied = parse_varied("learning_rate=1e-3,2e-3")
    scores = {"grpo_learning_rate=0.001": 0.4, "grpo_learning_rate=0.002": None}
    calls = []

    def run(choice: Recipe, folder: Path) -> None:
        calls.append(list(choice.arms))
        for name, score in scores.items():
            (folder / "runs" / f"{name}-seed100").mkdir(parents=True)
            if score is not None:
                (folder / "runs" / f"{name}-seed100" / "finished.json").write_text(json.dumps({"pass_at_1": score}))
        lost = {"grpo_learning_rate=0.002-seed100": "out of memory", "ppo_learning_rate=0.001-seed100": "nan"}
        (folder / "comparison.json").write_text(json.dumps({"failures": lost}))
        raise WorkerError("three runs failed")

    choice = choose(base, varied, tmp_path, run)
    assert [(row["arm"], row["value"], row["chosen"], row["failure"]) for row in choice["table"]] == [
        ("grpo", 1e-3, True, None),
        ("grpo", 2e-3, False, "out of memory"),
        ("ppo", 1e-3, False, "nan"),
        ("ppo", 2e-3, False, None),
    ]
    chosen = apply_choice(base, choice)
    assert {name: arm.training.learning_rate for name, arm in chosen.arms.items()} == {"grpo": 1e-3}
    assert choose(base, varied, tmp_path, run) == choice
    assert len(calls) == 1
    with pytest.raises(ConfigMismatchError, match="the choice of another sweep"):
        choose(base, parse_varied("learning_rate=1e-3,4e-3"), tmp_path, run)


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
    # 3 steps of 4 problems; 6 problems × 4 samples at the end, × 2 at step 2 (step 0 is the start policy's); 2 seeds.
    expected = {"grpo group_size=4": (2, 96, 72), "grpo group_size=8": (2, 192, 72), "sft_start": (2, 0, 48)}
    for arm, numbers in expected.items():
        [line] = [line for line in printed.splitlines() if line.startswith(f"{arm} ")]
        assert tuple(int(part) for part in line.removeprefix(arm).split()[:3]) == numbers
    assert f"{96 + 192 + 72 + 72 + 48} completions" in printed
    assert "An estimate: no finished run here to measure" in printed
    assert not list(tmp_path.iterdir())


def test_time_is_estimated_from_what_runs_took(tmp_path: Path) -> None:
    """By hand: 48 completions in 12 s of which 4.8 s were drawing, and 24 judged in 6 s."""
    run = tmp_path / "runs" / "rft-seed0"
    run.mkdir(parents=True)
    training = {"steps": 3, "problems_per_step": 4, "group_size": 4}
    config = {"algorithm": "rft", "settings": {}, "training": training, "evaluation": {"problems": 6, "samples": 4}}
    (run / "config.json").write_text(json.dumps(config))
    (run / "finished.json").write_text(json.dumps({"evaluation": {"tokens": 100, "seconds": 6.0}}))
    rows = [{"seconds": 4.0 * step, "sampling_seconds": 1.6} for step in (1, 2, 3)]
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    rates = measured_rates([tmp_path])
    assert rates is not None
    assert rates.training == {"rft": pytest.approx(7.2 / 48)}
    assert rates.drawing == pytest.approx(0.1)
    assert rates.evaluation == pytest.approx(0.25)
    assert measured_rates([tmp_path / "nothing"]) is None

    rates = Rates(training={"rft": 0.5}, drawing=0.25, evaluation=0.125, start=10.0, source="")
    costs = {cost.job: cost for cost in job_costs(plan_jobs(only("rft"), Path("out"), evaluate_start=True), rates)}
    [drawn] = [cost for name, cost in costs.items() if name.startswith("offline")]
    assert (drawn.training_completions, drawn.seconds) == (48, 12.0)
    assert costs["start-seed0"].seconds == 10.0
    assert costs["sft_start-seed0"].seconds == 24 * 0.125
    assert costs["rft-seed0"].training_completions == 0  # counted where they are drawn
    assert costs["rft-seed0"].seconds == 48 * 0.5 + (24 + 12) * 0.125


def test_names_of_fields_are_found_with_and_without_their_section() -> None:
    base = only("grpo")
    for name, path in (
        ("kl_coef", "method.kl_coef"),
        ("method.kl_coef", "method.kl_coef"),
        ("group_size", "training.group_size"),
        ("evaluation.samples", "evaluation.samples"),
        ("top_p", "evaluation.top_p"),
        ("dtype", "engine.vllm.dtype"),
        ("reward", "reward"),
    ):
        assert resolve(base, name) == path
    assert resolve(base, "learning_rate", within=("method", "training")) == "training.learning_rate"
