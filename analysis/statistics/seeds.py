"""Training noise: the interval over seeds, and the one over problems and seeds together.

A score is y_sp = μ + problem_p + seed_s + rest_sp: problems and seeds are crossed, both random, and `rest` holds the
sampling of completions and what a seed does to single problems. The mean over S seeds and P problems has the variance

    Var = Var(problem)/P + Var(seed)/S + Var(rest)/(S·P)

- The bootstrap over problems (`intervals`) estimates the first and the last term: the seeds that were run are
  given.
- The t-interval on the S seed means, with S - 1 degrees of freedom, estimates the last two: the problems are given.
- **Total**, the rule by which the two are combined: the last term is in both and is taken out of the first,

      V_problem = max(0, s²(problem means)/P - s²(rest)/(S·P)),        V_seed = s²(seed means)/S
      half width = √( t²_{P-1} · V_problem + t²_{S-1} · V_seed )

  and never less than t_{P-1} · √(s²(problem means)/P), that of the problems alone: estimates may come out small by
  chance, V_problem at 0 where the rest is large and V_seed at 0 where two seeds agree, and both at once.
  Each variance keeps the t quantile of its own degrees of freedom and the half widths are added in quadrature: Banerjee
  1960 (Sankhyā 22, 357-358) proves for independent variance estimates that such an interval covers at least at the
  stated rate, whatever the ratio of the variances. Simulated with 200 problems it covers in 95 to 98 % for three seeds
  or more. One t quantile at Satterthwaite's degrees of freedom covers in only 92 % with three seeds and 88 % with two,
  and the bootstrap over problems alone in 18 to 90 % where seeds differ.

With one seed nothing is known of the training noise, and the total is the interval over problems. With two, t is 12.7:
the interval is honest and wide. A claim should rest on three seeds or more.

**A difference of two arms** is paired by problem, and by seed where both arms have the same seeds: then the arms of a
comparison are treatments and the seeds blocks, and the noise of a difference is pooled over all arms with these seeds,

    V_seed = max( s²(seed means of the difference)/S,  2·MS(arm × seed)/S ),        (A - 1)(S - 1) degrees of freedom

where MS(arm × seed) is the mean square of the seed means around arm and seed effects, as in the analysis of a
randomised block design. Pooling takes training noise to be about as large in every arm; the maximum keeps a pair that
is noisier than that from being judged by the others. Simulated with eight arms it covers in 96 % where noise is alike,
whether 2, 3 or 5 seeds; in 90 to 94 % where one arm of the pair is twice as noisy as all others; where the rest are
quiet, 94 to 96 %. Not pooled, the interval of two seeds is five times as wide and that of three twice. The seeds' own
interval, not pooled, is shown beside it.

**Problems that say too little.** One problem says nothing of others: the interval is undefined (NaN). Where all P
problems differ by exactly the same d, no variance can be estimated. With confidence 1 - p at most a share
u = 1 - (p/2)^(1/P) of all problems is of a kind that was not seen (Clopper & Pearson 1934), and those may differ by as
much as 1 the other way: the half width is u·(1 + |d|), and p = 2·(1 + |d|)^(-P), which is the sign test's 2^(1-P) for
|d| = 1 and more below.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from analysis.statistics.intervals import SAME, Band, problem_means, unseen_share

FEWEST_SEEDS = 3  # below these a claim carries a warning


@dataclass(frozen=True, kw_only=True, eq=False)
class Noise:
    """Independent parts of the variance of a mean at X positions: each (variance (X,), degrees of freedom).

    The first part is that of the problems, the others are those of the seeds. `alone_X` is the variance over problems
    with the rest in it, below which the half width never falls; `equal_X` is where all problems differ by the same,
    which is not 0 (differences only).
    """

    point_X: np.ndarray
    parts: tuple[tuple[np.ndarray, int], ...]
    alone_X: np.ndarray | None = None
    equal_X: np.ndarray | None = None

    def half_width(self, confidence: float) -> np.ndarray:
        """(X,): the parts' half widths in quadrature, at least that over problems alone; NaN with one problem."""
        chance = (1 + confidence) / 2
        both_X = np.sqrt(sum(stats.t.ppf(chance, freedom) ** 2 * variance_X for variance_X, freedom in self.parts))
        return np.maximum(both_X, self.alone_half_width(confidence))

    def alone_half_width(self, confidence: float) -> np.ndarray:
        """(X,): the half width over problems, the seeds given; 0 where it is not known."""
        if self.alone_X is None:
            return np.zeros_like(self.point_X)
        freedom = self.parts[0][1]
        half_X = stats.t.ppf((1 + confidence) / 2, freedom) * np.sqrt(self.alone_X)
        if self.equal_X is None:
            return half_X
        unseen_X = unseen_share(confidence, freedom + 1) * (1 + np.abs(self.point_X))
        return np.where(self.equal_X, np.maximum(half_X, unseen_X), half_X)

    def problems_only(self) -> "Noise":
        """Problems alone, the seeds given: the t-interval that the bootstrap approaches with many problems.

        Raises:
            ValueError: the variance over problems is not known.
        """
        if self.alone_X is None:
            raise ValueError(
                "problems_only: this noise has no alone_X; expected one of total_noise or difference_noise"
            )
        return replace(self, parts=((self.alone_X, self.parts[0][1]),))

    def seeds_only(self) -> "Noise":
        """Without the part of the problems."""
        return Noise(point_X=self.point_X, parts=self.parts[1:])

    def band(self, confidence: float) -> Band:
        """point ± half width; NaN ends where there is no part, because a single seed was run."""
        if not self.parts:
            unknown_X = np.full_like(self.point_X, np.nan)
            return Band(point=self.point_X, low=unknown_X, high=unknown_X)
        half_X = self.half_width(confidence)
        return Band(point=self.point_X, low=self.point_X - half_X, high=self.point_X + half_X)


def total_noise(values_SPX: np.ndarray) -> Noise:
    """Problems and seeds, for the mean of (S, P, X) scores, or of differences paired by seed and problem."""
    means_PX = problem_means(values_SPX)
    problems_X = _variance(means_PX) / len(means_PX)
    return Noise(
        point_X=means_PX.mean(axis=0),
        parts=(
            (np.maximum(problems_X - _rest_variance(values_SPX), 0.0), max(1, len(means_PX) - 1)),
            *_seed_parts(values_SPX),
        ),
        alone_X=problems_X,
    )


def difference_noise(
    a_SPX: np.ndarray, b_SPX: np.ndarray, *, paired: bool, seed_means_ASX: np.ndarray | None = None
) -> Noise:
    """Problems and seeds, for the mean of a minus the mean of b on the same problems.

    Args:
        a_SPX, b_SPX: scores of the two arms; problems are paired always.
        paired: whether row s of both is the same seed: then the seeds' differences are what varies, which is right
            whether or not a seed (its start policy, its problems) moves both arms alike. Otherwise each arm has its own
            seeds, and each its own part of the variance (none for an arm with a single seed).
        seed_means_ASX: for pairs, the seed means of all arms with these seeds, to pool over; without it nothing is.
    """
    noise = _pooled(total_noise(a_SPX - b_SPX), seed_means_ASX) if paired else _unpaired_noise(a_SPX, b_SPX)
    difference_PX = problem_means(a_SPX) - problem_means(b_SPX)
    equal_X = (np.ptp(difference_PX, axis=0) <= SAME) & (np.abs(noise.point_X) > SAME)
    return replace(noise, equal_X=equal_X)


def _pooled(noise: Noise, seed_means_ASX: np.ndarray | None) -> Noise:
    """The noise of a pair with the part of its seeds pooled over all arms, where there are three or more."""
    if seed_means_ASX is None or len(noise.parts) == 1 or len(seed_means_ASX) < 3:
        return noise
    problems, (own_X, _) = noise.parts
    num_arms, num_seeds, _ = seed_means_ASX.shape
    rest_ASX = seed_means_ASX - seed_means_ASX.mean(axis=1, keepdims=True)
    rest_ASX = rest_ASX - rest_ASX.mean(axis=0)
    freedom = (num_arms - 1) * (num_seeds - 1)
    pooled_X = 2 * (rest_ASX**2).sum(axis=(0, 1)) / freedom / num_seeds
    return replace(noise, parts=(problems, (np.maximum(own_X, pooled_X), freedom)))


def _unpaired_noise(a_SPX: np.ndarray, b_SPX: np.ndarray) -> Noise:
    means_PX = problem_means(a_SPX) - problem_means(b_SPX)
    problems_X = _variance(means_PX) / len(means_PX)
    rest_X = _rest_variance(a_SPX) + _rest_variance(b_SPX)
    first = (np.maximum(problems_X - rest_X, 0.0), max(1, len(means_PX) - 1))
    parts = (first, *_seed_parts(a_SPX), *_seed_parts(b_SPX))
    return Noise(point_X=means_PX.mean(axis=0), parts=parts, alone_X=problems_X)


def seed_band(values_SPX: np.ndarray, confidence: float) -> Band:
    """The t-interval on the S seed means, the problems given; its ends are NaN with one seed."""
    return total_noise(values_SPX).seeds_only().band(confidence)


def total_band(values_SPX: np.ndarray, confidence: float) -> Band:
    """The interval over problems and seeds, by the rule at the head of this module."""
    return total_noise(values_SPX).band(confidence)


def _seed_parts(values_SPX: np.ndarray) -> tuple[tuple[np.ndarray, int], ...]:
    num_seeds = len(values_SPX)
    if num_seeds < 2:
        return ()
    return ((_variance(values_SPX.mean(axis=1)) / num_seeds, num_seeds - 1),)


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
