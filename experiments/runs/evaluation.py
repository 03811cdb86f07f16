"""Evaluating a policy on a benchmark: completions and verdicts, chunk by chunk."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.problem import Problem
from benchmarks.prompts import Prompt
from experiments.recipes.config import EvaluationConfig
from experiments.recipes.plugins import learned_name, load_step_rule
from experiments.records.config import RunConfig
from experiments.records.folder import RunFolder
from experiments.records.samples import SampleFile, key_of
from experiments.runs.answering import answers, proof_checker, tool_rounds
from experiments.runs.start_kl import StartKl
from rewards.scoring import judge_chains
from sampling.prompt import RenderedPrompt
from sampling.rollout import Rollout
from sampling.sampler import Sampler, SamplingConfig

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["EvaluationCost", "Progress", "Scorer", "chain_rule", "evaluate"]

Progress = Callable[[int], None]
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
    folder: RunFolder[RunConfig],
    *,
    into: SampleFile | None = None,
    temperature: float | None = None,
    sampler: Sampler,
    tokenizer: PreTrainedTokenizerBase,
    prompt: Prompt,
    prompts: list[tuple[Problem, RenderedPrompt]],
    config: EvaluationConfig,
    samples: int,
    step: int,
    scorer: Scorer | None = None,
    start_kl: StartKl | None = None,
    on_progress: Progress | None = None,
) -> EvaluationCost:
    """Sample and judge every problem that the folder does not hold yet at this step.

    Args:
        folder: gets the samples, `config.chunk_problems` problems at a time.
        into: gets them in place of the folder's own file.
        temperature: in place of that of `config`.
        sampler: holds the policy.
        tokenizer: decodes.
        prompt: how problems are asked: where a completion ends, and what becomes of it.
        prompts: pairs (problem, its prompt).
        config: temperature, nucleus and length.
        samples: completions a problem.
        step: optimiser step of the policy.
        scorer: scores every sample for the folder's scores.
        start_kl: measures some samples for the folder's `start_kl`. An evaluation that began without goes on without:
            nothing is drawn again for it.
        on_progress: called with the number of completions just finished.

    Returns:
        What the evaluation cost, with the parts of it that an earlier, stopped process drew.
    """
    file = folder.samples if into is None else into
    counts = file.counts(step)
    done = {problem_id for problem_id, count in counts.items() if count == samples}
    if scorer is not None:
        done &= {problem_id for problem_id, count in folder.scores.counts(step).items() if count == samples}
    if start_kl is not None and not start_kl.may_go_on(step, done, folder.start_kl):
        start_kl = None
    left = [item for item in prompts if item[0].problem_id not in done]
    if on_progress is not None and len(left) < len(prompts):
        on_progress(samples * (len(prompts) - len(left)))
    sampling = SamplingConfig(
        temperature=config.temperature if temperature is None else temperature,
        top_p=config.top_p,
        max_tokens=config.max_tokens,
    )
    rounds, checker = tool_rounds(folder.config.task, prompt), proof_checker(folder.config.task)
    rule = load_step_rule(chain_rule(folder.config))
    seconds = folder.evaluation_seconds(step) if done and into is None else 0.0
    measuring = folder.start_kl_seconds()
    for start in range(0, len(left), config.chunk_problems):
        started = time.perf_counter()
        rollouts, verdicts_of = answers(
            prompt,
            sampler,
            tokenizer,
            left[start : start + config.chunk_problems],
            sampling,
            samples=samples,
            run_seed=folder.config.seed,
            step=step,
            rounds=rounds,
            checker=checker,
            on_progress=on_progress,
        )
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


def chain_rule(config: RunConfig) -> str:
    """The rule that chains are checked with: the step reward, or the rule that a learnt one is measured against.

    So an arm under a model of steps is checked like those beside it.
    """
    name = learned_name(config.task.step_reward)
    return config.task.step_reward if name is None else config.reward_models[name].step_rule
