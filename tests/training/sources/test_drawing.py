"""Dynamic sampling: groups with equal rewards are dropped and other problems drawn, up to a limit."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from algorithms.groups import equal_rewards
from benchmarks.problem import Problem
from rewards.scoring import score_rollouts
from rewards.verdict import ScoredRollout
from sampling.rollout import Rollout
from sampling.sampler import Generation, SamplingConfig
from training.models.batches import build_batch
from training.sources.drawing import MAX_ROUNDS, draw_step, mixed_groups
from training.sources.online import OnlineSource
from training.sources.prompts import Prompts

NUM_PROBLEMS, PER_STEP, GROUP_SIZE = 40, 4, 3


class ScriptedSampler:
    """Completes problem k, whose prompt is (k,): a hard one never, an easy one always, a mixed one once in a group."""

    policy_version = 0

    def __init__(self, mixed: set[int]) -> None:
        self.mixed, self.asked = mixed, []

    def generate(self, requests: Sequence[Any], config: SamplingConfig, on_progress: Any = None) -> list[Generation]:
        generations = []
        for place, request in enumerate(requests):
            [number] = request.prompt_ids
            self.asked.append(number)
            right = place % GROUP_SIZE == 0 if number in self.mixed else number % 2 == 0
            # 9 is what ends it
            generations.append(Generation(completion_ids=(int(right), 9), finish_reason="stop", logprobs=None))
        return generations


def source(mixed: set[int]) -> tuple[OnlineSource, ScriptedSampler]:
    problems = tuple(
        Problem(problem_id=f"p{number}", benchmark="b", question="?", gold_answer="1") for number in range(NUM_PROBLEMS)
    )
    prompts = Prompts(
        problems=problems, prompt_ids=tuple((n,) for n in range(NUM_PROBLEMS)), per_step=PER_STEP, seed="s"
    )
    sampler = ScriptedSampler(mixed)
    tokenizer = SimpleNamespace(decode=lambda ids, skip_special_tokens: rf"\boxed{{{ids[0]}}}")
    online = OnlineSource(
        sampler=sampler,  # type: ignore[arg-type]
        policy=SimpleNamespace(tokenizer=tokenizer),  # type: ignore[arg-type]
        prompts=prompts,
        sampling=SamplingConfig(temperature=1.0, max_tokens=1),
        group_size=GROUP_SIZE,
        run_seed=0,
    )
    return online, sampler


def score(rollouts: Sequence[Rollout]) -> list[ScoredRollout]:
    return score_rollouts(rollouts)


def numbers(scored: Sequence[ScoredRollout]) -> list[int]:
    """The problems in order, once a group."""
    return [int(item.rollout.problem.problem_id[1:]) for item in scored[::GROUP_SIZE]]


def test_without_dynamic_sampling_everything_is_kept() -> None:
    online, _ = source(mixed=set())
    drawn = draw_step(online, 0, score, dynamic=False, problems=PER_STEP)
    assert drawn.rounds == 1 and drawn.kept == drawn.scored and len(drawn.kept) == PER_STEP * GROUP_SIZE


def test_only_mixed_groups_are_kept_and_others_are_drawn() -> None:
    mixed = set(range(0, NUM_PROBLEMS, 3))
    online, sampler = source(mixed)
    drawn = draw_step(online, 0, score, dynamic=True, problems=PER_STEP)
    kept = numbers(drawn.kept)
    assert drawn.rounds > 1 and len(kept) == PER_STEP == len(set(kept)) and set(kept) <= mixed
    assert kept == [number for number in numbers(drawn.scored) if number in mixed][:PER_STEP]
    groups = sampler.asked[::GROUP_SIZE]
    assert len(groups) == len(set(groups)), "a problem comes once a step"
    assert len(drawn.scored) == len(sampler.asked), "what was dropped is counted as drawn"


def test_the_first_round_is_that_of_every_other_method() -> None:
    online, sampler = source(mixed=set(range(0, NUM_PROBLEMS, 3)))
    draw_step(online, 2, score, dynamic=True, problems=PER_STEP)
    first = [int(problem.problem_id[1:]) for problem, _ in online.prompts.of_step(2)]
    assert sampler.asked[: PER_STEP * GROUP_SIZE : GROUP_SIZE] == first


def test_a_policy_that_solves_all_or_nothing_ends_the_drawing() -> None:
    online, _ = source(mixed=set())
    drawn = draw_step(online, 0, score, dynamic=True, problems=PER_STEP)
    assert drawn.kept == [] and drawn.rounds == MAX_ROUNDS


def test_rewards_that_float32_cannot_tell_apart_are_equal() -> None:
    """A batch holds float32, where such a group counts nowhere: others are drawn in its place."""
    online, _ = source(mixed=set())
    [*rollouts] = online.rollouts(0)[:GROUP_SIZE]

    def scored(*rewards: float) -> list[ScoredRollout]:
        given = iter(rewards)
        return score_rollouts(rollouts[: len(rewards)], reward=lambda rollout, verdict: next(given))

    assert 0.1 + 0.2 != 0.3 and mixed_groups(scored(0.1 + 0.2, 0.3)) == []
    apart = scored(0.3, 0.3001)
    assert mixed_groups(apart) == [apart]
    batch = build_batch(scored(0.1 + 0.2, 0.3), pad_token_id=0).tokens
    assert bool(equal_rewards(batch.rewards, batch.group).all())


def test_offline_completions_are_filtered_and_not_drawn_again() -> None:
    mixed = set(range(0, NUM_PROBLEMS, 3))
    online, _ = source(mixed)
    rollouts = online.rollouts(0)
    frozen = SimpleNamespace(rollouts=lambda step: rollouts)
    drawn = draw_step(frozen, 0, score, dynamic=True, problems=PER_STEP)  # type: ignore[arg-type]
    assert drawn.rounds == 1 and set(numbers(drawn.kept)) == set(numbers(drawn.scored)) & mixed


@pytest.mark.parametrize("attempt", [1, 2, 5])
def test_further_attempts_repeat_by_their_number(attempt: int) -> None:
    prompts = source(set())[0].prompts
    again = source(set())[0].prompts
    assert prompts.more_of_step(3, attempt) == again.more_of_step(3, attempt)
    assert prompts.more_of_step(3, attempt) != prompts.more_of_step(3, attempt + 1)
