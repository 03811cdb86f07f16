"""What the command line leaves out is the recipe's, whatever the field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.commands.options import RecipeOptions
from experiments.recipes import catalogue
from experiments.recipes.config import Recipe
from tests.experiments.miniature import recipe


def unusual(device: str) -> Recipe:
    """A recipe that has none of the usual values."""
    made = recipe()
    return replace(
        made,
        evaluation=replace(made.evaluation, split="validation"),
        engine=replace(made.engine, name="transformers"),
        task=replace(made.task, data_dir="somewhere", prompt="bare", step_reward="equations"),
        reward="format",
    )


def test_options_that_are_not_given_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.RECIPES, "unusual", unusual)
    assert RecipeOptions().recipe("unusual") == unusual("cpu")


def test_options_that_are_given_take_the_recipes_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(catalogue.RECIPES, "unusual", unusual)
    made = RecipeOptions(split="test", engine="vllm", steps=7, reward="correctness").recipe("unusual")
    assert (made.evaluation.split, made.engine.name, made.reward) == ("test", "vllm", "correctness")
    assert {arm.training.steps for arm in made.arms.values()} == {7}


def test_a_benchmark_that_becomes_the_tasks_own_is_no_further_one() -> None:
    """`compare --benchmark arithmetic-long`: the default recipe asks it beside its own, and nothing is asked twice."""
    assert "arithmetic-long" in RecipeOptions().recipe("arithmetic").evaluation.further_benchmarks
    made = RecipeOptions(benchmark="arithmetic-long").recipe("arithmetic")
    assert made.task.benchmark == "arithmetic-long" and made.evaluation.further_benchmarks == ()


@pytest.mark.parametrize("name", ["gsm8k-smollm2-rates", "arithmetic-rates"])
def test_a_grid_of_rates_is_judged_on_validation_problems(name: str) -> None:
    """Until 2026-11-29 the command line's own default put every recipe on test problems, these too."""
    assert RecipeOptions().recipe(name).evaluation.split == "validation"


def warming(device: str) -> Recipe:
    """A recipe whose PPO arm cannot be shorter than its critic's first steps."""
    made = recipe()
    ppo = made.arms["ppo"]
    training = replace(ppo.training, steps=5, critic_warmup_steps=3)
    return replace(made, arms={**made.arms, "ppo": replace(ppo, training=training)})


def test_an_arm_that_is_not_run_refuses_no_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """`train --algorithm grpo --steps 3` ended in an error about the critic of the recipe's PPO arm."""
    monkeypatch.setitem(catalogue.RECIPES, "warming", warming)
    options = RecipeOptions(steps=3)
    for asked in ((), ("grpo",)):
        made = options.recipe("warming", asked)
        assert {arm.training.steps for arm in made.arms.values()} == {3}
        assert "ppo" not in made.arms
    for asked in (None, ("grpo", "ppo"), ("trl:ppo",)):  # by default this recipe runs all of its arms
        with pytest.raises(ValueError, match="ppo: critic_warmup_steps is 3; expected 0 or more and fewer"):
            options.recipe("warming", asked)
    monkeypatch.setitem(catalogue.RECIPES, "warming", lambda device: replace(warming(device), default_arms=("grpo",)))
    assert "ppo" not in options.recipe("warming").arms
    with pytest.raises(ValueError, match="steps is 0; expected at least 1"):
        RecipeOptions(steps=0).recipe("warming", ())


@pytest.mark.parametrize("asked", ["control_random", "trl:grpo", "grpo_iterative", "rft"])
def test_an_arm_that_others_are_made_of_refuses_steps(asked: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Left out, its controls would be trained like the recipe's last arm without a word."""

    def ahead(device: str) -> Recipe:
        made = recipe()
        training = replace(made.arms["grpo"].training, steps=9, critic_warmup_steps=3)
        arms = {"grpo": replace(made.arms["grpo"], training=training), "rft": made.arms["rft"]}
        return replace(made, arms=arms, default_arms=None)

    monkeypatch.setitem(catalogue.RECIPES, "ahead", ahead)
    with pytest.raises(ValueError, match="grpo: critic_warmup_steps is 3"):
        RecipeOptions(steps=3).recipe("ahead", (asked,))
