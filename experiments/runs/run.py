"""One run at work: one arm with one seed, from its start policy to its last evaluation, resumable at every point."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from algorithms.interface import Need
from analysis.records.showing import number_of
from experiments.recipes.plugins import load_algorithm
from experiments.records.config import RunConfig
from experiments.records.folder import RunFolder
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.evaluation import EvaluationCost
from experiments.runs.live_evaluation import LiveEvaluation
from experiments.runs.reward_models import LiveRewardModels
from experiments.runs.setup import RunSetup
from experiments.runs.source import training_source
from experiments.runs.start_policy import StartPolicy
from training.models.critic import Critic
from training.models.lora import add_adapters, frozen_copy
from training.models.policy import named_weights
from training.restore import restore
from training.sources.iterated import IteratedSource
from training.sources.offline import OfflineSource
from training.staleness.ahead import AheadSource
from training.stopping import AtStep, StopRule
from training.trainer import Trainer

__all__ = ["LiveRun"]


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """A run that is open: what it works with, and what is done with that.

    Attributes:
        setup: what all of it works with.
        models: the reward models of the run; none where it only evaluates.
        evaluation: measures the policy.
    """

    setup: RunSetup
    models: LiveRewardModels
    evaluation: LiveEvaluation

    @classmethod
    def open(
        cls,
        folder: RunFolder[RunConfig],
        start: StartPolicy,
        samplers: SamplerCache,
        report: Report,
        reward_models: Mapping[str, Path],
    ) -> LiveRun:
        """The run with everything that it needs loaded.

        Args:
            folder: see `RunSetup.open`, as the next three.
            start: the policy.
            samplers: where the engine comes from.
            report: told of progress.
            reward_models: see `RunJob`.

        Raises:
            ValueError: see `RunSetup.open`.
            SamplerMismatchError: see `RunSetup.open`.
        """
        samplers.ranks.tasks.clear()  # which hold the models of the run before
        setup = RunSetup.open(folder, start, samplers, report)
        models = LiveRewardModels(
            config=folder.config,
            first=reward_models,
            folder=folder.path,
            policy=setup.policy,
            sampler=setup.sampler,
            start=setup.start,
            report=report,
            ranks=setup.ranks,
        )
        return cls(setup=setup, models=models, evaluation=LiveEvaluation(setup=setup, scorer=models.scorer))

    def prepare(self, *, offline: Path | None, evaluated_start: Path | None) -> tuple[Trainer, StopRule, int]:
        """Trainer and rule for the loop, at the step that the folder allows to go on from, and that step.

        Step 0 is evaluated where the learning curve has a point there.

        Args:
            offline: see `RunJob`.
            evaluated_start: see `RunJob`.
        """
        setup, models, config = self.setup, self.models, self.setup.folder.config
        training = config.training
        assert training is not None
        algorithm = load_algorithm(config.algorithm, config.settings)
        needs = algorithm.needs
        if training.lora_rank is not None:
            add_adapters(
                setup.policy.model,
                rank=training.lora_rank,
                alpha=training.lora_alpha,
                seed=config.seed,
                under_autocast=training.use_autocast,
            )
        trainer = Trainer(
            policy=setup.policy,
            algorithm=algorithm,
            config=training,
            source=training_source(setup, algorithm, offline),
            sampler=setup.sampler,
            reward=models.reward(),
            step_reward=models.step_reward() if Need.STEP_REWARDS in needs else None,
            reward_parameters=models.num_parameters,
            reference=frozen_copy(setup.policy.model) if Need.REFERENCE_LOGPROBS in needs else None,
            critic=Critic(setup.start, device=setup.policy.device) if Need.CRITIC in needs else None,
            report=setup.report,
            ranks=setup.ranks,
            device=torch.device(config.engine.device),
        )
        trainer.before_step = partial(self._before_step, trainer)
        measured = self.evaluation.start_kl()
        if measured is not None and trainer.sharded:
            setup.ranks.tasks["start_kl"] = measured
        rule = AtStep(training, checkpoint_every=config.checkpoint_every)
        restored = restore(
            trainer, rule, setup.folder.checkpoints, agreed=self.agreed(), rows_digest=setup.folder.rows_digest
        )
        models.forget_after(restored.step)
        if isinstance(trainer.source, IteratedSource | AheadSource):
            trainer.source.forget_after(restored.step)
        setup.ranks.lead(lambda: self.go_on(restored.step, restored.passed_over, evaluated_start))
        return trainer, rule, restored.step

    def _before_step(self, trainer: Trainer, step: int) -> None:
        """Bring the reward models up to date, and count what completions of `step` cost beside themselves."""
        self.models.before_step(trainer, step)
        if isinstance(trainer.source, OfflineSource):
            spent = trainer.source.spent_beside(step)
            trainer.counters.tokens_generated += spent.tokens
            trainer.counters.flops += spent.flops

    def go_on(self, done: int, passed_over: Sequence[str], evaluated_start: Path | None) -> None:
        """Forget what was written after `done` steps, whose policy is loaded, and measure the start where that is due.

        Args:
            done: steps that are done, 0 at the start.
            passed_over: why later checkpoints were not taken, for the reader.
            evaluated_start: see `RunJob`.
        """
        folder, evaluation = self.setup.folder, self.setup.folder.config.evaluation
        for reason in passed_over:
            folder.note(f"went back to step {done}: {reason}")
        folder.drop_after(done)
        folder.samples.drop_after(done)
        folder.start_kl.drop_after(done)
        if done:
            self.setup.sampler.load_weights(named_weights(self.setup.policy.model), done)
        elif evaluation.every:
            if evaluated_start is not None:
                folder.samples.take(evaluated_start / "samples.parquet", step=0, samples=evaluation.curve_samples)
            self.evaluation.at(0)

    def agreed(self) -> int:
        """Step up to which the folder holds every row and every evaluation of the learning curve."""
        return self.evaluation.whole_up_to(self.setup.folder.last_whole_row())

    def after_step(self, step: int) -> None:
        """Evaluate where the learning curve has a point."""
        config = self.setup.folder.config
        assert config.training is not None
        every = config.evaluation.every
        if every and step % every == 0 and step < config.training.steps:
            self.evaluation.at(step)

    def finish(self, steps: int) -> str:
        """Evaluate the policy after its last step and mark the run complete; a line for the reader."""
        cost = self.evaluate_last(steps)
        return self.setup.ranks.lead(lambda: self.close(steps, cost))

    def evaluate_last(self, steps: int) -> EvaluationCost:
        """Evaluate the policy after its last step; what the evaluation's own cost."""
        self.models.end(steps)
        return self.setup.ranks.lead(lambda: self.evaluation.last(steps))

    def close(self, steps: int, cost: EvaluationCost) -> str:
        """Mark a run complete that was evaluated after its last step; a line for the reader."""
        folder = self.setup.folder
        pass_at_1 = self.evaluation.pass_at_1(steps)
        summary = {"steps": steps, "pass_at_1": pass_at_1, "evaluation": dataclasses.asdict(cost)}
        if folder.config.training is not None:
            summary["start_kl_seconds"] = folder.start_kl_seconds()
        folder.finish(summary)
        return "; ".join([f"Pass@1 {pass_at_1:.3f} after {number_of(steps, 'step')} ({cost})", *folder.notes])
