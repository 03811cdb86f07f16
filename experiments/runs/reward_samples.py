"""The labelled completions of one fit of a reward model: drawn or read once, and kept in its folder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.labelled_steps import load_prm800k
from benchmarks.problem import Problem
from experiments.recipes.plugins import load_step_reward
from experiments.records.config import RewardFitConfig
from experiments.records.same import read_json, write_json
from experiments.runs.engines import Report
from experiments.runs.prompts import render_prompts, training_prompts
from rewards.reward import as_step_reward
from rewards.verdict import ScoredRollout
from sampling.engines import check_room
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from training.models.policy import Policy
from training.reward_models.examples import write_labelled
from training.reward_models.labels import continued_labels, outcome_labels, rule_step_labels
from training.reward_models.solutions import rated_examples

__all__ = ["HELD_OUT", "SAMPLES", "Cost", "RewardSamples"]

SAMPLES, HELD_OUT = "samples.jsonl", "held_out.jsonl"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a fit used.

    Attributes:
        completions: drawn, continuations included.
        tokens: their tokens.
        flops: of drawing and fitting; see `Counters`.
        seconds: wall time, that of a process that was stopped left out.
    """

    completions: int = 0
    tokens: int = 0
    flops: float = 0.0
    seconds: float = 0.0

    def __add__(self, other: Cost) -> Cost:
        return Cost(**{name: value + getattr(other, name) for name, value in asdict(self).items()})


@dataclass(frozen=True, kw_only=True)
class RewardSamples:
    """What one fit learns from, and what it is measured on: ``samples.jsonl`` and ``held_out.jsonl`` in its folder.

    Attributes:
        folder: see `RewardFit`, as the others.
        config: what is fitted.
        policy: whose completions are labelled.
        sampler: the engine.
        report: told of progress.
    """

    folder: Path
    config: RewardFitConfig
    policy: Policy
    sampler: Sampler | None
    report: Report

    def draw(self) -> Cost:
        """Draw and label the samples of this fit, unless the folder holds them; what that cost."""
        file = self.folder / "drawn.json"
        if file.is_file():
            return Cost(**read_json(file, remedy=f"remove the folder {self.folder}"))
        config, model = self.config, self.config.model
        if model.labels == "prm800k":
            return self._read(file)
        per_step = model.problems + model.held_out
        prompts = training_prompts(config.task, self.policy, per_step=per_step, seed=config.seed, purpose="reward")
        room = config.max_completion_tokens
        check_room(prompts.prompt_ids, "max_completion_tokens", room, self.policy.max_positions, config.engine)
        asked = prompts.of_step(_problems_step(len(prompts.problems), per_step, config.iteration))
        cost = Cost()
        for name, part in ((SAMPLES, asked[: model.problems]), (HELD_OUT, asked[model.problems :])):
            started = time.perf_counter()
            examples, completions, tokens, read = self._labelled(part)
            write_labelled(self.folder / name, examples)
            flops = 2.0 * self.policy.num_parameters * read
            seconds = time.perf_counter() - started
            cost = cost + Cost(completions=completions, tokens=tokens, flops=flops, seconds=seconds)
        write_json(file, asdict(cost))
        return cost

    def _read(self, file: Path) -> Cost:
        """Take people's labels of given solutions; they cost nothing but the reading."""
        started, model = time.perf_counter(), self.config.model
        folder = Path(str(self.config.task.data_dir))
        for name, split, paths in ((SAMPLES, "train", model.problems), (HELD_OUT, "test", model.held_out)):
            rated = load_prm800k(split, folder, paths)
            prompts = render_prompts([item.problem for item in rated], self.config.task, self.policy.tokenizer)
            examples = rated_examples(self.policy, rated, prompts, max_tokens=self.policy.max_positions)
            write_labelled(self.folder / name, examples)
        cost = Cost(seconds=time.perf_counter() - started)
        write_json(file, asdict(cost))
        return cost

    def _labelled(self, asked: Sequence[tuple[Problem, tuple[int, ...]]]) -> tuple[list[ScoredRollout], int, int, int]:
        """Labelled completions of these problems; completions drawn, their tokens, and those with the prompts'."""
        config, model, sampler = self.config, self.config.model, self.sampler
        assert sampler is not None
        sampling = SamplingConfig(temperature=config.temperature, max_tokens=config.max_completion_tokens)
        total, done = len(asked) * model.samples, 0

        def on_progress(count: int) -> None:
            nonlocal done
            done += count
            self.report(f"sample for {config.arm}", done, max(done, total), "completions")

        rollouts = sample_rollouts(
            sampler,
            self.policy.tokenizer,
            asked,
            sampling,
            samples_per_problem=model.samples,
            run_seed=config.seed,
            step=config.step,
            purpose="reward model",
            on_progress=on_progress,
        )
        tokens = sum(len(rollout.completion_ids) for rollout in rollouts)
        read = tokens + sum(len(rollout.prompt_ids) for rollout in rollouts)
        if model.supervision == "outcome":
            return outcome_labels(rollouts), len(rollouts), tokens, read
        if model.labels == "rule":
            rule = as_step_reward(load_step_reward(model.step_rule))
            return rule_step_labels(rollouts, rule, self.policy), len(rollouts), tokens, read
        continued = continued_labels(
            rollouts,
            sampler,
            self.policy,
            sampling,
            continuations=model.continuations,
            hard=model.labels == "monte_carlo",
            run_seed=config.seed,
            step=config.step,
            on_progress=on_progress,
        )
        more = continued.tokens
        return continued.examples, len(rollouts) + continued.completions, tokens + more, read + more


def _problems_step(problems: int, per_step: int, iteration: int) -> int:
    """The step of `Prompts` whose problems a fit solves: others in each iteration, as long as there are others."""
    steps_per_epoch = problems // per_step
    return iteration % steps_per_epoch
