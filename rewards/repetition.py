"""Repetition penalty: the share of a completion's n-grams that it has said before."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from rewards.verdict import Verdict
from sampling.rollout import Rollout

__all__ = ["RepetitionPenalty", "repeated_share", "repetition_penalty"]


def repeated_share(items: Sequence[Hashable], ngram_size: int) -> float:
    """1 − (different n-grams) / (all n-grams): 0 without repetition, near 1 where one n-gram fills the text.

    The repetition penalty of Yeo et al. 2025, "Demystifying Long Chain-of-Thought Reasoning in LLMs" (arXiv 2502.03373,
    Appendix C.2) punishes the tokens of every n-gram that occurred before; summed over a completion this is their
    share. TRL and open-r1 use the same form for a reward of the whole completion.

    Args:
        items: T tokens.
        ngram_size: n; there are max(T − n + 1, 0) n-grams.

    Returns:
        A number in [0, 1); 0 where there is no n-gram.
    """
    count = len(items) - ngram_size + 1
    if count < 1:
        return 0.0
    different = {tuple(items[start : start + ngram_size]) for start in range(count)}
    return 1.0 - len(different) / count


@dataclass(frozen=True, kw_only=True)
class RepetitionPenalty:
    """−max_penalty · `repeated_share` of the completion's token ids.

    Attributes:
        ngram_size: tokens of an n-gram. Short n-grams repeat in sound mathematics too (``= 2 *``), long ones do not.
        max_penalty: what a completion of nothing but repetition loses.
    """

    ngram_size: int = 40
    max_penalty: float = 1.0

    def __post_init__(self) -> None:
        if self.ngram_size < 1 or self.max_penalty < 0:
            raise ValueError(
                f"ngram_size is {self.ngram_size} and max_penalty {self.max_penalty}; "
                "expected at least one token, and a penalty of at least 0 (it is subtracted)."
            )

    def __call__(self, rollout: Rollout, verdict: Verdict) -> float:
        """The penalty of one completion, at most 0."""
        return -self.max_penalty * repeated_share(rollout.completion_ids, self.ngram_size)


repetition_penalty = RepetitionPenalty()
"""`RepetitionPenalty` with n-grams of 40 tokens."""
