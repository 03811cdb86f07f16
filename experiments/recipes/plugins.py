"""Methods and rewards from a user's own file: ``path/to/file.py:Name``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

from algorithms import Algorithm, build_algorithm, configure
from algorithms.checks import check_members
from benchmarks.naming import did_you_mean
from benchmarks.problem import Problem
from experiments.recipes.files import is_file_reference, load_object
from rewards.catalogue import REWARDS, WRAPPERS
from rewards.checker.answers import check_answer
from rewards.noise import RewardNoise, noisy
from rewards.reward import (
    Reward,
    RewardError,
    StepReward,
    StepRewardFunction,
    as_reward,
    as_step_reward,
    checked_rewards,
    checked_steps,
)
from rewards.steps.next_operations import check_next_operations
from rewards.steps.steps import check_steps
from rewards.verdict import StepVerdict
from sampling.rollout import Rollout
from training.peers.methods import TrlMethod, is_trl, trl_method

__all__ = [
    "arm_name",
    "learned_name",
    "load_algorithm",
    "load_method",
    "load_reward",
    "load_step_reward",
    "load_step_rule",
    "try_reward",
    "try_step_reward",
]

TRIED = "was tried on two completions, a right answer and an empty one"
_NO_NOISE = RewardNoise()
LEARNED = "model:"  # before the name of a reward model of the recipe


def load_algorithm(name: str, settings: Mapping[str, Any]) -> Algorithm:
    """A method by name or ``file.py:Name``, with its settings.

    Raises:
        ValueError: no such method or field, or the file's class lacks part of the interface, or has text where
            a member is meant; or it is one of TRL's trainers, which have no coefficients.
    """
    if is_trl(name):
        equation = trl_method(name, settings).equation
        raise ValueError(
            f"{name} is TRL's own trainer, which shows no coefficients; expected a method, such as {equation}, its "
            "equation here. `train`, `compare` and `sweep` take it as --algorithm."
        )
    if not is_file_reference(name):
        return build_algorithm(name, settings)
    factory = cast(Callable[..., Algorithm], load_object(name))
    algorithm = configure(factory, settings, name)
    parts = ("data_source", "needs", "exclude", "batch_unit", "aggregation", "credit", "coefficients")
    missing = [part for part in parts if not hasattr(algorithm, part)]
    if missing:
        raise ValueError(
            f"{name} lacks {', '.join(missing)}; see algorithms.interface.Algorithm and docs/extending.md."
        )
    check_members(algorithm, name)
    return algorithm


def load_method(name: str, settings: Mapping[str, Any]) -> Algorithm | TrlMethod:
    """What an arm trains: a method of `load_algorithm`, or one of TRL's trainers.

    Raises:
        ValueError: see `load_algorithm` and `trl_method`.
    """
    return trl_method(name, settings) if is_trl(name) else load_algorithm(name, settings)


def arm_name(algorithm: str) -> str:
    """The arm's name for a method: the name itself, or the class name of ``file.py:Name``."""
    return algorithm.rpartition(":")[2] if is_file_reference(algorithm) else algorithm


def learned_name(reward: str) -> str | None:
    """NAME of ``model:NAME``, also behind a word of `WRAPPERS`; ``None`` for any other reward or step reward."""
    inner = _split_control(reward)[1]
    return inner.removeprefix(LEARNED) if inner.startswith(LEARNED) else None


def load_reward(name: str, learned: Reward | None = None) -> Reward:
    """A name of `REWARDS`, a function ``(rollout, verdict) -> float`` or `Reward` of a file, or a reward model.

    Each may follow a word of `WRAPPERS`: ``shuffled:correctness``, ``shuffled:my_reward.py:rules``.

    Args:
        name: what is asked for.
        learned: the reward of ``model:NAME``, where that is asked for.

    Raises:
        ValueError: neither.
        SandboxUnavailableError: the reward runs programs, which this machine cannot keep apart.
    """
    control, inner = _split_control(name)
    if learned is not None and learned_name(name) is not None:
        return learned if control is None else WRAPPERS[control](learned)
    if inner not in REWARDS and not is_file_reference(inner):
        known = ", ".join(map(repr, REWARDS))
        near = did_you_mean(name, [*REWARDS, *(f"{word}:{each}" for word in WRAPPERS for each in REWARDS)])
        raise ValueError(f"unknown reward {inner!r}{near}Expected {known}, path/to/file.py:function, or model:NAME.")
    reward = REWARDS[inner] if inner in REWARDS else as_reward(load_object(inner), inner)
    reward.check()
    return reward if control is None else WRAPPERS[control](reward)


def try_reward(name: str, problem: Problem, noise: RewardNoise = _NO_NOISE) -> None:
    """Ask a reward of the user's about completions made up here, so that a mistake in it shows before a run starts.

    A model can write anything: the right answer and nothing at all are among it.

    Args:
        name: see `load_reward`; only one of a file is tried.
        problem: one that it will be asked about.
        noise: errors that are made in it.

    Raises:
        RewardError: it fails, or what it returns is not a finite number; the message names file and line. Or there is
            noise in a reward that knows no right and wrong ones (`rewards.noise.NoisyReward`).
    """
    if not is_file_reference(name):
        if learned_name(name) is None and not noise.silent and load_reward(name).right_and_wrong is None:
            able = ", ".join(known for known, reward in REWARDS.items() if reward.right_and_wrong is not None)
            raise RewardError(
                f"reward is {name!r}, which takes no completion for right or wrong, and there is reward_noise; "
                f"expected one of {able}, or no noise."
            )
        return
    rollouts = _made_up(problem)
    verdicts = [check_answer(item.completion, problem.gold_answer, tolerance=problem.tolerance) for item in rollouts]
    try:
        checked_rewards(noisy(load_reward(name), noise), rollouts, verdicts)
    except RewardError as error:
        raise RewardError(f"{name} {TRIED}: {error}") from error


def try_step_reward(name: str, problem: Problem) -> None:
    """Ask a step reward of the user's about the completions of `try_reward`, before a run starts.

    Args:
        name: see `load_step_reward`; only one of a file is tried.
        problem: one that it will be asked about.

    Raises:
        RewardError: it fails, or what it returns are no steps in order; the message names file and line.
    """
    if not is_file_reference(name):
        return
    try:
        checked_steps(as_step_reward(load_step_reward(name)), _made_up(problem))
    except RewardError as error:
        raise RewardError(f"{name} {TRIED}: {error}") from error


def _made_up(problem: Problem) -> list[Rollout]:
    """A right answer to the problem, and an empty one."""
    return [
        Rollout(
            problem=problem,
            prompt_ids=(1,),
            completion_ids=tuple(range(1, 2 + len(completion))),
            completion=completion,
            finish_reason="stop",
            sample_index=index,
            seed=index,
            policy_version=0,
        )
        for index, completion in enumerate((rf"The answer is \boxed{{{problem.gold_answer}}}.", ""))
    ]


def _split_control(name: str) -> tuple[str | None, str]:
    """A word of `WRAPPERS` and the name behind it; ``None`` where there is no such word."""
    word, colon, inner = name.partition(":")
    return (word, inner) if colon and word in WRAPPERS else (None, name)


def load_step_reward(name: str, learned: StepReward | None = None) -> StepReward | StepRewardFunction:
    """``"next_operations"``, ``"equations"``, a function ``(rollout) -> steps`` of a file, or a reward model.

    Args:
        name: what is asked for.
        learned: the step reward of ``model:NAME``, where that is asked for.

    Raises:
        ValueError: none of these.
    """
    rules = _step_rules()
    if learned is not None and learned_name(name) is not None:
        return learned
    if name in rules:
        return rules[name]
    if is_file_reference(name):
        return cast(StepRewardFunction, _function(name))
    raise ValueError(
        f"unknown step reward {name!r}{did_you_mean(name, rules)}Expected {', '.join(map(repr, rules))}, "
        "path/to/file.py:function, or model:NAME."
    )


def load_step_rule(name: str) -> StepRewardFunction | None:
    """The rule of ours with which a chain is checked; ``None`` for what is somebody's own, whose word is no proof."""
    return _step_rules().get(name)


def _step_rules() -> dict[str, StepRewardFunction]:
    return {"next_operations": _next_operations, "equations": _equations}


def _function(reference: str) -> Callable[..., Any]:
    function = load_object(reference)
    if not callable(function):
        raise ValueError(f"{reference} is a {type(function).__name__}; expected a function.")
    return function


def _next_operations(rollout: Rollout) -> tuple[StepVerdict, ...]:
    return check_next_operations(rollout.problem.question, rollout.completion)


def _equations(rollout: Rollout) -> tuple[StepVerdict, ...]:
    return check_steps(rollout.completion)
