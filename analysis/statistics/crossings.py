"""The K at which two Pass@K curves cross: more samples, another winner."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.noise.intervals import Resampling
from analysis.noise.seeds import difference_noise
from analysis.records.showing import table_html
from analysis.statistics.scores import ArmScores, pass_scores

STEPS_A_DOUBLING = 4  # values of K between K and 2K at which the curves are compared
SAME = 1e-12  # differences below this are rounding


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Where the arm that leads at K = 1 falls behind.

    `k` is NaN where the curves do not cross up to `largest_k`, or nobody leads. `low` to `high` is the confidence set
    of the crossing over problems and seeds: the K at which the difference cannot be told from 0, from the first to the
    last; `low` is 0 where the order at K = 1 is itself not sure, `high` infinite where the leader may still be ahead at
    `largest_k`. `sure` is whether the curves differ at both ends, in opposite directions, with two seeds or more: only
    then may a crossing be claimed.
    """

    arm: str
    baseline: str
    benchmark: str
    leader: str
    k: float
    low: float
    high: float
    sure: bool
    num_seeds: int
    largest_k: int
    temperature: float | None
    confidence: float

    def _repr_html_(self) -> str:
        names = ("arm", "baseline", "leader", "k", "low", "high", "sure")
        return table_html(f"crossing of Pass@K on {self.benchmark}", {name: [getattr(self, name)] for name in names})


def crossings(
    scores: Sequence[ArmScores], *, resampling: Resampling, baseline: str | None = None
) -> tuple[Crossing, ...]:
    """`crossing_of` every other arm and the baseline, or every pair of arms, benchmark by benchmark."""
    found = []
    for benchmark in dict.fromkeys(arm.benchmark for arm in scores):
        arms = [arm for arm in scores if arm.benchmark == benchmark]
        if any(max(arm.ks) < 2 for arm in arms):  # one sample a problem is one point, no curve
            continue
        pairs = [(later, earlier) for earlier, later in combinations(arms, 2)]
        if baseline is not None:
            base = next(arm for arm in arms if arm.arm == baseline)
            pairs = [(arm, base) for arm in arms if arm is not base]
        found += [crossing_of(ours, theirs, resampling.confidence) for ours, theirs in pairs]
    return tuple(found)


def crossing_of(ours: ArmScores, theirs: ArmScores, confidence: float = 0.95) -> Crossing:
    """The first K at which the difference of two Pass@K curves changes its sign, and the K at which it may.

    The curves are compared at whole K, four a doubling, and interpolated linearly in log K. The confidence set inverts
    the test at each K (Fieller 1954): the true crossing is a K at which the true difference is 0, and the interval of
    `seeds` there contains 0 with the stated confidence.

    Raises:
        ValueError: the arms have different problems.
    """
    if ours.problem_ids != theirs.problem_ids:
        raise ValueError(
            f"{ours.arm} and {theirs.arm} on {ours.benchmark}: different problems; expected the same; intersect them "
            "when the comparison is loaded"
        )
    largest = min(ours.num_samples, theirs.num_samples)
    ks = dense_ks(largest)
    noise = difference_noise(_scores(ours, ks), _scores(theirs, ks), paired=ours.seeds == theirs.seeds)
    first = float(noise.point_X[0])
    sign = float(np.sign(first)) if abs(first) > SAME else 0.0
    lead_X, half_X = sign * noise.point_X, noise.half_width(confidence)
    log_k = np.log(np.array(ks, dtype=float))
    low = high = np.nan
    if sign and np.isfinite(half_X).all():
        low = 0.0 if lead_X[0] <= half_X[0] else _first_below(lead_X - half_X, log_k)
        behind_X = -(lead_X + half_X)[::-1]
        high = np.inf if behind_X[0] <= 0 else _first_below(behind_X, log_k[::-1])
    return Crossing(
        arm=ours.arm,
        baseline=theirs.arm,
        benchmark=ours.benchmark,
        leader={1.0: ours.arm, -1.0: theirs.arm, 0.0: ""}[sign],
        k=_first_below(lead_X, log_k) if sign and (lead_X < -SAME).any() else np.nan,
        low=low,
        high=high,
        sure=min(len(ours.seeds), len(theirs.seeds)) > 1 and low > 0 and bool(np.isfinite(high)),
        num_seeds=min(len(ours.seeds), len(theirs.seeds)),
        largest_k=largest,
        temperature=ours.temperature if ours.temperature == theirs.temperature else None,
        confidence=confidence,
    )


def dense_ks(largest: int) -> list[int]:
    """Whole numbers from 1 to `largest`, at most four a doubling."""
    steps = int(np.floor(np.log2(largest) * STEPS_A_DOUBLING))
    return sorted({round(2 ** (step / STEPS_A_DOUBLING)) for step in range(steps + 1)} | {largest})


def _scores(arm: ArmScores, ks: Sequence[int]) -> np.ndarray:
    return np.stack([pass_scores(votes, ks) for votes in arm.votes_S])


def _first_below(values_X: np.ndarray, log_k: np.ndarray) -> float:
    """K where the values first fall below 0, linear in log K; infinite where they never do."""
    below_X = values_X < -SAME
    if not below_X.any():
        return np.inf
    after = max(1, int(below_X.argmax()))
    before, behind = max(float(values_X[after - 1]), 0.0), float(values_X[after])
    share = before / (before - behind) if before > SAME else 0.0
    return float(np.exp(log_k[after - 1] + share * (log_k[after] - log_k[after - 1])))
