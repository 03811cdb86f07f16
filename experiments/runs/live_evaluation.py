"""The evaluations of an open run: of its learning curve, of its last policy, and of a start policy's temperatures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from analysis.records.schema import START_ARM
from benchmarks.problem import Problem
from benchmarks.prompts import Prompt
from experiments.records.config import RunConfig
from experiments.records.folder import RunFolder
from experiments.records.samples import SampleFile
from experiments.runs.engines import Report
from experiments.runs.evaluation import EvaluationCost, Progress, Scorer, evaluate
from experiments.runs.problems import load_validation
from experiments.runs.prompts import render_prompts
from experiments.runs.start_kl import StartKl, measured_from_start
from sampling.engines import longest_sequence
from sampling.prompt import RenderedPrompt
from sampling.sampler import Sampler
from training.models.policy import Policy, named_weights
from training.models.shards import is_sharded
from training.parallel.ranks import Ranks

__all__ = ["LiveEvaluation"]


@dataclass(frozen=True, kw_only=True)
class LiveEvaluation:
    """What a run is measured on, and the policy that is measured.

    Attributes:
        folder: gets the samples.
        start: folder of the start policy.
        policy: π_θ, as it is when an evaluation begins.
        sampler: gets its weights where it holds older ones.
        prompt: how problems are asked.
        prompts: problems of the task's own benchmark with their prompts.
        further: problems of further benchmarks that the last policy is asked, with theirs.
        scorer: the reward model of the run, where it has one, at the time.
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
    scorer: Callable[[], Scorer | None]
    report: Report
    ranks: Ranks

    def at(self, step: int) -> None:
        """A point of the learning curve: the task's own benchmark, `curve_samples` completions a problem."""
        self._measure(step, self.folder.config.evaluation.curve_samples)

    def last(self, step: int) -> EvaluationCost:
        """The policy after its last step, on all benchmarks and at every temperature; what the evaluation's own cost.

        The reward model of the run scores what is said at the evaluation's own temperature. A start policy is asked
        validation problems too, so that its best temperature can be chosen on them.
        """
        evaluation = self.folder.config.evaluation
        cost = self._measure(step, evaluation.samples, last=True)
        for temperature, samples in evaluation.sweep.items():
            self._measure(step, samples, temperature, last=True)
        if self.folder.config.arm.startswith(START_ARM):
            self._ask_validation(step)
        return cost

    def pass_at_1(self, step: int) -> float:
        """Pass@1 at `step` on the task's own benchmark."""
        return self.folder.samples.pass_at_1(step, benchmark=self.prompts[0][0].benchmark)

    def whole_up_to(self, rows: int) -> int:
        """Step up to which every evaluation of the learning curve is whole, of the steps that have rows."""
        training, evaluation = self.folder.config.training, self.folder.config.evaluation
        assert training is not None
        due = range(0, min(rows, training.steps - 1) + 1, evaluation.every) if evaluation.every else ()
        for step in due:
            counts = self.folder.samples.counts(step)
            if any(counts[problem.problem_id] != evaluation.curve_samples for problem, _ in self.prompts):
                return max(0, step - 1)
        return rows

    def start_kl(self) -> StartKl | None:
        """What measures how far π_θ is from its start; ``None`` for a run that does not train."""
        return measured_from_start(self.policy, self.start, self.folder.config, self.prompts)

    def _measure(
        self, step: int, samples: int, temperature: float | None = None, *, last: bool = False
    ) -> EvaluationCost:
        """One evaluation. At a `temperature` of its own the samples go into a file of their own.

        The policy's distance from its start is measured on what is drawn at the evaluation's temperature anyway.
        """
        prompts = [*self.prompts, *self.further] if last else self.prompts
        if self.sampler.policy_version != step:
            self.sampler.load_weights(named_weights(self.policy.model), step)
        cost = self._ask(
            prompts,
            samples,
            step,
            temperature=temperature,
            into=None if temperature is None else self.folder.decoding(temperature),
            scorer=self.scorer() if last and temperature is None else None,
            start_kl=self._shared_start_kl() if temperature is None else None,
        )
        if temperature is None:
            self.folder.tell(step, {"evaluation/pass_at_1": self.pass_at_1(step)})
        return cost

    def _ask_validation(self, step: int) -> None:
        """Sample validation problems at every temperature."""
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
            into, unit = self.folder.validation(temperature), "completions of validation problems"
            self._ask(prompts, samples, step, temperature=temperature, into=into, unit=unit)

    def _ask(
        self,
        prompts: list[tuple[Problem, RenderedPrompt]],
        samples: int,
        step: int,
        *,
        temperature: float | None,
        into: SampleFile | None,
        scorer: Scorer | None = None,
        start_kl: StartKl | None = None,
        unit: str = "completions",
    ) -> EvaluationCost:
        """`evaluate` with what all evaluations of the run share."""
        return evaluate(
            self.folder,
            sampler=self.sampler,
            tokenizer=self.policy.tokenizer,
            prompt=self.prompt,
            prompts=prompts,
            config=self.folder.config.evaluation,
            samples=samples,
            step=step,
            temperature=temperature,
            into=into,
            scorer=scorer,
            start_kl=start_kl,
            on_progress=self._counted(samples * len(prompts), unit),
        )

    def _counted(self, total: int, unit: str) -> Progress:
        """Reports how many of an evaluation's completions are done, given how many have just been finished."""
        done = 0

        def on_progress(count: int) -> None:
            nonlocal done
            done += count
            self.report("evaluate", done, total, unit)

        return on_progress

    def _shared_start_kl(self) -> StartKl | None:
        """`start_kl`; where each rank has a part of both policies, all of them measure."""
        measured = self.start_kl()
        if measured is None or not is_sharded(self.policy.model):
            return measured
        return dataclasses.replace(measured, together=partial(self.ranks.together, "start_kl"))
