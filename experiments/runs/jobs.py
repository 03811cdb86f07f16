"""The pieces of work of a comparison. Each runs in a worker: opens what it needs, trains or draws, and closes it.

What is heavy is imported where a job runs, so that a comparison is planned and checked without it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.records.config import OfflineConfig, RewardFitConfig, RunConfig, StartConfig
from experiments.records.folder import RunFolder
from experiments.records.same import to_json
from experiments.runs.engines import Report, SamplerCache
from experiments.runs.start_policy import StartPolicy
from experiments.trackers.clients import TrackedRun
from experiments.trackers.tracking import tracking

if TYPE_CHECKING:
    from experiments.runs.run import LiveRun

__all__ = ["EvaluationJob", "Job", "OfflineJob", "RewardFitJob", "RunJob", "StartJob"]


@dataclass(frozen=True, kw_only=True)
class StartJob:
    """Trains a start policy by SFT.

    Attributes:
        name: unique; shown beside its progress.
        config: what is trained, and how.
        folder: of the training.
        after: names of jobs that must be done first.
        shard: see `TrainingConfig`; as the arms have it, and no part of what is trained.
    """

    name: str
    config: StartConfig
    folder: Path
    after: tuple[str, ...] = ()
    shard: Literal["none", "full"] = "none"

    def run(self, samplers: SamplerCache, report: Report) -> str:
        """Train it, or find it trained; a line for the reader."""
        from experiments.runs.start import LiveStart
        from training.loop import train

        folder = RunFolder(self.folder, self.config)
        if folder.finished:
            return "was already trained"
        samplers.ranks.call(self)
        live = LiveStart.open(folder, samplers, report, self.shard)
        trainer, rule, done = live.prepare()
        steps = train(trainer, rule, done=done, checkpoints=folder.checkpoints, log=folder)
        return live.finish(steps)


@dataclass(frozen=True, kw_only=True)
class OfflineJob:
    """Draws the completions that the offline arms of a seed train on.

    Attributes:
        name: see `StartJob`.
        config: what is drawn.
        start: from which policy.
        file: gets the completions.
        guide: folder of the fit of the reward model that leads a search (`RewardFitJob`).
        after: see `StartJob`.
        shard: see `StartJob`; the policy is on the CPU where it is ``"full"``.
    """

    name: str
    config: OfflineConfig
    start: StartPolicy
    file: Path
    guide: Path | None = None
    after: tuple[str, ...] = ()
    shard: Literal["none", "full"] = "none"

    def run(self, samplers: SamplerCache, report: Report) -> str:
        """Draw them, or find them drawn; a line for the reader."""
        from experiments.runs.offline import draw_offline

        if not self.file.is_file():
            samplers.ranks.call(self)
        device = self.config.engine.device if self.shard == "none" else "cpu"
        return draw_offline(self.config, self.start.folder(), self.file, samplers, report, self.guide, device)


@dataclass(frozen=True, kw_only=True)
class RewardFitJob:
    """Fits a reward model to completions of the start policy, for all arms of a seed that use it.

    Attributes:
        name: see `StartJob`.
        config: what is fitted.
        start: whose completions are labelled.
        folder: of the fit.
        after: see `StartJob`.
        shard: see `StartJob`.
    """

    name: str
    config: RewardFitConfig
    start: StartPolicy
    folder: Path
    after: tuple[str, ...] = ()
    shard: Literal["none", "full"] = "none"

    def run(self, samplers: SamplerCache, report: Report) -> str:
        """Fit it, or find it fitted; a line for the reader."""
        from experiments.runs.first_fit import fit_first
        from experiments.runs.reward_fit import FINISHED

        if (self.folder / FINISHED).is_file():
            return "was already fitted"
        samplers.ranks.call(self)
        return fit_first(self.config, self.start.folder(), self.folder, samplers, report, self.shard)


@dataclass(frozen=True, kw_only=True)
class RunJob:
    """Trains one arm with one seed and evaluates it.

    Attributes:
        name: see `StartJob`.
        config: what the run is; it has `RunConfig.training`.
        start: the policy it starts from.
        folder: of the run.
        offline: file with the completions that an offline method trains on (`OfflineJob`).
        evaluated_start: folder of the run that evaluated the start policy; ``None`` evaluates it again.
        reward_models: folder of the first fit of each reward model that the run uses (`RewardFitJob`), by name.
        after: see `StartJob`.
        trackers: of `experiments.trackers.clients.TRACKERS`; no number of the run depends on them.
    """

    name: str
    config: RunConfig
    start: StartPolicy
    folder: Path
    offline: Path | None = None
    evaluated_start: Path | None = None
    reward_models: Mapping[str, Path] = field(default_factory=dict)
    after: tuple[str, ...] = ()
    trackers: tuple[str, ...] = ()

    def run(self, samplers: SamplerCache, report: Report) -> str:
        """Train, evaluate, or find it finished; a line for the reader."""
        from experiments.runs.run import LiveRun

        folder = RunFolder(self.folder, self.config)
        if folder.finished:
            return "was already finished"
        run = TrackedRun(
            folder=self.folder,
            project=f"coeflab-{self.config.recipe}",
            name=self.name,
            config=to_json(self.config),
            first_step=0,
        )
        with tracking(self.trackers, run, folder.note) as tell:
            folder.listeners.append(tell)
            samplers.ranks.call(self)
            live = LiveRun.open(folder, self.start, samplers, report, self.reward_models)
            steps = self.training(live)()
            cost = live.evaluate_last(steps)
        # what a tracker did wrong until its end is known now
        return samplers.ranks.lead(lambda: live.close(steps, cost))

    def training(self, live: LiveRun) -> Callable[[], int]:
        """The steps that are left, ready to be taken; called, it says how many are done in all."""
        from training.loop import train

        trainer, rule, done = live.prepare(offline=self.offline, evaluated_start=self.evaluated_start)
        log, after_step = live.setup.folder, live.after_step
        return partial(train, trainer, rule, done=done, checkpoints=log.checkpoints, log=log, after_step=after_step)


@dataclass(frozen=True, kw_only=True)
class EvaluationJob:
    """Evaluates a policy as it is.

    Attributes:
        name: see `StartJob`.
        config: what the run is; `RunConfig.training` is ``None``.
        start: the policy.
        folder: of the run.
        after: see `StartJob`.
    """

    name: str
    config: RunConfig
    start: StartPolicy
    folder: Path
    after: tuple[str, ...] = ()

    def run(self, samplers: SamplerCache, report: Report) -> str:
        """Evaluate, or find it finished; a line for the reader."""
        from experiments.runs.run import LiveRun

        folder = RunFolder(self.folder, self.config)
        if folder.finished:
            return "was already finished"
        samplers.ranks.call(self)
        return LiveRun.open(folder, self.start, samplers, report, {}).finish(0)


Job = StartJob | OfflineJob | RewardFitJob | RunJob | EvaluationJob
