"""The arms of a comparison: those of its recipe, any other method, and arms that every recipe has by name.

Controls, each the recipe's GRPO arm with one thing taken away:

- ``control_random``: the reward is a coin's (Shao et al. 2025, arXiv 2506.10947).
- ``control_format``: the reward looks for the box alone, not at what is in it.
- ``control_shuffled``: the outcome rewards of each group are permuted.
- ``control_no_update``: learning rate 0; samples, rewards and evaluations as always, and no update.
- ``control_sft``: no GRPO: SFT on as many further demonstrations as the others draw completions.

Iterations (DeepSeekMath, Algorithm 1), three to a run:

- ``grpo_iterative``: GRPO with π_ref ← π_θ before each iteration.
- ``iterative_dpo``: DPO on pairs of each iteration's first policy, which is also the reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from algorithms import ALGORITHMS
from benchmarks.naming import did_you_mean
from experiments.recipes.config import ArmConfig, Recipe
from experiments.recipes.files import is_file_reference
from experiments.recipes.plugins import arm_name
from training.peers.methods import PREFIX, TRL_METHODS, is_trl

__all__ = ["BASES", "CONTROLS", "named_arms", "select_arms", "with_controls"]

ITERATIONS = 3  # of a run; Figure 6 of the paper has the first and two more


def select_arms(recipe: Recipe, algorithms: Sequence[str]) -> dict[str, ArmConfig]:
    """The recipe's default arms, or those that `algorithms` names.

    A name is that of an arm of the recipe, of an arm that every recipe has (`named_arms`), of another method, or
    ``file.py:Name``, or one of TRL's trainers (``trl:grpo``). A method that the recipe has no arm for is trained like
    the recipe's last arm.

    Raises:
        ValueError: two arms of one name, or a name that is no arm's and no method's.
    """
    if not algorithms:
        names = recipe.arms if recipe.default_arms is None else recipe.default_arms
        return {name: recipe.arms[name] for name in names}
    named = named_arms(recipe)
    chosen: dict[str, ArmConfig] = {}
    for algorithm in algorithms:
        if arm_name(algorithm) in chosen:
            raise ValueError(f"two arms would be called {arm_name(algorithm)!r}; give the methods different names.")
        known = {**named, **recipe.arms}
        if not (algorithm in known or algorithm in ALGORITHMS or is_trl(algorithm) or is_file_reference(algorithm)):
            raise ValueError(_no_method(algorithm, known))
        chosen[arm_name(algorithm)] = known[algorithm] if algorithm in known else _arm(recipe, algorithm)
    return chosen


def _no_method(name: str, arms: Iterable[str]) -> str:
    """What is said of a name that is neither that of an arm nor of a method."""
    near = did_you_mean(name, [*arms, *ALGORITHMS, *TRL_METHODS])
    own = [arm for arm in arms if arm not in ALGORITHMS]
    return (
        f"unknown algorithm {name!r}{near}Known: {', '.join(sorted(ALGORITHMS))}; arms by name {', '.join(own)}; "
        f"{', '.join(TRL_METHODS)}; or path/to/file.py:Name."
    )


def with_controls(recipe: Recipe, arms: dict[str, ArmConfig]) -> dict[str, ArmConfig]:
    """`arms`, and after them every control of `recipe` of a kind that is not among them yet."""
    held = {arm.control for arm in arms.values()}
    named = named_arms(recipe)
    return {**arms, **{name: named[name] for name in CONTROLS if named[name].control not in held}}


def named_arms(recipe: Recipe) -> dict[str, ArmConfig]:
    """The arms that every recipe has beside its own, with the recipe's settings of the method they come from."""
    controls = {name: make(recipe) for name, make in CONTROLS.items()}
    return {**controls, "grpo_iterative": _iterated(recipe, "grpo", "grpo"), **_dpo_arms(recipe)}


def _arm(recipe: Recipe, algorithm: str) -> ArmConfig:
    """The recipe's arm of that name, or the method with its defaults, trained like the recipe's last arm, in one
    iteration.

    One of TRL's trainers is trained like the recipe's arm of the method: ``trl:grpo`` like ``grpo``, ``trl:sft`` like
    the control of continued SFT.
    """
    if is_trl(algorithm):
        name = algorithm.removeprefix(PREFIX)
        own = {"sft": _sft}.get(name, lambda recipe: _arm(recipe, name))(recipe)
        return ArmConfig(algorithm=algorithm, training=own.training)
    like = list(recipe.arms.values())[-1]
    once = replace(like.training, iteration_steps=None)  # iterations are the last arm's own
    return recipe.arms.get(algorithm) or ArmConfig(algorithm=algorithm, training=once)


def _dpo_arms(recipe: Recipe) -> dict[str, ArmConfig]:
    """Online DPO differs from the recipe's DPO in where its pairs come from only; iterated DPO in the reference too."""
    return {
        "online_dpo": replace(_arm(recipe, "dpo"), algorithm="online_dpo"),
        "iterative_dpo": _iterated(recipe, "dpo", "iterative_dpo"),
    }


def _iterated(recipe: Recipe, base: str, algorithm: str) -> ArmConfig:
    arm = _arm(recipe, base)
    every = -(-arm.training.steps // ITERATIONS)
    return replace(arm, algorithm=algorithm, training=replace(arm.training, iteration_steps=every))


def _random(recipe: Recipe) -> ArmConfig:
    return replace(_arm(recipe, "grpo"), overrides={"reward": "random"}, control="random_reward")


def _format(recipe: Recipe) -> ArmConfig:
    return replace(_arm(recipe, "grpo"), overrides={"reward": "format"}, control="format_reward")


def _shuffled(recipe: Recipe) -> ArmConfig:
    return replace(_arm(recipe, "grpo"), overrides={"reward": "shuffled:"}, control="shuffled_verdicts")


def _no_update(recipe: Recipe) -> ArmConfig:
    arm = _arm(recipe, "grpo")
    return replace(arm, training=replace(arm.training, learning_rate=0.0), control="no_update")


def _sft(recipe: Recipe) -> ArmConfig:
    own = [arm for arm in recipe.arms.values() if arm.control == "continued_sft"]
    return own[0] if own else replace(_arm(recipe, "sft"), control="continued_sft")


BASES = ("grpo", "dpo")
"""The recipe's arms that others are made of where they are asked for: controls, iterated and online ones."""

CONTROLS: dict[str, Callable[[Recipe], ArmConfig]] = {
    "control_random": _random,
    "control_format": _format,
    "control_shuffled": _shuffled,
    "control_no_update": _no_update,
    "control_sft": _sft,
}
