"""Axes of the figures: ticks where something was measured, and room for names as long as an arm's may be."""

import numpy as np

from analysis.figures.canvas import spaced
from analysis.figures.overview import draw_forest
from analysis.figures.plots import draw_k_curves, draw_learning_curves
from analysis.noise.intervals import Band, Interval
from analysis.statistics.curves import Curve
from analysis.statistics.differences import Difference

LONG = "grpo " + "kl_coef=0.04-group_size=16-" * 3 + "clip_high=0.28"


def curve(arm: str, x, quantity: str = "pass") -> Curve:
    x_X = np.array(x)
    y_X = np.linspace(0.3, 0.5, len(x_X))
    band = Band(point=y_X, low=y_X - 0.05, high=y_X + 0.05)
    return Curve(
        arm=arm,
        benchmark="sums",
        quantity=quantity,
        x_X=x_X,
        band=band,
        simultaneous=band,
        seeds=(0,),
        seed_x_SX=x_X[None],
        seed_y_SX=y_X[None],
    )


def difference(name: str) -> Difference:
    return Difference(
        name=name,
        arm="a",
        baseline="b",
        benchmark="sums",
        quantity="pass",
        k=1,
        temperature=1.0,
        num_seeds=2,
        num_baseline_seeds=2,
        num_problems=100,
        point=0.1,
        interval=Interval(point=0.1, low=0.0, high=0.2),
        seed_points=(0.05, 0.15),
        p_value=0.5,
        p_holm=0.5,
        num_comparisons=2,
        detectable=0.1,
        confidence=0.95,
    )


def test_numbered_ticks_are_evaluations_that_stand_apart():
    assert spaced([0.0, 40.0, 80.0, 120.0, 160.0]) == [0.0, 40.0, 80.0, 120.0, 160.0]
    assert spaced([0.0, 1.0, 2.0, 50.0, 99.0, 100.0]) == [0.0, 50.0, 100.0]  # the last and the first stay
    assert spaced([3.0]) == [3.0]


def test_learning_curves_have_their_ticks_at_the_evaluations():
    curves = [curve("grpo", [0, 37, 74, 111, 160]), curve("rft", [0, 40, 160]), curve("sft_start", [7])]
    [axes] = draw_learning_curves(curves, ["grpo", "rft", "sft_start"], "step", "t").axes
    assert list(axes.get_xticks()) == [0, 37, 74, 111, 160]
    assert list(axes.xaxis.get_minor_locator()()) == [0, 37, 40, 74, 111, 160]  # not 7: it is a horizontal line


def test_names_of_a_hundred_characters_leave_room_for_what_is_drawn():
    assert len(LONG) >= 100
    figures = [
        draw_k_curves([curve(LONG, [1, 2, 4])], [LONG], f"Pass@K, difference to {LONG}, on sums"),
        draw_learning_curves([curve(LONG, [0, 2, 4])], [LONG], "step", f"Pass@1 of {LONG}"),
        draw_forest([difference(f"{LONG} − {LONG}a"), difference("online − offline")], "Declared contrasts"),
    ]
    for figure in figures:
        figure.draw_without_rendering()
        [axes] = figure.axes
        assert axes.get_position().width > 0.5 and axes.get_position().height > 0.3
        for text in (axes._left_title, *axes.get_yticklabels()):  # type: ignore[attr-defined]
            box = text.get_window_extent()
            assert box.x0 >= 0 and box.x1 <= figure.bbox.x1, text.get_text()
