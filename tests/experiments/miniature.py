"""A miniature of the embedded comparison: seconds instead of minutes, every part of it real."""

from __future__ import annotations

from dataclasses import replace

from experiments.recipes.catalogue import arithmetic
from experiments.recipes.config import Recipe
from training.config import SupervisedConfig
from training.models.embedded import EmbeddedModelConfig


def recipe() -> Recipe:
    """Eight arms of three steps on a model of a few thousand parameters."""
    full = arithmetic()
    arms = {
        name: replace(
            arm, training=replace(arm.training, steps=3, problems_per_step=4, group_size=4, max_completion_tokens=40)
        )
        for name, arm in full.arms.items()
    }
    return replace(
        full,
        name="miniature",
        arms=arms,
        task=replace(full.task, train_problems=64),
        evaluation=replace(full.evaluation, problems=6, samples=4, curve_samples=2, every=2, max_tokens=40),
        embedded=EmbeddedModelConfig(hidden_size=32, num_layers=1, num_heads=1, intermediate_size=48),
        supervised=SupervisedConfig(
            demonstrations=64, batch_size=16, max_steps=20, measure_from=10, measure_every=10, decay_steps=5
        ),
        seeds=(0,),
        checkpoint_every=1,
    )
