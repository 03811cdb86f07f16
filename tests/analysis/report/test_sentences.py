"""What the sentences say, word for word."""

from dataclasses import replace

import numpy as np
import pytest

from analysis.noise.intervals import Interval
from analysis.report.contrast_tables import contrast_columns
from analysis.report.sentences import (
    budget_sentence,
    control_sentence,
    crossing_sentence,
    difference_sentence,
    minus,
    no_crossing_sentence,
)
from analysis.statistics.budget import BudgetDifference
from analysis.statistics.crossings import Crossing
from analysis.statistics.differences import Difference

AHEAD = Difference(
    name="GRPO+OS − RFT",
    arm="GRPO+OS",
    baseline="RFT",
    benchmark="gsm8k",
    quantity="pass",
    k=1,
    temperature=0.7,
    num_seeds=3,
    num_baseline_seeds=3,
    num_problems=256,
    point=0.041,
    interval=Interval(point=0.041, low=0.02, high=0.062),
    seed_points=(0.04, 0.04, 0.043),
    p_value=0.001,
    p_holm=0.006,
    num_comparisons=6,
    detectable=0.032,
    confidence=0.95,
)
CROSSING = Crossing(
    arm="grpo",
    baseline="rft",
    benchmark="gsm8k",
    leader="grpo",
    k=12.34,
    low=7.0,
    high=20.0,
    sure=True,
    num_seeds=3,
    largest_k=64,
    temperature=1.0,
    confidence=0.95,
)


@pytest.mark.parametrize(
    ("difference", "expected"),
    [
        (
            AHEAD,
            "GRPO+OS beats RFT on Pass@1 at temperature 0.7 by 4.1 points (95 % 2.0 to 6.2, 3 seeds, 256 problems).",
        ),
        (
            replace(
                AHEAD,
                point=-0.041,
                interval=Interval(point=-0.041, low=-0.062, high=-0.02),
                quantity="majority",
                k=16,
                temperature=None,
            ),
            "GRPO+OS falls short of RFT on Maj@16 by 4.1 points (95 % −6.2 to −2.0, 3 seeds, 256 problems).",
        ),
        (
            replace(
                AHEAD,
                point=-0.0004,
                interval=Interval(point=-0.0004, low=-0.02, high=0.019),
                p_holm=1.0,
                temperature=0.0,
            ),
            "GRPO+OS and RFT cannot be told apart on Pass@1 decoded greedily: +0.0 points (95 % −2.0 to 1.9, 3 seeds, "
            "256 problems); the smallest difference that this design finds four times in five is 3.2 points.",
        ),
        (
            replace(AHEAD, p_value=0.02, p_holm=0.12),
            "GRPO+OS and RFT cannot be told apart on Pass@1 at temperature 0.7: +4.1 points (95 % 2.0 to 6.2, 3 seeds, "
            "256 problems; p = 0.12 after correction for 6 contrasts); the smallest difference that this design finds "
            "four times in five is 3.2 points.",
        ),
        (
            replace(AHEAD, num_seeds=1, num_baseline_seeds=1),
            "GRPO+OS minus RFT on Pass@1 at temperature 0.7: +4.1 points (95 % 2.0 to 6.2, 1 seed: training noise is "
            "not in the interval, 256 problems); no verdict: that needs two seeds an arm.",
        ),
        (
            replace(AHEAD, num_seeds=1),
            "GRPO+OS minus RFT on Pass@1 at temperature 0.7: +4.1 points (95 % 2.0 to 6.2, 1 seed of GRPO+OS: training "
            "noise is not in the interval, 3 of RFT, 256 problems); no verdict: that needs two seeds an arm.",
        ),
        (
            replace(AHEAD, num_comparisons=0, p_holm=np.nan),
            "GRPO+OS minus RFT on Pass@1 at temperature 0.7: +4.1 points (95 % 2.0 to 6.2, 3 seeds, 256 problems), not "
            "declared.",
        ),
    ],
)
def test_differences(difference, expected):
    assert difference_sentence(difference) == expected


def test_a_verdict_of_two_seeds_says_what_it_assumes():
    sentence = difference_sentence(replace(AHEAD, num_baseline_seeds=2))
    assert sentence.startswith("GRPO+OS beats RFT on Pass@1 at temperature 0.7 by 4.1 points")
    assert "3 seeds of GRPO+OS and 2 of RFT" in sentence
    assert "taken to be normal" in sentence


def test_crossings():
    assert crossing_sentence(CROSSING) == (
        "grpo leads rft on Pass@K at temperature 1 up to K = 12.3 (95 % over problems and 3 seeds: 7 to 20) and is "
        "behind it at K = 64."
    )
    assert crossing_sentence(replace(CROSSING, sure=False)) == ""


def test_a_budget_stands_in_front():
    found = BudgetDifference(x="completions_sampled", level=11520.0, difference=AHEAD)
    assert budget_sentence(found).startswith("At 11,520 completions sampled: GRPO+OS beats RFT on Pass@1 at temp")


def test_controls():
    same = replace(AHEAD, arm="DPO", interval=Interval(point=0.01, low=-0.01, high=0.03))
    assert (
        control_sentence([AHEAD], "RFT")
        == "Every method's interval lies above the control RFT on gsm8k at temperature 0.7."
    )
    assert (
        control_sentence([AHEAD, same], "RFT") == "Not clearly above the control RFT on gsm8k at temperature 0.7: DPO."
    )
    greedy = replace(same, temperature=0.0)
    assert control_sentence([AHEAD, greedy], "RFT") == (
        "Not clearly above the control RFT on gsm8k at temperature 0.7 and decoded greedily: DPO."
    )


def test_curves_of_which_none_crosses_have_a_temperature():
    assert no_crossing_sentence([CROSSING, CROSSING]) == "No two Pass@K curves at temperature 1 cross for sure."
    cold = replace(CROSSING, temperature=0.4)
    assert no_crossing_sentence([CROSSING, cold]) == (
        "No two Pass@K curves at temperature 1 and at temperature 0.4 cross for sure."
    )
    unknown = replace(CROSSING, temperature=None)
    assert no_crossing_sentence([unknown]) == "No two Pass@K curves cross for sure."


def test_a_rounded_zero_has_no_minus():
    assert [minus(value) for value in (-0.04, 0.04, -0.06, 3.14)] == ["0.0", "0.0", "−0.1", "3.1"]


def test_a_contrast_says_by_how_much_before_anything_that_a_narrow_window_hides():
    """Two benchmarks have a column of their own, which had pushed the difference out of sight at 390 px."""
    columns = contrast_columns([AHEAD, replace(AHEAD, benchmark="svamp")])
    assert [column.heading for column in columns[:5]] == ["contrast", "verdict", "difference", "benchmark", "decoded"]
    assert [column.cells[1] for column in columns[:5]] == [
        "GRPO+OS − RFT", "higher", "+4.1 [2.0, 6.2]", "svamp", "at 0.7"
    ]  # fmt: skip
    assert "benchmark" not in [column.heading for column in contrast_columns([AHEAD])]
