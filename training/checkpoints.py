"""Checkpoints: the policy as an ordinary model folder, and beside it what training needs to go on, all in safetensors.

A checkpoint is written to a temporary folder, flushed to disk and renamed, so a kill, a power cut or a full disk leaves
the previous one whole. The two newest are kept: where one is damaged later, the other is gone on from. Layout:
``checkpoints/step-000030/`` with config.json, model.safetensors and tokenizer files, and in it ``training/`` with one
safetensors file an optimiser, critic.safetensors (where there is a critic), reference.safetensors (where the reference
follows the policy) and state.json, which holds the SHA-256 of all others, of itself and of the
rows of metrics up to its step.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from training.durable import put_in_place, sealed, unsealed
from training.models.critic import Critic
from training.models.policy import Policy, learnt_weights, weights_to_write
from training.models.shards import part_like, to_write
from training.optimizers import eight_bit_moment

__all__ = [
    "CheckpointError",
    "check_model",
    "checkpoint_step",
    "checkpoints_in",
    "help_to_save",
    "latest_checkpoint",
    "load_optimizer",
    "read_weights",
    "save_checkpoint",
    "whole_state",
]

_NAME = re.compile(r"step-(\d{6,})")


class CheckpointError(RuntimeError):
    """A checkpoint could not be written or read."""


def save_checkpoint(
    folder: Path,
    *,
    step: int,
    policy: Policy,
    optimizers: Mapping[str, torch.optim.Optimizer],
    state: Mapping[str, float | int | str | None],
    critic: Critic | None = None,
    reference: nn.Module | None = None,
    keep: int = 2,
) -> Path:
    """Write ``folder/step-NNNNNN`` atomically and remove all but the newest `keep`.

    Other ranks of sharded models call `help_to_save` meanwhile.

    Raises:
        CheckpointError: the disk refused; the previous checkpoint is untouched.
    """
    target = folder / f"step-{step:06d}"
    temporary = folder / f".{target.name}.tmp"
    try:
        shutil.rmtree(temporary, ignore_errors=True)
        training = temporary / "training"
        training.mkdir(parents=True)
        policy.save(temporary, weights_to_write(policy.model))
        for name, tensors in _held(optimizers, critic, reference):
            save_file(tensors, training / f"{name}.safetensors")
        told = {"step": step, **state, "sha256": _digests(temporary)}
        (training / "state.json").write_text(json.dumps(sealed(told), indent=2) + "\n")
        if target.exists():  # the same step again, after a resume: never without a whole checkpoint on the disk
            replaced = folder / f".{target.name}.old"
            shutil.rmtree(replaced, ignore_errors=True)
            target.rename(replaced)
            put_in_place(temporary, target)
            shutil.rmtree(replaced)
        else:
            put_in_place(temporary, target)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(temporary, ignore_errors=True)
        previous = latest_checkpoint(folder)
        raise CheckpointError(
            f"checkpoint {target} could not be written ({error}); the previous one "
            f"({previous.name if previous else 'none'}) is whole. Free some disk space and start again."
        ) from error
    for old in checkpoints_in(folder)[:-keep]:
        shutil.rmtree(old)
    return target


def help_to_save(
    policy: Policy, optimizers: Mapping[str, torch.optim.Optimizer], critic: Critic | None, reference: nn.Module | None
) -> None:
    """This rank's parts for the `save_checkpoint` of rank 0, which alone writes."""
    weights_to_write(policy.model)
    for _ in _held(optimizers, critic, reference):
        pass


def _held(
    optimizers: Mapping[str, torch.optim.Optimizer], critic: Critic | None, reference: nn.Module | None
) -> Iterator[tuple[str, dict[str, torch.Tensor]]]:
    """Name and tensors of each file of ``training/``, one after the other, so that one is in memory at a time."""
    for name, optimizer in optimizers.items():
        yield name, _optimizer_tensors(optimizer)
    if critic is not None:
        yield "critic", critic.weights()
    if reference is not None:
        yield "reference", _apart(learnt_weights(reference).items())


def checkpoints_in(folder: Path) -> list[Path]:
    """All checkpoints by their step. Half-written ones do not count.

    One that a kill left set aside, before what was to replace it had its name, gets its name back.
    """
    if not folder.is_dir():
        return []
    for aside in folder.glob(".step-*.old"):
        name = aside.name.removeprefix(".").removesuffix(".old")
        if not (folder / name).exists():
            aside.rename(folder / name)
    return sorted((path for path in folder.iterdir() if _NAME.fullmatch(path.name)), key=checkpoint_step)


def checkpoint_step(checkpoint: Path) -> int:
    """The number of steps in a checkpoint's name."""
    return int(checkpoint.name.removeprefix("step-"))


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the highest step, ``None`` where there is none."""
    found = checkpoints_in(folder)
    return found[-1] if found else None


def whole_state(checkpoint: Path) -> dict[str, Any]:
    """What `save_checkpoint` was given as `state`, with ``"step"``, of a checkpoint that is as it was written.

    Raises:
        CheckpointError: a file is missing or is not what was written, or the state is that of another step.
    """
    state, written = _state(checkpoint)
    if written is not None:
        _check_files(checkpoint, written, _digests(checkpoint))
    return state


def check_model(folder: Path) -> None:
    """Compare the model in a folder with what was written, where it is a checkpoint of ours; its moments are left out.

    Raises:
        CheckpointError: a file is missing or is not what was written.
    """
    if not (folder / "training" / "state.json").is_file():
        return
    _, written = _state(folder)
    if written is not None:
        model = {name: digest for name, digest in written.items() if not name.startswith("training/")}
        _check_files(folder, model, {name: _digest(folder / name) for name in model})


def _state(checkpoint: Path) -> tuple[dict[str, Any], dict[str, str] | None]:
    """What ``state.json`` holds, and apart from it the digests of the other files."""
    path = checkpoint / "training" / "state.json"
    try:
        state = unsealed(json.loads(path.read_text()))
        written = state.pop("sha256", None)  # absent from checkpoints of coeflab 0.1
        step = state["step"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({type(error).__name__}: {error})") from error
    if _NAME.fullmatch(checkpoint.name) and step != checkpoint_step(checkpoint):  # a copy may be called anything
        raise CheckpointError(f"{path} is of step {step}; expected {checkpoint_step(checkpoint)}, as its folder says")
    return state, written


def _check_files(checkpoint: Path, written: Mapping[str, str], found: Mapping[str, str | None]) -> None:
    damaged = sorted(name for name in written.keys() | found.keys() if written.get(name) != found.get(name))
    if damaged:
        raise CheckpointError(f"{checkpoint / damaged[0]} is missing, or not what was written (SHA-256)")


def _digests(checkpoint: Path) -> dict[str, str | None]:
    """SHA-256 of every file of a checkpoint but its state, by its path in it."""
    state = checkpoint / "training" / "state.json"
    files = sorted(path for path in checkpoint.rglob("*") if path.is_file() and path != state)
    return {path.relative_to(checkpoint).as_posix(): _digest(path) for path in files}


def _digest(path: Path) -> str | None:
    """SHA-256 of a file; ``None`` where there is none."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    """The weights of a model folder, or of adapters, by their names in it, of one file or of several.

    Raises:
        OSError, SafetensorError: there are none, or a file is damaged.
    """
    files = sorted([*checkpoint.glob("model*.safetensors"), *checkpoint.glob("adapter_model.safetensors")])
    if not files:
        raise FileNotFoundError(f"{checkpoint} holds no model.safetensors")
    return {name: tensor for file in files for name, tensor in load_file(file).items()}


def load_optimizer(optimizer: torch.optim.Optimizer, path: Path) -> None:
    """Restore the moments that `save_checkpoint` wrote into a fresh optimiser over the same parameters.

    Raises:
        CheckpointError: the moments have other shapes than the parameters.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    state: dict[int, dict[str, Any]] = {}
    for key, tensor in load_file(path).items():
        index, name, *part = key.split(".")
        entry = state.setdefault(int(index), {})
        if part:
            entry.setdefault(name, {})[part[0]] = tensor
        else:
            entry[name] = tensor
    for index, entry in state.items():
        for name, value in entry.items():
            held = value["codes"] if isinstance(value, dict) else value
            if held.ndim and held.shape != parameters[index].shape:
                raise CheckpointError(
                    f"{path} belongs to another model: a moment has the shape {tuple(held.shape)} and its parameter "
                    f"{tuple(parameters[index].shape)}; expected the same. Go on with the model and lora_rank that the "
                    "run began with, or begin anew in another folder."
                )
            if isinstance(value, dict):
                entry[name] = eight_bit_moment(value["codes"], value["scale"], signed=name == "exp_avg")
            elif value.ndim:
                entry[name] = part_like(parameters[index], value)
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _apart(named: Iterable[tuple[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """The same weights, each in memory of its own, as safetensors takes them: fused experts are handed out as views."""
    return {
        name: tensor if tensor.numel() * tensor.itemsize == tensor.untyped_storage().nbytes() else tensor.clone()
        for name, tensor in named
    }


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Moments by "parameter index.name", in 8 bits by codes and scale; hyper-parameters come from the configuration."""
    state = optimizer.state_dict()["state"]
    tensors = {}
    for index, entry in state.items():
        for name, held in entry.items():
            tensor: Any = to_write(held)
            parts = {"": tensor} if type(tensor) is torch.Tensor else {".codes": tensor.codes, ".scale": tensor.scale}
            tensors |= {f"{index}.{name}{part}": whole.contiguous() for part, whole in parts.items()}
    return tensors
