"""Which optimisers train a policy, by the name of their file in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from training.config import TrainingConfig
from training.models.shards import is_sharded, part_like, whole

__all__ = ["OptimizerFactory", "Optimizers", "adamw", "eight_bit_moment", "muon_and_adamw", "named_adamw"]

Optimizers = dict[str, torch.optim.Optimizer]

OptimizerFactory = Callable[[nn.Module, TrainingConfig], Optimizers]


def adamw(model: nn.Module, config: TrainingConfig, *, learning_rate: float | None = None) -> torch.optim.Optimizer:
    """AdamW over all parameters that learn, at the policy's rate where no other is given; in 8 bits where configured.

    In 8 bits (torchao; arXiv 2110.02861) the two moments of every parameter of 4,096 numbers or more take a byte each,
    quantised in blocks of 256.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    rate = config.learning_rate if learning_rate is None else learning_rate
    betas, decay = (0.9, config.adam_beta2), config.weight_decay
    if config.optimizer == "adamw_8bit":
        return _eight_bit_adamw(trained[0].device)(trained, lr=rate, betas=betas, weight_decay=decay)
    fused = trained[0].device.type == "cuda" or None
    return torch.optim.AdamW(trained, lr=rate, weight_decay=decay, betas=betas, fused=fused)


def _eight_bit_adamw(device: torch.device) -> Any:
    """The class of torchao, which compiles its step; not on a CPU, where the engine may have switched compilers off."""
    from torchao.optim import AdamW8bit  # pyright: ignore[reportMissingImports]

    class EagerAdamW8bit(AdamW8bit):
        def step(self, closure: Any = None) -> Any:
            with torch.compiler.set_stance("force_eager"):
                return super().step(closure)

    return EagerAdamW8bit if device.type == "cpu" else AdamW8bit


def eight_bit_moment(codes: torch.Tensor, scale: torch.Tensor, *, signed: bool) -> torch.Tensor:
    """A moment of AdamW in 8 bits from what a checkpoint holds of it.

    Args:
        codes: the parameter's shape, uint8.
        scale: one number a block.
        signed: the first moment is, the second is not.
    """
    from torchao.optim.subclass_8bit import OptimState8bit  # pyright: ignore[reportMissingImports]

    moment: Any = OptimState8bit.zeros(codes.shape, signed, codes.numel() // scale.numel(), codes.device)
    moment.codes.copy_(codes)
    moment.scale.copy_(scale)
    return moment


def named_adamw(model: nn.Module, config: TrainingConfig) -> Optimizers:
    """AdamW for everything: what every method trains with."""
    return {"optimizer": adamw(model, config)}


def muon_and_adamw(model: nn.Module, config: TrainingConfig) -> Optimizers:
    """Muon for the weight matrices of the layers, AdamW for embeddings and norms.

    Muon (https://kellerjordan.github.io/posts/muon/) reached the same Pass@1 on half the demonstrations that AdamW
    needed for the embedded start policy; see EXPERIMENTS.md. Its update is rescaled to AdamW's, so both share one
    learning rate.
    """
    matrices = [p for name, p in model.named_parameters() if p.ndim == 2 and "embed" not in name]
    held = {id(parameter) for parameter in matrices}
    others = [parameter for parameter in model.parameters() if id(parameter) not in held]
    rate, decay = config.learning_rate, config.weight_decay
    kind = _MuonOfParts if is_sharded(model) else torch.optim.Muon
    muon = kind(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=rate, weight_decay=decay, betas=(0.9, config.adam_beta2))
    return {"muon": muon, "adamw": adamw}


class _MuonOfParts(torch.optim.Muon):
    """Muon for matrices of which each rank has a part; all ranks take a step together.

    Momentum and weights stay in parts. The direction is the whole matrix's, by torch's own Muon: each rank gathers the
    momentum, one matrix at a time, and keeps its part of a step from zero at rate 1.
    """

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """See `torch.optim.Muon.step`; `closure` is not called."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._step(parameter, parameter.grad, group)

    def _step(self, parameter: torch.Tensor, gradient: torch.Tensor, group: dict[str, Any]) -> None:
        momentum, state = group["momentum"], self.state[parameter]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        held = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        direction = gradient.lerp(held, momentum) if group["nesterov"] else held
        moved = _muon_step_from_zero(whole(direction), group)
        parameter.mul_(1 - group["lr"] * group["weight_decay"])
        parameter.add_(part_like(parameter, moved), alpha=group["lr"])


def _muon_step_from_zero(direction: torch.Tensor, group: dict[str, Any]) -> torch.Tensor:
    """What torch's Muon adds to a matrix, per unit of rate, that moves along `direction` without momentum or decay."""
    matrix = nn.Parameter(torch.zeros_like(direction))
    matrix.grad = direction
    names = ("ns_coefficients", "eps", "ns_steps", "adjust_lr_fn")
    settings = {name: group[name] for name in names}
    torch.optim.Muon([matrix], lr=1.0, weight_decay=0.0, momentum=0.0, nesterov=False, **settings).step()
    return matrix.detach()
