"""What a comparison asks: the recipe's own contrasts among the chosen arms, and the default rule for the rest."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analysis.statistics.contrasts import TUNED_START, Contrast
from experiments.commands.compare import Train
from experiments.recipes.arms import select_arms
from experiments.recipes.catalogue import RECIPES, check_arms
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


def test_the_temperature_of_a_question_that_the_chosen_arms_cannot_answer_is_not_needed() -> None:
    own = replace(recipe(), contrasts=(ONLINE,))
    evaluation = replace(own.evaluation, decoding_temperatures=())
    assert not replace(own, arms=select_arms(own, ["grpo"]), evaluation=evaluation).evaluation.decoding_temperatures
    with pytest.raises(ValueError, match="'online' is asked at temperature 0"):
        replace(own, evaluation=evaluation)


def test_train_asks_nothing_of_the_start_and_so_nothing_of_it_at_a_temperature() -> None:
    online = replace(ONLINE, temperature=None)
    own = replace(recipe(), contrasts=(MORE, online))
    chosen = replace(own, arms=select_arms(own, ["grpo"]))
    sampled_alone = Train(settings=("evaluation.decoding_temperatures=[]",)).settled(chosen)
    assert sampled_alone.evaluation.decoding_temperatures == () and sampled_alone.contrasts == (online,)
    assert Train().settled(chosen) == chosen, "and what is decoded stays declared, as in folders that are gone on with"
    alone = replace(chosen, contrasts=None)
    assert Train(settings=("evaluation.decoding_temperatures=[]",)).settled(alone).contrasts is None


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_every_recipe_names_arms_that_it_has(name: str, device: str) -> None:
    made = check_arms(RECIPES[name](device))
    assert select_arms(made, ())


def test_an_arm_that_is_not_there_is_refused_with_the_nearest() -> None:
    with pytest.raises(ValueError, match=r"contrast 'online': no arm 'onlin_rft'.*online_rft"):
        check_arms(replace(recipe(), contrasts=(replace(ONLINE, plus=("onlin_rft",)),)))
    with pytest.raises(ValueError, match=r"default_arms: no arm 'grp'.*grpo"):
        check_arms(replace(recipe(), default_arms=("grp",)))


def test_the_default_comparison_has_five_arms_and_seven_questions_of_four_seeds() -> None:
    made = RECIPES["arithmetic"]("cpu")
    assert list(select_arms(made, ())) == ["rft", "online_rft", "dpo", "grpo", "grpo_process"]
    assert asked(made) == [
        ("online − offline", 0),
        ("online − offline, sampled", 1),
        ("GRPO − online RFT", 0),
        ("PS − outcome", 0),
        ("DPO − RFT", 0),
        ("online − tuned start", 0),
        ("offline − tuned start", 0),
    ]
    rates = {name: arm.training.learning_rate for name, arm in RECIPES["arithmetic-rates"]("cpu").arms.items()}
    cells = [name.split("@")[0] for name in rates]
    assert {name: cells.count(name) for name in cells} == dict.fromkeys(made.arms, 3), "equal tuning for every method"
    assert set(RECIPES["arithmetic-rates"]("cpu").seeds).isdisjoint(made.seeds)


def test_online_minus_offline_is_asked_alone_of_seeds_that_nothing_else_was_run_on() -> None:
    made, default = RECIPES["online-offline"]("cpu"), RECIPES["arithmetic"]("cpu")
    assert list(select_arms(made, ())) == ["rft", "grpo"]
    assert asked(made) == [("online − offline", 0)], "one question, and so no correction"
    used = {*default.seeds, *RECIPES["arithmetic-rates"]("cpu").seeds, *range(100, 104)}
    assert len(made.seeds) == 7 and used.isdisjoint(made.seeds)
    assert (made.supervised, made.task) == (default.supervised, default.task), "the same start policy"
    assert {name: made.arms[name] for name in made.arms} == {name: default.arms[name] for name in made.arms}
