"""Checkpoints: the policy as an ordinary model folder, and beside it what training needs to go on, all in safetensors.

A checkpoint is written to a temporary folder, flushed to disk and renamed, so a kill or a full disk leaves the previous
one whole. Layout: ``checkpoints/step-000030/`` with config.json, model.safetensors and tokenizer files, and in it
``training/`` with one safetensors file an optimiser, critic.safetensors (where there is a critic),
reference.safetensors (where the reference follows the policy) and state.json.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from training.models.critic import Critic
from training.models.policy import Policy, named_weights

__all__ = ["CheckpointError", "latest_checkpoint", "load_optimizer", "load_training_state", "save_checkpoint"]

_NAME = re.compile(r"step-(\d{6,})")


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read."""


def save_checkpoint(
    folder: Path,
    *,
    step: int,
    policy: Policy,
    optimizers: Mapping[str, torch.optim.Optimizer],
    state: dict[str, float | int | str | None],
    critic: Critic | None = None,
    reference: nn.Module | None = None,
    keep: int = 1,
) -> Path:
    """Write ``folder/step-NNNNNN`` atomically and remove all but the newest `keep`.

    Raises:
        CheckpointError: the disk refused; the previous checkpoint is untouched.
    """
    target = folder / f"step-{step:06d}"
    temporary = folder / f".{target.name}.tmp"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        training = temporary / "training"
        training.mkdir(parents=True)
        policy.save(temporary)
        for name, optimizer in optimizers.items():
            save_file(_optimizer_tensors(optimizer), training / f"{name}.safetensors")
        if critic is not None:
            critic.save(training / "critic.safetensors")
        if reference is not None:
            save_file(dict(named_weights(reference)), training / "reference.safetensors")
        (training / "state.json").write_text(json.dumps({"step": step, **state}, indent=2) + "\n")
        _flush(temporary)
        if target.exists():  # the same step again, after a resume: never without a whole checkpoint on the disk
            replaced = folder / f".{target.name}.old"
            shutil.rmtree(replaced, ignore_errors=True)
            target.rename(replaced)
            temporary.rename(target)
            shutil.rmtree(replaced)
        else:
            temporary.rename(target)
        _flush_entry(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        previous = latest_checkpoint(folder)
        raise CheckpointError(
            f"checkpoint {target} could not be written ({error}); the previous one "
            f"({previous.name if previous else 'none'}) is whole. Free some disk space and start again."
        ) from error
    for old in _checkpoints(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, ``None`` where there is none. Half-written ones do not count.

    One that a kill left set aside, before what was to replace it had its name, gets its name back.
    """
    for aside in folder.glob(".step-*.old"):
        name = aside.name.removeprefix(".").removesuffix(".old")
        if not (folder / name).exists():
            aside.rename(folder / name)
    found = _checkpoints(folder)
    return found[-1] if found else None


def load_training_state(checkpoint: Path) -> dict[str, float | int | str | None]:
    """What `save_checkpoint` was given as `state`, with ``"step"``."""
    path = checkpoint / "training" / "state.json"
    try:
        return json.loads(path.read_text())
    except (OSError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"{path} cannot be read ({error}); remove the folder {checkpoint} to start this run anew."
        ) from error


def load_optimizer(optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Restore the moments that `save_checkpoint` wrote into a fresh optimiser over the same parameters.

    Raises:
        CheckpointError: the moments have other shapes than the parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, torch.Tensor]] = {}
    for key, tensor in load_file(path).items():
        index, name = key.split(".", 1)
        state.setdefault(int(index), {})[name] = tensor
    for index, entry in state.items():
        if any(tensor.ndim and tensor.shape != parameters[index].shape for tensor in entry.values()):
            raise CheckpointError(
                f"{path} belongs to another model: its moments have other shapes than the parameters."
            )
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Moments by "parameter index.name"; hyper-parameters come from the configuration."""
    state = optimizer.state_dict()["state"]
    return {f"{index}.{name}": tensor.contiguous() for index, entry in state.items() for name, tensor in entry.items()}


def _checkpoints(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(
        (path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=lambda path: int(path.name[5:])
    )


def _flush(folder: Path) -> None:
    """Force every file below `folder`, and its directories, to the disk."""
    for path in [*folder.rglob("*"), folder]:
        _flush_entry(path)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
