"""What a comparison asks: the recipe's own contrasts among the chosen arms, and the default rule for the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.statistics.contrasts import TUNED_START, Contrast
from experiments.recipes.arms import select_arms
from experiments.recipes.config import Recipe
from experiments.schedule.declared import declared_contrasts
from tests.experiments.miniature import recipe

ONLINE = Contrast(name="online", plus=("grpo", "online_rft"), minus=("rft",), temperature=0)
MORE = Contrast(name="more", plus=("grpo",), minus=(TUNED_START,), temperature=0)


def asked(base: Recipe, *algorithms: str, evaluate_start: bool = True) -> list[tuple[str, float | None]]:
    chosen = replace(base, arms=select_arms(base, algorithms))
    return [(each.name, each.temperature) for each in declared_contrasts(chosen, evaluate_start=evaluate_start)]


def test_without_contrasts_of_its_own_a_recipe_asks_the_default_ones() -> None:
    assert asked(recipe(), "rft", "grpo", "online_rft") == [
        ("GRPO − online RFT", None),
        ("rft − tuned start", None),
        ("grpo − tuned start", None),
        ("online_rft − tuned start", None),
    ]


def test_a_recipe_asks_its_own_at_their_temperature_and_the_default_of_arms_that_are_in_none() -> None:
    own = replace(recipe(), contrasts=(ONLINE, MORE))
    assert asked(own, "rft", "grpo", "online_rft") == [("online", 0), ("more", 0)]
    assert asked(own, "rft", "grpo", "online_rft", "ppo") == [("online", 0), ("more", 0), ("ppo − tuned start", None)]
    assert asked(own, "grpo", "dpo") == [("more", 0), ("dpo − tuned start", None)]
    assert asked(own, "rft", "grpo", "online_rft", evaluate_start=False) == [("online", 0)]


def test_a_temperature_at_which_nothing_is_decoded_is_refused() -> None:
    base = recipe()
    with pytest.raises(ValueError, match=r"'x' is asked at temperature 0.3, and policies are decoded at"):
        replace(base, contrasts=(replace(ONLINE, name="x", temperature=0.3),))
    with pytest.raises(ValueError, match="stands there twice"):
        replace(base, contrasts=(ONLINE, ONLINE))
