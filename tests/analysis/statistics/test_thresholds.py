"""Steps to a level of accuracy: by hand, with the interval that the curve's band gives."""

import numpy as np
import pytest

from analysis.noise.intervals import Band
from analysis.statistics.curves import Curve
from analysis.statistics.thresholds import first_reach, passage_table, passages, round_levels


def curve(arm: str, x, y, half: float = 0.1, seeds=None) -> Curve:
    x_X, y_X = np.array(x, dtype=float), np.array(y)
    band = Band(point=y_X, low=y_X - half, high=y_X + half)
    seed_y_SX = np.array([y_X] if seeds is None else seeds)
    return Curve(
        arm=arm,
        benchmark="sums",
        quantity="pass",
        x_X=x_X,
        band=band,
        simultaneous=band,
        seeds=tuple(range(len(seed_y_SX))),
        seed_x_SX=np.tile(x_X, (len(seed_y_SX), 1)),
        seed_y_SX=seed_y_SX,
    )


def test_the_first_passage_is_linear_between_evaluations_and_never_extrapolated():
    x_X, y_X = np.array([0.0, 10.0, 20.0, 30.0]), np.array([0.2, 0.6, 0.4, 0.8])
    assert first_reach(x_X, y_X, 0.5) == pytest.approx(7.5)  # the first, although it falls below again
    assert first_reach(x_X, y_X, 0.7) == pytest.approx(27.5)
    assert first_reach(x_X, y_X, 0.2) == 0.0
    assert first_reach(x_X, y_X, 0.81) == np.inf


def test_the_interval_is_where_the_band_contains_the_level():
    seeds = [[0.3, 0.5, 0.7], [0.1, 0.3, 0.45]]
    [found] = passages([curve("grpo", [0, 10, 20], [0.2, 0.4, 0.575], seeds=seeds)], [0.5])
    assert found.reached == pytest.approx(10 + 10 * 0.1 / 0.175)
    assert found.low == pytest.approx(10.0)  # 0.4 + 0.1
    assert found.high == np.inf  # 0.575 - 0.1 stays below
    assert (found.seeds_reached, found.num_seeds) == (1, 2)
    row = passage_table({"step": [found]}).iloc[0]
    assert (row["x"], row["level"]) == ("step", 0.5) and np.isnan(row["high"])


def test_levels_are_round_and_within_what_the_arms_pass_through():
    wide = [curve("a", [0, 1], [0.28, 0.71]), curve("b", [0, 1], [0.31, 0.5])]
    assert round_levels(wide) == (0.3, 0.4, 0.5, 0.6, 0.7)
    assert round_levels([curve("a", [0, 1], [0.41, 0.56])]) == (0.45, 0.5, 0.55)
    assert round_levels([curve("a", [0, 1], [0.41, 0.42])]) == ()
    assert passages([curve("once", [5], [0.5])]) == ()
