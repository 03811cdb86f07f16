"""What the sentences say, word for word."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.report.sentences import (
    budget_sentence,
    control_sentence,
    crossing_sentence,
    difference_sentence,
    improvement_sentence,
    minus,
    seed_warning,
)
from analysis.statistics.budget import BudgetDifference
from analysis.statistics.crossings import Crossing
from analysis.statistics.differences import Difference
from analysis.statistics.intervals import Interval
from analysis.statistics.scores import VoteTable, score_votes

AHEAD = Difference(
    arm="GRPO+OS",
    baseline="RFT",
    benchmark="gsm8k",
    quantity="pass",
    k=1,
    num_seeds=3,
    num_baseline_seeds=3,
    num_problems=256,
    point=0.041,
    problem=Interval(point=0.041, low=0.025, high=0.057),
    seed=Interval(point=0.041, low=0.03, high=0.052),
    total=Interval(point=0.041, low=0.02, high=0.062),
    p_value=0.001,
    p_holm=0.006,
    num_comparisons=6,
    detectable=0.032,
    improvement=Interval(point=0.61, low=0.57, high=0.65),
    confidence=0.95,
)
CROSSING = Crossing(
    arm="grpo",
    baseline="rft",
    benchmark="gsm8k",
    leader="grpo",
    k=12.34,
    low=7.0,
    high=np.inf,
    share=0.96,
    leads_to=64,
    leads_surely_to=64,
    largest_k=64,
    confidence=0.95,
)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (AHEAD, "GRPO+OS beats RFT on Pass@1 by 4.1 points (95 % 2.0 to 6.2, 3 seeds, 256 problems)."),
        (
            replace(
                AHEAD, point=-0.041, total=Interval(point=-0.041, low=-0.062, high=-0.02), quantity="majority", k=16
            ),
            "GRPO+OS falls short of RFT on Maj@16 by 4.1 points (95 % −6.2 to −2.0, 3 seeds, 256 problems).",
        ),
        (
            replace(
                AHEAD, point=-0.0004, total=Interval(point=-0.0004, low=-0.02, high=0.019), p_value=0.9, p_holm=1.0
            ),
            "GRPO+OS and RFT cannot be told apart on Pass@1: +0.0 points (95 % −2.0 to 1.9, 3 seeds, 256 problems); "
            "the smallest difference that this design finds four times in five is 3.2 points.",
        ),
        (
            replace(AHEAD, p_value=0.02, p_holm=0.12),
            "GRPO+OS and RFT cannot be told apart on Pass@1: +4.1 points (95 % 2.0 to 6.2, 3 seeds, 256 problems; p = "
            "0.12 after correction for 6 comparisons); the smallest difference that this design finds four times in "
            "five is 3.2 points.",
        ),
        (
            replace(AHEAD, num_seeds=1, num_baseline_seeds=1),
            "GRPO+OS beats RFT on Pass@1 by 4.1 points (95 % 2.0 to 6.2, 1 seed: training noise is not in the "
            "interval, 256 problems).",
        ),
        (
            replace(AHEAD, num_seeds=1),
            "GRPO+OS beats RFT on Pass@1 by 4.1 points (95 % 2.0 to 6.2, 1 seed of GRPO+OS: its training noise is not "
            "in the interval, 3 of RFT, 256 problems).",
        ),
        (
            replace(AHEAD, num_baseline_seeds=1),
            "GRPO+OS beats RFT on Pass@1 by 4.1 points (95 % 2.0 to 6.2, 1 seed of RFT: its training noise is not in "
            "the interval, 3 of GRPO+OS, 256 problems).",
        ),
        (
            replace(AHEAD, num_baseline_seeds=2),
            "GRPO+OS beats RFT on Pass@1 by 4.1 points (95 % 2.0 to 6.2, 3 seeds of GRPO+OS and 2 of RFT, 256 "
            "problems).",
        ),
    ],
)
def test_differences(difference, expected):
    assert difference_sentence(difference) == expected


@pytest.mark.parametrize(
    ("crossing", "expected"),
    [
        (CROSSING, "grpo leads rft on Pass@K up to K = 12.3 (95 % over problems: 7 to beyond 64)."),
        (
            replace(CROSSING, leader="rft", low=0.0, high=20.0),
            "rft leads grpo on Pass@K up to K = 12.3 (95 % over problems: below 1 to 20).",
        ),
        (
            replace(CROSSING, k=np.nan, low=np.inf),
            "grpo leads rft on Pass@K at every K up to 64, in at least 97.5 % of the resamples of the problems too.",
        ),
        (
            replace(CROSSING, k=np.nan, low=np.inf, leads_surely_to=45),
            "grpo leads rft on Pass@K at every K up to 64; in at least 97.5 % of the resamples of the problems it "
            "leads up to K = 45 and is never behind up to 64.",
        ),
        (
            replace(CROSSING, k=np.nan, low=np.inf, leads_to=32, leads_surely_to=32),
            "grpo leads rft on Pass@K up to K = 32 and is never behind up to 64, in at least 97.5 % of the resamples "
            "of the problems too.",
        ),
        (
            replace(CROSSING, k=np.nan, low=16.0),
            "grpo leads rft on Pass@K at every K up to 64, but that they cross from K = 16 on is not excluded (95 % "
            "over problems).",
        ),
        (
            replace(CROSSING, k=np.nan, low=0.0),
            "grpo leads rft on Pass@K at every K up to 64, but not surely at any: the problems leave open who "
            "leads at K = 1.",
        ),
    ],
)
def test_crossings(crossing, expected):
    assert crossing_sentence(crossing) == expected


def test_a_budget_stands_in_front():
    found = BudgetDifference(x="completions_sampled", level=11520.0, difference=AHEAD)
    assert budget_sentence(found).startswith("At 11,520 completions sampled: GRPO+OS beats RFT on Pass@1 by 4.1 points")


def test_probability_of_improvement():
    assert improvement_sentence(AHEAD) == (
        "On a problem drawn at random, a run of GRPO+OS scores above one of RFT with probability 0.61 (95 % 0.57 to "
        "0.65, ties counting half)."
    )


def test_controls():
    same = replace(AHEAD, arm="DPO", p_holm=0.3)
    assert control_sentence([AHEAD]) == "Every method beats the control RFT."
    assert control_sentence([AHEAD, same]) == "Not shown to beat the control RFT: DPO."
    with pytest.raises(ValueError, match=r"differences to \['PPO', 'RFT'\]; expected one control"):
        control_sentence([AHEAD, replace(AHEAD, baseline="PPO")])


def warned(*counts: int) -> str:
    """The warning for arms with so many seeds."""
    votes = VoteTable(
        problem_ids=("p",),
        num_samples_P=np.array([1]),
        num_correct_P=np.array([1]),
        num_abstaining_P=np.array([0]),
        wrong_votes_P=((),),
    )
    return seed_warning(
        [score_votes([votes] * n, [1], arm=f"arm{n}", benchmark="sums", seeds=range(n)) for n in counts]
    )


def test_the_warning_names_the_cases_that_there_are():
    assert warned(3, 5) == ""
    one = "with one seed an arm's training noise is in no interval"
    two = "with two training noise is known only by taking it to be alike in three arms or more with the same seeds, "
    two += "and hardly at all where fewer share them"
    assert warned(1, 3) == f"Fewer than 3 seeds carry these claims (arm1 1): {one}."
    assert warned(2) == f"Fewer than 3 seeds carry these claims (arm2 2): {two}."
    assert warned(2, 1) == f"Fewer than 3 seeds carry these claims (arm2 2, arm1 1): {one}, {two}."


def test_a_rounded_zero_has_no_minus():
    assert [minus(value) for value in (-0.04, 0.04, -0.06, 3.14)] == ["0.0", "0.0", "−0.1", "3.1"]
