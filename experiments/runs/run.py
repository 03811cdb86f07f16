"""One run at work: one arm with one seed, from its start policy to its last evaluation, resumable at every point."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from algorithms.interface import Algorithm, DataSource, Need
from analysis.records.schema import START_ARM
from benchmarks.problem import Problem
from benchmarks.prompts import Prompt
from experiments.recipes.files import check_unchanged
from experiments.recipes.plugins import load_algorithm
from experiments.runs.answering import tool_rounds
from experiments.runs.config import RunConfig
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.evaluation import Cost, Progress, StartKl, evaluate, measured_from_start
from experiments.runs.folder import RunFolder
from experiments.runs.problems import load_further, load_problems, load_validation
from experiments.runs.prompts import (
    demonstrations,
    record_training_prompts,
    render_prompts,
    task_prompt,
    training_prompts,
)
from experiments.runs.reward_models import LiveRewardModels
from experiments.runs.start_policy import StartPolicy
from rewards import warm_up_checker
from sampling.engines import check_room, longest_sequence
from sampling.prompt import RenderedPrompt
from sampling.sampler import Sampler, SamplingConfig
from training.config import TrainingConfig
from training.mixture import ConcatenatedSource
from training.models.critic import Critic
from training.models.engine_check import check_weight_loading
from training.models.lora import add_adapters, frozen_copy
from training.models.policy import Policy, load_policy, named_weights
from training.models.shards import is_sharded
from training.parallel.ranks import Ranks
from training.peers.methods import TrlMethod
from training.restore import restore
from training.sources import IteratedSource, OfflineSource, OnlineSource, Source
from training.staleness.ahead import AheadSource, draws_beside
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
        prompts: evaluation problems with their prompts.
        further: problems of further benchmarks that the last policy is asked, with theirs.
        models: the reward models of the run; none where it only evaluates.
        report: told of progress.
        ranks: the processes that share the run.
    """

    folder: RunFolder[RunConfig]
    start: Path
    policy: Policy
    sampler: Sampler
    prompt: Prompt
    prompts: list[tuple[Problem, RenderedPrompt]]
    further: list[tuple[Problem, RenderedPrompt]]
    models: LiveRewardModels
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
        problems = load_problems(config.task, config.evaluation.split, config.evaluation.problems)
        asked = [*problems, *load_further(config.task, config.evaluation)]
        prompt = task_prompt(config.task, policy.tokenizer)
        rendered = render_prompts(asked, config.task, policy.tokenizer)
        folder.keep_prompts((problem.problem_id, each.text) for problem, each in zip(asked, rendered, strict=True))
        every = list(zip(asked, rendered, strict=True))
        prompts, further = every[: len(problems)], every[len(problems) :]
        ids = [each.ids for each in rendered]
        folder.record_prompts("evaluation", ids[: len(problems)], rendered[0].text)  # further benchmarks may be added
        check_room(ids, "max_tokens", config.evaluation.max_tokens, policy.max_positions, config.engine)
        sampler = samplers.get(config.engine, model, policy)
        tolerance = config.engine.logprob_tolerance
        check = check_weight_loading(sampler, policy, ids[:8], tolerance=tolerance, policy_version=0, seed=config.seed)
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
        return cls(
            folder=folder,
            start=model,
            policy=policy,
            sampler=sampler,
            prompt=prompt,
            prompts=prompts,
            further=further,
            models=models,
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
            source=self.source(algorithm, training, offline),
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
        measured = measured_from_start(self.policy, self.start, config, self.prompts)
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
            self.evaluate(0, evaluation.curve_samples)

    def agreed(self) -> int:
        """Step up to which the folder holds every row and every evaluation of the learning curve."""
        training = self.folder.config.training
        assert training is not None
        rows, evaluation = self.folder.last_whole_row(), self.folder.config.evaluation
        due = range(0, min(rows, training.steps - 1) + 1, evaluation.every) if evaluation.every else ()
        for step in due:
            counts = self.folder.samples.counts(step)
            if any(counts[problem.problem_id] != evaluation.curve_samples for problem, _ in self.prompts):
                return max(0, step - 1)
        return rows

    def after_step(self, step: int) -> None:
        """Evaluate where the learning curve has a point."""
        config = self.folder.config
        assert config.training is not None
        every = config.evaluation.every
        if every and step % every == 0 and step < config.training.steps:
            self.evaluate(step, config.evaluation.curve_samples)

    def evaluate(self, step: int, samples: int, temperature: float | None = None, *, last: bool = False) -> Cost:
        """Evaluate the policy at `step`; loads it into the engine where the engine holds an older one.

        At a `temperature` of its own the samples go into a file of their own. The last policy is asked the further
        benchmarks too, and the reward model of the run scores what it says at the evaluation's temperature. There too
        the policy's distance from its start is measured, on what is drawn for the evaluation anyway.
        """
        prompts = [*self.prompts, *self.further] if last else self.prompts
        if self.sampler.policy_version != step:
            self.sampler.load_weights(named_weights(self.policy.model), step)
        cost = evaluate(
            self.folder,
            sampler=self.sampler,
            tokenizer=self.policy.tokenizer,
            prompt=self.prompt,
            prompts=prompts,
            config=self.folder.config.evaluation,
            samples=samples,
            step=step,
            temperature=temperature,
            into=None if temperature is None else self.folder.decoding(temperature),
            scorer=self.models.scorer() if last and temperature is None else None,
            start_kl=self._start_kl() if temperature is None else None,
            on_progress=self._counted(samples * len(prompts), "completions"),
        )
        if temperature is None:
            self.folder.tell(step, {"evaluation/pass_at_1": self._pass_at_1(step)})
        return cost

    def _counted(self, total: int, unit: str) -> Progress:
        """Reports how many of an evaluation's completions are done, given how many have just been finished."""
        done = 0

        def on_progress(count: int) -> None:
            nonlocal done
            done += count
            self.report("evaluate", done, total, unit)

        return on_progress

    def _start_kl(self) -> StartKl | None:
        measured = measured_from_start(self.policy, self.start, self.folder.config, self.prompts)
        if measured is None or not is_sharded(self.policy.model):
            return measured
        return dataclasses.replace(measured, together=partial(self.ranks.together, "start_kl"))

    def finish(self, steps: int) -> str:
        """Evaluate the policy after its last step and mark the run complete; a line for the reader."""
        cost = self.evaluate_last(steps)
        return self.ranks.lead(lambda: self.close(steps, cost))

    def evaluate_last(self, steps: int) -> Cost:
        """Evaluate the policy after its last step, at every temperature; what the evaluation's own cost."""
        return self.ranks.lead(lambda: self._evaluate_last(steps))

    def _evaluate_last(self, steps: int) -> Cost:
        evaluation = self.folder.config.evaluation
        self.models.end(steps)
        cost = self.evaluate(steps, evaluation.samples, last=True)
        for temperature, samples in evaluation.sweep.items():
            self.evaluate(steps, samples, temperature, last=True)
        if self.folder.config.arm.startswith(START_ARM):
            self._ask_validation(steps)
        return cost

    def _ask_validation(self, step: int) -> None:
        """Sample validation problems at every temperature, so that a start policy's best one can be chosen on them."""
        config = self.folder.config
        if not config.evaluation.tuning:
            return
        problems, absent = load_validation(config.task, config.evaluation)
        for benchmark, why in absent.items():
            self.folder.note(
                f"{benchmark} has no validation problems to choose the best temperature on ({why}): it is chosen on "
                "halves of the evaluated ones"
            )
        rendered = render_prompts(problems, config.task, self.policy.tokenizer)
        room = longest_sequence(self.policy.max_positions, config.engine) - config.evaluation.max_tokens
        prompts = [pair for pair in zip(problems, rendered, strict=True) if len(pair[1].ids) <= room]
        for temperature, samples in config.evaluation.tuning.items():
            evaluate(
                self.folder,
                sampler=self.sampler,
                tokenizer=self.policy.tokenizer,
                prompt=self.prompt,
                prompts=prompts,
                config=config.evaluation,
                samples=samples,
                step=step,
                temperature=temperature,
                into=self.folder.validation(temperature),
                on_progress=self._counted(samples * len(prompts), "completions of validation problems"),
            )

    def _pass_at_1(self, step: int) -> float:
        return self.folder.samples.pass_at_1(step, benchmark=self.prompts[0][0].benchmark)

    def close(self, steps: int, cost: Cost) -> str:
        """Mark a run complete that was evaluated after its last step; a line for the reader."""
        pass_at_1 = self._pass_at_1(steps)
        summary = {"steps": steps, "pass_at_1": pass_at_1, "evaluation": dataclasses.asdict(cost)}
        if self.folder.config.training is not None:
            summary["start_kl_seconds"] = self.folder.start_kl_seconds()
        self.folder.finish(summary)
        return "; ".join([f"Pass@1 {pass_at_1:.3f} after {steps} steps ({cost})", *self.folder.notes])

    def source(self, algorithm: Algorithm | TrlMethod, training: TrainingConfig, offline: Path | None) -> Source:
        """Where the algorithm's completions come from; the sampler holds the start policy when this is called."""
        config, policy, group = self.folder.config, self.policy, training.group_size
        if algorithm.data_source is DataSource.DEMONSTRATIONS:
            per_step = training.problems_per_step * group
            count, seed = config.task.train_problems, f"train/{config.seed}"
            source = demonstrations(config.task, policy, count=count, per_step=per_step, seed=seed)
            record_training_prompts(self.folder, policy, source.prompts)
            if training.context_tokens is None:
                return source
            return ConcatenatedSource(
                demonstrations=source,
                context=training.context_tokens,
                rows_per_step=training.problems_per_step,
                seed=seed,
            )
        prompts = training_prompts(
            config.task,
            policy,
            per_step=training.problems_per_step,
            seed=config.seed,
            demonstrated=config.demonstrated,
        )
        record_training_prompts(self.folder, policy, prompts)
        if algorithm.data_source is DataSource.OFFLINE:
            if offline is None:
                raise ValueError(
                    f"{config.arm} trains on completions of the start policy, and was given no file of them."
                )
            return OfflineSource.read(offline, prompts)
        room = training.max_completion_tokens
        check_room(prompts.prompt_ids, "max_completion_tokens", room, policy.max_positions, config.engine)
        online = OnlineSource(
            sampler=self.sampler,
            policy=policy,
            prompts=prompts,
            sampling=SamplingConfig(
                temperature=training.temperature,
                top_k=training.truncation.top_k,
                top_p=training.truncation.top_p,
                min_p=training.truncation.min_p,
                max_tokens=room,
                with_logprobs=Need.SAMPLER_LOGPROBS in algorithm.needs,
                stop=self.prompt.stop,
            ),
            group_size=group,
            run_seed=config.seed,
            rounds=tool_rounds(config.task, self.prompt),
            on_progress=lambda done, total: self.report("sample", done, total, "completions"),
        )
        if algorithm.data_source is DataSource.ITERATED:
            every = training.iteration_steps or training.steps
            return IteratedSource(online=online, every=every, steps=training.steps, folder=self.folder.path)
        if training.max_staleness:
            if not algorithm.needs & {Need.OLD_LOGPROBS, Need.OLD_LOGPROBS_FOR_CREDIT}:
                self.folder.note(
                    f"max_staleness {training.max_staleness}: {config.algorithm} takes no ratio, so that completions "
                    "of older policies are trained on as if they were of today's"
                )
            return AheadSource(
                online=online,
                staleness=training.max_staleness,
                steps=training.steps,
                folder=self.folder.path,
                beside=draws_beside(training, config.engine, ranks=self.ranks.world),
            )
        return online
