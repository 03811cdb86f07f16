"""The job of a run that TRL trains; what is heavy is imported where it runs, as in `experiments.runs.jobs`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from experiments.runs.jobs import RunJob

if TYPE_CHECKING:
    from experiments.runs.run import LiveRun

__all__ = ["TrlRunJob"]


@dataclass(frozen=True, kw_only=True)
class TrlRunJob(RunJob):
    """A `RunJob` whose steps are taken by TRL's own trainer."""

    def training(self, live: LiveRun) -> Callable[[], int]:
        """See `RunJob.training`."""
        from experiments.peers.trl_run import train_with_trl

        return partial(train_with_trl, live, offline=self.offline, evaluated_start=self.evaluated_start)
