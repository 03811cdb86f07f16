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
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from analysis.verification.calibration import area_under_curve, brier_score, reliability_curve
from experiments.records.config import RewardFitConfig
from experiments.records.folder import RunFolder
from experiments.records.same import check_same_config, read_json, write_json
from experiments.runs.engines import Report
from experiments.runs.reward_samples import HELD_OUT, SAMPLES, Cost, RewardSamples
from rewards.verdict import ScoredRollout
from sampling.sampler import Sampler
from training.loop import train
from training.models.logprobs import ForwardOptions
from training.models.policy import Policy
from training.models.shards import shard
from training.parallel.ranks import Ranks
from training.restore import restore
from training.reward_models.examples import LabelError, check_two_classes, read_labelled, replayed, shuffled_labels
from training.reward_models.fit import HeldOut, fit_trainer, held_out
from training.reward_models.model import load_reward_model
from training.reward_models.ranking import RANKED, fit_by_ranking, pair_tokens, ranked_pairs

__all__ = ["FINISHED", "Earlier", "RewardFit"]

FINISHED = "finished.json"


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
class _Work:
    """What rank 0 has prepared for all.

    Attributes:
        learned: what the models are fitted to; nothing where they stay as they were.
        others: what they are measured on.
        starts: folders of the models that the members start from.
        samples: completions of this fit.
        replayed: completions of earlier ones.
    """

    learned: list[ScoredRollout]
    others: list[ScoredRollout]
    starts: list[Path]
    samples: int
    replayed: int


@dataclass(frozen=True, kw_only=True)
class RewardFit:
    """A fit that is open.

    Attributes:
        folder: gets everything; on other ranks than 0 one that nobody reads.
        config: what is fitted.
        policy: whose completions are labelled; the sampler holds it.
        sampler: the engine; ``None`` where people labelled given solutions, and nothing is drawn.
        first: folder of the model that a first fit starts from.
        report: told of progress.
        ranks: the processes that share the fit: rank 0 draws, labels and writes, all take the steps.
        shard: see `TrainingConfig`.
    """

    folder: Path
    config: RewardFitConfig
    policy: Policy
    sampler: Sampler | None
    first: Path
    report: Report
    ranks: Ranks = field(default_factory=Ranks)
    shard: Literal["none", "full"] = "none"

    def run(self, earlier: Earlier | None = None) -> dict[str, Any]:
        """Fit the model, or find it fitted; what ``finished.json`` holds. Called by every rank.

        A later fit whose samples are all right, or all wrong, changes nothing: the models stay as they were.

        Args:
            earlier: the fits that this one goes on from; ``None`` for a first one.

        Raises:
            LabelError: the labels of a first fit are of one class; no weight was touched.
            RewardModelError: the model to start from is none, or has another tokenizer.
        """
        finished = self.ranks.lead(self._finished)
        if finished is not None:
            return finished
        drawn = self.ranks.lead(self._draw)
        started = time.perf_counter()
        work = self.ranks.lead(lambda: self._prepare(earlier))
        paths, flops = self._fit(work, fresh=earlier is None) if work.learned else (work.starts, 0.0)
        before = [] if earlier is None else self._held_out(work.starts, work.others)
        after = self._held_out(paths, work.others)
        spent = Cost(flops=flops, seconds=time.perf_counter() - started)
        return self.ranks.lead(lambda: self._finish(work, drawn + spent, paths, before, after))

    def _finished(self) -> dict[str, Any] | None:
        """What a fit that is done left in the folder, which is this one's."""
        self.folder.mkdir(parents=True, exist_ok=True)
        check_same_config(self.folder / "config.json", self.config)
        file = self.folder / FINISHED
        return read_json(file, remedy=f"remove the folder {self.folder}") if file.is_file() else None

    def _draw(self) -> Cost:
        samples = RewardSamples(
            folder=self.folder, config=self.config, policy=self.policy, sampler=self.sampler, report=self.report
        )
        return samples.draw()

    def _prepare(self, earlier: Earlier | None) -> _Work:
        """What is learned from what was drawn, and from which models on.

        Raises:
            LabelError: see `run`.
        """
        model = self.config.model
        samples, others = read_labelled(self.folder / SAMPLES), read_labelled(self.folder / HELD_OUT)
        again = [] if earlier is None else replayed(earlier.history(), model.replay, self._seed)
        learned = [*samples, *again]
        if model.control == "shuffled_labels":
            learned = shuffled_labels(learned, self._seed)
        try:
            check_two_classes(learned, f"the completions of {self.config.arm}")
            if model.objective == "bradley_terry":
                ranked_pairs(learned)
        except LabelError:
            if earlier is None:
                raise
            learned = []
        starts = [self.first] * model.members if earlier is None else earlier.models()
        return _Work(learned=learned, others=others, starts=starts, samples=len(samples), replayed=len(again))

    def _finish(
        self, work: _Work, cost: Cost, paths: Sequence[Path], before: Sequence[HeldOut], after: Sequence[HeldOut]
    ) -> dict[str, Any]:
        """Mark the fit complete; what ``finished.json`` holds."""
        finished = {
            "models": [os.path.relpath(path, self.folder) for path in paths],
            "temperatures": [each.temperature for each in after],
            "samples": work.samples,
            "replayed": work.replayed,
            "cost": asdict(cost),
            "held_out": [_measured(each) for each in after],
            "held_out_before": [_measured(each) for each in before],
        }
        write_json(self.folder / FINISHED, finished)
        return finished

    @property
    def _seed(self) -> str:
        return f"{self.config.arm}/{self.config.seed}/{self.config.iteration}"

    @property
    def _sharded(self) -> bool:
        return self.shard != "none"

    def _opened(self, path: Path, *, fresh: bool) -> Policy:
        """A model, on the CPU where each rank is to take its part of it."""
        device = "cpu" if self._sharded else self.config.engine.device
        return load_reward_model(path, like=self.policy, device=device, fresh=fresh)

    def _held_out(self, paths: Sequence[Path], others: Sequence[ScoredRollout]) -> list[HeldOut]:
        """The models in these folders, measured on problems they were not fitted to; by rank 0, or by all together."""
        model = self.config.model
        options = ForwardOptions(microbatch_tokens=model.microbatch_tokens, use_autocast=model.use_autocast)

        def measured(path: Path) -> HeldOut:
            opened = self._opened(path, fresh=False)
            if self._sharded:
                shard(opened.model, torch.device(self.config.engine.device))
            return held_out(opened, others, options)

        if self._sharded:
            return [measured(path) for path in paths]
        return self.ranks.lead(lambda: [measured(path) for path in paths])

    def _fit(self, work: _Work, *, fresh: bool) -> tuple[list[Path], float]:
        """Fit every member; where they lie, and the estimate of the operations that took."""
        model = self.config.model
        if model.objective == "bradley_terry":
            return self.ranks.lead(lambda: self._rank(work, fresh=fresh))
        paths, flops = list[Path](), 0.0
        for number, start in enumerate(work.starts):
            folder = RunFolder(self.folder / f"member-{number}", self.config)
            trainer, rule = fit_trainer(
                self._opened(start, fresh=fresh),
                work.learned,
                model,
                seed=f"{self._seed}/{number}",
                report=self._reported,
                ranks=self.ranks,
                shard=self.shard,
                device=torch.device(self.config.engine.device),
            )
            rows = folder.last_whole_row()
            restored = restore(trainer, rule, folder.checkpoints, agreed=rows, rows_digest=folder.rows_digest)
            folder.drop_after(restored.step)
            steps = train(trainer, rule, done=restored.step, checkpoints=folder.checkpoints, log=folder)
            paths.append(folder.checkpoints / f"step-{steps:06d}")
            flops += trainer.counters.flops
        return self.ranks.lead(lambda: (paths, flops))  # which lie in rank 0's folder

    def _rank(self, work: _Work, *, fresh: bool) -> tuple[list[Path], float]:
        """Fit every member to pairs with TRL, whole; one that a stopped process had not finished is fitted anew."""
        model, pairs = self.config.model, ranked_pairs(work.learned)
        paths, flops = list[Path](), 0.0
        for number, start in enumerate(work.starts):
            folder = self.folder / f"member-{number}" / "ranked"
            if not (folder / RANKED).is_file():
                shutil.rmtree(folder, ignore_errors=True)
                device = self.config.engine.device
                fit_by_ranking(
                    load_reward_model(start, like=self.policy, device=device, fresh=fresh),
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
