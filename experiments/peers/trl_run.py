"""The training of a run by TRL's own trainer, between the same start and the same evaluations as every arm's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from datasets.utils.logging import disable_progress_bar

from experiments.recipes.plugins import load_method
from experiments.runs.run import LiveRun
from experiments.runs.source import training_source
from rewards.scoring import score_rollouts
from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from training.accounting import Counters
from training.checkpoints import read_weights, save_checkpoint
from training.models.policy import load_learnt_weights
from training.peers.checkpoints import newest_whole
from training.peers.methods import TrlDPO, TrlMethod, TrlSFT
from training.peers.recorder import Recorder
from training.peers.trainers import Online, Prepared, TrlRun
from training.sources.online import OnlineSource

__all__ = ["train_with_trl"]

FOLDER = "trl"
"""Holds TRL's checkpoints in the run's folder; the policy at the end is a checkpoint like that of any arm."""


def train_with_trl(live: LiveRun, *, offline: Path | None, evaluated_start: Path | None) -> int:
    """Train, or go on from TRL's newest whole checkpoint; the steps that are done.

    Args:
        live: the run, at its start. Its reward models stay as they are: to fit them again is no part of TRL's trainers.
        offline: see `RunJob`, as the next one.
        evaluated_start: of the learning curve.
    """
    setup, folder, config = live.setup, live.setup.folder, live.setup.folder.config
    training = config.training
    assert training is not None
    disable_progress_bar()
    method = load_method(config.algorithm, config.settings)
    assert isinstance(method, TrlMethod)
    checkpoint, done, passed_over = newest_whole(
        folder.path / FOLDER, agreed=live.agreed(), rows_digest=folder.rows_digest
    )
    counters = _counters_at(folder.rows(), done)
    run = TrlRun(
        method=method,
        policy=setup.policy,
        training=training,
        folder=folder.path / FOLDER,
        seed=config.seed,
        checkpoint_every=config.checkpoint_every,
    )
    prepared = _prepare(live, run, offline)  # a reference is read from the start's folder meanwhile
    if checkpoint is not None:
        load_learnt_weights(setup.policy.model, read_weights(checkpoint))
    live.go_on(done, passed_over, evaluated_start)
    if done < training.steps:
        recorder = Recorder(
            method=method,
            policy=setup.policy,
            updates=training.updates_per_batch,
            steps=training.steps,
            counters=counters,
            drawn=prepared.drawn,
            log=folder,
            after_step=live.after_step,
            report=setup.report,
        )
        prepared.trainer.add_callback(recorder)
        prepared.trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
    setup.policy.model.eval()
    save_checkpoint(
        folder.checkpoints,
        step=training.steps,
        policy=setup.policy,
        optimizers={},
        state={**vars(counters), "rows": folder.sync()},
    )
    return training.steps


def _prepare(live: LiveRun, run: TrlRun, offline: Path | None) -> Prepared:
    source = training_source(live.setup, run.method, offline)
    reward = live.models.reward()

    def score(rollouts: Sequence[Rollout]) -> list[ScoredRollout]:
        return score_rollouts(rollouts, reward=reward)

    if isinstance(run.method, TrlSFT):
        return run.on_solutions(source, score)
    if isinstance(run.method, TrlDPO):
        return run.on_pairs(source, score)
    assert isinstance(source, OnlineSource)
    return run.online(Online(source=source, score=score, updates=run.training.updates_per_batch))


def _counters_at(rows: Sequence[Mapping[str, float]], done: int) -> Counters:
    """What the run had used after `done` steps, as its row says."""
    return Counters(**{name: rows[done - 1][name] for name in vars(Counters())}) if done else Counters()  # type: ignore[arg-type]
