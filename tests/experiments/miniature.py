"""A miniature of the embedded comparison: seconds instead of minutes, every part of it real."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from experiments.recipes.catalogue import arithmetic
from experiments.recipes.config import Recipe
from experiments.runs.engines import SamplerCache
from experiments.schedule.workers import Job
from training.config import SupervisedConfig
from training.models.embedded import EmbeddedModelConfig


def recipe() -> Recipe:
    """Eight arms of three steps on a model of a few thousand parameters.

    Its start policy has half learnt the 16 training problems by heart: about one completion in three of them is right,
    so that rewards differ, gradients are not 0, and a wrong resume shows.
    """
    full = arithmetic()
    arms = {
        name: replace(
            arm,
            training=replace(
                arm.training,
                steps=3,
                problems_per_step=4,
                group_size=4,
                max_completion_tokens=40,
                critic_warmup_steps=0,
            ),
        )
        for name, arm in full.arms.items()
    }
    return replace(
        full,
        name="miniature",
        arms=arms,
        default_arms=None,
        contrasts=None,
        task=replace(full.task, train_problems=16),
        evaluation=replace(
            full.evaluation, problems=6, further_benchmarks=(), samples=4, curve_samples=2, every=2, max_tokens=40
        ),
        embedded=EmbeddedModelConfig(hidden_size=32, num_layers=1, num_heads=1, intermediate_size=64),
        supervised=SupervisedConfig(
            demonstrations=16,
            batch_size=16,
            learning_rate=8e-3,
            warmup_steps=20,
            max_steps=125,
            measure_from=100,
            measure_every=100,
            decay_steps=20,
        ),
        seeds=(0,),
        checkpoint_every=1,
    )


SAMPLERS = SamplerCache()


def run_here(jobs: Sequence[Job], *, on_done: Any, on_failed: Any, **ignored: Any) -> None:
    """`run_jobs` without processes."""
    for job in jobs:
        try:
            on_done(job.name, job.run(SAMPLERS, lambda *progress: None))
        except ValueError as error:
            on_failed(job.name, str(error))
