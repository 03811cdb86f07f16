"""What a run has used, and what its completions were like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rewards.verdict import ScoredRollout, Status

__all__ = ["Counters", "rollout_metrics"]


@dataclass(kw_only=True)
class Counters:
    """What a run has used so far; written with every metrics row and every checkpoint.

    Attributes:
        completions_sampled: completions drawn for training.
        tokens_generated: their tokens.
        tokens_trained: completion tokens with a coefficient other than 0, counted at every optimiser step.
        flops: estimate: 6·N a token trained (forward and backward), or 4·N where adapters alone learn, 2·N a token
            generated or only scored, N parameters, prompt tokens included; the critic counted likewise. Attention's
            quadratic part is left out.
        seconds: wall time of training steps, the drawing of offline completions included; evaluation is not.
    """

    completions_sampled: int = 0
    tokens_generated: int = 0
    tokens_trained: int = 0
    flops: float = 0.0
    seconds: float = 0.0


def rollout_metrics(scored: Sequence[ScoredRollout]) -> dict[str, float]:
    """Means over the step's completions, as sampled; ``reward/<part>`` for each part of the reward."""
    count = len(scored)

    def share(status: Status) -> float:
        return sum(item.verdict.status is status for item in scored) / count

    return {
        "reward_mean": sum(item.reward for item in scored) / count,
        **_part_means(scored),
        "accuracy": share(Status.CORRECT),
        "no_answer_rate": share(Status.NO_ANSWER),
        "timeout_rate": share(Status.TIMEOUT),
        "truncated_rate": sum(item.rollout.truncated for item in scored) / count,
        "completion_tokens_mean": sum(len(item.rollout.completion_ids) for item in scored) / count,
    }


def _part_means(scored: Sequence[ScoredRollout]) -> dict[str, float]:
    """The mean of each part of the reward, without its weight; nothing where the reward has no parts."""
    return {
        f"reward/{name}": sum(item.reward_parts[name] for item in scored) / len(scored)
        for name in scored[0].reward_parts
    }
