"""One run at work: one arm with one seed, from its start policy to its last evaluation, resumable at every point."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from algorithms.interface import Algorithm, Need
from benchmarks.problem import Problem
from benchmarks.prompts import Prompt
from experiments.recipes.files import check_unchanged
from experiments.recipes.plugins import load_algorithm
from experiments.records.config import RunConfig
from experiments.records.folder import RunFolder
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.evaluation import Cost
from experiments.runs.live_evaluation import LiveEvaluation
from experiments.runs.problems import load_further, load_problems
from experiments.runs.prompts import render_prompts, task_prompt
from experiments.runs.reward_models import LiveRewardModels
from experiments.runs.source import training_source
from experiments.runs.start_policy import StartPolicy
from rewards import warm_up_checker
from sampling.engines import check_room
from sampling.prompt import RenderedPrompt
from sampling.sampler import Sampler
from training.models.critic import Critic
from training.models.engine_check import check_weight_loading
from training.models.lora import add_adapters, frozen_copy
from training.models.policy import Policy, load_policy, named_weights
from training.parallel.ranks import Ranks
from training.peers.methods import TrlMethod
from training.restore import restore
from training.sources.interface import Source
from training.sources.iterated import IteratedSource
from training.sources.offline import OfflineSource
from training.staleness.ahead import AheadSource
from training.stopping import AtStep, StopRule
from training.trainer import Trainer

__all__ = ["LiveRun"]


@dataclass(frozen=True, kw_only=True)
class LiveRun:
    """A run that is open: what every part of it works with.

    Attributes:
        folder: gets everything; holds what the run is.
        start: folder of the start policy.
        policy: π_θ, changed in place by the training.
        sampler: the engine; checked to hold what is loaded.
        prompt: how problems are asked.
        models: the reward models of the run; none where it only evaluates.
        evaluation: measures the policy.
        report: told of progress.
        ranks: the processes that share the run.
    """

    folder: RunFolder[RunConfig]
    start: Path
    policy: Policy
    sampler: Sampler
    prompt: Prompt
    models: LiveRewardModels
    evaluation: LiveEvaluation
    report: Report
    ranks: Ranks

    @classmethod
    def open(
        cls,
        folder: RunFolder[RunConfig],
        start: StartPolicy,
        samplers: SamplerCache,
        report: Report,
        reward_models: Mapping[str, Path],
    ) -> LiveRun:
        """Load the start policy and the reward models, render the evaluation's prompts, and check the engine.

        Args:
            folder: of the run.
            start: the policy.
            samplers: where the engine comes from.
            report: told of progress.
            reward_models: see `RunJob`.

        Raises:
            ValueError: a file of the user's was edited since the comparison started, or there is no room for
                completions.
            SamplerMismatchError: the engine does not hold the policy's weights after a load.
        """
        config = folder.config
        samplers.ranks.tasks.clear()  # which hold the models of the run before
        check_unchanged(config.files)
        warm_up_checker()  # while the policy loads, so that no training step waits for it
        model = start.folder()
        sharded = config.training is not None and config.training.shard != "none"
        policy = load_policy(model, device="cpu" if sharded else config.engine.device)  # the trainer takes its part
        prompt, prompts, further = _asked(folder, policy)
        ids = [each.ids for _, each in [*prompts, *further][:8]]
        sampler = samplers.get(config.engine, model, policy)
        tolerance = config.engine.logprob_tolerance
        check = check_weight_loading(sampler, policy, ids, tolerance=tolerance, policy_version=0, seed=config.seed)
        folder.keep("sampler_check", dataclasses.asdict(check))
        sampler = samplers.shared(sampler, policy)
        models = LiveRewardModels(
            config=config,
            first=reward_models,
            folder=folder.path,
            policy=policy,
            sampler=sampler,
            start=model,
            report=report,
            ranks=samplers.ranks,
        )
        evaluation = LiveEvaluation(
            folder=folder,
            start=model,
            policy=policy,
            sampler=sampler,
            prompt=prompt,
            prompts=prompts,
            further=further,
            scorer=models.scorer,
            report=report,
            ranks=samplers.ranks,
        )
        return cls(
            folder=folder,
            start=model,
            policy=policy,
            sampler=sampler,
            prompt=prompt,
            models=models,
            evaluation=evaluation,
            report=report,
            ranks=samplers.ranks,
        )

    def prepare(self, *, offline: Path | None, evaluated_start: Path | None) -> tuple[Trainer, StopRule, int]:
        """Trainer and rule for the loop, at the step that the folder allows to go on from, and that step.

        Step 0 is evaluated where the learning curve has a point there.

        Args:
            offline: see `RunJob`.
            evaluated_start: see `RunJob`.
        """
        config, training = self.folder.config, self.folder.config.training
        assert training is not None
        algorithm = load_algorithm(config.algorithm, config.settings)
        needs = algorithm.needs
        models = self.models
        if training.lora_rank is not None:
            add_adapters(
                self.policy.model,
                rank=training.lora_rank,
                alpha=training.lora_alpha,
                seed=config.seed,
                under_autocast=training.use_autocast,
            )
        trainer = Trainer(
            policy=self.policy,
            algorithm=algorithm,
            config=training,
            source=self.source(algorithm, offline),
            sampler=self.sampler,
            reward=models.reward(),
            step_reward=models.step_reward() if Need.STEP_REWARDS in needs else None,
            reward_parameters=models.num_parameters,
            reference=frozen_copy(self.policy.model) if Need.REFERENCE_LOGPROBS in needs else None,
            critic=Critic(self.start, device=self.policy.device) if Need.CRITIC in needs else None,
            report=self.report,
            ranks=self.ranks,
            device=torch.device(config.engine.device),
        )
        trainer.before_step = partial(self._before_step, trainer)
        measured = self.evaluation.start_kl()
        if measured is not None and trainer.sharded:
            self.ranks.tasks["start_kl"] = measured
        rule = AtStep(training, checkpoint_every=config.checkpoint_every)
        restored = restore(
            trainer, rule, self.folder.checkpoints, agreed=self.agreed(), rows_digest=self.folder.rows_digest
        )
        models.forget_after(restored.step)
        if isinstance(trainer.source, IteratedSource | AheadSource):
            trainer.source.forget_after(restored.step)
        self.ranks.lead(lambda: self.go_on(restored.step, restored.passed_over, evaluated_start))
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
        evaluation = self.folder.config.evaluation
        for reason in passed_over:
            self.folder.note(f"went back to step {done}: {reason}")
        self.folder.drop_after(done)
        self.folder.samples.drop_after(done)
        self.folder.start_kl.drop_after(done)
        if done:
            self.sampler.load_weights(named_weights(self.policy.model), done)
        elif evaluation.every:
            if evaluated_start is not None:
                self.folder.samples.take(evaluated_start / "samples.parquet", step=0, samples=evaluation.curve_samples)
            self.evaluation.at(0)

    def agreed(self) -> int:
        """Step up to which the folder holds every row and every evaluation of the learning curve."""
        return self.evaluation.whole_up_to(self.folder.last_whole_row())

    def after_step(self, step: int) -> None:
        """Evaluate where the learning curve has a point."""
        config = self.folder.config
        assert config.training is not None
        every = config.evaluation.every
        if every and step % every == 0 and step < config.training.steps:
            self.evaluation.at(step)

    def finish(self, steps: int) -> str:
        """Evaluate the policy after its last step and mark the run complete; a line for the reader."""
        cost = self.evaluate_last(steps)
        return self.ranks.lead(lambda: self.close(steps, cost))

    def evaluate_last(self, steps: int) -> Cost:
        """Evaluate the policy after its last step; what the evaluation's own cost."""
        self.models.end(steps)
        return self.ranks.lead(lambda: self.evaluation.last(steps))

    def close(self, steps: int, cost: Cost) -> str:
        """Mark a run complete that was evaluated after its last step; a line for the reader."""
        pass_at_1 = self.evaluation.pass_at_1(steps)
        summary = {"steps": steps, "pass_at_1": pass_at_1, "evaluation": dataclasses.asdict(cost)}
        if self.folder.config.training is not None:
            summary["start_kl_seconds"] = self.folder.start_kl_seconds()
        self.folder.finish(summary)
        return "; ".join([f"Pass@1 {pass_at_1:.3f} after {steps} steps ({cost})", *self.folder.notes])

    def source(self, algorithm: Algorithm | TrlMethod, offline: Path | None) -> Source:
        """See `training_source`; the sampler holds the start policy when this is called."""
        return training_source(
            self.folder,
            algorithm,
            offline=offline,
            policy=self.policy,
            sampler=self.sampler,
            prompt=self.prompt,
            report=self.report,
            ranks=self.ranks,
        )


def _asked(
    folder: RunFolder[RunConfig], policy: Policy
) -> tuple[Prompt, list[tuple[Problem, RenderedPrompt]], list[tuple[Problem, RenderedPrompt]]]:
    """How evaluation problems are asked, those of the task's own benchmark, and those of further ones; all recorded."""
    config = folder.config
    problems = load_problems(config.task, config.evaluation.split, config.evaluation.problems)
    asked = [*problems, *load_further(config.task, config.evaluation)]
    prompt = task_prompt(config.task, policy.tokenizer)
    rendered = render_prompts(asked, config.task, policy.tokenizer)
    every = list(zip(asked, rendered, strict=True))
    folder.keep_prompts((problem.problem_id, each.text) for problem, each in every)
    ids = [each.ids for each in rendered]
    folder.record_prompts("evaluation", ids[: len(problems)], rendered[0].text)  # further benchmarks may be added
    check_room(ids, "max_tokens", config.evaluation.max_tokens, policy.max_positions, config.engine)
    return prompt, every[: len(problems)], every[len(problems) :]
