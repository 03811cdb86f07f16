"""What a run has used, and what its completions were like."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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


def rollout_metrics(scored: Sequence[ScoredRollout], *, judged: bool) -> dict[str, float | None]:
    """Means over the step's completions, as sampled; ``reward/<part>`` for each part of the reward.

    Where steps are rewarded, ``step_reward_mean`` is the mean over completions of the mean of their steps, and
    ``reward_auc`` how often a right completion's worst step has more than a wrong one's; under a learned outcome reward
    ``reward_auc`` is how often a right completion has more: the reward's own accuracy on today's policy. Where all are
    right, or none is, it is ``None``.

    Args:
        scored: of the step, at least one.
        judged: whether the verdicts are a checker's; shares of verdicts that were taken at their word, as those of
            demonstrations are, say nothing and are ``None``.
    """
    count = len(scored)

    def share(status: Status) -> float | None:
        return sum(item.verdict.status is status for item in scored) / count if judged else None

    return {
        "reward_mean": sum(item.reward for item in scored) / count,
        **_part_means(scored),
        **_of_learned(scored),
        "accuracy": share(Status.CORRECT),
        "no_answer_rate": share(Status.NO_ANSWER),
        "timeout_rate": share(Status.TIMEOUT),
        "truncated_rate": sum(item.rollout.truncated for item in scored) / count,
        "completion_tokens_mean": sum(item.rollout.num_own_tokens for item in scored) / count,
    }


def _part_means(scored: Sequence[ScoredRollout]) -> dict[str, float]:
    """The mean of each part of the reward, without its weight; nothing where the reward has no parts."""
    return {
        f"reward/{name}": sum(item.reward_parts[name] for item in scored) / len(scored)
        for name in scored[0].reward_parts
    }


def _of_learned(scored: Sequence[ScoredRollout]) -> dict[str, float | None]:
    """What is known of rewards that may disagree with the verdict: those of steps, and those that say who is right."""
    stepped = [item for item in scored if item.step_rewards]
    if stepped:
        means = [sum(item.step_rewards) / len(item.step_rewards) for item in stepped]
        worst = [(min(item.step_rewards), item.verdict.correct) for item in stepped]
        return {"step_reward_mean": sum(means) / len(means), "reward_auc": _order(worst)}
    if all(item.correct_by_reward is None for item in scored):
        return {}
    return {"reward_auc": _order([(item.reward, item.verdict.correct) for item in scored])}


def _order(rewards: Sequence[tuple[float, bool]]) -> float | None:
    """Share of the pairs of a right and a wrong completion in which the right one has more; equals count half."""
    wrong = sorted(reward for reward, right in rewards if not right)
    right = [reward for reward, is_right in rewards if is_right]
    if not wrong or not right:
        return None
    halves = sum(bisect_left(wrong, reward) + bisect_right(wrong, reward) for reward in right)
    return halves / (2 * len(right) * len(wrong))
