"""Comparisons on the embedded task: the default, the grid its rates come from, and one question asked alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from analysis.statistics.contrasts import TUNED_START, Contrast
from experiments.recipes.config import ArmConfig, EvaluationConfig, Recipe, TaskConfig
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from training.config import SupervisedConfig, TrainingConfig
from training.models.sizes import EmbeddedModelConfig

__all__ = ["arithmetic", "arithmetic_rates", "online_offline"]


def arithmetic(device: str = "cpu") -> Recipe:
    """The embedded default: five methods on generated arithmetic, from the same start policies, at an equal budget.

    Every arm gets 30 steps of 32 problems × 12 completions: 11,520 completions. The offline arms draw theirs from the
    frozen start policy; the SFT arm is continued SFT on as many demonstrations. It and PPO are run where `--algorithm`
    names them. Rates were chosen on validation problems, from as many for every method (`arithmetic_rates`), the task
    and the start as told in docs/embedded-task.md.
    """

    def arm(algorithm: str, learning_rate: float, settings: dict[str, Any] | None = None) -> ArmConfig:
        return ArmConfig(algorithm=algorithm, training=_embedded_training(learning_rate), settings=settings or {})

    return Recipe(
        name="arithmetic",
        task=TaskConfig(benchmark="arithmetic", prompt="bare", train_problems=20000, step_reward="next_operations"),
        evaluation=EvaluationConfig(
            problems=400,
            further_benchmarks=("arithmetic-long",),
            further_problems=100,
            samples=16,
            curve_samples=2,
            every=10,
            temperature=1.0,
            decoding_samples=2,
            max_tokens=56,
            chunk_problems=400,
        ),
        engine=EngineConfig(
            device="cpu" if device == "cpu" else "cuda",
            vllm=VllmConfig(dtype="float32", max_model_len=96, gpu_memory_utilization=0.2),
            # On an H100 the engine's float32 products differ from torch's by up to 2e-4 nats a token (CPU: 1e-6).
            logprob_tolerance=1e-4 if device == "cpu" else 1e-3,
        ),
        embedded=EmbeddedModelConfig(),
        supervised=SupervisedConfig(target_pass_at_1=0.08, measure_from=800, measure_every=50),
        arms={
            "continued_sft": replace(arm("sft", 1e-4), control="continued_sft"),
            "rft": arm("rft", 1e-4),
            "online_rft": arm("online_rft", 2e-4),
            "dpo": arm("dpo", 1e-4, {"dpo_beta": 30.0}),
            "ppo": ArmConfig(algorithm="ppo", training=replace(_embedded_training(4e-4), critic_warmup_steps=3)),
            "grpo": arm("grpo", 2e-4),
            "grpo_process": arm("grpo_process", 2e-4),
        },
        default_arms=("rft", "online_rft", "dpo", "grpo", "grpo_process"),
        seeds=(0, 1, 2, 3),
        contrasts=_embedded_contrasts(),
        checkpoint_every=5,
    )


def _embedded_contrasts() -> tuple[Contrast, ...]:
    """The paper's questions of greedy answers, where sharpening does not count; the first at temperature 1 too."""
    online, offline = ("online_rft", "grpo"), ("rft", "dpo")

    def greedy(name: str, plus: tuple[str, ...], minus: tuple[str, ...]) -> Contrast:
        return Contrast(name=name, plus=plus, minus=minus, temperature=0.0)

    return (
        greedy("online − offline", online, offline),
        Contrast(name="online − offline, sampled", plus=online, minus=offline, temperature=1.0),
        greedy("GRPO − online RFT", ("grpo",), ("online_rft",)),
        greedy("PS − outcome", ("grpo_process",), ("grpo",)),
        greedy("DPO − RFT", ("dpo",), ("rft",)),
        greedy("online − tuned start", online, (TUNED_START,)),
        greedy("offline − tuned start", offline, (TUNED_START,)),
    )


def arithmetic_rates(device: str = "cpu") -> Recipe:
    """The grid from which the rates of `arithmetic` were chosen: as many for every method, two other seeds, validation.

    The rule: of a method's three rates the one with the highest Pass@1, decoded greedily, on average over the seeds; of
    equals the smaller. DPO's β is from an earlier grid (EXPERIMENTS.md, 2026-11-21).
    """
    base = arithmetic(device)
    rates = (1e-4, 2e-4, 4e-4)
    return replace(
        base,
        name="arithmetic-rates",
        evaluation=replace(
            base.evaluation,
            split="validation",
            problems=200,
            further_benchmarks=(),
            samples=4,
            every=0,
            decoding_temperatures=(0.0,),
        ),
        arms={
            f"{name}@{rate:g}": replace(arm, training=replace(arm.training, learning_rate=rate))
            for name, arm in base.arms.items()
            for rate in rates
        },
        default_arms=None,
        seeds=(100, 101),
        contrasts=None,
    )


def online_offline(device: str = "cpu") -> Recipe:
    """Whether online data are better than offline data, asked alone: what `arithmetic` leaves undecided.

    One contrast of greedy answers, GRPO − RFT, and so no correction; two arms, so that seven seeds with a start policy
    each cost what the default comparison costs. The design is the one that the rule of EXPERIMENTS.md (2026-11-29)
    selected, on seeds that nothing was run on before. Policies are decoded greedily and at temperature 1 and no curves
    are drawn; everything else is `arithmetic`'s.
    """
    base = arithmetic(device)
    return replace(
        base,
        name="online-offline",
        evaluation=replace(
            base.evaluation, further_benchmarks=(), samples=4, every=0, decoding_temperatures=(0.0, 1.0)
        ),
        arms={name: base.arms[name] for name in ("rft", "grpo")},
        default_arms=None,
        seeds=tuple(range(10, 17)),
        contrasts=(Contrast(name="online − offline", plus=("grpo",), minus=("rft",), temperature=0.0),),
    )


def _embedded_training(learning_rate: float) -> TrainingConfig:
    return TrainingConfig(
        steps=30,
        problems_per_step=32,
        group_size=12,
        learning_rate=learning_rate,
        microbatch_size=64,
        max_completion_tokens=56,
        critic_learning_rate=1e-3,
        critic_updates_per_batch=1,
    )
