"""The size of a forward and backward piece, halved where the device runs out of memory."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch

__all__ = ["PieceSize"]

SMALLEST = 64  # tokens; a model that cannot take so few does not fit at all

_Result = TypeVar("_Result")


@dataclass(kw_only=True)
class PieceSize:
    """Most tokens of a piece, as they are now.

    Attributes:
        tokens: at the start `TrainingConfig.microbatch_tokens`.
    """

    tokens: int

    def run(self, work: Callable[[int], _Result]) -> _Result:
        """What `work(tokens)` returns, done again from its beginning with half the tokens after each lack of memory.

        Args:
            work: gives the same for every size; what it adds up it starts at zero.

        Raises:
            torch.OutOfMemoryError: the smallest piece does not fit either.
        """
        while True:
            failure = None
            try:
                return work(self.tokens)
            except torch.OutOfMemoryError as error:
                failure = str(error).splitlines()[0]
            # outside the handler: the traceback would keep the arrays of the failed pass alive
            if self.tokens // 2 < SMALLEST:
                raise torch.OutOfMemoryError(
                    f"a piece of {self.tokens} tokens does not fit into memory ({failure}). The model, its optimiser "
                    "and the engine leave no room: lower engine.vllm.kv_cache_gib, or turn on gradient_checkpointing, "
                    "lora_rank or adamw_bits."
                )
            self.tokens //= 2
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            warnings.warn(
                f"out of memory: pieces have at most {self.tokens} tokens from here on, and the work is done again; "
                f"its result is the same. microbatch_tokens = {self.tokens} starts that way.",
                RuntimeWarning,
                stacklevel=2,
            )
