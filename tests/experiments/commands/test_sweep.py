"""What a sweep is going to run: the grid, the choice, the seeds, control and iterated arms, the time it takes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from experiments.commands.options import seeds_from
from experiments.recipes.arms import named_arms, select_arms, with_controls
from experiments.recipes.config import Recipe
from experiments.recipes.grid import Varied, grid_arms, parse_varied, resolve
from experiments.records.same import ConfigMismatchError
from experiments.schedule.choice import apply_choice, choice_recipe, choice_seed, choose, pick
from experiments.schedule.estimate import Rates, job_costs, measured_rates
from experiments.schedule.plan import plan_jobs, run_folder_name
from experiments.schedule.workers import WorkerError
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
        (["klcoef=1,2"], "no field 'klcoef'; did you mean 'kl_coef'"),
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
        (["adam_beta2=0.9,1"], r"adam_beta2 is 1; expected a number in \[0, 1\)"),
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
    varied = [parse_varied("task.train_problems=32,64"), parse_varied("supervised.decay_steps=20,21")]
    jobs = plan_jobs(replace(base, arms=grid_arms(base, varied)), Path("out"), evaluate_start=True)
    names = [job.name for job in jobs]
    assert [name for name in names if name.startswith("start")] == [
        "start-seed0",
        "start_supervised.decay_steps=21-seed0",  # 20 is what the miniature has
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
    assert seeds_from((5, 7)) == seeds_from((7, 5)) == (5, 7), "the same comparison, whatever the order"
    assert seeds_from(None) is None
    with pytest.raises(ValueError, match="--seeds is 0"):
        seeds_from((0,))


def test_controls_differ_from_grpo_in_what_they_are_named_for_only() -> None:
    base = replace(recipe(), arms=grid_arms(only("grpo"), [parse_varied("kl_coef=0.5")]))
    base = replace(base, arms={"grpo": base.arms["grpo kl_coef=0.5"], **base.arms})
    grpo, named = base.arms["grpo"], named_arms(base)
    assert named["control_random"] == replace(grpo, overrides={"reward": "random"}, control="random_reward")
    assert named["control_format"] == replace(grpo, overrides={"reward": "format"}, control="format_reward")
    shuffled = {"reward": "shuffled:"}
    assert named["control_shuffled"] == replace(grpo, overrides=shuffled, control="shuffled_verdicts")
    for reward in ("correctness", "mine.py:rules"):  # also where --set reward=… comes after the arms
        assert replace(base, reward=reward).overridden(shuffled).reward == f"shuffled:{reward}"
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


class Runs:
    """Stands in for the runs of a choice: Pass@1 by folder, or a failure."""

    def __init__(self, scores: Mapping[str, float | str]) -> None:
        self.scores = scores
        self.calls = 0

    def __call__(self, choice: Recipe, folder: Path) -> None:
        self.calls += 1
        failures = {name: score for name, score in self.scores.items() if isinstance(score, str)}
        for name in self.scores.keys() - failures.keys():
            (folder / "runs" / name).mkdir(parents=True, exist_ok=True)
            (folder / "runs" / name / "finished.json").write_text(json.dumps({"pass_at_1": self.scores[name]}))
        (folder / "comparison.json").write_text(json.dumps({"failures": failures}))
        if failures:
            raise WorkerError("runs failed")


def test_values_whose_runs_failed_are_not_chosen_and_what_was_chosen_stands(tmp_path: Path) -> None:
    base = replace(only("grpo", "ppo"), seeds=(0,))
    varied = parse_varied("learning_rate=1e-3,2e-3")
    low, high = (f"_learning_rate={rate}-seed100" for rate in ("0.001", "0.002"))
    (tmp_path / "choice").mkdir()
    run = Runs({f"grpo{low}": 0.4, f"grpo{high}": "out of memory", f"ppo{low}": "nan", f"ppo{high}": "killed"})
    choice = choose(base, varied, tmp_path, run)
    assert [(row["arm"], row["value"], row["chosen"], row["failure"]) for row in choice["table"]] == [
        ("grpo", 1e-3, True, None),
        ("grpo", 2e-3, False, "out of memory"),
        ("ppo", 1e-3, False, "nan"),
        ("ppo", 2e-3, False, "killed"),
    ]
    chosen = apply_choice(base, choice)
    assert {name: arm.training.learning_rate for name, arm in chosen.arms.items()} == {"grpo": 1e-3}

    # PPO is tried again; GRPO has been trained at what was chosen, whatever its other value gives now.
    run.scores = {f"grpo{low}": 0.4, f"grpo{high}": 0.9, f"ppo{low}": "nan", f"ppo{high}": 0.2}
    again = choose(base, varied, tmp_path, run)
    assert [(row["arm"], row["value"]) for row in again["table"] if row["chosen"]] == [("grpo", 1e-3), ("ppo", 2e-3)]
    assert choose(base, varied, tmp_path, run) == again
    assert run.calls == 2


def test_a_choice_of_which_every_run_failed_is_tried_again(tmp_path: Path) -> None:
    base, varied = only("grpo"), parse_varied("learning_rate=1e-3,2e-3")
    names = [f"grpo_learning_rate={rate}-seed100" for rate in ("0.001", "0.002")]
    (tmp_path / "choice").mkdir()
    run = Runs(dict.fromkeys(names, "killed"))
    with pytest.raises(WorkerError, match="no run of the choice finished: killed"):
        apply_choice(base, choose(base, varied, tmp_path, run))
    run.scores = {names[0]: 0.1, names[1]: 0.2}
    chosen = apply_choice(base, choose(base, varied, tmp_path, run))
    assert chosen.arms["grpo"].training.learning_rate == 2e-3


def test_a_choice_is_not_taken_over_by_another_sweep(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "choice").mkdir()
    (tmp_path / "mine.py").write_text("def reward(rollout, verdict):\n    return 1.0\n")
    base = replace(only("grpo"), reward="mine.py:reward")
    varied = parse_varied("learning_rate=1e-3,2e-3")
    run = Runs({f"grpo_learning_rate={rate}-seed100": 0.5 for rate in ("0.001", "0.002")})
    choice = choose(base, varied, tmp_path, run)
    assert "recipe" not in choice  # choice.json has it; comparison.json has its own
    others = (
        (base, parse_varied("learning_rate=1e-3,4e-3"), r"values is \[0.001, 0.002\] there and \[0.001, 0.004\] here"),
        (replace(base, reward="format"), varied, "recipe.reward is 'mine.py:reward' there and 'format' here"),
        (replace(base, seeds=(100,)), varied, "seed is 100 there and 101 here"),
    )
    for other, other_varied, message in others:
        with pytest.raises(ConfigMismatchError, match=f"is the choice of another sweep: .*{message}"):
            choose(other, other_varied, tmp_path, run)
    held = json.loads((tmp_path / "choice.json").read_text())
    (tmp_path / "mine.py").write_text("def reward(rollout, verdict):\n    return 2.0\n")
    with pytest.raises(ConfigMismatchError, match=r"recipe\.files\.mine\.py:reward is"):
        choose(base, varied, tmp_path, run)
    del held["recipe"], held["seal"]  # a file of an older version, that says less
    (tmp_path / "choice.json").write_text(json.dumps(held))
    assert choose(base, varied, tmp_path, run) == choice
    with pytest.raises(ConfigMismatchError, match="seed is 100 there and 101 here"):
        choose(replace(base, seeds=(100,)), varied, tmp_path, run)
    assert run.calls == 1


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
    last = 6 * (4 + 1 + 2 + 2)  # at temperature 1, greedily, at 0.4 and at 0.7
    validation = 6 * (2 + 1 + 2 + 2)
    assert costs["sft_start-seed0"].seconds == (last + validation) * 0.125
    assert costs["rft-seed0"].training_completions == 0  # counted where they are drawn
    assert costs["rft-seed0"].seconds == 48 * 0.5 + (last + 12) * 0.125


def test_names_of_fields_are_found_with_and_without_their_section() -> None:
    base = only("grpo")
    for name, path in (
        ("kl_coef", "method.kl_coef"),
        ("method.kl_coef", "method.kl_coef"),
        ("group_size", "training.group_size"),
        ("evaluation.samples", "evaluation.samples"),
        ("evaluation.top_p", "evaluation.top_p"),
        ("dtype", "engine.vllm.dtype"),
        ("reward", "reward"),
    ):
        assert resolve(base, name) == path
    assert resolve(base, "learning_rate", within=("method", "training")) == "training.learning_rate"
