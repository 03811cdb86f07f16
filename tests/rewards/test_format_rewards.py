from __future__ import annotations

import itertools
import math
import random
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rewards.control import RandomReward, random_reward
from rewards.format import LengthWindow, ThinkFormat, boxed_once, format_reward, think_format_reward, within_tags
from rewards.length import SoftOverlongPunishment, soft_overlong_punishment
from rewards.repetition import RepetitionPenalty, repeated_share
from sampling.seeds import request_seed
from tests.rewards.rollouts import RIGHT, WRONG, rollout_of
from tests.timing import turns

BOXES: list[tuple[str, bool, str]] = [
    ("so \\boxed{5}", True, "one box"),
    ("\\boxed{\\frac{1}{2}}", True, "nested braces"),
    ("\\boxed{\\{1,2\\}}", True, "escaped braces"),
    ("\\boxed{4} no, \\boxed{5}", False, "two boxes"),
    ("\\boxed{5} \\boxed{5}", False, "the same box twice"),
    ("\\boxed{\\boxed{5}}", False, "a box in a box"),
    ("\\fbox{5}", False, "another box"),
    ("\\boxed{}", False, "an empty box"),
    ("\\boxed{ }", False, "a blank box"),
    ("\\boxed{\\ }", False, "a box with a blank of LaTeX"),
    ("\\boxed{$$}", False, "a box with delimiters only"),
    ("\\boxed{\\infty}", True, "a box with a sign"),
    ("<think>\\boxed{4}</think> \\boxed{5}", True, "a box in the draft does not count"),
    ("<think>\\boxed{5}</think> 5", False, "nor is it the answer's"),
    ("<thinking>\\boxed{5}</thinking>", False, "nor in a draft of another name"),
    ("\\boxed{5", False, "a box that never closes"),
    ("\\boxed 5", False, "a box without braces"),
    ("\\boxedx{5}", False, "another command"),
    ("5", False, "no box"),
    ("", False, "nothing"),
]


@pytest.mark.parametrize(("completion", "fits", "why"), BOXES, ids=[case[2] for case in BOXES])
def test_boxed_once(completion: str, fits: bool, why: str) -> None:
    assert boxed_once(completion) is fits, why
    for verdict in (RIGHT, WRONG):  # a control arm's reward: the answer does not matter
        assert format_reward(rollout_of(completion), verdict) == float(fits)


TAGS: list[tuple[str, bool, bool, str]] = [
    ("<think>a</think><answer>5</answer>", True, True, "the template"),
    ("\n<think>\na\nb\n</think>\n\n<answer> 5 </answer>\n", True, True, "blanks and lines"),
    ("<think>a</think>The answer is 5.", False, True, "no answer tags"),
    ("<think>a</think>", False, False, "no answer at all"),
    ("<think>a</think>  \n", False, False, "a blank answer"),
    ("<think> </think><answer>5</answer>", False, False, "no reasoning"),
    ("<think>a</think><answer> </answer>", False, True, "a blank answer in tags"),
    ("<answer>5</answer><think>a</think>", False, False, "the wrong order"),
    ("so <think>a</think><answer>5</answer>", False, False, "text before"),
    ("<think>a</think> so <answer>5</answer>", False, True, "text between"),
    ("<think>a</think><answer>5</answer>.", False, True, "text after"),
    ("<think>a<think>b</think><answer>5</answer>", False, False, "two openings"),
    ("<think>a</think></think><answer>5</answer>", False, False, "two ends"),
    ("<think>a</think><answer>4</answer><answer>5</answer>", False, True, "two answers"),
    ("<think>a<answer>4</answer></think><answer>5</answer>", False, True, "an answer in the draft"),
    ("<think>a<answer>5</think></answer>", False, True, "tags that cross"),
    ("<think>a", False, False, "cut off"),
    ("", False, False, "nothing"),
]


@pytest.mark.parametrize(("completion", "both", "thought", "why"), TAGS, ids=[case[3] for case in TAGS])
def test_tags(completion: str, both: bool, thought: bool, why: str) -> None:
    assert within_tags(completion) is both, why
    assert within_tags(completion, answer_tags=False) is thought, why
    assert think_format_reward(rollout_of(completion), WRONG) == float(both)
    assert ThinkFormat(answer_tags=False)(rollout_of(completion), WRONG) == float(thought)
    opened = completion.lstrip()
    if opened.startswith("<think>"):  # the same text where the prompt has written the first tag
        assert within_tags(opened.removeprefix("<think>"), opened_by_prompt=True) is both
        assert not within_tags(completion, opened_by_prompt=True)


@pytest.mark.parametrize("answer_tags", [True, False])
def test_tags_agree_with_a_regular_expression(answer_tags: bool) -> None:
    body = r"(?:(?!</?think>|</?answer>).)*" if answer_tags else r"(?:(?!</?think>).)*"
    if answer_tags:
        pattern = rf"\s*<think>(?!\s*</think>){body}</think>\s*<answer>(?!\s*</answer>){body}</answer>\s*"
    else:
        pattern = rf"\s*<think>(?!\s*</think>){body}</think>(?=.*\S){body}"
    pieces = ["<think>", "</think>", "<answer>", "</answer>", "a", " "]
    for size in range(7):
        for parts in itertools.product(pieces, repeat=size):
            text = "".join(parts)
            expected = re.fullmatch(pattern, text, re.DOTALL) is not None
            assert within_tags(text, answer_tags=answer_tags) is expected, text


@pytest.mark.parametrize("completion", ["<think>" * 15_000, "\\boxed{" * 15_000, "</think>" * 12_000 + "x"])
def test_formats_take_linear_time(completion: str) -> None:
    work = turns(lambda: (within_tags(completion), boxed_once(completion)))
    assert work < 20e6  # quadratic work would take minutes


def test_length_window_by_hand() -> None:
    window = LengthWindow(min_tokens=2, max_tokens=3)
    assert [window(rollout_of(ids=range(n)), WRONG) for n in range(5)] == [0, 0, 1, 1, 0]
    assert window(rollout_of(ids=range(3), truncated=True), RIGHT) == 0
    with pytest.raises(ValueError, match="0 <= min <= max"):
        LengthWindow(min_tokens=4, max_tokens=3)


def test_overlong_punishment_by_hand_with_the_numbers_of_the_paper() -> None:
    """DAPO, section 4.1: a maximum of 16,384 tokens and a cache of 4,096 more."""
    punishment = SoftOverlongPunishment(max_tokens=20_480, cache_tokens=4_096)
    cases = {0: 0, 16_383: 0, 16_384: 0, 16_385: -1 / 4096, 18_432: -0.5, 20_479: -4095 / 4096, 20_480: -1, 20_481: -1}
    for num_tokens, expected in cases.items():
        assert punishment(rollout_of(ids=range(num_tokens)), RIGHT) == expected


@given(max_tokens=st.integers(1, 60), share=st.floats(0, 1), num_tokens=st.integers(0, 80))
def test_overlong_punishment_falls_evenly(max_tokens: int, share: float, num_tokens: int) -> None:
    cache = int(max_tokens * share)
    here, there = (
        soft_overlong_punishment(n, max_tokens=max_tokens, cache_tokens=cache) for n in (num_tokens, num_tokens + 1)
    )
    assert -1 <= there <= here <= 0
    if cache:  # continuous: no token costs more than 1 / L_cache
        assert here - there <= 1 / cache + 1e-12
        assert soft_overlong_punishment(max_tokens, max_tokens=max_tokens, cache_tokens=cache) == -1
    assert soft_overlong_punishment(max_tokens - cache, max_tokens=max_tokens, cache_tokens=cache) == 0


def test_overlong_and_repetition_agree_with_trl() -> None:
    trl = pytest.importorskip("trl.rewards.other_rewards")
    generator = random.Random(0)
    for _ in range(300):
        ids = [generator.randrange(4) for _ in range(generator.randrange(40))]
        length, cache, ngram = generator.randrange(10, 40), generator.randrange(1, 10), generator.randrange(1, 6)
        [theirs] = trl.get_soft_overlong_punishment(length, cache)(completion_ids=[ids])
        assert SoftOverlongPunishment(max_tokens=length, cache_tokens=cache)(rollout_of(ids=ids), RIGHT) == theirs
        [theirs] = trl.get_repetition_penalty_reward(ngram, -0.7)(completion_ids=[ids])
        ours = RepetitionPenalty(ngram_size=ngram, max_penalty=0.7)(rollout_of(ids=ids), RIGHT)
        assert math.isclose(ours, theirs, abs_tol=1e-12)


def test_repetition_by_hand() -> None:
    assert repeated_share([1, 2, 3, 4], 2) == 0
    assert repeated_share([5, 5, 5, 5, 5], 2) == 0.75  # four pairs, one of them new
    assert repeated_share("abcabc", 3) == 0.25  # abc bca cab abc
    assert repeated_share([1, 1], 3) == 0
    assert repeated_share([], 1) == 0
    assert RepetitionPenalty(ngram_size=2, max_penalty=2.0)(rollout_of(ids=[5] * 5), RIGHT) == -1.5
    with pytest.raises(ValueError, match="subtracted"):
        RepetitionPenalty(max_penalty=-1.0)


@settings(max_examples=200)
@given(items=st.lists(st.integers(0, 2), max_size=30), size=st.integers(1, 5))
def test_repetition_is_the_share_of_ngrams_that_were_there_before(items: list[int], size: int) -> None:
    ngrams = [items[start : start + size] for start in range(len(items) - size + 1)]
    again = sum(ngram in ngrams[:place] for place, ngram in enumerate(ngrams))
    assert repeated_share(items, size) == pytest.approx(again / len(ngrams) if ngrams else 0.0)


def test_random_reward_repeats_and_depends_on_nothing_else() -> None:
    def rewards(run: int, step: int, problem: str) -> list[float]:
        return [
            random_reward(
                rollout_of(problem_id=problem, sample_index=k, seed=request_seed(run, step, problem, k)), WRONG
            )
            for k in range(64)
        ]

    base = rewards(0, 0, "p")
    assert base == rewards(0, 0, "p")
    others = [rewards(1, 0, "p"), rewards(0, 1, "p"), rewards(0, 0, "q")]
    assert all(other != base for other in others)
    assert set(base) == {0.0, 1.0}
    one = rollout_of("\\boxed{5}", seed=3)
    assert random_reward(one, RIGHT) == random_reward(rollout_of("something else", seed=3), WRONG)


@pytest.mark.parametrize("probability", [0.0, 0.1, 0.5, 1.0])
def test_random_reward_has_its_probability(probability: float) -> None:
    reward = RandomReward(probability=probability)
    draws = [
        reward(rollout_of(problem_id=str(p), sample_index=k, seed=request_seed(7, 0, str(p), k)), WRONG)
        for p in range(500)
        for k in range(8)
    ]
    error = 4.5 * math.sqrt(probability * (1 - probability) / len(draws))
    assert abs(sum(draws) / len(draws) - probability) <= error


def test_a_probability_above_one_is_refused() -> None:
    with pytest.raises(ValueError, match="from 0 to 1"):
        RandomReward(probability=1.5)
