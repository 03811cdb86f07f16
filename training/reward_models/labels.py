"""Labels of a policy's own completions: by the rule, or by how continuations of each step end (Math-Shepherd)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rewards.reward import StepReward, checked_steps
from rewards.scoring import judge
from rewards.steps.steps import step_rewards_at_tokens
from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from sampling.sampler import Request, Sampler, SamplingConfig
from sampling.seeds import request_seed
from sampling.text import TokenTexts
from training.models.policy import Policy
from training.reward_models.examples import labelled
from training.reward_models.serving import step_ends_of

__all__ = ["Continued", "continued_labels", "outcome_labels", "rule_step_labels"]


def outcome_labels(rollouts: Sequence[Rollout]) -> list[ScoredRollout]:
    """1 at the last token of a completion that the answer checker finds right, 0 at that of any other."""
    return [
        labelled(rollout, (float(verdict.correct),), (len(rollout.completion_ids) - 1,), correct=verdict.correct)
        for rollout, verdict in zip(rollouts, judge(rollouts), strict=True)
        if rollout.completion_ids
    ]


def rule_step_labels(rollouts: Sequence[Rollout], rule: StepReward, policy: Policy) -> list[ScoredRollout]:
    """The rule's word on each step: 1 where it rewards, 0 where it punishes; what it cannot check has no label.

    Args:
        rollouts: completions.
        rule: step reward with values above, below or at 0.
        policy: its tokenizer says where tokens end.
    """
    verdicts, steps = judge(rollouts), checked_steps(rule, rollouts)
    texts = TokenTexts(policy.tokenizer)
    result = []
    for rollout, verdict, of_rollout in zip(rollouts, verdicts, steps, strict=True):
        rewards, ends = step_rewards_at_tokens(of_rollout, texts.ends(rollout.completion_ids))
        told = [(float(reward > 0), end) for reward, end in zip(rewards, ends, strict=True) if reward != 0]
        result.append(
            labelled(rollout, [label for label, _ in told], [end for _, end in told], correct=verdict.correct)
        )
    return result


@dataclass(frozen=True, kw_only=True)
class Continued:
    """Completions labelled by continuations, and what these cost.

    Attributes:
        examples: one a completion.
        completions: continuations drawn.
        tokens: their tokens.
    """

    examples: list[ScoredRollout]
    completions: int
    tokens: int


def continued_labels(
    rollouts: Sequence[Rollout],
    sampler: Sampler,
    policy: Policy,
    sampling: SamplingConfig,
    *,
    continuations: int,
    hard: bool,
    run_seed: int,
    step: int,
    on_progress: Callable[[int], None] | None = None,
) -> Continued:
    """Monte-Carlo labels: the share of continuations of each step's prefix that end in the right answer.

    The last step of a completion is followed by nothing, so its label is whether the completion itself is right. All
    continuations of a fit are one request to the engine, which keeps what prefixes share.

    Args:
        rollouts: completions of any policy.
        sampler: holds the policy that continues.
        policy: its tokenizer decodes.
        sampling: temperature; `max_tokens` is that of prefix and continuation together.
        continuations: drawn from each step but the last.
        hard: 1 where any of them ends right (Math-Shepherd, Eq. 3), else the share (Eq. 4).
        run_seed: with the next and each request's place, fixes every continuation.
        step: of the training.
        on_progress: called with the number of continuations just finished.

    Returns:
        Labels at step ends and the cost: (steps − 1) × `continuations` completions for each of `rollouts`.
    """
    texts = TokenTexts(policy.tokenizer)
    ends = [step_ends_of(texts, rollout) for rollout in rollouts]
    places = [
        (row, end) for row, of_rollout in enumerate(ends) for end in of_rollout[:-1] if end + 1 < sampling.max_tokens
    ]
    wholes = _continue(
        [(rollouts[row], end) for row, end in places],
        sampler,
        policy,
        sampling,
        continuations,
        (run_seed, step),
        on_progress,
    )
    right = [verdict.correct for verdict in judge(wholes)]
    shares: dict[tuple[int, int], float] = {}
    for number, place in enumerate(places):
        count = sum(right[number * continuations : (number + 1) * continuations])
        shares[place] = float(count > 0) if hard else count / continuations
    examples = []
    for row, (rollout, verdict) in enumerate(zip(rollouts, judge(rollouts), strict=True)):
        labels = [shares.get((row, end), 0.0) for end in ends[row][:-1]]
        labels += [float(verdict.correct)] if ends[row] else []
        examples.append(labelled(rollout, labels, ends[row], correct=verdict.correct))
    kept = sum(end + 1 for _, end in places) * continuations
    tokens = sum(len(whole.completion_ids) for whole in wholes) - kept
    return Continued(examples=examples, completions=len(wholes), tokens=tokens)


def _continue(
    prefixes: Sequence[tuple[Rollout, int]],
    sampler: Sampler,
    policy: Policy,
    sampling: SamplingConfig,
    continuations: int,
    seeds: tuple[int, int],
    on_progress: Callable[[int], None] | None,
) -> list[Rollout]:
    """Whole completions that begin with these prefixes, `continuations` of each beside each other."""
    plan = [
        (
            rollout,
            end,
            Request(
                prompt_ids=(*rollout.prompt_ids, *rollout.completion_ids[: end + 1]),
                seed=request_seed(*seeds, rollout.problem.problem_id, index, f"continue/{rollout.sample_index}/{end}"),
                max_tokens=sampling.max_tokens - end - 1,
            ),
        )
        for rollout, end in prefixes
        for index in range(continuations)
    ]
    generations = sampler.generate([request for _, _, request in plan], sampling, on_progress)
    wholes = []
    for (rollout, end, request), generation in zip(plan, generations, strict=True):
        ids = (*rollout.completion_ids[: end + 1], *generation.completion_ids)
        wholes.append(
            replace(
                rollout,
                completion_ids=ids,
                completion=str(policy.tokenizer.decode(list(ids), skip_special_tokens=True)),
                finish_reason=generation.finish_reason,
                seed=request.seed,
                policy_version=sampler.policy_version,
                sampler_logprobs=None,
            )
        )
    return wholes
