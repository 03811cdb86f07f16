"""Recipes: functions that return a whole comparison, named for what they are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from analysis.records.schema import START_ARM
from analysis.statistics.contrasts import TUNED_START
from benchmarks.naming import did_you_mean
from experiments.recipes.arithmetic import arithmetic, arithmetic_rates, online_offline
from experiments.recipes.config import ArmConfig, EvaluationConfig, Recipe, TaskConfig
from experiments.recipes.files import is_file_reference, load_object
from experiments.recipes.learned import embedded_reward_models, gsm8k_reward_models
from experiments.recipes.mixture import sft_mixture
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from training.config import SupervisedConfig, TrainingConfig

__all__ = [
    "RECIPES",
    "arithmetic",
    "arithmetic_rates",
    "build_recipe",
    "check_arms",
    "find_recipe",
    "gsm8k_grpo",
    "gsm8k_smollm2",
    "gsm8k_smollm2_rates",
    "gsm8k_smollm2_reward_models",
    "online_offline",
    "real_model_engine",
    "reward_models",
]


def reward_models(device: str = "cpu") -> Recipe:
    """GRPO under the rule and under reward models, on the embedded task, a quarter of an hour on two cores."""
    return embedded_reward_models(arithmetic(device))


def gsm8k_smollm2_reward_models(device: str = "cpu") -> Recipe:
    """The same comparison of rewards on GSM8K with SmolLM2-135M, for one GPU; on a CPU a few steps, to see it run."""
    return gsm8k_reward_models(gsm8k_smollm2(device), on_gpu=device == "cuda")


def gsm8k_grpo(device: str = "cpu") -> Recipe:
    """GRPO with the paper's settings on GSM8K (DeepSeekMath, section 4.2), for a small model.

    As in the paper: learning rate 1e-6, kl_coef 0.04, one update a batch. On a GPU the batch is the paper's 1,024
    completions, taken as 16 questions × 64; on a CPU it is 4 × 8, so that a step takes minutes. Completions are at most
    256 tokens long (the paper has 1,024); GSM8K solutions are about half of that.
    """
    on_gpu = device == "cuda"
    return Recipe(
        name="gsm8k-grpo",
        task=TaskConfig(benchmark="gsm8k", prompt="chain_of_thought", step_reward="equations"),
        evaluation=EvaluationConfig(problems=None if on_gpu else 8, samples=4, curve_samples=4, max_tokens=256),
        engine=real_model_engine(device),
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        arms={
            "grpo": ArmConfig(
                algorithm="grpo",
                training=TrainingConfig(
                    steps=100 if on_gpu else 1,
                    problems_per_step=16 if on_gpu else 4,
                    group_size=64 if on_gpu else 8,
                    learning_rate=1e-6,
                    microbatch_tokens=16384 if on_gpu else 2048,
                    max_completion_tokens=256,
                    use_autocast=on_gpu,
                ),
            )
        },
        checkpoint_every=10,
    )


def gsm8k_smollm2(device: str = "cpu") -> Recipe:
    """All methods on GSM8K from one SFT policy of SmolLM2-135M, at an equal budget, sized for one GPU.

    Every arm gets 40 steps of 32 problems × 32 completions: 40,960 completions; the SFT arm goes on with as many
    demonstrations. Learning rates fall linearly to 0, since at a constant 1e-4 accuracy rose and fell back within 15
    steps; `gsm8k_smollm2_rates` chose them (docs/results/gsm8k-smollm2.md). As in the paper's Figure 7, 64 samples a
    test problem at temperature 0.7, here on the first 256 problems; and on 64 of SVAMP, which nothing was trained on.
    """
    return Recipe(
        name="gsm8k-smollm2",
        task=TaskConfig(benchmark="gsm8k", prompt="chain_of_thought", step_reward="equations"),
        evaluation=EvaluationConfig(
            problems=256 if device == "cuda" else 4,
            samples=64 if device == "cuda" else 4,
            curve_samples=4,
            every=10 if device == "cuda" else 1,
            max_tokens=256,
            chunk_problems=256,
            further_benchmarks=("svamp",),
            further_problems=64 if device == "cuda" else 2,
        ),
        engine=real_model_engine(device),
        model="HuggingFaceTB/SmolLM2-135M-Instruct",
        supervised=_smollm2_start(device),
        arms={
            "continued_sft": replace(_smollm2_arm("sft", 3e-5, device), control="continued_sft"),
            "rft": _smollm2_arm("rft", 3e-5, device),
            "dpo": _smollm2_arm("dpo", 1e-5, device),
            "online_rft": _smollm2_arm("online_rft", 1e-4, device),
            "ppo": _smollm2_arm("ppo", 1e-4, device),
            "grpo": _smollm2_arm("grpo", 1e-4, device),
            "grpo_process": _smollm2_arm("grpo_process", 1e-4, device),
        },
        checkpoint_every=10,
    )


def gsm8k_smollm2_rates(device: str = "cpu") -> Recipe:
    """The grid to choose the learning rates of `gsm8k_smollm2` by: ten steps, validation problems, another seed.

    The rule: of each kind's three rates, the one with the highest Pass@1 on 256 validation problems × 8 samples. The
    kinds are the online methods (tried with GRPO), the likelihood of good completions (RFT) and pairs (DPO).
    """
    base = gsm8k_smollm2(device)
    grid = {"rft": (3e-5, 1e-4, 3e-4), "dpo": (1e-5, 3e-5, 1e-4), "grpo": (3e-5, 1e-4, 3e-4)}
    return replace(
        base,
        name="gsm8k-smollm2-rates",
        evaluation=replace(
            base.evaluation,
            split="validation",
            samples=8 if device == "cuda" else 4,
            every=0,
            further_benchmarks=(),
            decoding_temperatures=(),
        ),
        arms={
            f"{algorithm}@{rate:g}": _smollm2_arm(algorithm, rate, device, steps=10)
            for algorithm, rates in grid.items()
            for rate in rates
        },
        seeds=(100,),
    )


def _smollm2_start(device: str) -> SupervisedConfig:
    """Three epochs of GSM8K's solutions; on a CPU a few steps, to see it run."""
    on_gpu = device == "cuda"
    return SupervisedConfig(
        demonstrations=None,
        batch_size=64 if on_gpu else 4,
        learning_rate=5e-4,
        warmup_steps=20,
        target_pass_at_1=None,
        epochs=3 if on_gpu else None,
        max_steps=2,
        decay_steps=300 if on_gpu else 2,
        measure_every=1000,
        weight_decay=0.0,
        optimizer="adamw",
        microbatch_tokens=16384 if on_gpu else 2048,
        use_autocast=on_gpu,
    )


def _smollm2_arm(algorithm: str, learning_rate: float, device: str, *, steps: int = 40) -> ArmConfig:
    on_gpu = device == "cuda"
    return ArmConfig(
        algorithm=algorithm,
        training=TrainingConfig(
            steps=steps if on_gpu else 2,
            problems_per_step=32 if on_gpu else 4,
            group_size=32 if on_gpu else 4,
            learning_rate=learning_rate,
            critic_learning_rate=learning_rate,
            warmup_steps=2 if on_gpu else 0,
            schedule="linear",
            critic_warmup_steps=2 if on_gpu and algorithm == "ppo" else 0,
            microbatch_tokens=16384 if on_gpu else 2048,
            max_completion_tokens=256,
            use_autocast=on_gpu,
        ),
    )


def real_model_engine(device: str) -> EngineConfig:
    """vLLM in bfloat16 for a real model; the tolerance is that type's rounding, measured at 0.04 nats a token.

    Three engines on a GPU: they draw 69,000 tokens/s within training, two 47,000, one in the trainer's process 18,000
    to 24,000 (docs/performance.md; caches of 5 GiB, another day of 2). A model that fills the card by itself wants
    ``engine.replicas=1``, one of longer completions or more channels a larger ``engine.vllm.kv_cache_gib``.
    """
    return EngineConfig(
        device="cuda" if device == "cuda" else "cpu",
        vllm=VllmConfig(
            dtype="bfloat16",
            max_model_len=4096,
            max_num_seqs=1024 if device == "cuda" else 128,
            gpu_memory_utilization=0.1 if device == "cuda" else 0.4,
            kv_cache_gib=3.0 if device == "cuda" else None,
            cpu_kv_cache_gib=2,
        ),
        logprob_tolerance=0.1,
        replicas=3 if device == "cuda" else 1,
    )


RECIPES: dict[str, Callable[[str], Recipe]] = {
    "arithmetic": arithmetic,
    "arithmetic-rates": arithmetic_rates,
    "gsm8k-grpo": gsm8k_grpo,
    "gsm8k-smollm2": gsm8k_smollm2,
    "gsm8k-smollm2-rates": gsm8k_smollm2_rates,
    "gsm8k-smollm2-reward-models": gsm8k_smollm2_reward_models,
    "online-offline": online_offline,
    "reward-models": reward_models,
    "sft-mixture": sft_mixture,
}


def find_recipe(name: str) -> Callable[[str], Recipe]:
    """The function that makes the recipe `name`, a name of `RECIPES` or ``file.py:name``, for a device.

    Raises:
        ValueError: no such recipe; the nearest names are given.
    """
    if is_file_reference(name):
        return partial(_own_recipe, name, load_object(name))
    if name not in RECIPES:
        near = did_you_mean(name, RECIPES)
        raise ValueError(f"unknown recipe {name!r}{near}Known: {', '.join(RECIPES)}, or path/to/file.py:function.")
    return RECIPES[name]


def build_recipe(name: str, device: str) -> Recipe:
    """The recipe `name` for a device; see `find_recipe`."""
    return find_recipe(name)(device)


def _own_recipe(reference: str, function: Any, device: str) -> Recipe:
    """The recipe that a user's function makes for a device."""
    if not callable(function):
        raise ValueError(f"{reference} is a {type(function).__name__}; expected a function of the device.")
    try:
        made = function(device)
    except TypeError as error:
        raise ValueError(
            f"{reference}(device) failed: {error}; expected a function of the device, 'cpu' or 'cuda'."
        ) from error
    if not isinstance(made, Recipe):
        raise ValueError(f"{reference}({device!r}) gave a {type(made).__name__}; expected a Recipe.")
    return check_arms(made)


def check_arms(recipe: Recipe) -> Recipe:
    """The recipe, whose default arms and contrasts name arms that it has.

    Raises:
        ValueError: one names another; the nearest is given.
    """
    known = [*recipe.arms, START_ARM, TUNED_START]
    named = dict.fromkeys(recipe.default_arms or (), "default_arms")
    named |= {name: f"contrast {each.name!r}" for each in recipe.contrasts or () for name in each.arms}
    for name, where in named.items():
        if name not in known:
            near = did_you_mean(name, known)
            raise ValueError(
                f"recipe {recipe.name!r}, {where}: no arm {name!r}{near}Expected one of {', '.join(known)}; a "
                "recipe that is made of another one needs its own, or None, in default_arms and contrasts."
            )
    return recipe
