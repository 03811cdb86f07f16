"""Comparisons of rewards: the rule against models that learned from it, in one iteration and in three."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.statistics.contrasts import Contrast
from experiments.recipes.config import ArmConfig, Recipe
from training.config import TrainingConfig
from training.reward_models.config import RewardModelConfig

__all__ = ["embedded_reward_models", "gsm8k_reward_models", "with_reward_models"]

ITERATIONS = 3  # as Figure 6 of the paper has it: the first and two more
LEARNED = {"orm": "grpo", "prm_rule": "grpo_process", "prm_mc": "grpo_process"}  # model, and the method that asks it


def embedded_reward_models(base: Recipe) -> Recipe:
    """On the embedded task: 18 steps an arm; a fit has 512 problems × 8 completions, by continuations 128 × 4.

    Args:
        base: `arithmetic`.
    """
    evaluation = replace(
        base.evaluation, problems=200, further_benchmarks=(), samples=8, every=6, decoding_temperatures=(0.0,)
    )
    arms = {
        name: replace(base.arms[name], training=replace(base.arms[name].training, steps=18))
        for name in ("grpo", "grpo_process")
    }
    fit = RewardModelConfig(
        problems=512,
        samples=8,
        held_out=64,
        epochs=2,
        batch_size=64,
        learning_rate=1e-3,
        microbatch_tokens=2048,  # of 1,024 to 16,384 the fastest on a CPU core
    )
    continued = replace(
        fit,
        supervision="process",
        labels="monte_carlo_soft",
        problems=128,
        samples=4,
        held_out=32,
        continuations=4,
        epochs=8,
    )
    base = replace(base, evaluation=evaluation, arms=arms, seeds=(0, 1))
    return with_reward_models(base, "reward-models", fit, continued, temperature=0.0)


def gsm8k_reward_models(base: Recipe, *, on_gpu: bool) -> Recipe:
    """On GSM8K with a real model; on a CPU a few steps.

    Args:
        base: `gsm8k_smollm2`.
        on_gpu: sizes for a GPU.
    """
    fit = RewardModelConfig(
        problems=1024 if on_gpu else 4,
        samples=16 if on_gpu else 2,
        held_out=128 if on_gpu else 2,
        epochs=2,
        batch_size=64 if on_gpu else 4,
        learning_rate=2e-5,  # of the paper's reward model (section 4.2)
        microbatch_tokens=12288 if on_gpu else 2048,
        use_autocast=on_gpu,
    )
    continued = replace(
        fit,
        supervision="process",
        labels="monte_carlo_soft",
        samples=4 if on_gpu else 1,
        continuations=8 if on_gpu else 1,
    )
    return with_reward_models(base, "gsm8k-smollm2-reward-models", fit, continued, temperature=None)


def with_reward_models(
    base: Recipe, name: str, fit: RewardModelConfig, continued: RewardModelConfig, *, temperature: float | None
) -> Recipe:
    """GRPO of a recipe under the rule and under three reward models, with their controls.

    The models: `orm` scores outcomes, `prm_rule` steps by the task's rule, `prm_mc` steps by continuations. Each arm
    runs in one iteration and in `ITERATIONS`; controls are a model that was fitted to shuffled labels, and one that
    stays as it is while the reference follows the policy.

    Args:
        base: start policy, task, evaluation and the arms `grpo` and `grpo_process`, whose settings all arms have.
        name: of the recipe.
        fit: how models are fitted to labels of the rule.
        continued: how the model is that is fitted to labels by continuations.
        temperature: at which the declared questions are asked; ``None`` is that of the evaluation.
    """
    steps = replace(fit, supervision="process", step_rule=base.task.step_reward)
    models = {"orm": fit, "prm_rule": steps, "prm_mc": continued}
    training = base.arms["grpo"].training
    several = replace(training, iteration_steps=-(-training.steps // ITERATIONS))
    arms = {"rule": _arm(base, "grpo", training), "rule_process": _arm(base, "grpo_process", training)}
    controls: dict[str, ArmConfig] = {}
    for model, algorithm in LEARNED.items():
        arms[model] = _arm(base, algorithm, training, model)
        arms[f"{model}_{ITERATIONS}"] = _arm(base, algorithm, several, model)
        controls[f"{model}_shuffled"] = _arm(base, algorithm, training, f"{model}_shuffled", "shuffled_labels")
        controls[f"{model}_frozen"] = _arm(base, algorithm, several, f"{model}_frozen", "frozen_model")
    shuffled = {f"{key}_shuffled": replace(model, control="shuffled_labels") for key, model in models.items()}
    frozen = {f"{key}_frozen": replace(model, refit=False) for key, model in models.items()}
    return replace(
        base,
        name=name,
        arms={**arms, **controls},
        default_arms=None,
        contrasts=_contrasts(temperature),
        reward_models={**models, **shuffled, **frozen},
    )


def _arm(
    base: Recipe, algorithm: str, training: TrainingConfig, model: str | None = None, control: str | None = None
) -> ArmConfig:
    field = "task.step_reward" if algorithm == "grpo_process" else "reward"
    overrides: dict[str, Any] = {} if model is None else {field: f"model:{model}"}
    return ArmConfig(
        algorithm=algorithm,
        training=training,
        settings=base.arms[algorithm].settings,
        overrides=overrides,
        control=control,
    )


def _contrasts(temperature: float | None) -> tuple[Contrast, ...]:
    """What is asked: does a model replace the rule, do iterations help, and does the model's knowledge do it?"""

    def asked(name: str, plus: tuple[str, ...], minus: tuple[str, ...]) -> Contrast:
        return Contrast(name=name, plus=plus, minus=minus, temperature=temperature)

    one, more = tuple(LEARNED), tuple(f"{model}_{ITERATIONS}" for model in LEARNED)
    return (
        asked("ORM − rule", ("orm",), ("rule",)),
        asked("PRM − rule of steps", ("prm_rule",), ("rule_process",)),
        asked("PRM by continuations − PRM by rule", ("prm_mc",), ("prm_rule",)),
        asked("three iterations − one", more, one),
        asked("refitted − frozen", more, tuple(f"{model}_frozen" for model in LEARNED)),
        asked("models − shuffled labels", one, tuple(f"{model}_shuffled" for model in LEARNED)),
    )
