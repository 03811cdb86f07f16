"""FSDP2: each rank keeps a part of every weight, gradient and moment; a layer is whole only while it is passed through.

The weights of a layer come from all ranks, so a pass through a sharded model is a pass of every rank: all take equally
many (`training.parallel.ranks.Ranks.even`), and none halves its pieces alone. Gradients are added up over ranks, not
averaged: their terms are divided by the whole batch's counts already. What leaves the model (a checkpoint, an engine's
weights) is gathered a tensor at a time and is then as one process has it; what comes in is whole, and each rank takes
its part.

    torch.distributed.fsdp.fully_shard; Zhao et al. 2023, "PyTorch FSDP", arXiv 2304.11277
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from types import MethodType
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

__all__ = ["clip_gradient", "gathered", "is_sharded", "part_like", "shard", "to_write", "whole"]

_Result = TypeVar("_Result")


def shard(model: nn.Module, device: torch.device) -> None:
    """Leave this rank its part of every weight, in place; called by all ranks of the default process group.

    Each decoder layer is gathered by itself, embeddings and head for the whole pass. Passes go through `gathered`.

    Args:
        model: of transformers, or a module that holds one; the same on every rank, and no larger than its memory there:
            on the CPU, from where layer after layer is taken to `device`.
        device: where the parts lie and passes run.
    """
    gc.collect()  # sharded models are in cycles of references: what an earlier one left makes room
    mesh = init_device_mesh(device.type, (distributed.get_world_size(),))
    for module in reversed([*model.modules()]):  # what is within a layer comes before it
        if isinstance(module, GradientCheckpointingLayer):
            fully_shard(module, mesh=mesh)
    fully_shard(model, mesh=mesh, reshard_after_forward=True)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other
            # Since torch 2.12. Before, a weight without a gradient takes no part in the sum; every rank passes through
            # the same weights, so that it is the same ones everywhere.
            if hasattr(module, "set_reduce_scatter_unused_params"):
                module.set_reduce_scatter_unused_params(True, recurse=False)
    root: Any = model
    root.run_gathered = MethodType(_run, model)
    register_fsdp_forward_method(model, "run_gathered")


def _run(model: nn.Module, work: Callable[[], _Result]) -> _Result:
    """What `work()` gives; autocast keeps no cast beyond its layer, or those of all layers would be there at once."""
    kept = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        return work()
    finally:
        torch.set_autocast_cache_enabled(kept)


def gathered(model: nn.Module, work: Callable[[], Tensor]) -> Tensor:
    """What `work()` gives, which uses weights of `model` and of no other: for FSDP a forward pass of it."""
    run = getattr(model, "run_gathered", None)
    return work() if run is None else run(work)


def is_sharded(model: nn.Module) -> bool:
    """Whether `shard` was there."""
    return isinstance(model, FSDPModule)


def whole(tensor: Tensor) -> Tensor:
    """All of a tensor of which each rank has a part, on every rank; all ask for it. Any other tensor as it is."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def to_write(tensor: Tensor) -> Tensor:
    """A tensor as it is written down: whole on the CPU of rank 0, nothing elsewhere, where each rank has a part of it.

    All ask for it. Any other tensor as it is.
    """
    if not isinstance(tensor, DTensor):
        return tensor
    gathered = tensor.full_tensor()
    return gathered.cpu() if distributed.get_rank() == 0 else gathered.new_empty(0)


def part_like(parameter: Tensor, tensor: Tensor) -> Tensor:
    """This rank's part of a whole `tensor`, cut as `parameter` is; the whole where that is not cut."""
    if not isinstance(parameter, DTensor):
        return tensor
    placed = tensor.to(parameter.device)
    return distribute_tensor(placed, parameter.device_mesh, parameter.placements, src_data_rank=None)


def clip_gradient(model: nn.Module, max_norm: float) -> float:
    """Scale the gradient down to `max_norm`, and return its norm before; of a sharded model, of all parts together."""
    if not is_sharded(model):
        return float(torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm))
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    parts = [each.to_local() for each in gradients if isinstance(each, DTensor)]
    alike = [each for each in gradients if not isinstance(each, DTensor)]  # of what is not sharded
    square = _square(parts)
    distributed.all_reduce(square)
    norm = float((square + _square(alike)).sqrt())
    for each in (*parts, *alike):
        each.mul_(min(1.0, max_norm / (norm + 1e-6)))  # as torch has it
    return norm


def _square(tensors: Iterable[Tensor]) -> Tensor:
    """Sum of all squares, in float64."""
    squares = [torch.linalg.vector_norm(tensor, dtype=torch.float64).square() for tensor in tensors]
    return torch.stack(squares).sum() if squares else torch.zeros((), dtype=torch.float64)
