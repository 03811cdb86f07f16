"""Going on where a stopped training can: at its newest checkpoint that is whole and agrees with its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from sampling.weights import WeightNamesError
from training.accounting import Counters
from training.checkpoints import (
    CheckpointError,
    checkpoint_step,
    checkpoints_in,
    load_optimizer,
    read_weights,
    whole_state,
)
from training.models.policy import load_learnt_weights
from training.stopping import StopRule
from training.trainer import Trainer

__all__ = ["Restored", "restore"]


@dataclass(frozen=True, kw_only=True)
class Restored:
    """Where a training goes on.

    Attributes:
        step: steps already done, 0 where it starts anew.
        passed_over: why each newer checkpoint was not taken, one sentence each.
    """

    step: int
    passed_over: tuple[str, ...] = ()


def restore(
    trainer: Trainer,
    rule: StopRule,
    checkpoints: Path,
    *,
    agreed: int,
    rows_digest: Callable[[int], str] | None = None,
) -> Restored:
    """Bring trainer and rule to the newest checkpoint that can be gone on from.

    Weights, optimiser moments, critic, a moving reference, counters and the rule are restored bit for bit; the sampler
    is not touched.

    Args:
        trainer: at its start; unchanged where there is nothing to go on from.
        rule: likewise.
        checkpoints: folder of the checkpoints.
        agreed: step up to which rows and evaluations are all there; a newer checkpoint is passed over, since the run
            would lack what came before it.
        rows_digest: digest of the rows up to a step, as `training.loop.RunLog.sync` gave it to the checkpoint of that
            step; ``None`` leaves rows unchecked.

    Raises:
        CheckpointError: a whole checkpoint belongs to another model.
    """
    found = trainer.ranks.lead(lambda: _newest(checkpoints, agreed, rows_digest))
    if found.checkpoint is None:
        return Restored(step=0, passed_over=found.passed_over)
    _load(trainer, found.checkpoint)
    trainer.counters = Counters(**{name: found.state[name] for name in vars(Counters())})
    rule.restore(found.state)
    return Restored(step=checkpoint_step(found.checkpoint), passed_over=found.passed_over)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """A checkpoint to go on from and its state; ``None`` where there is none."""

    checkpoint: Path | None = None
    state: dict[str, Any]
    passed_over: tuple[str, ...]


def _newest(checkpoints: Path, agreed: int, rows_digest: Callable[[int], str] | None) -> _Found:
    """The newest checkpoint that can be gone on from; see `restore`."""
    passed_over = []
    for checkpoint in reversed(checkpoints_in(checkpoints)):
        step = checkpoint_step(checkpoint)
        if step > agreed:
            passed_over.append(f"{checkpoint.name} is newer than the rows and evaluations, whole up to step {agreed}")
            continue
        try:
            state = whole_state(checkpoint)
        except CheckpointError as error:
            passed_over.append(f"{checkpoint.name} is damaged: {error}")
            continue
        written = state.get("rows")  # absent from checkpoints of coeflab 0.1
        if written is not None and rows_digest is not None and written != rows_digest(step):
            passed_over.append(f"{checkpoint.name} was written beside other rows than there are up to its step")
            continue
        return _Found(checkpoint=checkpoint, state=state, passed_over=tuple(passed_over))
    return _Found(state={}, passed_over=tuple(passed_over))


def _load(trainer: Trainer, checkpoint: Path) -> None:
    model, training = trainer.policy.model, checkpoint / "training"
    try:
        load_learnt_weights(model, read_weights(checkpoint))
        for name, optimizer in trainer.optimizers.items():
            load_optimizer(optimizer, training / f"{name}.safetensors")
        if trainer.critic is not None:
            trainer.critic.load(training / "critic.safetensors")
        if trainer.moving_reference is not None:
            load_learnt_weights(trainer.moving_reference, load_file(training / "reference.safetensors"))
    except WeightNamesError as error:
        raise CheckpointError(f"{checkpoint} belongs to another model: {error}") from error
    except (OSError, SafetensorError) as error:
        raise CheckpointError(
            f"{checkpoint} cannot be loaded ({error}); remove that folder to go on from an older one."
        ) from error
