"""Evaluating a policy on a benchmark: completions and verdicts, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from experiments.recipes.plugins import learned_name, load_step_rule
from experiments.records.config import RunConfig
from experiments.records.samples import NumberFile, ProblemKey, SampleFile, key_of
from experiments.runs.answering import answers, proof_checker, tool_rounds
from experiments.runs.engines import Report
from experiments.runs.setup import Asked, RunSetup
from experiments.runs.start_kl import StartKl
from rewards.scoring import judge_chains
from rewards.verdict import Verdict
from sampling.rollout import Rollout
from sampling.sampler import SamplingConfig
from training.parallel.verdicts import shared_judge

__all__ = ["EvaluationCost", "Scorer", "chain_rule", "evaluate"]

Scorer = Callable[[Sequence[Rollout]], Sequence[float]]
"""What a reward model says of each completion."""


@dataclass(frozen=True, kw_only=True)
class EvaluationCost:
    """Completion tokens drawn, and the seconds of sampling them."""

    tokens: int
    seconds: float

    def __str__(self) -> str:
        return f"{self.tokens:,} tokens in {self.seconds:.0f} s, {self.tokens / max(self.seconds, 1e-9):,.0f} tokens/s"


def evaluate(
    setup: RunSetup,
    prompts: Asked,
    *,
    samples: int,
    step: int,
    temperature: float | None = None,
    into: SampleFile | None = None,
    scorer: Scorer | None = None,
    start_kl: StartKl | None = None,
    unit: str = "completions",
) -> EvaluationCost:
    """Sample and judge every problem that the folder does not hold yet at this step.

    Args:
        setup: of the run. Its sampler holds the policy; its folder gets the samples, `chunk_problems` problems at a
            time.
        prompts: pairs (problem, its prompt).
        samples: completions a problem.
        step: optimiser step of the policy.
        temperature: in place of the configured one.
        into: gets the samples in place of the folder's own file.
        scorer: scores every sample for the folder's scores.
        start_kl: measures some samples for the folder's `start_kl`. An evaluation that began without goes on without:
            nothing is drawn again for it.
        unit: what is reported as done.

    Returns:
        What the evaluation cost, with the parts of it that an earlier, stopped process drew.
    """
    folder, config = setup.folder, setup.folder.config.evaluation
    file = folder.samples if into is None else into
    done = _whole(file, step, samples)
    if scorer is not None:
        done &= _whole(folder.scores, step, samples)
    if start_kl is not None and not start_kl.may_go_on(step, done, folder.start_kl):
        start_kl = None
    left = [item for item in prompts if (item[0].benchmark, item[0].problem_id) not in done]
    progress = _counted(setup.report, samples * len(prompts), unit)
    if len(left) < len(prompts):
        progress(samples * (len(prompts) - len(left)))
    ask = _asking(setup, samples, step, config.temperature if temperature is None else temperature, progress)
    rule = load_step_rule(chain_rule(folder.config))
    seconds = folder.evaluation_seconds(step) if done and into is None else 0.0
    measuring = folder.start_kl_seconds()
    for start in range(0, len(left), config.chunk_problems):
        started = time.perf_counter()
        rollouts, verdicts_of = ask(left[start : start + config.chunk_problems])
        seconds += time.perf_counter() - started
        verdicts = verdicts_of()
        chains = judge_chains(rollouts, verdicts, rule)
        if scorer is not None:
            folder.scores.add(step, [key_of(each) for each in rollouts], scorer(rollouts), only=True)
        if start_kl is not None and step:
            started = time.perf_counter()
            start_kl.keep(step, rollouts, folder.start_kl)
            measuring += time.perf_counter() - started
        file.add(step, list(zip(rollouts, verdicts, chains, strict=True)))
        if into is None:
            folder.keep("evaluation", {"step": step, "seconds": seconds, "start_kl_seconds": measuring})
    if start_kl is not None and not step:
        start_kl.keep_zero(file, folder.start_kl)
    return EvaluationCost(tokens=file.tokens(step), seconds=seconds)


def _whole(file: SampleFile | NumberFile, step: int, samples: int) -> set[ProblemKey]:
    """Problems of which the file holds all samples at a step."""
    return {problem for problem, count in file.counts(step).items() if count == samples}


def _asking(
    setup: RunSetup, samples: int, step: int, temperature: float, on_progress: Callable[[int], None]
) -> Callable[[Asked], tuple[list[Rollout], Callable[[], list[Verdict]]]]:
    """`answers` as the run evaluates, for a chunk of problems."""
    config = setup.folder.config
    return partial(
        answers,
        setup.prompt,
        setup.sampler,
        setup.policy.tokenizer,
        sampling=SamplingConfig(
            temperature=temperature,
            top_p=config.evaluation.top_p,
            max_tokens=config.evaluation.max_tokens,
        ),
        samples=samples,
        run_seed=config.seed,
        step=step,
        rounds=tool_rounds(config.task, setup.prompt),
        checker=proof_checker(config.task),
        judged=shared_judge(setup.ranks),
        on_progress=on_progress,
    )


def _counted(report: Report, total: int, unit: str) -> Callable[[int], None]:
    """Reports how many of an evaluation's completions are done, given how many have just been finished."""
    done = 0

    def on_progress(count: int) -> None:
        nonlocal done
        done += count
        report("evaluate", done, total, unit)

    return on_progress


def chain_rule(config: RunConfig) -> str:
    """The rule that chains are checked with: the step reward, or the rule that a learnt one is measured against.

    So an arm under a model of steps is checked like those beside it.
    """
    name = learned_name(config.task.step_reward)
    return config.task.step_reward if name is None else config.reward_models[name].step_rule
