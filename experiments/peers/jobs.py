"""The job of a run that TRL trains; what is heavy is imported where it runs, as in `experiments.runs.jobs`."""

from __future__ import annotations

from dataclasses import dataclass

from experiments.runs.engines import Report, SamplerCache
from experiments.runs.folder import RunFolder
from experiments.runs.jobs import RunJob

__all__ = ["TrlRunJob"]


@dataclass(frozen=True, kw_only=True)
class TrlRunJob(RunJob):
    """A `RunJob` whose steps are taken by TRL's own trainer."""

    def run(self, samplers: SamplerCache, report: Report) -> str:
        """Train, evaluate, or find it finished; a line for the reader."""
        from experiments.peers.trl_run import train_with_trl
        from experiments.runs.run import LiveRun

        folder = RunFolder(self.folder, self.config)
        if folder.finished:
            return "was already finished"
        live = LiveRun.open(folder, self.start, samplers, report, self.reward_models)
        steps = train_with_trl(live, offline=self.offline, evaluated_start=self.evaluated_start)
        return live.finish(steps)
