"""A comparison as frozen dataclasses, from which every run is resolved; nothing else decides what happens."""

from __future__ import annotations

import dataclasses
import datetime
from dataclasses import dataclass, field
from typing import Any, Literal

from analysis.statistics.contrasts import Contrast, check_names, is_start
from rewards.noise import RewardNoise
from sampling.engines import EngineConfig
from sampling.sampler import SamplingConfig
from sampling.search import SearchConfig
from training.config import SupervisedConfig, TrainingConfig, check_shares
from training.models.sizes import EmbeddedModelConfig
from training.reward_models.config import RewardModelConfig

__all__ = ["ArmConfig", "EvaluationConfig", "Recipe", "SourceConfig", "TaskConfig", "check_seed"]


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """The problems, and the way they are asked.

    Attributes:
        benchmark: ``"arithmetic"``, a name of `benchmarks.registry`, or a file of problems: ``path.jsonl`` to evaluate
            on, ``path/{split}.jsonl`` where train and test lie in files of their own.
        data_dir: folder of JSONL files; ``None`` takes the Hugging Face hub. Not read for ``"arithmetic"``.
        prompt: ``"bare"`` asks the question itself; another name of `benchmarks.prompts.PROMPTS`, or a text file with
            ``{question}`` in it. A user's message is wrapped in the model's chat template, or in the paper's where the
            model has none.
        shots: worked examples before the question; ``None`` takes as many as the paper.
        language: of the prompt; ``None`` takes the benchmark's.
        system: text file with the system prompt; ``None`` leaves it to the chat template.
        chat_template: Jinja file in place of the model's chat template.
        train_problems: training problems that are used; ``None`` takes all.
        step_reward: rule for process supervision: ``"next_operations"`` (arithmetic only), ``"equations"``, a file, or
            ``"model:NAME"`` of `Recipe.reward_models`.
        forms: shares of the forms that demonstrations have, ``(("words", 0.5), ("program", 0.25), ("tool", 0.25))``,
            each behind a prompt of its own; ``None`` takes all in words.
        tool_turns: programs that are run in one completion (prompt ``"tool"``); ``None`` takes that of
            `sampling.rounds.ToolRounds`.
        tool_output_tokens: tokens that are shown of a program's output, likewise.
        checker: proof checker of the prompt ``"proof"``: ``"metamath"``, ``"lean4"`` or ``"isabelle"``.
        checker_command: command line of Lean 4 or Isabelle, ``"lake env lean {file}"``; of Metamath, a database.
        checker_folders: folders that such a command needs, which it sees in the sandbox.
        date: day (YYYY-MM-DD) that chat templates print which print today's; ``None`` is today, or the day on which a
            comparison that is gone on with was started.
    """

    benchmark: str
    data_dir: str | None = None
    prompt: str = "chain_of_thought"
    shots: int | None = None
    language: str | None = None
    system: str | None = None
    chat_template: str | None = None
    train_problems: int | None = None
    step_reward: str = "equations"
    forms: tuple[tuple[str, float], ...] | None = None
    tool_turns: int | None = None
    tool_output_tokens: int | None = None
    checker: Literal["metamath", "lean4", "isabelle"] | None = None
    checker_command: str | None = None
    checker_folders: tuple[str, ...] | None = None
    date: str | None = None

    def __post_init__(self) -> None:
        for name in ("tool_turns", "tool_output_tokens"):
            value = getattr(self, name)
            if value is not None and self.prompt not in ("tool", "bare_tool"):
                raise ValueError(f"task.{name} is given, and the prompt {self.prompt!r} runs no tool; expected 'tool'.")
            if value is not None and value < 1:
                raise ValueError(f"task.{name} is {value}; expected at least 1.")
        if self.forms is not None:
            check_shares(dict(self.forms))
        if self.date is not None:
            try:
                datetime.date.fromisoformat(self.date)
            except ValueError as error:
                raise ValueError(f"task.date is {self.date!r}; expected a day, YYYY-MM-DD.") from error


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """What completions are drawn of for training, and how (Table 10, column 1).

    Attributes:
        problems: ``"all"`` training problems, or those ``"beyond_sft"``: none whose question the SFT of the start
            policy had a demonstration of.
        search: ``"none"`` samples; ``"beam"`` and ``"best_first"`` search the completions of offline methods step by
            step (`sampling.search`), the best `TrainingConfig.group_size` of a problem.
        guide: reward model of steps that leads a search, ``"model:NAME"`` of `Recipe.reward_models`.
        width: see `SearchConfig`, as the next ones.
        branching: next steps drawn of a prefix.
        budget: most tokens that are drawn for a problem.
    """

    problems: Literal["all", "beyond_sft"] = "all"
    search: Literal["none", "beam", "best_first"] = "none"
    guide: str | None = None
    width: int = 4
    branching: int = 4
    budget: int = 1024

    def search_config(self) -> SearchConfig | None:
        """How is searched; ``None`` where completions are sampled. Fields are set one by one, so that it is asked here.

        Raises:
            ValueError: a search has no guide, or a guide no search; see also `SearchConfig`.
        """
        if (self.search == "none") != (self.guide is None):
            raise ValueError(
                f"source.search is {self.search!r} and source.guide is {self.guide!r}; expected both, a search and the "
                "reward model of steps that leads it (model:NAME), or neither."
            )
        if self.search == "none":
            return None
        return SearchConfig(method=self.search, width=self.width, branching=self.branching, budget=self.budget)


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """The evaluation of a policy.

    Attributes:
        split: ``"test"`` for reports, ``"validation"`` for choosing anything.
        problems: problems that are asked; ``None`` takes all of the split.
        further_benchmarks: asked of every last policy too, as the task's benchmark is, each with statistics of its own:
            what was learnt elsewhere than where it was learnt.
        further_problems: problems of each of them; ``None`` takes all of the split.
        samples: completions a problem at the last step; Pass@K and Maj@K are given up to it.
        curve_samples: completions a problem at the points of the learning curve.
        every: optimiser steps between these points; 0 has none.
        temperature: of the sampling; Figure 7 has 0.7.
        decoding_temperatures: further temperatures at which the last policy is decoded, 0 greedily; `temperature` is
            among them for nothing. A gain that is gone when the start is decoded like this is sharpening.
        decoding_samples: completions a problem at each of them; one where it is greedy.
        top_p: nucleus mass.
        max_tokens: longest completion.
        chunk_problems: problems between two writes to disk; a killed evaluation goes on from the last.
    """

    split: Literal["train", "validation", "test"] = "test"
    problems: int | None = None
    further_benchmarks: tuple[str, ...] = ()
    further_problems: int | None = None
    samples: int = 64
    curve_samples: int = 16
    every: int = 0
    temperature: float = 0.7
    decoding_temperatures: tuple[float, ...] = (0.0, 0.4, 0.7, 1.0)
    decoding_samples: int = 4
    top_p: float = 1.0
    max_tokens: int = 1024
    chunk_problems: int = 100

    def __post_init__(self) -> None:
        for name in ("samples", "curve_samples", "decoding_samples", "max_tokens", "chunk_problems"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1.")
        if self.problems is not None and self.problems < 1:
            raise ValueError(f"problems (--limit) is {self.problems}; expected at least 1.")
        if self.further_problems is not None and self.further_problems < 1:
            raise ValueError(f"further_problems is {self.further_problems}; expected at least 1.")
        if self.every < 0:
            raise ValueError(f"every is {self.every}; expected steps between evaluations, or 0 for none.")
        for temperature in (self.temperature, *self.decoding_temperatures):  # refuses what it must
            SamplingConfig(temperature=temperature, top_p=self.top_p, max_tokens=self.max_tokens)

    @property
    def sweep(self) -> dict[float, int]:
        """Completions a problem at each further temperature of the last policy."""
        others = [each for each in self.decoding_temperatures if each != self.temperature]
        return {each: self.decoding_samples if each else 1 for each in others}

    @property
    def tuning(self) -> dict[float, int]:
        """Completions of a validation problem at each temperature, among which a start policy's best one is chosen.

        None where there is no choice, or where the validation problems are what is reported.
        """
        if not self.sweep or self.split == "validation":
            return {}
        return {self.temperature: self.decoding_samples if self.temperature else 1, **self.sweep}


@dataclass(frozen=True, kw_only=True)
class ArmConfig:
    """One method of a comparison.

    Attributes:
        algorithm: a name of `algorithms.ALGORITHMS`, or ``path.py:Name``.
        settings: fields of the algorithm that differ from its defaults.
        training: how it is trained.
        overrides: fields of the recipe that are otherwise for this arm, by dotted name: ``{"evaluation.top_p": 0.9}``.
        control: what is taken away, where the arm is a control and no method; see `experiments.recipes.arms`.
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
        default_arms: those of `arms` that are run where none is named; ``None`` runs all.
        model: folder or hub id of the model that everything starts from; ``None`` makes the embedded one.
        embedded: size of the embedded model.
        supervised: how the model is trained to the start policy by SFT; ``None`` takes it as it is.
        reward: outcome reward, ``"correctness"``, ``path.py:name``, or ``"model:NAME"`` of `reward_models`.
        reward_noise: errors that are made on purpose in the outcome reward, and in the rewards of steps.
        reward_models: models that are fitted before the arms that use them, by name.
        source: what completions are drawn of for training, and how.
        seeds: one run an arm and seed; the seed covers the start policy's training too.
        contrasts: what is asked, before anything runs; ``None`` asks the paper's questions and each method against the
            start (`analysis.statistics.contrasts.default_contrasts`). Those whose arms are not chosen are not asked.
        checkpoint_every: optimiser steps between checkpoints.
        files: SHA-256 of each file of the user's that gives a method or reward, by its reference.
    """

    name: str
    task: TaskConfig
    evaluation: EvaluationConfig
    engine: EngineConfig
    arms: dict[str, ArmConfig]
    default_arms: tuple[str, ...] | None = None
    model: str | None = None
    embedded: EmbeddedModelConfig = field(default_factory=EmbeddedModelConfig)
    supervised: SupervisedConfig | None = None
    reward: str = "correctness"
    reward_noise: RewardNoise = field(default_factory=RewardNoise)
    reward_models: dict[str, RewardModelConfig] = field(default_factory=dict)
    source: SourceConfig = field(default_factory=SourceConfig)
    seeds: tuple[int, ...] = (0,)
    contrasts: tuple[Contrast, ...] | None = None
    checkpoint_every: int = 10
    files: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(set(self.seeds)) != len(self.seeds) or not self.seeds:
            raise ValueError(f"seeds are {self.seeds}; expected different ones, at least one.")
        for seed in self.seeds:
            check_seed(seed)
        check_names(self.contrasts or ())
        for contrast in self.contrasts or ():
            there = all(arm in self.arms or is_start(arm) for arm in contrast.arms)
            if there and contrast.temperature is not None and contrast.temperature not in self.decoded:
                raise ValueError(
                    f"contrast {contrast.name!r} is asked at temperature {contrast.temperature:g}, and policies are "
                    f"decoded at {', '.join(f'{each:g}' for each in sorted(self.decoded))}; expected one of these, or "
                    "another in evaluation.decoding_temperatures."
                )
        if self.checkpoint_every < 1:
            raise ValueError(f"checkpoint_every is {self.checkpoint_every}; expected at least 1.")
        if self.model is None and self.supervised is None:
            raise ValueError("model and supervised are null; expected a start policy, or how the embedded one is made.")

    @property
    def decoded(self) -> set[float]:
        """Temperatures at which the last policies are decoded."""
        return {self.evaluation.temperature, *self.evaluation.decoding_temperatures}

    @property
    def demonstrated(self) -> int | None:
        """See `RunConfig.demonstrated`; the door refuses a source beyond the SFT set where that is everything."""
        if self.source.problems == "all" or self.supervised is None:
            return None
        return self.supervised.demonstrations

    def with_model(self, model: str) -> Recipe:
        """The recipe with another model to start from; as it is where it takes the place of the embedded one."""
        return dataclasses.replace(self, model=model, supervised=None if self.model is None else self.supervised)

    def overridden(self, overrides: dict[str, Any]) -> Recipe:
        """The recipe with the fields of these dotted names replaced: for an arm, its `ArmConfig.overrides`.

        A reward that ends in a colon, ``"shuffled:"``, is a control of the recipe's own, whichever that is by now.

        Raises:
            ValueError: a name is that of no field, or a value is refused.
        """
        recipe: Any = self
        for path, value in overrides.items():
            if path == "model" and value is not None:
                recipe = recipe.with_model(value)
            elif path == "reward" and str(value).endswith(":"):
                recipe = dataclasses.replace(recipe, reward=f"{value}{self.reward}")
            else:
                recipe = _with_field(recipe, path.split("."), value)
        return recipe


def check_seed(seed: int) -> None:
    """Refuse what torch's generators cannot take.

    Raises:
        ValueError: the seed is negative or beyond 63 bits.
    """
    if not 0 <= seed < 2**63:
        raise ValueError(f"a seed is {seed}; expected a whole number from 0 to {2**63 - 1}.")


def _with_field(config: Any, path: list[str], value: Any) -> Any:
    name, *rest = path
    if not dataclasses.is_dataclass(config) or name not in {item.name for item in dataclasses.fields(config)}:
        raise ValueError(f"{type(config).__name__} has no field {name!r} (in {'.'.join(path)!r}).")
    inner = value if not rest else _with_field(getattr(config, name), rest, value)
    return dataclasses.replace(config, **{name: inner})  # type: ignore[type-var]
