"""How old a step's completions are, and how much of them is left after their ratios."""

from __future__ import annotations

from collections.abc import Sequence

from rewards.verdict import ScoredRollout

__all__ = ["staleness_metrics"]


def staleness_metrics(
    step: int, scored: Sequence[ScoredRollout], *, ratio: float | None, ratio_square: float | None
) -> dict[str, float | None]:
    """``staleness``, the mean over completions of the steps between the policy that drew and the one that trains.

    Where the method takes a ratio, ``effective_share`` too: (mean ρ)²/mean ρ² over tokens, Kish's effective sample size
    as a share of the tokens; 1 where all count alike (Kish 1965, Survey Sampling, section 11.7).

    Args:
        step: counted from 0; so many times was the policy updated that trains on them.
        scored: at least one completion.
        ratio: mean ρ over tokens; ``None`` where the method takes none, or nothing was trained on.
        ratio_square: mean ρ² over tokens.
    """
    told: dict[str, float | None] = {
        "staleness": sum(step - item.rollout.policy_version for item in scored) / len(scored)
    }
    if ratio is not None and ratio_square is not None:
        told["effective_share"] = ratio**2 / ratio_square if ratio_square else None
    return told
