"""The evaluations of an open run: of its learning curve, of its last policy, and of a start policy's temperatures."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from analysis.records.schema import START_ARM
from experiments.runs.evaluation import EvaluationCost, Scorer, evaluate
from experiments.runs.problems import load_validation
from experiments.runs.prompts import render_prompts
from experiments.runs.setup import RunSetup
from experiments.runs.start_kl import StartKl, measured_from_start
from sampling.engines import longest_sequence
from training.models.policy import named_weights
from training.models.shards import is_sharded

__all__ = ["LiveEvaluation"]


@dataclass(frozen=True, kw_only=True)
class LiveEvaluation:
    """What a run is measured with.

    Attributes:
        setup: of the run. The policy is measured as it is when an evaluation begins; the sampler gets its weights where
            it holds older ones.
        scorer: the reward model of the run, where it has one, at the time.
    """

    setup: RunSetup
    scorer: Callable[[], Scorer | None]

    def at(self, step: int) -> None:
        """A point of the learning curve: the task's own benchmark, `curve_samples` completions a problem."""
        self._measure(step, self.setup.folder.config.evaluation.curve_samples)

    def last(self, step: int) -> EvaluationCost:
        """The policy after its last step, on all benchmarks and at every temperature; what the evaluation's own cost.

        The reward model of the run scores what is said at the evaluation's own temperature. A start policy is asked
        validation problems too, so that its best temperature can be chosen on them.
        """
        config, evaluation = self.setup.folder.config, self.setup.folder.config.evaluation
        cost = self._measure(step, evaluation.samples, last=True)
        for temperature, samples in evaluation.sweep.items():
            self._measure(step, samples, temperature, last=True)
        if config.arm.startswith(START_ARM):
            self._ask_validation(step)
        return cost

    def pass_at_1(self, step: int) -> float:
        """Pass@1 at `step` on the task's own benchmark."""
        return self.setup.folder.samples.pass_at_1(step, benchmark=self.setup.prompts[0][0].benchmark)

    def whole_up_to(self, rows: int) -> int:
        """Step up to which every evaluation of the learning curve is whole, of the steps that have rows."""
        folder, evaluation = self.setup.folder, self.setup.folder.config.evaluation
        training = folder.config.training
        assert training is not None
        due = range(0, min(rows, training.steps - 1) + 1, evaluation.every) if evaluation.every else ()
        for step in due:
            counts = folder.samples.counts(step)
            asked = [(problem.benchmark, problem.problem_id) for problem, _ in self.setup.prompts]
            if any(counts[problem] != evaluation.curve_samples for problem in asked):
                return max(0, step - 1)
        return rows

    def start_kl(self) -> StartKl | None:
        """What measures how far π_θ is from its start; ``None`` for a run that does not train."""
        setup = self.setup
        return measured_from_start(setup.policy, setup.start, setup.folder.config, setup.prompts)

    def _measure(
        self, step: int, samples: int, temperature: float | None = None, *, last: bool = False
    ) -> EvaluationCost:
        """One evaluation. At a `temperature` of its own the samples go into a file of their own.

        The policy's distance from its start is measured on what is drawn at the evaluation's temperature anyway.
        """
        setup = self.setup
        if setup.sampler.policy_version != step:
            setup.sampler.load_weights(named_weights(setup.policy.model), step)
        cost = evaluate(
            setup,
            [*setup.prompts, *setup.further] if last else setup.prompts,
            samples=samples,
            step=step,
            temperature=temperature,
            into=None if temperature is None else setup.folder.decoding(temperature),
            scorer=self.scorer() if last and temperature is None else None,
            start_kl=self._shared_start_kl() if temperature is None else None,
        )
        if temperature is None:
            setup.folder.tell(step, {"evaluation/pass_at_1": self.pass_at_1(step)})
        return cost

    def _ask_validation(self, step: int) -> None:
        """Sample validation problems at every temperature."""
        folder, policy, config = self.setup.folder, self.setup.policy, self.setup.folder.config
        if not config.evaluation.tuning:
            return
        problems, absent = load_validation(config.task, config.evaluation)
        for benchmark, why in absent.items():
            folder.note(
                f"{benchmark} has no validation problems to choose the best temperature on ({why}): it is chosen on "
                "halves of the evaluated ones"
            )
        rendered = render_prompts(problems, config.task, policy.tokenizer)
        room = longest_sequence(policy.max_positions, config.engine) - config.evaluation.max_tokens
        prompts = [pair for pair in zip(problems, rendered, strict=True) if len(pair[1].ids) <= room]
        for temperature, samples in config.evaluation.tuning.items():
            evaluate(
                self.setup,
                prompts,
                samples=samples,
                step=step,
                temperature=temperature,
                into=folder.validation(temperature),
                unit="completions of validation problems",
            )

    def _shared_start_kl(self) -> StartKl | None:
        """`start_kl`; where each rank has a part of both policies, all of them measure."""
        measured = self.start_kl()
        if measured is None or not is_sharded(self.setup.policy.model):
            return measured
        return dataclasses.replace(measured, together=partial(self.setup.ranks.together, "start_kl"))
