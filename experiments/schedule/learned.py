"""What can be refused of reward models before anything starts."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from benchmarks.labelled_steps import prm800k_file
from benchmarks.naming import did_you_mean
from experiments.recipes.config import Recipe
from experiments.recipes.plugins import learned_name, load_step_reward

__all__ = ["check_enough_problems", "check_learned_rewards"]


def check_learned_rewards(recipe: Recipe, arm: str) -> None:
    """Refuse rewards that name no reward model, or one that scores something else.

    Args:
        recipe: as the arm has it.
        arm: for the message.

    Raises:
        ValueError: no such model, a search is led by something else, a model of outcomes is asked for steps or of
            steps for outcomes, the rule of its labels is unknown, or TRL is to fit it and is not installed.
        RewardModelError: the model that a fit starts from has another tokenizer than the policy.
    """
    asked = [("reward", recipe.reward, "outcome"), ("step_reward", recipe.task.step_reward, "process")]
    guide = recipe.source.guide
    if guide is not None:
        asked.append(("source.guide", guide, "process"))
        if learned_name(guide) is None:
            raise ValueError(f"{arm}: source.guide is {guide!r}; expected model:NAME, NAME of recipe.reward_models.")
    for field, reward, supervision in asked:
        name = learned_name(reward)
        if name is None:
            continue
        if name not in recipe.reward_models:
            known = ", ".join(recipe.reward_models) or "none"
            near = did_you_mean(name, recipe.reward_models)
            raise ValueError(
                f"{arm}: {field} is {reward!r} and the recipe has no such reward model{near}It has: {known}."
            )
        model = recipe.reward_models[name]
        if model.supervision != supervision:
            raise ValueError(
                f"{arm}: {field} is {reward!r}, a reward model of supervision {model.supervision!r}; expected one of "
                f"supervision {supervision!r}."
            )
        if learned_name(model.step_rule) is not None:
            raise ValueError(f"reward model {name!r} has step_rule {model.step_rule!r}; expected a rule, not a model.")
        load_step_reward(model.step_rule)
        if model.objective == "bradley_terry" and find_spec("trl") is None:
            raise ValueError(
                f"reward model {name!r} is fitted by TRL's RewardTrainer, and the package trl is not installed; "
                "expected the extra `train`: pip install 'coeflab[train]'."
            )
        if model.labels == "prm800k":
            if recipe.task.data_dir is None:
                raise ValueError(
                    f"reward model {name!r} learns from PRM800K; name the folder that holds it (--data-dir)."
                )
            for split in ("train", "test"):
                prm800k_file(split, Path(recipe.task.data_dir))
        if model.model is not None:
            _check_start(recipe, model.model)


def check_enough_problems(recipe: Recipe, arm: str, problems: int) -> None:
    """Refuse fits that ask for more problems than there are.

    Args:
        recipe: as the arm has it.
        arm: for the message.
        problems: training problems.

    Raises:
        ValueError: a reward model of the arm needs more.
    """
    asked = (recipe.reward, recipe.task.step_reward, recipe.source.guide or "")
    for name in {learned_name(reward) for reward in asked} - {None}:
        model = recipe.reward_models[str(name)]
        if model.labels == "prm800k":
            continue
        if model.problems + model.held_out > problems:
            raise ValueError(
                f"{arm}: reward model {name!r} solves {model.problems} problems and holds out {model.held_out}; "
                f"expected at most the number of training problems, {problems}, together."
            )


def _check_start(recipe: Recipe, model: str) -> None:
    """Compare the tokenizer of the model that a fit starts from with the policy's."""
    from transformers import AutoTokenizer

    from training.models.embedded import build_embedded_tokenizer
    from training.models.policy import resolve_model
    from training.reward_models.model import check_tokenizer

    folder = resolve_model(model)
    policys = (
        build_embedded_tokenizer()
        if recipe.model is None
        else AutoTokenizer.from_pretrained(resolve_model(recipe.model), trust_remote_code=False)
    )
    check_tokenizer(AutoTokenizer.from_pretrained(folder, trust_remote_code=False), policys, folder)
