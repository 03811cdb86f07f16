"""The one training loop: steps, checkpoints, evaluations, and going on where a killed run stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from safetensors.torch import load_file

from training.accounting import Counters
from training.checkpoints import (
    CheckpointError,
    latest_checkpoint,
    load_optimizer,
    load_training_state,
    save_checkpoint,
)
from training.trainer import Trainer

__all__ = ["Row", "RunLog", "resume", "run_training"]

Row = dict[str, float | int | None]


class RunLog(Protocol):
    """Where the loop writes what it measured."""

    def drop_after(self, step: int) -> None:
        """Forget rows of later steps: they were written after the checkpoint the run goes on from."""
        ...

    def append(self, row: Row, /) -> None:
        """Keep one step's row."""
        ...


def resume(trainer: Trainer, checkpoints: Path) -> int:
    """Bring the trainer to its newest checkpoint.

    Weights, optimiser moments, critic, a moving reference and counters are restored bit for bit; the sampler is not
    touched.

    Returns:
        Steps already done, 0 where there is no checkpoint.

    Raises:
        CheckpointError: the checkpoint cannot be read or belongs to another model.
    """
    checkpoint = latest_checkpoint(checkpoints)
    if checkpoint is None:
        return 0
    state = load_training_state(checkpoint)
    model, training = trainer.policy.model, checkpoint / "training"
    weights = load_file(checkpoint / "model.safetensors")
    missing, unexpected = model.load_state_dict(weights, strict=False)
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    if unexpected or set(missing) - tied:
        raise CheckpointError(
            f"{checkpoint} belongs to another model: missing {missing[:3]}, unexpected {unexpected[:3]}."
        )
    for name, optimizer in trainer.optimizers.items():
        load_optimizer(optimizer, training / f"{name}.safetensors")
    if trainer.critic is not None:
        trainer.critic.load(training / "critic.safetensors")
    if trainer.moving_reference is not None:
        trainer.moving_reference.load_state_dict(load_file(training / "reference.safetensors"), strict=False)
    trainer.counters = Counters(**{name: state[name] for name in vars(Counters())})  # type: ignore[arg-type]
    return int(state["step"] or 0)


def run_training(
    trainer: Trainer,
    *,
    done: int,
    checkpoints: Path,
    checkpoint_every: int,
    log: RunLog,
    after_step: Callable[[int, Row], None],
) -> None:
    """Run the steps that are left.

    Args:
        trainer: already at step `done`; its sampler holds its policy.
        done: steps already done, from `resume`.
        checkpoints: folder of the checkpoints.
        checkpoint_every: steps between checkpoints; the last step always gets one.
        log: gets one row a step.
        after_step: called with the number of steps done and the row, before the checkpoint of that step; what it
            writes must bear being written again after a kill.
    """
    log.drop_after(done)
    for step in range(done, trainer.config.steps):
        row = trainer.step(step)
        log.append(row)
        after_step(step + 1, row)
        if (step + 1) % checkpoint_every == 0 or step + 1 == trainer.config.steps:
            save_checkpoint(
                checkpoints,
                step=step + 1,
                policy=trainer.policy,
                optimizers=trainer.optimizers,
                state=dict(vars(trainer.counters)),
                critic=trainer.critic,
                reference=trainer.moving_reference,
            )
