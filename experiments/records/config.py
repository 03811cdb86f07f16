"""A run, its start policy and its offline completions, resolved: each is one JSON file beside what it made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from experiments.recipes.config import EvaluationConfig, SourceConfig, TaskConfig
from rewards.noise import RewardNoise
from sampling.engines import EngineConfig
from sampling.search import SearchConfig
from training.config import SupervisedConfig, TrainingConfig
from training.models.sizes import EmbeddedModelConfig
from training.reward_models.config import RewardModelConfig

__all__ = ["OfflineConfig", "RewardFitConfig", "RunConfig", "StartConfig"]


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """One arm with one seed, resolved: what ``config.json`` holds.

    Attributes:
        recipe: name of the recipe it came from.
        arm: name of the arm.
        seed: of everything random in the run.
        algorithm: see `ArmConfig`.
        settings: see `ArmConfig`.
        training: see `ArmConfig`; ``None`` for a run that only evaluates.
        model: see `Recipe`; the start policy where none is trained.
        task: see `Recipe`.
        evaluation: see `Recipe`.
        engine: see `Recipe`.
        reward: see `Recipe`.
        reward_noise: see `Recipe`.
        reward_models: those that the run uses, by name; see `Recipe`.
        source: see `Recipe`.
        demonstrated: training problems, from the first on, that SFT had demonstrations of and this run has not, nor
            any with their questions; ``None`` leaves none out.
        checkpoint_every: see `Recipe`.
        files: see `Recipe`.
        control: see `ArmConfig`.
    """

    recipe: str
    arm: str
    seed: int
    algorithm: str
    settings: dict[str, Any]
    training: TrainingConfig | None
    model: str | None
    task: TaskConfig
    evaluation: EvaluationConfig
    engine: EngineConfig
    reward: str = "correctness"
    reward_noise: RewardNoise = field(default_factory=RewardNoise)
    reward_models: dict[str, RewardModelConfig] = field(default_factory=dict)
    source: SourceConfig = field(default_factory=SourceConfig)
    demonstrated: int | None = None
    checkpoint_every: int = 10
    files: dict[str, str] = field(default_factory=dict)
    control: str | None = None


@dataclass(frozen=True, kw_only=True)
class OfflineConfig:
    """The completions that all offline arms of a seed train on, resolved: drawn once, from the frozen start policy.

    Attributes:
        seed: of the samples.
        start: name of the start policy: its folder in the comparison, or the model's folder or hub id.
        task: see `Recipe`.
        engine: see `Recipe`.
        steps: see `TrainingConfig`, as the next ones.
        problems_per_step: P.
        group_size: G.
        temperature: of the sampling.
        max_completion_tokens: longest completion.
        demonstrated: see `RunConfig`.
        search: how completions are searched; ``None`` samples them.
        guide: the reward model of steps that leads the search.
    """

    seed: int
    start: str
    task: TaskConfig
    engine: EngineConfig
    steps: int
    problems_per_step: int
    group_size: int
    temperature: float
    max_completion_tokens: int
    demonstrated: int | None = None
    search: SearchConfig | None = None
    guide: RewardModelConfig | None = None


@dataclass(frozen=True, kw_only=True)
class RewardFitConfig:
    """One fit of a reward model, resolved: the first, from which all arms of a seed take it, or a later one of a run.

    Attributes:
        arm: name in messages.
        seed: of the problems, the samples and the order of the fit.
        start: name of the policy that is sampled; see `OfflineConfig`.
        model: what is fitted, and to what.
        task: see `Recipe`.
        engine: see `Recipe`.
        temperature: of the sampling.
        max_completion_tokens: longest completion.
        step: optimiser steps of the policy that is sampled.
        iteration: 0 for the first fit.
    """

    arm: str
    seed: int
    start: str
    model: RewardModelConfig
    task: TaskConfig
    engine: EngineConfig
    temperature: float
    max_completion_tokens: int
    step: int = 0
    iteration: int = 0


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """The training of a start policy, resolved.

    Attributes:
        seed: of the initial weights, the order of demonstrations and the samples that measure it.
        embedded: size of the model that is made, where none is given.
        supervised: how it is trained.
        task: see `Recipe`.
        engine: see `Recipe`.
        max_tokens: longest completion when Pass@1 is measured.
        model: folder or hub id of the model that is trained further; ``None`` makes the embedded one.
        arm: name in tables.
    """

    seed: int
    embedded: EmbeddedModelConfig
    supervised: SupervisedConfig
    task: TaskConfig
    engine: EngineConfig
    max_tokens: int
    arm: str
    model: str | None = None
