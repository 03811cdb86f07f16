"""Top-k, nucleus and min-p: which tokens may be drawn, the same for engines and for the logprobs of what they drew.

In this order, each on what the one before left, renormalised (vLLM's order):

    min-p    p(v) ≥ min_p · max p                       (Nguyen et al. 2024, arXiv 2407.01082)
    top-k    the k most likely tokens, ties with the last of them included      (Fan et al. 2018)
    top-p    the most likely tokens until their mass reaches top_p              (Holtzman et al. 2020, arXiv 1904.09751)

Token v is then drawn with probability p(v) / Σ_kept p.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["WHOLE", "Truncation", "kept"]


@dataclass(frozen=True, kw_only=True)
class Truncation:
    """What a distribution over tokens is cut down to.

    Attributes:
        top_k: most tokens; ``None`` sets no such limit.
        top_p: nucleus mass in (0, 1]; 1 cuts nothing.
        min_p: share of the largest probability below which tokens go, in [0, 1); 0 cuts nothing.
    """

    top_k: int | None = None
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if self.top_k is not None and self.top_k < 1:
            raise ValueError(f"top_k is {self.top_k}; expected at least 1, or null.")
        if not 0 < self.top_p <= 1:
            raise ValueError(f"top_p is {self.top_p}; expected a nucleus mass in (0, 1].")
        if not 0 <= self.min_p < 1:
            raise ValueError(f"min_p is {self.min_p}; expected a share of the largest probability, in [0, 1).")

    @property
    def silent(self) -> bool:
        """Whether every token may be drawn."""
        return self.top_k is None and self.top_p == 1 and self.min_p == 0


WHOLE = Truncation()
"""Nothing is cut."""


def kept(logprobs: Tensor, truncation: Truncation) -> Tensor:
    """Which tokens may be drawn. (…, V) -> (…, V) bool; at least the most likely one.

    Args:
        logprobs: normalised over the vocabulary, at the sampling temperature.
        truncation: what is cut.
    """
    held = logprobs.isfinite()
    if truncation.min_p > 0:
        most = logprobs.max(dim=-1, keepdim=True).values
        held = held & (logprobs.exp() >= truncation.min_p * most.exp())
    if truncation.top_k is not None and truncation.top_k < logprobs.shape[-1]:
        left = logprobs.masked_fill(~held, float("-inf"))
        held = held & (left >= left.topk(truncation.top_k, dim=-1).values[..., -1:])
    if truncation.top_p < 1:
        cut = truncation.min_p > 0 or truncation.top_k is not None
        left = logprobs.masked_fill(~held, float("-inf")).log_softmax(dim=-1) if cut else logprobs
        ordered, order = left.sort(dim=-1, descending=True)
        before = ordered.exp().cumsum(dim=-1) - ordered.exp()
        beyond = (before >= truncation.top_p).scatter(-1, order, before >= truncation.top_p)
        held = held & ~beyond
    return held
