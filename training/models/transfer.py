"""The way of small arrays from the CPU to a GPU, without waiting for what is queued there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

__all__ = ["sent"]


def sent(array: Tensor | np.ndarray, device: torch.device) -> Tensor:
    """`array` on `device`.

    A plain copy to a GPU ends when all that was queued before it has ended, so a pass that begins with one leaves the
    GPU idle while it is launched. From pinned memory a copy is queued like everything else.

    Args:
        array: on the CPU; it may be changed afterwards where the device is a GPU.
        device: CPU or GPU.
    """
    tensor = torch.from_numpy(np.ascontiguousarray(array)) if isinstance(array, np.ndarray) else array
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
