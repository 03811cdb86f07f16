r"""Format reward: the final answer stands in exactly one ``\boxed{}``."""

from __future__ import annotations

import re

from rewards.extraction import matching_brace

__all__ = ["format_reward"]

_BOX = re.compile(r"\\boxed(?![A-Za-z])")


def format_reward(completion: str) -> float:
    r"""1.0 where `completion` holds exactly one ``\boxed{...}``, brace matched and not blank; 0.0 otherwise."""
    boxes = list(_BOX.finditer(completion))
    if len(boxes) != 1 or completion[boxes[0].end() : boxes[0].end() + 1] != "{":
        return 0.0
    start = boxes[0].end()
    end = matching_brace(completion, start)
    return 1.0 if end is not None and completion[start + 1 : end].strip() else 0.0
