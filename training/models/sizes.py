"""The size of the embedded model; free of torch, so that a recipe can be read without it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["EmbeddedModelConfig"]


@dataclass(frozen=True, kw_only=True)
class EmbeddedModelConfig:
    """Size of the embedded Llama.

    Attributes:
        hidden_size: width of the residual stream.
        num_layers: decoder layers.
        num_heads: attention heads; `hidden_size` is a multiple of it.
        intermediate_size: width of the gated feed-forward layer.
        max_length: longest sequence, prompt and completion together, in tokens.
        vocabulary: ``"programs"`` adds the words of programs and their blocks; ``None`` has the 22 symbols alone.
    """

    hidden_size: int = 64
    num_layers: int = 3
    num_heads: int = 2
    intermediate_size: int = 176
    max_length: int = 96
    vocabulary: Literal["programs"] | None = None

    def __post_init__(self) -> None:
        if self.hidden_size % self.num_heads:
            raise ValueError(
                f"hidden_size {self.hidden_size} is not a multiple of num_heads {self.num_heads}; "
                "each head takes hidden_size / num_heads channels."
            )
