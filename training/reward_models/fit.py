"""The fit of a reward model: the one training loop, with labelled completions as its source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from rewards.verdict import ScoredRollout
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy
from training.parallel.ranks import Ranks
from training.reward_models.calibration import fit_temperature
from training.reward_models.config import RewardModelConfig
from training.reward_models.examples import LabelledSource
from training.reward_models.model import token_scores
from training.reward_models.objective import Pointwise
from training.reward_models.serving import RewardModel, probabilities_of
from training.stopping import AtStep
from training.trainer import Trainer

__all__ = ["HeldOut", "fit_trainer", "held_out"]

CHECKPOINT_EVERY = 50  # optimiser steps: seconds of an embedded fit, minutes of a real one


def fit_trainer(
    model: Policy,
    examples: Sequence[ScoredRollout],
    config: RewardModelConfig,
    *,
    seed: str,
    report: Callable[[str, float, float, str], None] = lambda what, done, total, unit: None,
    ranks: Ranks | None = None,
    shard: Literal["none", "full"] = "none",
    device: torch.device | None = None,
) -> tuple[Trainer, AtStep]:
    """What `training.loop.train` and `training.restore.restore` take to fit `model` to labelled completions.

    Args:
        model: a scalar-head model, changed in place by the fit.
        examples: labelled; those without a label are left out.
        config: how.
        seed: of the order of the examples.
        report: told of progress.
        ranks: the processes that fit it, each its share of every batch; ``None`` is one.
        shard: see `TrainingConfig`.
        device: see `Trainer`.
    """
    told = tuple(item for item in examples if item.step_rewards)
    training = replace(config.as_training(len(told)), shard=shard)
    source = LabelledSource(examples=told, per_step=training.problems_per_step, seed=seed)
    trainer = Trainer(
        policy=model,
        algorithm=Pointwise(),
        config=training,
        source=source,
        sampler=None,
        reward=None,
        known=source.known,
        numbers=token_scores,
        report=report,
        ranks=ranks or Ranks(),
        device=device,
    )
    return trainer, AtStep(training, checkpoint_every=CHECKPOINT_EVERY)


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """A fitted model on problems it was not fitted to.

    Attributes:
        temperature: fitted on them.
        probabilities: of each label, at that temperature.
        labels: in [0, 1].
    """

    temperature: float
    probabilities: tuple[float, ...]
    labels: tuple[float, ...]


def held_out(model: Policy, examples: Sequence[ScoredRollout], options: ForwardOptions) -> HeldOut:
    """Score labelled completions, and fit the temperature to their labels.

    Args:
        model: a scalar-head model.
        examples: labelled completions of other problems than those of the fit.
        options: most tokens of a pass.
    """
    told = [item for item in examples if item.step_rewards]
    labels = tuple(label for item in told for label in item.step_rewards)
    rollouts, ends = [item.rollout for item in told], [item.step_ends for item in told]
    scores = RewardModel(members=[model], temperatures=[1.0], options=options).scores(model, rollouts, ends)
    temperature = fit_temperature([score for row in scores for score in row], labels)
    found = tuple(number for row in probabilities_of(scores, temperature) for number in row)
    return HeldOut(temperature=temperature, probabilities=found, labels=labels)
