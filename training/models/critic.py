"""PPO's critic: a value of each prefix, and its regression loss.

L_V = 1/N Σ_i 1/|o_i| Σ_t ½ (V(q, o_<t) − target_t)²         (the value model of DeepSeekMath, section 4.1.1)
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from transformers import AutoModel

from algorithms.interface import Aggregation, Denominator, aggregation_weights
from training.models.batches import TrainingBatch
from training.models.logprobs import token_values
from training.models.shards import gathered, part_like, to_write

__all__ = ["Critic", "critic_loss"]


class Critic(nn.Module):
    """The policy's architecture and start weights, with one number instead of a vocabulary.

    Args:
        model: folder of the checkpoint that the backbone starts from. The head starts at zero: V = 0 before training.
        device: where the critic lies.
    """

    def __init__(self, model: Path, *, device: torch.device) -> None:
        super().__init__()
        self.backbone = AutoModel.from_pretrained(
            model, dtype=torch.float32, trust_remote_code=False, use_safetensors=True
        )
        self.head = nn.Linear(self.backbone.config.hidden_size, 1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.to(device).eval()

    def values(self, batch: TrainingBatch, *, use_autocast: bool = False) -> Tensor:
        """V before each completion token, in units of the reward. (B, T) float32, zero outside the mask."""
        return gathered(self, lambda: token_values(self.backbone, self.head, batch, use_autocast=use_autocast))

    def weights(self) -> dict[str, Tensor]:
        """All weights, as they are written down."""
        return {name: to_write(weight).contiguous() for name, weight in self.state_dict().items()}

    def save(self, path: Path) -> None:
        """Write all weights to one safetensors file."""
        save_file(self.weights(), path)

    def load(self, path: Path) -> None:
        """Read what `save` wrote."""
        own = self.state_dict()
        self.load_state_dict(
            {name: part_like(own.get(name, weight), weight) for name, weight in load_file(path).items()}
        )


def critic_loss(values: Tensor, targets: Tensor, mask: Tensor, denominator: Denominator) -> Tensor:
    """Half mean squared error, averaged over tokens and then over sequences. Scalar, in squared units of the reward.

    Args:
        values: (B, T) with gradient.
        targets: (B, T) λ-returns, detached.
        mask: (B, T) bool completion mask.
        denominator: counts of the whole optimiser step; losses of microbatches add up.
    """
    weights = aggregation_weights(mask, Aggregation.SEQUENCE_MEAN, denominator).to(values.dtype)
    return (weights * torch.where(mask, values - targets.detach(), 0).square()).sum() / 2
