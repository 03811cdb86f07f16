"""Overlong shaping: a soft penalty on completions that come near the length limit."""

from __future__ import annotations

from dataclasses import dataclass

from rewards.verdict import Verdict
from sampling.rollout import Rollout

__all__ = ["SoftOverlongPunishment", "soft_overlong_punishment"]


def soft_overlong_punishment(num_tokens: int, *, max_tokens: int, cache_tokens: float) -> float:
    """DAPO's length reward of a completion y, to be added to the reward of its answer.

    ::

        R_length(y) = 0                                 |y| <= L_max − L_cache
                      ((L_max − L_cache) − |y|)/L_cache   L_max − L_cache < |y| <= L_max
                      −1                                L_max < |y|

    Yu et al. 2025, DAPO (arXiv 2503.14476), Eq. 13. The paper's L_max is 20,480 with L_cache 4,096.

    Args:
        num_tokens: |y|, tokens.
        max_tokens: L_max: the limit of generation, so that a completion that is cut there gets −1.
        cache_tokens: L_cache: the last tokens before it, over which the punishment grows from 0 to −1. With 0 the
            punishment is a step behind L_max.

    Returns:
        A number from −1 to 0.
    """
    if num_tokens <= max_tokens - cache_tokens:
        return 0.0
    if num_tokens < max_tokens:
        return max(-1.0, ((max_tokens - cache_tokens) - num_tokens) / cache_tokens)
    return -1.0  # at L_max too, where the quotient is −1 but for rounding


@dataclass(frozen=True, kw_only=True)
class SoftOverlongPunishment:
    """`soft_overlong_punishment` as a reward.

    Attributes:
        max_tokens: L_max.
        cache_tokens: L_cache.
    """

    max_tokens: int
    cache_tokens: int

    def __post_init__(self) -> None:
        if not 0 <= self.cache_tokens <= self.max_tokens or self.max_tokens < 1:
            raise ValueError(
                f"cache_tokens is {self.cache_tokens} and max_tokens {self.max_tokens}; "
                "expected 0 <= cache_tokens <= max_tokens and at least one token."
            )

    def __call__(self, rollout: Rollout, verdict: Verdict) -> float:
        """The punishment of one completion."""
        return soft_overlong_punishment(
            len(rollout.completion_ids), max_tokens=self.max_tokens, cache_tokens=self.cache_tokens
        )
