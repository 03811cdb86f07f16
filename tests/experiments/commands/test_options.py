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


@pytest.mark.parametrize("name", ["gsm8k-smollm2-rates", "arithmetic-rates"])
def test_a_grid_of_rates_is_judged_on_validation_problems(name: str) -> None:
    """Until 2026-11-29 the command line's own default put every recipe on test problems, these too."""
    assert RecipeOptions().recipe(name).evaluation.split == "validation"
