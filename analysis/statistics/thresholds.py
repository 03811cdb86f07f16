"""What an arm spends until its Pass@1 reaches a level: steps, completions or tokens to a threshold.

The mean over seeds is followed from evaluation to evaluation, linearly in between, and the first passage upwards
counts; nothing is extrapolated. The interval holds every x at which the 95 % band of the curve contains the level,
from the first where its upper edge reaches it to the first where its lower edge does; it inverts a test at each x, as
`crossings` does. An arm that starts above the level needs 0.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.statistics.curves import Curve

COARSE, FINE = 0.1, 0.05  # distance of the levels, where the arms' range is wide, and where it is not
FEW_LEVELS = 3
COLUMNS = ("benchmark", "x", "level", "arm", "reached", "low", "high", "seeds_reached", "num_seeds")


@dataclass(frozen=True, kw_only=True)
class Passage:
    """Where one arm's curve first reaches `level`; infinite where it does not.

    `low` to `high` is the interval, `high` infinite where the arm may not have reached the level by its end.
    """

    arm: str
    benchmark: str
    level: float
    reached: float
    low: float
    high: float
    seeds_reached: int
    num_seeds: int


def passages(curves: Sequence[Curve], levels: Sequence[float] = ()) -> tuple[Passage, ...]:
    """The first passage of every learning curve through every level.

    Args:
        curves: of `learning_curves`, of one budget; those evaluated once are left out.
        levels: of Pass@1, in 0..1; without any, round ones (`round_levels`), benchmark by benchmark.
    """
    found = []
    for benchmark in dict.fromkeys(curve.benchmark for curve in curves):
        here = [curve for curve in curves if curve.benchmark == benchmark and len(curve.x_X) > 1]
        for level in levels or round_levels(here):
            found += [_passage(curve, level) for curve in here]
    return tuple(found)


def round_levels(curves: Sequence[Curve]) -> tuple[float, ...]:
    """Every tenth (or twentieth, where these are few) between the lowest first and the highest last evaluation."""
    if not curves:
        return ()
    low = min(float(curve.band.point[0]) for curve in curves)
    high = max(float(curve.band.point.max()) for curve in curves)
    for distance in (COARSE, FINE):
        levels = np.arange(1, round(1 / distance)) * distance
        chosen = tuple(round(float(level), 2) for level in levels if low < level <= high)
        if len(chosen) >= FEW_LEVELS:
            return chosen
    return chosen


def passage_table(found: Mapping[str, Sequence[Passage]]) -> pd.DataFrame:
    """Passages by budget as tidy rows; an infinite end is empty."""
    rows = [
        {"x": x, **{name: getattr(each, name) for name in COLUMNS if name != "x"}}
        for x, group in found.items()
        for each in group
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).replace(np.inf, np.nan)


def _passage(curve: Curve, level: float) -> Passage:
    seeds = [first_reach(x_X, y_X, level) for x_X, y_X in zip(curve.seed_x_SX, curve.seed_y_SX, strict=True)]
    return Passage(
        arm=curve.arm,
        benchmark=curve.benchmark,
        level=level,
        reached=first_reach(curve.x_X, curve.band.point, level),
        low=first_reach(curve.x_X, curve.band.high, level),
        high=first_reach(curve.x_X, curve.band.low, level),
        seeds_reached=int(np.isfinite(seeds).sum()),
        num_seeds=len(seeds),
    )


def first_reach(x_X: np.ndarray, y_X: np.ndarray, level: float) -> float:
    """The first x at which y, linear between its points, is at the level or above; infinite where it never is."""
    above_X = y_X >= level
    if not above_X.any():
        return np.inf
    place = int(above_X.argmax())
    if place == 0:
        return float(x_X[0])
    share = (level - y_X[place - 1]) / (y_X[place] - y_X[place - 1])
    return float(x_X[place - 1] + share * (x_X[place] - x_X[place - 1]))
