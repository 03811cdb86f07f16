"""The size of a forward and backward piece, halved where the device runs out of memory, and doubled again later.

What filled the device may be another process for a minute; pieces that stayed small would slow the whole run down.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeVar

import torch

__all__ = ["PieceSize", "allocator_retries", "is_device_error", "is_memory_error"]

SMALLEST = 64  # tokens; a model that cannot take so few does not fit at all
RETRIES = 4  # of the allocator in one pass over a batch that are told of; fewer may be a larger batch's
PATIENCE = 32  # passes over a batch that fit before twice the size is tried; twice as many after each try that failed

_Result = TypeVar("_Result")

# What CUDA's libraries and torch's allocators say beside `torch.OutOfMemoryError`.
_MEMORY_ERROR = re.compile(r"out of memory|ALLOC_FAILED|can't allocate memory|not enough memory", re.IGNORECASE)


def is_memory_error(error: BaseException) -> bool:
    """Whether a smaller piece may help."""
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    return known or (isinstance(error, RuntimeError) and _MEMORY_ERROR.search(str(error)) is not None)


# What a device that goes on for nobody says: after it, every call of the process on that device fails.
_DEVICE_ERROR = re.compile(
    r"CUDA error|CUDA driver error|CUBLAS_STATUS|CUDNN_STATUS|NCCL error|device-side assert|illegal memory access"
)


def is_device_error(error: BaseException) -> bool:
    """Whether the process has lost its device or its memory, so that a fresh one may succeed where this one cannot."""
    lost = isinstance(error, torch.AcceleratorError) or is_memory_error(error)
    if lost or (isinstance(error, RuntimeError) and _DEVICE_ERROR.search(str(error)) is not None):
        return True
    return error.__cause__ is not None and is_device_error(error.__cause__)


def allocator_retries() -> int:
    """How often torch has given back what it keeps of the GPU's memory for want of a free part; 0 without a GPU.

    ``num_alloc_retries`` of `torch.cuda.memory_stats`, of this process since its start.
    """
    if not torch.cuda.is_initialized():
        return 0
    return int(torch.cuda.memory_stats_as_nested_dict().get("num_alloc_retries", 0))


@dataclass(kw_only=True)
class PieceSize:
    """Most tokens of a piece, as they are now.

    Attributes:
        tokens: at the start `TrainingConfig.microbatch_tokens`.
        fixed: they stay so, because other ranks pass through the same sharded model at the same time.
    """

    tokens: int
    fixed: bool = False
    _most: int = field(init=False)
    _told: int = field(init=False)  # the smallest size that was told of
    _fitted: int = field(init=False, default=0)  # passes since the size changed
    _patience: int = field(init=False, default=PATIENCE)
    _full: bool = field(init=False, default=False)  # told that the card is nearly full

    def __post_init__(self) -> None:
        self._most = self._told = self.tokens

    def run(self, work: Callable[[int], _Result]) -> _Result:
        """What `work(tokens)` returns, done again from its beginning with half the tokens after each lack of memory.

        Args:
            work: gives the same for every size; what it adds up it starts at zero.

        Raises:
            torch.OutOfMemoryError: the smallest piece does not fit either, or this one where the size is fixed.
        """
        tried = self._grown()
        while True:
            retries = allocator_retries()
            try:
                result = work(self.tokens)
                self._fitted += 1
                self._tell_if_full(allocator_retries() - retries)
                return result
            except (RuntimeError, MemoryError) as error:
                if not is_memory_error(error):
                    raise
                failure = str(error).partition("\n")[0]
            if self.fixed:
                raise torch.OutOfMemoryError(
                    f"a piece of {self.tokens} tokens does not fit into memory ({failure}), and the ranks of a sharded "
                    f"model cannot go on with other sizes each: set microbatch_tokens to {self.tokens // 2}, or "
                    "gradient_checkpointing, and start again; it goes on from the last checkpoint."
                )
            # outside the handler: the traceback would keep the arrays of the failed pass alive
            if self.tokens // 2 < SMALLEST:
                raise torch.OutOfMemoryError(
                    f"a piece of {self.tokens} tokens does not fit into memory ({failure}). The model, its optimiser "
                    "and the engine leave no room: lower engine.vllm.kv_cache_gib or take a smaller model."
                )
            self.tokens //= 2
            self._fitted = 0
            if tried:
                tried, self._patience = False, 2 * self._patience
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            if self.tokens < self._told:
                self._told = self.tokens
                warnings.warn(
                    f"out of memory: pieces have at most {self.tokens} tokens until there is room again, and the work "
                    f"is done again; its result is the same. microbatch_tokens = {self.tokens} starts that way.",
                    RuntimeWarning,
                    stacklevel=2,
                )

    def _tell_if_full(self, retries: int) -> None:
        """Say once that passes fit, and are slow because they hardly do."""
        if retries < RETRIES or self._full:
            return
        self._full = True
        warnings.warn(
            f"the card is nearly full: {retries} times in one pass over the batch memory was given back and asked for "
            f"anew, and each time the pass waited. Lower microbatch_tokens ({self.tokens}), engine.vllm.kv_cache_gib "
            "or engine.replicas, or let fewer processes share the card.",
            RuntimeWarning,
            stacklevel=3,
        )

    def _grown(self) -> bool:
        """Whether the size was doubled now, towards the one of the start."""
        if self.tokens >= self._most or self._fitted < self._patience:
            return False
        self.tokens, self._fitted = min(2 * self.tokens, self._most), 0
        return True
