"""What an open run works with: its start policy loaded, its problems asked for, its engine checked."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from benchmarks.problem import Problem
from benchmarks.prompts import Prompt
from experiments.recipes.files import check_unchanged
from experiments.records.config import RunConfig
from experiments.records.folder import RunFolder
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.problems import load_further, load_problems
from experiments.runs.prompts import render_prompts, task_prompt
from experiments.runs.start_policy import StartPolicy
from rewards import warm_up_checker
from sampling.engines import check_room
from sampling.prompt import RenderedPrompt
from sampling.sampler import Sampler
from training.models.engine_check import check_weight_loading
from training.models.policy import Policy, load_policy
from training.parallel.ranks import Ranks

__all__ = ["Asked", "RunSetup"]

Asked = list[tuple[Problem, RenderedPrompt]]
"""Problems, each with its prompt."""


@dataclass(frozen=True, kw_only=True)
class RunSetup:
    """What the source, the training and the evaluations of one run share.

    Attributes:
        folder: gets everything; holds what the run is.
        start: folder of the start policy.
        policy: π_θ, changed in place by the training.
        sampler: the engine; checked to hold what is loaded.
        prompt: how problems are asked.
        prompts: evaluation problems of the task's own benchmark with their prompts.
        further: problems of further benchmarks that the last policy is asked, with theirs.
        report: told of progress.
        ranks: the processes that share the run.
    """

    folder: RunFolder[RunConfig]
    start: Path
    policy: Policy
    sampler: Sampler
    prompt: Prompt
    prompts: Asked
    further: Asked
    report: Report
    ranks: Ranks

    @classmethod
    def open(cls, folder: RunFolder[RunConfig], start: StartPolicy, samplers: SamplerCache, report: Report) -> RunSetup:
        """Load the start policy, render the evaluation's prompts, and check the engine.

        Args:
            folder: of the run.
            start: the policy.
            samplers: where the engine comes from.
            report: told of progress.

        Raises:
            ValueError: a file of the user's was edited since the comparison started, or there is no room for
                completions.
            SamplerMismatchError: the engine does not hold the policy's weights after a load.
        """
        config = folder.config
        check_unchanged(config.files)
        warm_up_checker()  # while the policy loads, so that no training step waits for it
        model = start.folder()
        sharded = config.training is not None and config.training.shard != "none"
        policy = load_policy(model, device="cpu" if sharded else config.engine.device)  # the trainer takes its part
        prompts, further = _asked(folder, policy)
        ids = [each.ids for _, each in [*prompts, *further][:8]]
        sampler = samplers.get(config.engine, model, policy)
        tolerance = config.engine.logprob_tolerance
        check = check_weight_loading(sampler, policy, ids, tolerance=tolerance, policy_version=0, seed=config.seed)
        folder.keep("sampler_check", dataclasses.asdict(check))
        return cls(
            folder=folder,
            start=model,
            policy=policy,
            sampler=samplers.shared(sampler, policy),
            prompt=task_prompt(config.task, policy.tokenizer),
            prompts=prompts,
            further=further,
            report=report,
            ranks=samplers.ranks,
        )


def _asked(folder: RunFolder[RunConfig], policy: Policy) -> tuple[Asked, Asked]:
    """Evaluation problems of the task's own benchmark with their prompts, and those of further ones; all recorded."""
    config = folder.config
    problems = load_problems(config.task, config.evaluation.split, config.evaluation.problems)
    asked = [*problems, *load_further(config.task, config.evaluation)]
    rendered = render_prompts(asked, config.task, policy.tokenizer)
    every = list(zip(asked, rendered, strict=True))
    folder.keep_prompts((problem.problem_id, each.text) for problem, each in every)
    ids = [each.ids for each in rendered]
    folder.record_prompts("evaluation", ids[: len(problems)], rendered[0].text)  # further benchmarks may be added
    check_room(ids, "max_tokens", config.evaluation.max_tokens, policy.max_positions, config.engine)
    return every[: len(problems)], every[len(problems) :]
