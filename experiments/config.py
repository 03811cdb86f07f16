"""What a run is: frozen dataclasses that resolve to one JSON file, and nothing else decides what happens."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sampling.sampler import SamplingConfig
from sampling.vllm_engine import VllmConfig
from training.embedded import EmbeddedModelConfig
from training.supervised import SupervisedConfig
from training.trainer import TrainingConfig

__all__ = [
    "ArmConfig",
    "ConfigMismatchError",
    "EngineConfig",
    "EvaluationConfig",
    "OfflineConfig",
    "Recipe",
    "RunConfig",
    "StartConfig",
    "TaskConfig",
    "check_same_config",
    "differences",
    "to_json",
    "write_whole",
]


class ConfigMismatchError(ValueError):
    """A folder holds a run with another configuration."""


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """Which problems, and how they are asked.

    Attributes:
        benchmark: ``"arithmetic"``, ``"gsm8k"``, ``"math"`` or ``"math500"``.
        data_dir: folder of JSONL files; ``None`` takes the Hugging Face hub. Not read for ``"arithmetic"``.
        prompt: ``"bare"`` asks the question itself; ``"chain_of_thought"`` adds the paper's instruction and wraps it in
            the model's chat template, or the paper's where the model has none.
        train_problems: training problems that are used; ``None`` takes all.
        step_reward: rule for process supervision: ``"next_operations"`` (arithmetic only), ``"equations"``, or a file.
    """

    benchmark: str
    data_dir: str | None = None
    prompt: Literal["bare", "chain_of_thought"] = "chain_of_thought"
    train_problems: int | None = None
    step_reward: str = "equations"


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How a policy is evaluated.

    Attributes:
        split: ``"test"`` for reports, ``"validation"`` for choosing anything.
        problems: problems that are asked; ``None`` takes all of the split.
        samples: completions a problem at the last step; Pass@K and Maj@K are given up to it.
        curve_samples: completions a problem at the points of the learning curve.
        every: optimiser steps between these points; 0 has none.
        temperature: of the sampling; Figure 7 has 0.7.
        top_p: nucleus mass.
        max_tokens: longest completion.
        chunk_problems: problems between two writes to disk; a killed evaluation goes on from the last.
    """

    split: Literal["train", "validation", "test"] = "test"
    problems: int | None = None
    samples: int = 64
    curve_samples: int = 16
    every: int = 0
    temperature: float = 0.7
    top_p: float = 1.0
    max_tokens: int = 1024
    chunk_problems: int = 100

    def __post_init__(self) -> None:
        for name in ("samples", "curve_samples", "max_tokens", "chunk_problems"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1.")
        if self.problems is not None and self.problems < 1:
            raise ValueError(f"problems (--limit) is {self.problems}; expected at least 1.")
        if self.every < 0:
            raise ValueError(f"every is {self.every}; expected steps between evaluations, or 0 for none.")
        SamplingConfig(
            temperature=self.temperature, top_p=self.top_p, max_tokens=self.max_tokens
        )  # refuses what it must


@dataclass(frozen=True, kw_only=True)
class EngineConfig:
    """Which engine samples, and where everything runs.

    Attributes:
        name: ``"vllm"``, or ``"transformers"``, the slow reference.
        device: ``"cpu"`` or ``"cuda"``.
        vllm: size and precision of the vLLM engine.
        logprob_tolerance: largest mean |log π_sampler − log π_θ| in nats a token at the start of a run.
    """

    name: Literal["vllm", "transformers"] = "vllm"
    device: Literal["cpu", "cuda"] = "cpu"
    vllm: VllmConfig = field(default_factory=VllmConfig)
    logprob_tolerance: float = 1e-4


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """One method of a comparison.

    Attributes:
        algorithm: a name of `algorithms.ALGORITHMS`, or ``path.py:Name``.
        settings: fields of the algorithm that differ from its defaults.
        training: how it is trained.
        overrides: fields of the recipe that are otherwise for this arm, by dotted name: ``{"evaluation.top_p": 0.9}``.
        control: what is taken away, where the arm is a control and no method; see `experiments.arms`.
    """

    algorithm: str
    training: TrainingConfig
    settings: dict[str, Any] = field(default_factory=dict)
    overrides: dict[str, Any] = field(default_factory=dict)
    control: str | None = None


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A comparison: one start policy, several arms, everything else equal.

    Attributes:
        name: of the recipe.
        task: problems and prompts.
        evaluation: how every arm is evaluated.
        engine: sampling engine and device.
        arms: methods by name, in the order of tables and figures.
        model: folder or hub id of the start policy; ``None`` makes the embedded model and trains it first.
        embedded: size of the embedded model.
        supervised: how the embedded model is trained to the start policy.
        reward: outcome reward, ``"correctness"`` or ``path.py:name``.
        seeds: one run an arm and seed; the seed covers the start policy's training too.
        checkpoint_every: optimiser steps between checkpoints.
        files: SHA-256 of each file of the user's that gives a method or reward, by its reference.
    """

    name: str
    task: TaskConfig
    evaluation: EvaluationConfig
    engine: EngineConfig
    arms: dict[str, ArmConfig]
    model: str | None = None
    embedded: EmbeddedModelConfig = field(default_factory=EmbeddedModelConfig)
    supervised: SupervisedConfig | None = None
    reward: str = "correctness"
    seeds: tuple[int, ...] = (0,)
    checkpoint_every: int = 10
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise ValueError(f"seeds are {self.seeds}; expected different ones, at least one.")
        if self.checkpoint_every < 1:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}; expected at least 1.")

    def overridden(self, overrides: dict[str, Any]) -> Recipe:
        """The recipe with the fields of these dotted names replaced: for an arm, its `ArmConfig.overrides`.

        Raises:
            ValueError: a name is that of no field, or a value is refused.
        """
        recipe: Any = self
        for path, value in overrides.items():
            recipe = _with_field(recipe, path.split("."), value)
        return recipe


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
        model: folder or hub id of the start policy; ``None`` is the comparison's own embedded one.
        task: see `Recipe`.
        evaluation: see `Recipe`.
        engine: see `Recipe`.
        reward: see `Recipe`.
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


@dataclass(frozen=True, kw_only=True)
class StartConfig:
    """The training of an embedded start policy, resolved.

    Attributes:
        seed: of the initial weights, the order of demonstrations and the samples that measure it.
        embedded: size of the model.
        supervised: how it is trained.
        task: see `Recipe`.
        engine: see `Recipe`.
        max_tokens: longest completion when Pass@1 is measured.
        arm: name in tables.
    """

    seed: int
    embedded: EmbeddedModelConfig
    supervised: SupervisedConfig
    task: TaskConfig
    engine: EngineConfig
    max_tokens: int
    arm: str = "sft_start"


def to_json(config: Any) -> dict[str, Any]:
    """A configuration as plain JSON data."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def check_same_config(file: Path, config: Any, *, may_gain: tuple[str, ...] = ()) -> None:
    """Write `config` to `file`, or check that `file` holds the same.

    Args:
        file: JSON file.
        config: dataclass.
        may_gain: fields, mappings, that may have more entries than in `file`, which then gets them too.

    Raises:
        ConfigMismatchError: `file` holds another configuration; the message lists the differing fields.
    """
    data = to_json(config)
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(data, indent=2) + "\n")
        return
    try:
        held = json.loads(file.read_text())
    except json.JSONDecodeError as error:
        raise ConfigMismatchError(
            f"{file} is not JSON ({error}); remove the folder {file.parent} to start anew."
        ) from error
    gained = {name: data[name] | held.get(name, {}) for name in may_gain}
    differing = differences(held | gained, data)
    if differing:
        raise ConfigMismatchError(
            f"{file.parent} already holds a run with another configuration: {differing}. "
            "Choose another folder with --out, or remove this one."
        )
    if held != data:
        write_whole(file, json.dumps(data, indent=2) + "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, whenever the process is killed."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    temporary.rename(path)


def differences(held: dict[str, Any], data: dict[str, Any]) -> str:
    """The fields in which two configurations, as JSON data, differ; the first five in words. Empty where none does."""
    there, here = _flatten(held), _flatten(data)
    differing = [
        f"{name} is {there.get(name, 'absent')!r} there and {here.get(name, 'absent')!r} here"
        for name in sorted(there.keys() | here.keys())
        if there.get(name, "absent") != here.get(name, "absent")
    ]
    return "; ".join(differing[:5]) + (f" and {len(differing) - 5} more" if len(differing) > 5 else "")


def _with_field(config: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    if not dataclasses.is_dataclass(config) or name not in {item.name for item in dataclasses.fields(config)}:
        raise ValueError(f"{type(config).__name__} has no field {name!r} (in {'.'.join(path)!r}).")
    inner = value if not rest else _with_field(getattr(config, name), rest, value)
    return dataclasses.replace(config, **{name: inner})  # type: ignore[type-var]


def _flatten(data: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(data, dict):
        return {prefix: data}
    return {
        name: value
        for key, item in data.items()
        for name, value in _flatten(item, f"{prefix}.{key}" if prefix else key).items()
    }
