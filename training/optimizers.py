"""Which optimisers train a policy, by the name of their file in a checkpoint."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from training.config import TrainingConfig

__all__ = ["OptimizerFactory", "Optimizers", "adamw", "muon_and_adamw", "named_adamw"]

Optimizers = dict[str, torch.optim.Optimizer]

OptimizerFactory = Callable[[nn.Module, TrainingConfig], Optimizers]


def adamw(model: nn.Module, config: TrainingConfig, *, learning_rate: float | None = None) -> torch.optim.AdamW:
    """AdamW over all parameters, at the policy's rate where no other is given."""
    return torch.optim.AdamW(
        model.parameters(),
        lr=config.learning_rate if learning_rate is None else learning_rate,
        weight_decay=config.weight_decay,
        betas=(0.9, config.adam_beta2),
        fused=next(model.parameters()).device.type == "cuda" or None,
    )


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
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=decay, adjust_lr_fn="match_rms_adamw")
    adamw = torch.optim.AdamW(others, lr=rate, weight_decay=decay, betas=(0.9, config.adam_beta2))
    return {"muon": muon, "adamw": adamw}
