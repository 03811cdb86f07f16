"""A start policy at work: the embedded model made from scratch, or a given one, trained by SFT with the one loop."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch

from algorithms.interface import Aggregation
from algorithms.sft import SFT
from analysis.records.showing import number_of
from benchmarks.problem import Problem
from experiments.records.config import StartConfig
from experiments.records.folder import RunFolder
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.problems import load_problems
from experiments.runs.prompts import demonstrations, record_training_prompts, render_prompts
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from training.models.embedded import build_embedded_model, build_embedded_tokenizer
from training.models.engine_check import check_weight_loading
from training.models.folder import resolve_model
from training.models.policy import Policy, load_policy, named_weights
from training.optimizers import muon_and_adamw, named_adamw
from training.parallel.ranks import Ranks
from training.parallel.verdicts import shared_judge
from training.restore import restore
from training.sources.demonstrations import DemonstrationSource
from training.stopping import StopRule, UntilCompetent
from training.trainer import Trainer

__all__ = ["LiveStart"]

VALIDATION_SAMPLES = 4  # completions a validation problem at each measurement of Pass@1


@dataclass(frozen=True, kw_only=True)
class LiveStart:
    """The training of a start policy that is open.

    Attributes:
        folder: gets everything; holds what is trained.
        policy: changed in place.
        source: demonstrations.
        sampler: measures Pass@1; ``None`` where nothing is measured.
        validation: problems with the token ids of their prompts, on which Pass@1 is measured.
        report: told of progress.
        ranks: the processes that share the training.
        shard: see `TrainingConfig`.
    """

    folder: RunFolder[StartConfig]
    policy: Policy
    source: DemonstrationSource
    sampler: Sampler | None
    validation: list[tuple[Problem, tuple[int, ...]]]
    report: Report
    ranks: Ranks
    shard: Literal["none", "full"]

    @classmethod
    def open(
        cls, folder: RunFolder[StartConfig], samplers: SamplerCache, report: Report, shard: Literal["none", "full"]
    ) -> LiveStart:
        """Make or load the model, and check the engine where Pass@1 is measured.

        Raises:
            SamplerMismatchError: the engine does not hold the policy's weights after a load.
        """
        config = folder.config
        policy, model = _untrained(config, folder.path / "untrained", samplers.ranks)
        supervised = config.supervised
        source = demonstrations(
            config.task,
            policy,
            count=supervised.demonstrations,
            per_step=supervised.batch_size,
            seed=f"start/{config.seed}",
        )
        record_training_prompts(folder, policy, source.prompts)
        if shard == "none":  # else the trainer takes its part
            policy.model.to(config.engine.device)
        sampler, validation = None, []
        if supervised.target_pass_at_1 is not None:
            sampler = samplers.get(config.engine, model, policy)
            prompts, tolerance = list(source.prompts.prompt_ids[:8]), config.engine.logprob_tolerance
            check = check_weight_loading(
                sampler, policy, prompts, tolerance=tolerance, policy_version=0, seed=config.seed
            )
            folder.keep("sampler_check", dataclasses.asdict(check))
            sampler = samplers.shared(sampler, policy)
            problems = load_problems(config.task, "validation")
            rendered = render_prompts(problems, config.task, policy.tokenizer)
            validation = [(problem, prompt.ids) for problem, prompt in zip(problems, rendered, strict=True)]
        return cls(
            folder=folder,
            policy=policy,
            source=source,
            sampler=sampler,
            validation=validation,
            report=report,
            ranks=samplers.ranks,
            shard=shard,
        )

    def prepare(self) -> tuple[Trainer, StopRule, int]:
        """Trainer and rule for the loop, at the step that the folder allows to go on from, and that step."""
        config, supervised = self.folder.config, self.folder.config.supervised
        trainer = Trainer(
            policy=self.policy,
            algorithm=SFT(aggregation=Aggregation.TOKEN_MEAN),
            config=dataclasses.replace(supervised.as_training(), shard=self.shard),
            source=self.source,
            sampler=None,
            reward=None,
            make_optimizers=muon_and_adamw if supervised.optimizer == "muon" else named_adamw,
            report=lambda what, done, total, unit: self.report(f"{what} start policy by SFT", done, total, unit),
            ranks=self.ranks,
            device=torch.device(config.engine.device),
        )
        demonstrations = len(self.source.prompts.problems)
        rule = UntilCompetent(supervised, demonstrations=demonstrations, measure=self.pass_at_1)
        agreed, digest = self.folder.last_whole_row(), self.folder.rows_digest
        restored = restore(trainer, rule, self.folder.checkpoints, agreed=agreed, rows_digest=digest)
        for reason in restored.passed_over:
            self.folder.note(f"went back to step {restored.step}: {reason}")
        self.folder.drop_after(restored.step)
        return trainer, rule, restored.step

    def pass_at_1(self, step: int) -> float:
        """Share of correct samples at temperature 1 of the policy as it is after `step` steps."""
        config = self.folder.config
        assert self.sampler is not None
        self.sampler.load_weights(named_weights(self.policy.model), step)
        rollouts = sample_rollouts(
            self.sampler,
            self.policy.tokenizer,
            self.validation,
            SamplingConfig(temperature=1.0, max_tokens=config.max_tokens),
            samples_per_problem=VALIDATION_SAMPLES,
            run_seed=config.seed,
            step=step,
            purpose="validate",
        )
        verdicts = shared_judge(self.ranks)(rollouts)
        return sum(verdict.correct for verdict in verdicts) / len(verdicts)

    def finish(self, steps: int) -> str:
        """Mark the training complete; a line for the reader."""
        return self.ranks.lead(lambda: self._finish(steps))

    def _finish(self, steps: int) -> str:
        pass_at_1 = self.folder.rows()[-1].get("validation_pass_at_1")
        self.folder.finish({"checkpoint": f"step-{steps:06d}", "validation_pass_at_1": pass_at_1})
        measured = "" if pass_at_1 is None else f", validation Pass@1 {pass_at_1:.3f}"
        return "; ".join([f"trained for {number_of(steps, 'step')}{measured}", *self.folder.notes])


def _untrained(config: StartConfig, folder: Path, ranks: Ranks) -> tuple[Policy, Path]:
    """The policy before its training, on the CPU, and a folder that holds it, which is rank 0's."""
    if config.model is not None:
        model = resolve_model(config.model)
        return load_policy(model), model
    tokenizer = build_embedded_tokenizer(config.embedded.vocabulary)
    vocabulary = tokenizer.get_vocab()
    policy = Policy(
        model=build_embedded_model(config.embedded, seed=config.seed),
        tokenizer=tokenizer,
        eos_token_ids=(vocabulary[str(tokenizer.eos_token)],),
        pad_token_id=vocabulary[str(tokenizer.pad_token)],
    )

    def saved() -> Path:
        policy.save(folder)
        return folder

    return policy, ranks.lead(saved)  # transformers writes on rank 0 alone; all read what it wrote
