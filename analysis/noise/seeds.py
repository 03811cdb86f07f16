"""Training noise: the one interval of a mean, or of a contrast of arms, over problems and seeds together.

A score is y_sp = μ + problem_p + seed_s + rest_sp: problems and seeds are crossed, both random, and `rest` holds the
sampling of completions and what a seed does to single problems. The mean over S seeds and P problems has the variance

    Var = Var(problem)/P + Var(seed)/S + Var(rest)/(S·P)  =  A + B

- B holds the last two terms and is estimated from the seed means: B̂ = s²(seed means)/S, with S - 1 degrees of freedom.
- A is what is left of the variance over problems: A = max(0, s²(problem means)/P - s²(rest)/(S·P)).
- `two_noises` joins them into an interval that misses in 4.2 to 5.8 % with two seeds and 4.9 to 5.1 % with more,
  whatever the ratio of A and B. It is never narrower than `FLOOR` of the interval over problems alone: both estimates
  may come out near 0 by chance.

**A contrast** (one arm minus another, or a mean of arms minus a mean of others) is computed for each seed and problem
first, where all its arms have the same seeds: what a seed shares among arms, such as its start policy, cancels, and the
variance that is estimated is that of the contrast itself. Nothing is pooled over other arms. Training noise differs
from arm to arm and is correlated between them (arms stay near their start; they move together), so that a pooled
variance is too small for some contrasts and too large for others, and would change when an arm is added: simulated on
four replicates of the embedded comparison, pooling missed 9.7 % of contrasts with the start and 1.1 % among online
arms. The price is the t quantile of few degrees of freedom: with two seeds a contrast must be very clear. Where arms
have seeds of their own, B̂ is the sum of the arms' parts, with the fewest degrees of freedom among them, which is
cautious.

With one seed nothing is known of the training noise: the interval is over problems, and no verdict rests on it.

**Problems that say too little.** One problem says nothing of others: the interval is undefined (NaN). Where all P
problems differ by exactly the same d, no variance can be estimated. With confidence 1 - p at most a share
u = 1 - (p/2)^(1/P) of all problems is of a kind that was not seen (Clopper & Pearson 1934), and those may differ by as
much as 1 the other way: the half width is u·(1 + |d|), and p = 2·(1 + |d|)^(-P), which is the sign test's 2^(1-P) for
|d| = 1 and more below. So it is for d = 0 where every arm scores 0 in all problems, or 1 in all: arms that fail
everywhere are not shown to be alike within less than u. Equal scores elsewhere are the same samples, which differ by 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from analysis.noise.intervals import SAME, Band, problem_means, unseen_share
from analysis.noise.two_noises import half_width

FEWEST_SEEDS = 3  # below these a verdict says what it assumes
FLOOR = 0.75  # of the half width over problems alone


@dataclass(frozen=True, kw_only=True, eq=False)
class Noise:
    """The variance of a mean at X positions, by its parts.

    `problems_X` is A and `seeds_X` B̂, with their degrees of freedom (`seed_freedom` 0: a single seed). `alone_X` is
    the variance over problems with the rest in it, the seeds given; `rest_X` is that rest. `equal_X` is where all
    problems differ by the same d, d = 0 only where every arm is at 0 or at 1 throughout (contrasts only).
    """

    point_X: np.ndarray
    problems_X: np.ndarray
    problem_freedom: int
    seeds_X: np.ndarray
    seed_freedom: int
    alone_X: np.ndarray
    rest_X: np.ndarray
    equal_X: np.ndarray | None = None

    def half_width(self, confidence: float) -> np.ndarray:
        """(X,): of the interval over problems and seeds; over problems with one seed; NaN with one problem."""
        alone_X = self.alone_half_width(confidence)
        if self.seed_freedom < 1:
            return alone_X
        both_X = half_width(self.problems_X, self.problem_freedom, self.seeds_X, self.seed_freedom, confidence)
        floor_X = alone_X if self.equal_X is None else np.where(self.equal_X, alone_X / FLOOR, alone_X)
        return np.maximum(both_X, FLOOR * floor_X)

    def alone_half_width(self, confidence: float) -> np.ndarray:
        """(X,): the half width over problems, the seeds given."""
        half_X = stats.t.ppf((1 + confidence) / 2, self.problem_freedom) * np.sqrt(self.alone_X)
        if self.equal_X is None:
            return half_X
        unseen_X = unseen_share(confidence, self.problem_freedom + 1) * (1 + np.abs(self.point_X))
        return np.where(self.equal_X, np.maximum(half_X, unseen_X), half_X)

    def band(self, confidence: float) -> Band:
        """point ± half width."""
        half_X = self.half_width(confidence)
        return Band(point=self.point_X, low=self.point_X - half_X, high=self.point_X + half_X)


def total_noise(values_SPX: np.ndarray) -> Noise:
    """Problems and seeds, for the mean of (S, P, X) scores, or of contrasts computed for each seed and problem."""
    means_PX = problem_means(values_SPX)
    num_seeds = len(values_SPX)
    alone_X, rest_X = _variance(means_PX) / len(means_PX), _rest_variance(values_SPX)
    seeds_X = _variance(values_SPX.mean(axis=1)) / num_seeds if num_seeds > 1 else np.zeros_like(alone_X)
    return Noise(
        point_X=means_PX.mean(axis=0),
        problems_X=np.maximum(alone_X - rest_X, 0.0),
        problem_freedom=max(1, len(means_PX) - 1),
        seeds_X=seeds_X,
        seed_freedom=num_seeds - 1,
        alone_X=alone_X,
        rest_X=rest_X,
    )


def contrast_noise(values_ASPX: Sequence[np.ndarray], weights_A: Sequence[float], *, paired: bool) -> Noise:
    """Problems and seeds, for a weighted sum of arms on the same problems.

    Args:
        values_ASPX: scores of each arm, (S, P, X); the numbers of seeds may differ where they are not paired.
        weights_A: of each arm; they sum to 0.
        paired: whether row s is the same seed in every arm.
    """
    if paired:
        noise = total_noise(_weighted(values_ASPX, weights_A))
    else:
        noise = _unpaired(values_ASPX, weights_A)
    means_APX = [problem_means(each) for each in values_ASPX]
    stacked_APX = np.stack(means_APX)
    at_an_end_X = ((stacked_APX <= SAME).all(axis=1) | (stacked_APX >= 1 - SAME).all(axis=1)).all(axis=0)
    equal_X = np.ptp(_weighted(means_APX, weights_A), axis=0) <= SAME
    return replace(noise, equal_X=equal_X & (at_an_end_X | (np.abs(noise.point_X) > SAME)))


def difference_noise(a_SPX: np.ndarray, b_SPX: np.ndarray, *, paired: bool) -> Noise:
    """`contrast_noise` of one arm minus another."""
    return contrast_noise([a_SPX, b_SPX], [1.0, -1.0], paired=paired)


def _unpaired(values_ASPX: Sequence[np.ndarray], weights_A: Sequence[float]) -> Noise:
    parts = [total_noise(weight * each) for weight, each in zip(weights_A, values_ASPX, strict=True)]
    contrast_PX = _weighted([problem_means(each) for each in values_ASPX], weights_A)
    alone_X = _variance(contrast_PX) / len(contrast_PX)
    rest_X = _weighted([part.rest_X for part in parts], np.ones(len(parts)))
    return Noise(
        point_X=contrast_PX.mean(axis=0),
        problems_X=np.maximum(alone_X - rest_X, 0.0),
        problem_freedom=max(1, len(contrast_PX) - 1),
        seeds_X=_weighted([part.seeds_X for part in parts], np.ones(len(parts))),
        seed_freedom=min(part.seed_freedom for part in parts),
        alone_X=alone_X,
        rest_X=rest_X,
    )


def _weighted(arrays_A: Sequence[np.ndarray], weights_A: Sequence[float] | np.ndarray) -> np.ndarray:
    return np.tensordot(np.asarray(weights_A), np.stack(arrays_A), 1)


def total_band(values_SPX: np.ndarray, confidence: float) -> Band:
    """The interval over problems and seeds, by the rule at the head of this module."""
    return total_noise(values_SPX).band(confidence)


def _rest_variance(values_SPX: np.ndarray) -> np.ndarray:
    """(X,): s²(rest)/(S·P); with one seed it cannot be told from the problems, and counts with them: 0."""
    num_seeds, num_problems, _ = values_SPX.shape
    if num_seeds < 2 or num_problems < 2:
        return np.zeros(values_SPX.shape[2])
    means_PX, seeds_SX = values_SPX.mean(axis=0), values_SPX.mean(axis=1)
    rest_SPX = values_SPX - means_PX - seeds_SX[:, None] + means_PX.mean(axis=0)
    freedom = (num_seeds - 1) * (num_problems - 1)
    return (rest_SPX**2).sum(axis=(0, 1)) / freedom / (num_seeds * num_problems)


def _variance(values_NX: np.ndarray) -> np.ndarray:
    """(X,): the sample variance; NaN for a single row, which says nothing of others."""
    return values_NX.var(axis=0, ddof=1) if len(values_NX) > 1 else np.full(values_NX.shape[1], np.nan)
