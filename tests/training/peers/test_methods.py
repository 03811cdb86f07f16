"""TRL's methods as fields: its own names and defaults, what is refused, and its numbers under our names."""

from __future__ import annotations

import dataclasses
from importlib import import_module
from typing import Any

import pytest

from algorithms import build_algorithm
from experiments.recipes.arms import select_arms
from experiments.recipes.catalogue import arithmetic
from experiments.recipes.fields import apply_settings, find_field
from experiments.recipes.plugins import load_algorithm, load_method
from experiments.schedule.door import check_recipe
from tests.experiments.miniature import recipe
from training.config import TrainingConfig
from training.peers import methods
from training.peers.methods import TRL_METHODS, check_trl, trl_method
from training.peers.recorder import columns_of

TRAINING = TrainingConfig(steps=2, problems_per_step=2, group_size=2, learning_rate=1e-3)


@pytest.mark.parametrize("name", TRL_METHODS)
def test_every_field_has_trls_name_and_default(name: str) -> None:
    method = trl_method(name, {})
    config = getattr(import_module(f"trl.trainer.{method.trainer.lower()}_config"), f"{method.trainer}Config")
    theirs = {
        item.name: item.default if item.default is not dataclasses.MISSING else item.default_factory()  # type: ignore[misc]
        for item in dataclasses.fields(config)
    }
    expected = {field: theirs[field] for field in method.fields}
    if name == "trl:dpo":  # a list of one there
        expected["loss_type"] = expected["loss_type"][0]
    assert method.fields == expected
    build_algorithm(method.equation)


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("trl:gropo", {}, r"unknown method 'trl:gropo'; did you mean 'trl:grpo'\?"),
        ("trl:grpo", {"betta": 1.0}, r"algorithm 'trl:grpo' has no field 'betta'; did you mean 'beta'\?"),
        ("trl:grpo", {"scale_rewards": "groups"}, r"expected one of 'group', 'batch', 'none'"),
        ("trl:grpo", {"learning_rate": 1.0}, r"has no field 'learning_rate'"),  # of the training, as in every arm
    ],
)
def test_a_wrong_name_or_field_is_refused_with_the_nearest(name: str, settings: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        trl_method(name, settings)


def test_without_trl_the_door_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods, "find_spec", lambda package: None)
    full = recipe()
    arms = select_arms(full, ["trl:grpo"])
    with pytest.raises(ValueError, match=r"trl:grpo trains with the package trl, .* the extra `train`: pip install"):
        check_recipe(dataclasses.replace(full, arms=arms))


@pytest.mark.parametrize(
    ("name", "changes", "why"),
    [
        ("trl:grpo", {"group_size": 1}, r"group_size is 1, expected 2 or more"),
        ("trl:grpo", {"lora_rank": 4}, r"lora_rank is 4, .* expected null"),
        ("trl:grpo", {"iteration_steps": 1}, r"iteration_steps is 1"),
        ("trl:sft", {"optimizer": "adamw_8bit"}, r"optimizer is 'adamw_8bit', .* expected 'adamw'"),
        ("trl:sft", {"updates_per_batch": 2}, r"sees every batch once; updates_per_batch is 2"),
    ],
)
def test_what_trl_has_no_part_for_is_refused(name: str, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_trl(trl_method(name, {}), dataclasses.replace(TRAINING, **changes), name)


def test_its_fields_are_set_like_those_of_any_method() -> None:
    arms = select_arms(arithmetic(), ["trl:grpo", "trl:sft"])
    held = dataclasses.replace(arithmetic(), arms={"trl:grpo": arms["trl:grpo"]}, contrasts=None, default_arms=None)
    assert find_field(held, "scale_rewards") == "method.scale_rewards"
    changed = apply_settings(held, ["beta=0.04", "loss_type=dr_grpo", "training.temperature=0.8"])
    assert changed.arms["trl:grpo"].settings == {"beta": 0.04, "loss_type": "dr_grpo"}
    assert arms["trl:grpo"].training == arithmetic().arms["grpo"].training, "trained like the recipe's arm of its name"
    assert arms["trl:sft"].training == arithmetic().arms["continued_sft"].training


def test_it_shows_no_coefficients_and_says_whose_to_look_at() -> None:
    with pytest.raises(ValueError, match=r"trl:rloo is TRL's own trainer.*such as rloo@trl-1\.16"):
        load_algorithm("trl:rloo", {})
    assert load_method("trl:rloo", {"beta": 0.1}) == methods.TrlRLOO(beta=0.1)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "trl:grpo",
            {"trl/loss": 0.5, "grad_norm": 2.0, "kl": 0.1, "entropy": 0.4, "clip_fraction": 0.25, "trl/reward": 0.75},
        ),
        (
            "trl:rloo",
            {
                "trl/loss": 0.5,
                "grad_norm": 2.0,
                "trl/kl": 0.1,
                "entropy": 0.4,
                "clip_fraction": 0.25,
                "trl/reward": 0.75,
            },
        ),
        (
            "trl:sft",
            {
                "loss": 0.5,
                "grad_norm": 2.0,
                "trl/kl": 0.1,
                "trl/entropy": 0.4,
                "trl/clip_ratio/region_mean": 0.25,
                "trl/reward": 0.75,
            },
        ),
    ],
)
def test_trls_numbers_stand_under_our_names_where_they_are_the_same_number(
    name: str, expected: dict[str, float]
) -> None:
    logged = {
        "loss": 0.5,
        "grad_norm": 2.0,
        "kl": 0.1,
        "entropy": 0.4,
        "clip_ratio/region_mean": 0.25,
        "reward": 0.75,
        "epoch": 0.3,
        "step_time": 9.0,
        "num_tokens": 512.0,
        "reward_std": float("nan"),
        "note": "text",
    }
    assert columns_of(logged, trl_method(name, {})) == expected
