"""The K at which two Pass@K curves cross: more samples, another winner."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from analysis.statistics.intervals import Resampling, resample_means
from analysis.statistics.scores import ArmScores, pass_scores

STEPS_A_DOUBLING = 4  # values of K between K and 2K at which the curves are compared
SAME = 1e-12  # differences below this are rounding


@dataclass(frozen=True, kw_only=True)
class Crossing:
    """Where the arm that leads at K = 1 falls behind.

    `k` is NaN where the curves do not cross up to `largest_k`. The interval is over problems, the seeds given: `low` is
    0 where the order at K = 1 is itself not sure, `high` infinite where it may last beyond `largest_k`. `share` is that
    of the resamples which cross in between. `leads_to` is the last K up to which the leader is ahead without a break (0
    where nobody leads), `leads_surely_to` that in the resamples: all but the lowest (1 - confidence)/2 reach it. Curves
    that meet and do not cross (both solve everything) are apart up to there only.
    """

    arm: str
    baseline: str
    benchmark: str
    leader: str
    k: float
    low: float
    high: float
    share: float
    leads_to: int
    leads_surely_to: int
    largest_k: int
    confidence: float


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
        found += [crossing_of(ours, theirs, resampling) for ours, theirs in pairs]
    return tuple(found)


def crossing_of(ours: ArmScores, theirs: ArmScores, resampling: Resampling) -> Crossing:
    """The first K at which the difference of two Pass@K curves changes its sign, with a percentile interval.

    The curves are compared at whole K, four a doubling, and the crossing is interpolated linearly in log K. In each
    resample of the problems the crossing is found anew for the arm that leads at K = 1 in the data: a resample in which
    it does not lead crosses before 1, one in which it leads throughout crosses beyond the largest K. So the interval is
    that of a quantity which is always defined.

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
    difference_PX = _mean_scores(ours, ks) - _mean_scores(theirs, ks)
    point_X = difference_PX.mean(axis=0)
    sign = float(np.sign(point_X[0])) if abs(point_X[0]) > SAME else 0.0
    log_k = np.log(np.array(ks, dtype=float))
    names = {1.0: ours.arm, -1.0: theirs.arm, 0.0: ""}
    point = np.exp(_first_change(sign * point_X[None], log_k))[0] if sign else np.nan
    tail = (1 - resampling.confidence) / 2
    lead_RX = sign * resample_means(difference_PX, resampling)
    logs_R = _first_change(lead_RX, log_k)
    ahead_R = _last_lead(lead_RX, ks)
    low, high = np.exp(np.quantile(logs_R, [tail, 1 - tail], method="inverted_cdf")) if sign else (np.nan, np.nan)
    return Crossing(
        arm=ours.arm,
        baseline=theirs.arm,
        benchmark=ours.benchmark,
        leader=names[sign],
        k=float(point) if np.isfinite(point) else np.nan,
        low=float(low),
        high=float(high),
        share=float(np.isfinite(logs_R).mean()) if sign else 0.0,
        leads_to=int(_last_lead(sign * point_X[None], ks)[0]),
        leads_surely_to=int(np.quantile(ahead_R, tail, method="inverted_cdf")),
        largest_k=largest,
        confidence=resampling.confidence,
    )


def dense_ks(largest: int) -> list[int]:
    """Whole numbers from 1 to `largest`, at most four a doubling."""
    steps = int(np.floor(np.log2(largest) * STEPS_A_DOUBLING))
    return sorted({round(2 ** (step / STEPS_A_DOUBLING)) for step in range(steps + 1)} | {largest})


def _mean_scores(arm: ArmScores, ks: Sequence[int]) -> np.ndarray:
    return np.mean([pass_scores(votes, ks) for votes in arm.votes_S], axis=0)


def _last_lead(lead_RX: np.ndarray, ks: Sequence[int]) -> np.ndarray:
    """(R,): the last K up to which each row is ahead at every K; 0 where it is not ahead at the first."""
    ahead_RX = np.logical_and.accumulate(lead_RX > SAME, axis=1)
    return np.array([0, *ks])[ahead_RX.sum(axis=1)]


def _first_change(lead_RX: np.ndarray, log_k: np.ndarray) -> np.ndarray:
    """(R,): log K where each row first turns negative; -inf where it never leads, inf where it never falls behind."""
    behind_RX = lead_RX < -SAME
    turns_R = behind_RX.any(axis=1)
    after_R = np.maximum(behind_RX.argmax(axis=1), 1)
    rows = np.arange(len(lead_RX))
    before, after = lead_RX[rows, after_R - 1], lead_RX[rows, after_R]
    step = np.divide(before, before - after, out=np.zeros(len(rows)), where=turns_R & (before > SAME))
    crossed_R = log_k[after_R - 1] + step * (log_k[after_R] - log_k[after_R - 1])
    return np.where(lead_RX[:, 0] <= SAME, -np.inf, np.where(turns_R, crossed_R, np.inf))
