"""Bootstrap intervals over problems.

What a band covers: that these P problems are a draw from a larger pool. A problem is resampled whole, with all its
samples and all its seeds, and the same resample serves every seed, arm and K, so that differences are paired.

What it does not cover: the seed of the training run; `seeds` has the interval over seeds and the one over
both. Bands here are pointwise (each K or step on its own) percentile intervals; `simultaneous` has those that
hold for a whole curve at once, `differences` corrects for the number of arms. With few problems (below about
30), or where all but a handful of problems score the same, the percentile bootstrap is too narrow (where all do, see
`allow_unseen`).
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SAME = 1e-9  # scores, and differences of scores, that are this close are equal: Maj@K is good to about 1e-13


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A number with its confidence interval; the same unit as the values that it summarises."""

    point: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, eq=False)
class Band:
    """An interval at each of X positions; arrays of shape (X,)."""

    point: np.ndarray
    low: np.ndarray
    high: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Resampling:
    """How the bootstrap is run: one seed for a whole report, so that all its bands share their resamples."""

    num_resamples: int = 2000
    confidence: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.num_resamples < 1:
            raise ValueError(
                f"num_resamples={self.num_resamples}; expected at least 1, and 1000 or more for a 95 % band"
            )
        if not 0 < self.confidence < 1:
            raise ValueError(f"confidence={self.confidence}; expected a share strictly between 0 and 1, such as 0.95")


def bootstrap_mean(
    values_SP: np.ndarray, *, num_resamples: int = 2000, confidence: float = 0.95, seed: int
) -> Interval:
    """Mean over seeds and problems, with a percentile interval over problems (Efron 1979).

    Args:
        values_SP: (S, P) scores, one row a training seed.
        num_resamples: how many times the P problems are drawn with replacement.
        confidence: the share between the two ends.
        seed: of the resampling; the same seed gives the same interval, and the same problems for every arm.

    Raises:
        ValueError: not a matrix, empty, or not finite.
    """
    how = Resampling(num_resamples=num_resamples, confidence=confidence, seed=seed)
    return _only(bootstrap_band(_matrix(values_SP, "values_SP")[:, :, None], how))


def bootstrap_difference(
    a_SP: np.ndarray, b_SP: np.ndarray, *, num_resamples: int = 2000, confidence: float = 0.95, seed: int
) -> Interval:
    """Mean of a minus mean of b on the same problems, resampled together (paired).

    Args:
        a_SP, b_SP: (S, P) each; column p is the same problem in both, the numbers of seeds may differ.
        num_resamples, confidence, seed: as in `bootstrap_mean`.

    Raises:
        ValueError: as `bootstrap_mean`, or the numbers of problems differ.
    """
    how = Resampling(num_resamples=num_resamples, confidence=confidence, seed=seed)
    a_SPX, b_SPX = _matrix(a_SP, "a_SP")[:, :, None], _matrix(b_SP, "b_SP")[:, :, None]
    return _only(bootstrap_difference_band(a_SPX, b_SPX, how))


def bootstrap_band(values_SPX: np.ndarray, resampling: Resampling) -> Band:
    """`bootstrap_mean` at X positions at once, on shared resamples; (S, P, X) in, (X,) out, bands pointwise."""
    values_PX = problem_means(values_SPX)
    return allow_unseen(_percentile_band(values_PX, resampling), values_PX, resampling.confidence)


def allow_unseen(band: Band, values_PX: np.ndarray, confidence: float) -> Band:
    """The band with an honest end where every problem scores exactly 1, or every problem 0.

    No resample differs there, and the band would have no width, although P problems cannot show that all others are
    solved too. Its free end becomes the exact one (Clopper & Pearson 1934) for P successes in P trials, ((1 -
    confidence) / 2)^(1/P): 96.4 % with 100 problems. Where every problem scores between 0 and 1, no end leaves that
    range, not by rounding either.
    """
    unseen = unseen_share(confidence, len(values_PX))
    share_X = ((values_PX >= -SAME) & (values_PX <= 1 + SAME)).all(axis=0)
    all_X, none_X = share_X & (values_PX >= 1 - SAME).all(axis=0), share_X & (values_PX <= SAME).all(axis=0)
    low_X = np.where(all_X, np.minimum(band.low, 1 - unseen), np.where(none_X, 0.0, band.low))
    high_X = np.where(none_X, np.maximum(band.high, unseen), np.where(all_X, 1.0, band.high))
    return Band(
        point=band.point,
        low=np.where(share_X, np.clip(low_X, 0.0, 1.0), low_X),
        high=np.where(share_X, np.clip(high_X, 0.0, 1.0), high_X),
    )


def unseen_share(confidence: float, num_problems: int) -> float:
    """The largest share of problems of a kind of which none was among so many (Clopper & Pearson 1934, one end)."""
    return 1 - ((1 - confidence) / 2) ** (1 / num_problems)


def within(band: Band, lowest: float) -> Band:
    """The band cut to the range that the truth cannot leave: from `lowest`, -1 for a difference and 0 else, to 1."""
    return Band(point=band.point, low=np.maximum(band.low, lowest), high=np.minimum(band.high, 1.0))


def bootstrap_difference_band(a_SPX: np.ndarray, b_SPX: np.ndarray, resampling: Resampling) -> Band:
    """`bootstrap_difference` at X positions at once; (S, P, X) each."""
    a_PX, b_PX = problem_means(a_SPX), problem_means(b_SPX)
    if a_PX.shape != b_PX.shape:
        raise ValueError(
            f"paired difference: (problems, positions) are {a_PX.shape} and {b_PX.shape}; expected the same problems "
            "in the same order; select the problems that both arms have"
        )
    return _percentile_band(a_PX - b_PX, resampling)


def _percentile_band(values_PX: np.ndarray, resampling: Resampling) -> Band:
    tail = (1 - resampling.confidence) / 2
    low, high = np.quantile(resample_means(values_PX, resampling), [tail, 1 - tail], axis=0)
    return Band(point=values_PX.mean(axis=0), low=low, high=high)


def resample_means(values_PX: np.ndarray, resampling: Resampling) -> np.ndarray:
    """(R, X): the mean over problems in each resample; one matrix product, the same resamples for every call."""
    return _resample_weights(len(values_PX), resampling.num_resamples, resampling.seed) @ values_PX


@lru_cache(maxsize=2)
def _resample_weights(num_problems: int, num_resamples: int, seed: int) -> np.ndarray:
    """(R, P): how often each problem is drawn in each resample, divided by P."""
    draws_RP = np.random.default_rng(seed).integers(num_problems, size=(num_resamples, num_problems))
    flat = (draws_RP + np.arange(num_resamples)[:, None] * num_problems).ravel()
    counts = np.bincount(flat, minlength=num_resamples * num_problems)
    weights_RP = counts.reshape(num_resamples, num_problems) / num_problems
    weights_RP.setflags(write=False)  # shared by all callers
    return weights_RP


def problem_means(values_SPX: np.ndarray) -> np.ndarray:
    """(P, X): mean over seeds; checks the input."""
    values = np.asarray(values_SPX, dtype=float)
    if values.ndim != 3 or 0 in values.shape[:2]:
        raise ValueError(
            f"bootstrap: shape {values.shape}; expected (seeds, problems, positions) with at least one of each"
        )
    if not np.isfinite(values).all():
        raise ValueError(
            f"bootstrap: {np.count_nonzero(~np.isfinite(values))} values are not finite; expected a score for every "
            "seed and problem; drop the unfinished run or the missing problems first"
        )
    return values.mean(axis=0)


def _matrix(values_SP: np.ndarray, name: str) -> np.ndarray:
    values = np.asarray(values_SP, dtype=float)
    if values.ndim != 2:
        raise ValueError(
            f"bootstrap: {name} has shape {values.shape}; expected (seeds, problems); for one seed pass values[None]"
        )
    return values


def _only(band: Band) -> Interval:
    return Interval(point=float(band.point[0]), low=float(band.low[0]), high=float(band.high[0]))
