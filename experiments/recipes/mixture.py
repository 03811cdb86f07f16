"""The recipe of DeepSeekMath's supervised stage (section 3.1): chain of thought, programs and tool use in one set."""

from __future__ import annotations

from experiments.recipes.config import ArmConfig, EvaluationConfig, Recipe, TaskConfig
from sampling.engines import EngineConfig
from sampling.vllm_engine import VllmConfig
from training.config import SupervisedConfig, TrainingConfig
from training.models.sizes import EmbeddedModelConfig

__all__ = ["sft_mixture"]


def sft_mixture(device: str = "cpu") -> Recipe:
    """500 steps of SFT on solutions in words, as programs and with a tool, concatenated at random, at a constant rate.

    The paper's rows have 4,096 tokens and its batch 256 of them, at a rate of 5e-5 for 7B parameters; it does not give
    the shares of its forms. The embedded model, which has 96 positions, takes 32 rows of 192 tokens at a rate of its
    own; for a real one::

        coeflab train --recipe sft-mixture --algorithm sft --model M --benchmark gsm8k --data-dir D --prompt auto \\
            --set training.context_tokens=4096 --set problems_per_step=256 --set training.learning_rate=5e-5

    Problems in D may have the fields ``program`` and ``tool_solution`` beside ``solution``.
    """
    return Recipe(
        name="sft-mixture",
        task=TaskConfig(
            benchmark="arithmetic",
            prompt="bare",
            train_problems=20000,
            forms=(("words", 0.5), ("program", 0.25), ("tool", 0.25)),
            step_reward="next_operations",
        ),
        evaluation=EvaluationConfig(
            problems=200, samples=8, curve_samples=2, every=100, temperature=1.0, max_tokens=64, chunk_problems=400
        ),
        engine=EngineConfig(
            device="cuda" if device == "cuda" else "cpu",
            vllm=VllmConfig(dtype="float32", max_model_len=96, max_num_seqs=384, cpu_kv_cache_gib=1),
        ),
        embedded=EmbeddedModelConfig(vocabulary="programs"),
        supervised=SupervisedConfig(target_pass_at_1=None, max_steps=100, decay_steps=1, measure_every=1000),
        arms={
            "sft": ArmConfig(
                algorithm="sft",
                training=TrainingConfig(
                    steps=500,
                    problems_per_step=32,
                    group_size=1,
                    learning_rate=2e-3,
                    warmup_steps=20,
                    context_tokens=192,
                    max_completion_tokens=64,
                ),
            )
        },
        checkpoint_every=100,
    )
