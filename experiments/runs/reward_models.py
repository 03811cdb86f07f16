"""The reward models of a run, each as it is at the current iteration (DeepSeekMath, Algorithm 1)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from analysis.records.schema import FITS_FILE
from experiments.recipes.plugins import learned_name, load_reward, load_step_reward
from experiments.records.config import RewardFitConfig, RunConfig
from experiments.records.same import FolderDamagedError, read_json, write_json
from experiments.runs.engines import Report
from experiments.runs.reward_fit import FINISHED, Earlier, RewardFit
from experiments.runs.reward_samples import Cost
from rewards.noise import NoisyStepReward, noisy
from rewards.reward import Reward, StepReward, StepRewardFunction, as_step_reward
from sampling.rollout import Rollout
from sampling.sampler import Sampler
from training.checkpoints import CheckpointError, check_model
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy
from training.models.shards import shard
from training.parallel.ranks import Ranks
from training.reward_models.config import RewardModelConfig
from training.reward_models.model import load_reward_model
from training.reward_models.serving import LearnedReward, LearnedStepReward, RewardModel, whole_scores

if TYPE_CHECKING:
    from training.trainer import Trainer

__all__ = ["LiveRewardModels", "load_fitted"]


def load_fitted(
    folder: Path, model: RewardModelConfig, policy: Policy, device: str, into: RewardModel | None = None
) -> RewardModel:
    """The reward model that a finished fit left in `folder`.

    Args:
        folder: of the fit.
        model: how it was fitted.
        policy: what it scores for.
        device: where it scores.
        into: gets the models in place of those it holds.

    Raises:
        FolderDamagedError: the summary cannot be read, or a model is not what was fitted.
    """
    finished = read_json(folder / FINISHED, remedy=f"remove the folder {folder}")
    try:
        for path in finished["models"]:
            check_model(folder / path)
    except CheckpointError as error:
        raise FolderDamagedError(
            f"the reward model is damaged: {error}; remove the folder {folder} to fit it anew."
        ) from error
    members = [load_reward_model(folder / path, like=policy, device=device, fresh=False) for path in finished["models"]]
    if into is None:
        into = RewardModel(
            members=[],
            temperatures=[],
            options=ForwardOptions(microbatch_tokens=model.microbatch_tokens, use_autocast=model.use_autocast),
            combine=model.combine,
            std_weight=model.std_weight,
        )
    into.members[:], into.temperatures[:] = members, finished["temperatures"]
    return into


@dataclass(kw_only=True)
class LiveRewardModels:
    """Reward models in memory, brought up to date before the first step of each iteration.

    Attributes:
        config: of the run.
        first: folder of the first fit of each, by name.
        folder: of the run; later fits lie in ``reward-NAME-NNNNNN`` there, NNNNNN the steps before.
        policy: π_θ.
        sampler: holds it at the first step of an iteration.
        start: folder of the start policy.
        report: told of progress.
        ranks: the processes that share the run; where it is sharded each has a part of the models, and all score.
    """

    config: RunConfig
    first: Mapping[str, Path]
    folder: Path
    policy: Policy
    sampler: Sampler
    start: Path
    report: Report
    ranks: Ranks = field(default_factory=Ranks)
    held: dict[str, RewardModel] = field(init=False, default_factory=dict)  # those that reward; a search was led before
    _iteration: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        if self.config.training is not None:
            for name in (learned_name(self.config.reward), learned_name(self.config.task.step_reward)):
                if name is not None and name not in self.held:
                    self._load(name, self.first[name])

    @property
    def _sharded(self) -> bool:
        return self.config.training is not None and self.config.training.shard != "none"

    def _load(self, name: str, folder: Path) -> None:
        """Hold the models of a fit; of a sharded run this rank's part of them."""
        device, before = self.config.engine.device, self.held.get(name)
        at = "cpu" if self._sharded else device
        model = load_fitted(folder, self.config.reward_models[name], self.policy, at, before)
        self.held[name] = model
        if self._sharded:
            for member in model.members:
                shard(member.model, torch.device(device))
            self.ranks.tasks[f"score {name}"] = model.probabilities
            model.together = partial(self.ranks.together, f"score {name}")

    def reward(self) -> Reward:
        """The outcome reward of the run, its noise included."""
        name = learned_name(self.config.reward)
        learned = None if name is None else LearnedReward(name=f"reward model {name}", model=self.held[name])
        return noisy(load_reward(self.config.reward, learned), self.config.reward_noise)

    def step_reward(self) -> StepReward | StepRewardFunction:
        """The step reward of the run, its noise included."""
        name = learned_name(self.config.task.step_reward)
        learned = None if name is None else LearnedStepReward(name=f"reward model {name}", model=self.held[name])
        reward = load_step_reward(self.config.task.step_reward, learned)
        noise = self.config.reward_noise
        return reward if noise.silent else NoisyStepReward(reward=as_step_reward(reward), noise=noise)

    def scorer(self) -> Callable[[Sequence[Rollout]], list[float]] | None:
        """What the model of the run says of whole completions; ``None`` where the run has none.

        That of the outcome reward where one is in use, else the least that the model of steps says of a step.
        """
        names = (learned_name(self.config.reward), learned_name(self.config.task.step_reward))
        for name in names:
            if name is not None and name in self.held:
                return whole_scores(self.held[name], self.config.reward_models[name].supervision)
        return None

    @property
    def num_parameters(self) -> int:
        """Of those that score every completion."""
        return sum(model.num_parameters for model in self.held.values())

    def forget_after(self, step: int) -> None:
        """Remove fits to policies later than that of `step`, which a resumed run will train again."""
        for folder in self.folder.glob("reward-*"):
            if int(folder.name.rpartition("-")[2]) > step:
                shutil.rmtree(folder)

    def before_step(self, trainer: Trainer, step: int) -> None:
        """Take up the models of the iteration that `step` is in; at its first step they are fitted, and counted.

        Called by every rank, as `take_up` and `end` are.

        Raises:
            RuntimeError: the fit of an iteration that is under way is gone.
        """
        self.take_up(step)
        first = trainer.config.iteration_start(step)
        if step == first:
            self.ranks.lead(lambda: self._count(trainer, first))

    def end(self, steps: int) -> None:
        """Hold the models of the last iteration, and write what is known of every fit to ``reward_models.json``."""
        if self.config.reward_models:
            self.take_up(steps - 1)
            self.ranks.lead(lambda: write_json(self.folder / FITS_FILE, {"fits": self._fits()}))

    def take_up(self, step: int) -> None:
        """Hold the models of the iteration that `step`, counted from 0, is in; fitted where its first step is due.

        Raises:
            RuntimeError: see `before_step`.
        """
        assert self.config.training is not None
        first = self.config.training.iteration_start(step)
        if first == self._iteration:
            return
        for name in self.held:
            if self.config.reward_models[name].refit:
                self._refit(name, first, step)
                self._load(name, self.ranks.lead(partial(self._folder, name, first)))  # where rank 0 has it
        self._iteration = first

    def _fitted(self, first: int) -> list[str]:
        """The models that are fitted before this step: at the start all, the one that led a search too."""
        models = self.config.reward_models
        return [name for name in models if first == 0 or (name in self.held and models[name].refit)]

    def _fits(self) -> list[dict[str, Any]]:
        """How well the models did on problems that they were not fitted to, in every iteration."""
        training = self.config.training
        assert training is not None
        found = []
        for first in range(0, training.steps, training.iteration_steps or training.steps):
            for name in self._fitted(first):
                fit = read_json(self._folder(name, first) / FINISHED, remedy=f"remove the folder {self.folder}")
                told = {key: fit[key] for key in ("samples", "replayed", "temperatures", "held_out", "held_out_before")}
                found.append({"model": name, "step": first, **told})
        return found

    def _refit(self, name: str, first: int, step: int) -> None:
        self.ranks.lead(partial(self._check_due, name, first, step))
        assert self.config.training is not None
        every = self.config.training.iteration_steps
        starts = range(0, first, every) if every else ()
        RewardFit(
            folder=self._folder(name, first),
            config=self._fit_config(name, first),
            policy=self.policy,
            sampler=self.sampler,
            first=self.start,
            report=self.report,
            ranks=self.ranks,
            shard=self.config.training.shard,
        ).run(Earlier(folders=tuple(self._folder(name, start) for start in starts)))

    def _check_due(self, name: str, first: int, step: int) -> None:
        """Refuse to fit a model of an iteration that is under way.

        Raises:
            RuntimeError: see `before_step`.
        """
        folder = self._folder(name, first)
        if not (folder / FINISHED).is_file() and (step != first or self.sampler.policy_version != first):
            raise RuntimeError(
                f"{folder} is to hold the reward model of the iteration that began at step {first}, and this is step "
                f"{step}; the folder was there and is gone. Remove {self.folder} to start this run anew."
            )

    def _folder(self, name: str, first: int) -> Path:
        return self.first[name] if first == 0 else self.folder / f"reward-{name}-{first:06d}"

    def _fit_config(self, name: str, first: int) -> RewardFitConfig:
        config, training = self.config, self.config.training
        assert training is not None
        return RewardFitConfig(
            arm=name,
            seed=config.seed,
            start=config.arm,
            model=config.reward_models[name],
            task=replace(config.task, step_reward=""),
            engine=config.engine,
            temperature=training.temperature,
            max_completion_tokens=training.max_completion_tokens,
            step=first,
            iteration=first // training.iteration_steps if training.iteration_steps else 0,
        )

    def _count(self, trainer: Trainer, first: int) -> None:
        """Add what the fits before this step cost to the run's counters."""
        for folder in (self._folder(name, first) for name in self._fitted(first)):
            cost = Cost(**read_json(folder / FINISHED, remedy=f"remove the folder {folder}")["cost"])
            trainer.counters.completions_sampled += cost.completions
            trainer.counters.tokens_generated += cost.tokens
            trainer.counters.flops += cost.flops
            trainer.counters.seconds += cost.seconds
