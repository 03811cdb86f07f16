"""One fit of a reward model in a folder of its own: samples, labels, the fit, its temperature; all of it resumable.

Layout: ``samples.jsonl`` and ``held_out.jsonl`` (labelled completions), a folder ``member-0`` a model with rows and
checkpoints, and ``finished.json`` with where the models lie, their temperatures, what all cost and how well they do.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from analysis.verification.calibration import area_under_curve, brier_score, reliability_curve
from benchmarks.labelled_steps import load_prm800k
from benchmarks.problem import Problem
from experiments.recipes.plugins import load_step_reward
from experiments.records.config import RewardFitConfig
from experiments.records.folder import RunFolder
from experiments.records.same import check_same_config, read_json, write_json
from experiments.runs.engines import Report
from experiments.runs.prompts import render_prompts, training_prompts
from rewards.reward import as_step_reward
from rewards.verdict import ScoredRollout
from sampling.engines import check_room
from sampling.sampler import Sampler, SamplingConfig, sample_rollouts
from training.loop import train
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy
from training.restore import restore
from training.reward_models.examples import (
    LabelError,
    check_two_classes,
    read_labelled,
    replayed,
    shuffled_labels,
    write_labelled,
)
from training.reward_models.fit import HeldOut, fit_trainer, held_out
from training.reward_models.labels import continued_labels, outcome_labels, rule_step_labels
from training.reward_models.model import load_reward_model
from training.reward_models.ranking import RANKED, Pair, fit_by_ranking, pair_tokens, ranked_pairs
from training.reward_models.solutions import rated_examples

__all__ = ["FINISHED", "Cost", "Earlier", "RewardFit"]

SAMPLES, HELD_OUT, FINISHED = "samples.jsonl", "held_out.jsonl", "finished.json"


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
class Earlier:
    """The fits before this one.

    Attributes:
        folders: of the fits, in order; the last gave the model that is fitted further.
    """

    folders: tuple[Path, ...]

    def history(self) -> list[ScoredRollout]:
        """The samples of all of them."""
        return [item for folder in self.folders for item in read_labelled(folder / SAMPLES)]

    def models(self) -> list[Path]:
        """Where the models lie that are fitted further."""
        last = self.folders[-1]
        return [last / path for path in read_json(last / FINISHED, remedy=f"remove the folder {last}")["models"]]


@dataclass(frozen=True, kw_only=True)
class RewardFit:
    """A fit that is open.

    Attributes:
        folder: gets everything.
        config: what is fitted.
        policy: whose completions are labelled; the sampler holds it.
        sampler: the engine; ``None`` where people labelled given solutions, and nothing is drawn.
        first: folder of the model that a first fit starts from.
        report: told of progress.
    """

    folder: Path
    config: RewardFitConfig
    policy: Policy
    sampler: Sampler | None
    first: Path
    report: Report

    def run(self, earlier: Earlier | None = None) -> dict[str, Any]:
        """Fit the model, or find it fitted; what ``finished.json`` holds.

        A later fit whose samples are all right, or all wrong, changes nothing: the models stay as they were.

        Args:
            earlier: the fits that this one goes on from; ``None`` for a first one.

        Raises:
            LabelError: the labels of a first fit are of one class; no weight was touched.
            RewardModelError: the model to start from is none, or has another tokenizer.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        check_same_config(self.folder / "config.json", self.config)
        if (self.folder / FINISHED).is_file():
            return read_json(self.folder / FINISHED, remedy=f"remove the folder {self.folder}")
        drawn = self._draw()
        started = time.perf_counter()
        model = self.config.model
        samples, others = read_labelled(self.folder / SAMPLES), read_labelled(self.folder / HELD_OUT)
        again = [] if earlier is None else replayed(earlier.history(), model.replay, self._seed)
        learned = [*samples, *again]
        if model.control == "shuffled_labels":
            learned = shuffled_labels(learned, self._seed)
        try:
            check_two_classes(learned, f"the completions of {self.config.arm}")
            paths, flops = self._fit(learned, earlier)
        except LabelError:
            if earlier is None:
                raise
            paths, flops = earlier.models(), 0.0
        before = [] if earlier is None else self._held_out(earlier.models(), others)
        after = self._held_out(paths, others)
        spent = Cost(flops=flops, seconds=time.perf_counter() - started)
        finished = {
            "models": [os.path.relpath(path, self.folder) for path in paths],
            "temperatures": [each.temperature for each in after],
            "samples": len(samples),
            "replayed": len(again),
            "cost": asdict(drawn + spent),
            "held_out": [_measured(each) for each in after],
            "held_out_before": [_measured(each) for each in before],
        }
        write_json(self.folder / FINISHED, finished)
        return finished

    @property
    def _seed(self) -> str:
        return f"{self.config.arm}/{self.config.seed}/{self.config.iteration}"

    def _held_out(self, paths: Sequence[Path], others: Sequence[ScoredRollout]) -> list[HeldOut]:
        """The models in these folders, measured on problems they were not fitted to."""
        model, device = self.config.model, self.config.engine.device
        options = ForwardOptions(microbatch_tokens=model.microbatch_tokens, use_autocast=model.use_autocast)
        opened = (load_reward_model(path, like=self.policy, device=device, fresh=False) for path in paths)
        return [held_out(each, others, options) for each in opened]

    def _draw(self) -> Cost:
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

    def _fit(self, examples: Sequence[ScoredRollout], earlier: Earlier | None) -> tuple[list[Path], float]:
        """Fit every member; where they lie, and the estimate of the operations that took."""
        if self.config.model.objective == "bradley_terry":
            return self._rank(ranked_pairs(examples), earlier)
        model = self.config.model
        starts = [self.first] * model.members if earlier is None else earlier.models()
        paths, flops = list[Path](), 0.0
        for number, start in enumerate(starts):
            folder = RunFolder(self.folder / f"member-{number}", self.config)
            opened = load_reward_model(start, like=self.policy, device=self.config.engine.device, fresh=earlier is None)
            trainer, rule = fit_trainer(opened, examples, model, seed=f"{self._seed}/{number}", report=self._reported)
            rows = folder.last_whole_row()
            restored = restore(trainer, rule, folder.checkpoints, agreed=rows, rows_digest=folder.rows_digest)
            folder.drop_after(restored.step)
            steps = train(trainer, rule, done=restored.step, checkpoints=folder.checkpoints, log=folder)
            paths.append(folder.checkpoints / f"step-{steps:06d}")
            flops += trainer.counters.flops
        return paths, flops

    def _rank(self, pairs: Sequence[Pair], earlier: Earlier | None) -> tuple[list[Path], float]:
        """Fit every member to pairs with TRL; one that a stopped process had not finished is fitted anew."""
        model = self.config.model
        starts = [self.first] * model.members if earlier is None else earlier.models()
        paths, flops = list[Path](), 0.0
        for number, start in enumerate(starts):
            folder = self.folder / f"member-{number}" / "ranked"
            if not (folder / RANKED).is_file():
                shutil.rmtree(folder, ignore_errors=True)
                opened = load_reward_model(
                    start, like=self.policy, device=self.config.engine.device, fresh=earlier is None
                )
                fit_by_ranking(
                    opened,
                    pairs,
                    folder,
                    learning_rate=model.learning_rate,
                    epochs=model.epochs,
                    batch_size=min(model.batch_size, len(pairs)),
                    seed=int.from_bytes(hashlib.sha256(f"{self._seed}/{number}".encode()).digest()[:4]),
                )
            paths.append(folder)
            flops += 6.0 * self.policy.num_parameters * model.epochs * pair_tokens(pairs)
        return paths, flops

    def _reported(self, what: str, done: float, total: float, unit: str) -> None:
        self.report(f"fit {self.config.arm}: {what}", done, total, unit)


def _problems_step(problems: int, per_step: int, iteration: int) -> int:
    """The step of `Prompts` whose problems a fit solves: others in each iteration, as long as there are others."""
    steps_per_epoch = problems // per_step
    return iteration % steps_per_epoch


def _measured(found: HeldOut) -> dict[str, Any]:
    """How well a model does on problems it was not fitted to."""
    if not found.labels:
        return {"labels": 0}
    curve = reliability_curve(found.probabilities, found.labels)
    agrees = [(p > 0.5) == (y > 0.5) for p, y in zip(found.probabilities, found.labels, strict=True)]
    return {
        "labels": len(found.labels),
        "share_right": sum(y > 0.5 for y in found.labels) / len(found.labels),
        "accuracy": sum(agrees) / len(agrees),
        "auc": area_under_curve(found.probabilities, found.labels),
        "brier": brier_score(found.probabilities, found.labels),
        "expected_calibration_error": curve.expected_error,
        "reliability": {
            "probability": curve.probability.tolist(),
            "frequency": curve.frequency.tolist(),
            "count": curve.count.tolist(),
        },
    }
