"""What TRL's trainer says of a step, as a row of ``metrics.jsonl``, and its checkpoints, marked."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from algorithms.interface import DataSource, Need
from training.accounting import Counters, rollout_metrics
from training.loop import Row, RunLog
from training.models.policy import Policy
from training.peers.checkpoints import mark_whole
from training.peers.methods import TrlDPO, TrlGRPO, TrlMethod, TrlRLOO, TrlSFT
from training.sources.drawing import Drawn

__all__ = ["COLUMNS", "Recorder", "columns_of"]

# TRL's name and ours, where both mean the same number. Under our name stands: its exact entropy, which ours estimates
# from the sampled tokens. Under its own: the loss, its objective's value where ours is the surrogate's, but for SFT,
# where the two are one; and RLOO's KL, which is k1 and not k3.
_EVERY = {"grad_norm": "grad_norm", "learning_rate": "learning_rate"}
_ONLINE = {**_EVERY, "entropy": "entropy", "clip_ratio/region_mean": "clip_fraction"}
COLUMNS: dict[type[TrlMethod], dict[str, str]] = {
    TrlGRPO: {**_ONLINE, "kl": "kl"},
    TrlRLOO: _ONLINE,
    TrlDPO: _EVERY,
    TrlSFT: {**_EVERY, "loss": "loss"},
}
# Seconds and tokens are counted here, as in every arm; TRL's SFT and DPO count tokens from 0 again after a resume.
_COUNTED_HERE = ("epoch", "step_time", "num_tokens")


def columns_of(logged: Mapping[str, Any], method: TrlMethod) -> Row:
    """What TRL logged, each finite number under our name where `COLUMNS` has one, else under ``trl/`` and TRL's.

    Args:
        logged: one call of TRL's `log`.
        method: whose.
    """
    names = COLUMNS[type(method)]
    return {
        names.get(name, f"trl/{name}"): float(value)
        for name, value in logged.items()
        if name not in _COUNTED_HERE and isinstance(value, int | float) and math.isfinite(value)
    }


class Recorder(TrainerCallback):
    """Writes the rows of a run that TRL trains.

    Args:
        method: whose trainer.
        policy: π_θ.
        updates: optimiser steps on each batch; a row is written after the last, with its numbers.
        steps: of the run.
        counters: what has been used so far.
        drawn: see `Prepared`.
        log: gets the rows.
        after_step: see `training.loop.train`.
        report: told of progress.
    """

    def __init__(
        self,
        *,
        method: TrlMethod,
        policy: Policy,
        updates: int,
        steps: int,
        counters: Counters,
        drawn: Callable[[int], Drawn],
        log: RunLog,
        after_step: Callable[[int], None],
        report: Callable[[str, float, float, str], None],
    ) -> None:
        self.counters = counters
        self._method, self._policy, self._updates, self._steps = method, policy, updates, steps
        self._drawn, self._log, self._after_step, self._report = drawn, log, after_step, report
        self._started, self._seconds = 0.0, 0.0

    def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """An optimiser step begins; the drawing of its completions is in it."""
        self._started = time.perf_counter()

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """It ends; the last one leaves a checkpoint, wherever it falls."""
        self._seconds += time.perf_counter() - self._started
        if state.global_step >= self._steps * self._updates:
            control.should_save = True

    def on_log(self, args: Any, state: Any, control: Any, logs: Mapping[str, Any] | None = None, **_: Any) -> None:
        """TRL's numbers of an optimiser step; a summary at the end of its training has no loss and is left out."""
        if logs is None or "loss" not in logs or state.global_step % self._updates:
            return
        step = state.global_step // self._updates
        self._log.append(self._row(step, columns_of(logs, self._method)))
        self._report("train", step, self._steps, "steps")
        self._after_step(step)

    def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """A checkpoint was written."""
        checkpoint = Path(args.output_dir) / f"checkpoint-{state.global_step}"
        mark_whole(checkpoint, step=state.global_step // self._updates, rows=self._log.sync())

    def _row(self, step: int, measured: Row) -> Row:
        drawn = self._drawn(step - 1)
        self._count(drawn)
        seconds, self._seconds = self._seconds, 0.0
        of_step = drawn.sampling_seconds + drawn.scoring_seconds
        online = self._method.data_source is DataSource.ONLINE
        self.counters.seconds += seconds if online else seconds + drawn.sampling_seconds
        return {
            "step": step,
            **vars(self.counters),
            **rollout_metrics(drawn.scored, judged=self._method.data_source is not DataSource.DEMONSTRATIONS),
            "loss": None,
            "kl": None,
            **measured,
            "sampling_seconds": drawn.sampling_seconds,
            "scoring_seconds": drawn.scoring_seconds,
            "update_seconds": seconds - of_step if online else seconds,
            "weight_sync_seconds": None,  # within TRL's own step
            "step_seconds": seconds,
        }

    def _count(self, drawn: Drawn) -> None:
        """Count as `training.loop` does: see `Counters`."""
        size, counters = self._policy.num_parameters, self.counters
        tokens = sum(len(item.rollout.completion_ids) for item in drawn.scored)
        prompts = sum(len(item.rollout.prompt_ids) for item in drawn.scored)
        if self._method.data_source is not DataSource.DEMONSTRATIONS:
            counters.completions_sampled += len(drawn.scored)
            counters.tokens_generated += tokens
            counters.flops += 2.0 * size * (tokens + prompts)
        passed = drawn.kept if Need.PAIRS in self._method.needs else drawn.scored
        lengths = sum(len(item.rollout.prompt_ids) + len(item.rollout.completion_ids) for item in passed)
        scores_old = isinstance(self._method, TrlRLOO) or self._updates > 1
        scored = scores_old + (Need.REFERENCE_LOGPROBS in self._method.needs)
        counters.flops += (6.0 * self._updates + 2.0 * scored) * size * lengths
        counters.tokens_trained += self._updates * sum(len(item.rollout.completion_ids) for item in drawn.kept)
