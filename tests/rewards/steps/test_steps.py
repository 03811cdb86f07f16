from __future__ import annotations

import bisect
import random
import time
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.problem import Problem
from rewards import (
    ScoredRollout,
    StepVerdict,
    check_answer,
    check_steps,
    split_steps,
    step_rewards_at_tokens,
    step_token_ends,
)
from sampling.rollout import Rollout
from sampling.text import token_ends

LINES: list[tuple[str, float, str]] = [
    ("16 - 3 - 4 = 9", 1, "a sum"),
    ("16 - 3 - 4 = 8", -1, "a wrong sum"),
    ("She makes 9 * 2 = $<<9*2=18>>18 a day.", 1, "GSM8K's annotation"),
    ("She makes 9 * 2 = $<<9*2=19>>19 a day.", -1, "a wrong annotation"),
    ("That is <<3*4=12>>12 apples.", 1, "an annotation alone"),
    ("$3 \\times 4 = 12$", 1, "LaTeX times"),
    ("3 × 4 = 13", -1, "unicode times, wrong"),
    ("3 x 4 = 12", 1, "the letter x between numbers"),
    ("2 * 3 = 6 = 12 / 2", 1, "a chain"),
    ("2 * 3 = 6 = 12 / 3", -1, "a chain whose end is wrong"),
    ("10 / 4 = 2.5", 1, "a decimal"),
    ("10 / 3 = 3.33", -1, "a rounded value"),
    ("0.1 + 0.2 = 0.3", 1, "never a float"),
    ("1,200 + 300 = 1,500", 1, "thousands separators"),
    ("$1200 + $300 = $1500", 1, "currency signs"),
    ("\\frac{1}{2} + \\frac{1}{3} = \\frac{5}{6}", 1, "fractions"),
    ("\\frac{1}{2} + \\frac{1}{3} = \\frac{2}{5}", -1, "fractions, wrong"),
    ("(12+7)*3 = 57", 1, "brackets"),
    ("So (5 + 3 = 8) apples", 1, "an equation in brackets"),
    ("2^3 = 8", 1, "a power"),
    ("-5 + 3 = -2", 1, "a negative number"),
    ("- 5 + 3 = 8", 1, "a list bullet is no minus"),
    ("2. 5 + 3 = 8", 1, "nor is a list number a factor"),
    ("**5 + 3 = 8**", 1, "bold"),
    ("5 + 3 = \\boxed{8}", 1, "boxed result"),
    ("5 + 3 = \\boxed{9}", -1, "boxed result, wrong"),
    ("5 + 3 = 8 and 2 * 2 = 5", -1, "one of two is wrong"),
    ("25% * 200 = 50", 1, "a percentage"),
    ("There are 5 apples.", 0, "no equation"),
    ("x + 5 = 10", 0, "a variable before"),
    ("3x + 5 = 11", 0, "a variable in the middle"),
    ("5 + 3 = 4x", 0, "a variable after"),
    ("x = 5 + 3 = 8", 1, "a named chain"),
    ("x = 5 + 3 = 9", -1, "a named chain, wrong"),
    ("20% of 50 + 5 = 15", 0, "words inside a side"),
    ("5 cm + 3 = 8", 0, "a unit inside a side"),
    ("60 = 60", 0, "no operator"),
    ("1 hour = 60 minutes", 0, "a conversion"),
    ("$1 = 100 cents", 0, "a conversion with a currency"),
    ("3 + 4 ≈ 8", 0, "no equality"),
    ("\\sqrt{9} + 1 = 5", 0, "a command before"),
    ("10 / 3 = 3.33...", 0, "an open decimal"),
    ("f(3) + 2 = 9", 0, "a function before"),
    ("6:00 + 48 = 6:48", 0, "times of day"),
    ("17 / 4 = 4 with a remainder of 1", 0, "a whole division"),
    ("17 / 4 = 4.25 with nothing remaining", 1, "a doubt does not undo a right equation"),
    ("17 + 4 = 20 = 5 * 4 remaining", -1, "nor an error before the side in doubt"),
    ("\\[ 23 \\div 4 = 5 \\text{ remainder } 3 \\]", 0, "a whole division in LaTeX"),
    ("$1 / 2 = 50 cents", 0, "another unit"),
    ("49 - 6 = 3ab", 0, "a product of variables after"),
    ("f'(5) = 3 + 1", 0, "a derivative before"),
    ("2/9 = 0.\\overline{2}", 0, "a repeating decimal"),
    ("4 / 3 = 1 and 1/3", 0, "a mixed number in words"),
    ("12 x 1 and 1/4 = 15", 0, "a mixed number in words before"),
    ("10 = -10", 0, "a sign is no operator"),
    ("3 - 13 = -10", 1, "but a difference is one"),
    ("This means $0=0$!", 0, "an exclamation mark after a formula"),
    ("We subtract. - 48 - 2 = 46", 1, "a list bullet in the line"),
    ("\\frac12(3+(-7)) = -2", 1, "a half, not twelve"),
    ("6!/3!3! = 20", 0, "a quotient that can be read in two ways"),
    ("9**9**9 = 5", 0, "past a bound"),
    ("1/0 = 5 + 0", 0, "no value"),
]


@pytest.mark.parametrize(("line", "reward", "why"), LINES, ids=[case[2] for case in LINES])
def test_line(line: str, reward: float, why: str) -> None:
    assert check_steps(line) == (StepVerdict(end=len(line), reward=float(reward)),), why


FARMED = [
    ("3 + 4 = 7\n3 + 4 = 7", (1, 0), "the same equation again"),
    ("3 + 4 = 7\n4+3=7\n7 = 3 + 4\n<<3+4=7>>", (1, 0, 0, 0), "in another order and spelling"),
    ("3 + 4 = 7\n3 + 4 + 0 = 7\n1*3 + 4 = 7", (1, 0, 0), "padded with what changes nothing"),
    ("5 + 0 = 5\n5 * 1 = 5\n<<7=7>>\n0 + 0 = 0", (0, 0, 0, 0), "equations that compute nothing"),
    ("3 + 4 = 8\n3 + 4 = 8", (-1, -1), "an error costs each time"),
    ("3 + 4 = 7, 3 + 4 = 7, 2 * 5 = 10\n2 * 5 = 10", (1, 0), "a new one beside an old one pays, once"),
    ("3 + 4 = 7\n3 + 4 = 7 and 2 + 2 = 5", (1, -1), "an old one does not hide an error"),
    ("16 - 3 = 13 <<16-3=13>>13\n13 - 4 = 9", (1, 1), "each step of a solution"),
    (
        "1 + 1 = 2\n2 + 1 = 3\n3 + 1 = 4",
        (1, 1, 1),
        "known limit: true sums of fresh numbers still earn",
    ),
]


@pytest.mark.parametrize(("text", "rewards", "why"), FARMED, ids=[case[2] for case in FARMED])
def test_what_a_policy_could_farm(text: str, rewards: tuple[int, ...], why: str) -> None:
    assert tuple(step.reward for step in check_steps(text)) == rewards, why


@pytest.mark.parametrize("piece", ["#### 5\n", "#### 5\n\n", "#### 5\r\n", "#### 5", "\n"])
def test_steps_take_linear_time(piece: str) -> None:
    """Eight times the text takes about eight times the processor time; it took sixty-four times."""

    def seconds(length: int) -> float:
        text = piece * (length // len(piece))
        trials = []
        for _ in range(3):
            start = time.process_time()
            check_steps(text)
            trials.append(time.process_time() - start)
        return min(trials)

    assert seconds(1_600_000) < 24 * max(seconds(200_000), 2e-3)


def test_steps_cover_the_text_without_gaps() -> None:
    text = "\n1 + 1 = 2\n\n  \n1 + 1 = 3\nwords\n"
    assert check_steps(text) == (
        StepVerdict(end=15, reward=1.0),
        StepVerdict(end=25, reward=-1.0),
        StepVerdict(end=31, reward=0.0),
    )
    assert split_steps(text) == ((0, 15), (15, 25), (25, 31))
    assert check_steps(" \n ") == check_steps("") == ()


def test_tokens_by_hand() -> None:
    steps = [StepVerdict(end=3, reward=1.0), StepVerdict(end=6, reward=-1.0), StepVerdict(end=9, reward=0.0)]
    assert step_rewards_at_tokens(steps, [3, 6, 9]) == ((1.0, -1.0, 0.0), (0, 1, 2))
    assert step_rewards_at_tokens(steps, [1, 2, 4, 6, 7, 9, 9]) == ((1.0, -1.0, 0.0), (2, 3, 6))  # the last is the EOS
    assert step_rewards_at_tokens(steps, [2, 7, 9]) == ((-1.0, 0.0), (1, 2))  # two steps end in the token 2..7
    assert step_rewards_at_tokens(steps, [9]) == ((-1.0,), (0,))
    assert step_rewards_at_tokens([steps[0], steps[2]], [9]) == ((1.0,), (0,))
    assert step_rewards_at_tokens(steps, []) == step_rewards_at_tokens([], [3]) == ((), ())
    assert step_rewards_at_tokens(steps, [3, 5]) == ((1.0, -1.0), (0, 1))  # tokens that stop short of the text
    assert step_token_ends([3, 6, 9], [2, 7, 9]) == (1, 2)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 10**9), lines=st.lists(st.sampled_from(["1+1=2", "1+1=3", "so", ""]), max_size=8))
def test_tokens_of_random_tokenisations(seed: int, lines: list[str]) -> None:
    text = "\n".join(lines)
    generator = random.Random(seed)
    cuts = sorted(generator.choices(range(len(text) + 1), k=generator.randrange(12))) if text else []
    token_ends = [*cuts, len(text)] + [len(text)] * generator.randrange(3)
    steps = check_steps(text)
    rewards, ends = step_rewards_at_tokens(steps, token_ends)
    if not steps:
        assert (rewards, ends) == ((), ())
        return
    assert ends[-1] == len(token_ends) - 1
    # independent definition: the owner of a step is the token that holds its last character
    starts = [0, *token_ends[:-1]]
    owners = [
        next(k for k, (a, b) in enumerate(zip(starts, token_ends, strict=True)) if a <= step.end - 1 < b)
        for step in steps
    ]
    groups = {owner: [s.reward for o, s in zip(owners, steps, strict=True) if o == owner] for owner in owners}
    assert list(ends[:-1]) == sorted(groups)[:-1]
    assert [reward < 0 for reward in rewards] == [min(group) < 0 for group in groups.values()]
    problem = Problem(problem_id="1", benchmark="b", question="q", gold_answer="2")
    rollout = Rollout(
        problem=problem,
        prompt_ids=(1,),
        completion_ids=tuple(range(len(token_ends))),
        completion=text,
        finish_reason="stop",
        sample_index=0,
        seed=0,
        policy_version=0,
    )
    verdict = check_answer(text, "2")
    ScoredRollout(rollout=rollout, verdict=verdict, reward=0.0, step_rewards=rewards, step_ends=ends)  # does not raise


class ByteTokenizer:
    """Tokens are runs of bytes, cut anywhere, also within a character, as byte-level BPE cuts them."""

    def __init__(self, pieces: list[bytes]) -> None:
        self.pieces = pieces

    def decode(self, token_ids, skip_special_tokens: bool = True) -> str:
        return b"".join(self.pieces[token] for token in token_ids).decode("utf-8", "replace")


CHARACTER_LINES = [
    "1+1=2",
    "1+1=3",
    "3×4=12 ✓",
    "3×4=13",
    "答案是 5",
    "π ≈ 3.14",
    "",
    "é\u0301👩\u200d🚀",
    "−5 + 3 = −2",
]


@settings(max_examples=400, deadline=None)
@given(
    lines=st.lists(
        st.one_of(
            st.sampled_from(
                ["1+1=2", "1+1=3", "3×4=12 ✓", "3×4=13", "答案是 5", "π ≈ 3.14", "", "é\u0301👩‍🚀", "−5 + 3 = −2"]
            ),
            st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\ufffd"), max_size=6),
        ),
        max_size=8,
    ),
    data=st.data(),
)
def test_steps_of_characters_that_are_spread_over_tokens(lines: list[str], data: st.DataObject) -> None:
    """The reference works on bytes: a step belongs to the token that holds its last byte."""
    text = "\n".join(lines)
    raw = text.encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=2 * len(raw))))
    bounds = [0, *cuts, len(raw)]
    pieces = [raw[start:end] for start, end in pairwise(bounds)] + [b""]  # the last is the EOS
    ends = token_ends(ByteTokenizer(pieces), range(len(pieces)))  # type: ignore[arg-type]
    assert ends == [len(raw[:bound].decode("utf-8", "ignore")) for bound in bounds[1:]] + [len(text)]
    steps = check_steps(text)
    rewards, indices = step_rewards_at_tokens(steps, ends)
    if not steps:
        assert (rewards, indices) == ((), ())
        return
    byte_ends = [len(text[: step.end].encode()) for step in steps]
    owners = [bisect.bisect_left(bounds[1:], end) for end in byte_ends]
    expected: dict[int, list[float]] = {}
    for owner, step in zip(owners, steps, strict=True):
        expected.setdefault(owner, []).append(step.reward)
    assert list(indices) == [*list(expected)[:-1], len(pieces) - 1]
    assert list(rewards) == [-1.0 if -1.0 in group else max(group) for group in expected.values()]
    assert sum(reward < 0 for reward in rewards) <= sum(step.reward < 0 for step in steps)
    assert any(reward < 0 for reward in rewards) == any(step.reward < 0 for step in steps)
