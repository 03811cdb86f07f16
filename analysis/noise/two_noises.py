"""The interval of a mean whose variance has two parts, one known well (problems) and one from a few seeds.

The mean has the variance A + B. A, of the problems, is known from a hundred of them or more; B, of the seeds, is
estimated by B̂ ~ B·χ²_ν/ν, with ν one less than the number of seeds. No interval covers in exactly 95 % for every ratio
ρ = B/A (Linnik 1968), but some come close: Welch (1947, Biometrika 34, 28-35) and Aspin (1948) made the half width a
function of the estimated ratio r = B̂/A,

    half width = √A · h(r),     chosen so that  E[ 2·Φ( −h(ρ·χ²_ν/ν) / √(1+ρ) ) ] = 1 − confidence  for every ρ

Their series fails below about six degrees of freedom. Here the equation is solved numerically;
`nearly_similar.json` holds log( h / √(z² + t²·r) ) at the knots, the distance from Banerjee's bound (1960, Sankhyā 22,
357-358), which is never exceeded, and h never falls below the quantile of the problems alone. At 95 % the chance to
miss is 4.2 to 5.8 % with two seeds, 4.9 to 5.1 % with three or more (`miss_rate`; tested); Banerjee's bound itself
misses in 1.3, 2.4 and 3.5 % of cases with two, three and five seeds where the parts are alike. At smaller levels, which
Holm's correction needs, the solution errs to the cautious side; from 0.0001 on it is Banerjee's bound.

`python -m analysis.noise.two_noises` solves the equation anew and writes the file (a minute).
"""

import json
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
from scipy import optimize, stats

TABLE = Path(__file__).with_name("nearly_similar.json")
FREEDOMS = (1, 2, 3, 4, 6, 9, 19)
LEVELS = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001)  # one minus the confidence
BOUND_LEVEL = 1e-4  # from here on it is Banerjee's bound
LOG_RATIOS = np.linspace(np.log(1e-3), np.log(1e4), 26)
CAUTION = 20.0  # how much worse it is to miss too often than too seldom, at levels below 5 %


def half_width(
    problems_X: np.ndarray, problem_freedom: int, seeds_X: np.ndarray, seed_freedom: int, confidence: float
) -> np.ndarray:
    """(X,): half widths of the interval.

    Args:
        problems_X: A, the variance of the mean due to problems; >= 0.
        problem_freedom: its degrees of freedom: enters by its t quantile in place of the normal one.
        seeds_X: B̂, the variance of the mean due to seeds, estimated; >= 0.
        seed_freedom: ν >= 1.
        confidence: of the interval, two-sided.
    """
    level = 1 - confidence
    quantile = float(stats.t.isf(level / 2, problem_freedom))
    bound_X = np.sqrt(quantile**2 * problems_X + float(stats.t.isf(level / 2, seed_freedom)) ** 2 * seeds_X)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio_X = np.log(np.where(problems_X > 0, seeds_X / problems_X, np.inf))
    shrink_X = np.interp(ratio_X, LOG_RATIOS, shrinkage(seed_freedom, level), left=0.0, right=0.0)
    return np.maximum(bound_X * np.exp(shrink_X), quantile * np.sqrt(problems_X))


def shrinkage(freedom: int, level: float) -> np.ndarray:
    """(26,): log of h over Banerjee's bound at `LOG_RATIOS`, between the solved degrees of freedom and levels linear in
    1/ν and in the logarithm of the level."""
    solved = _table()
    inverse = np.array([0.0, *(1 / freedom for freedom in reversed(FREEDOMS))])
    levels = np.log([BOUND_LEVEL, *reversed(LEVELS), 1.0])
    row_FK = np.zeros((len(inverse), len(LOG_RATIOS)))
    place = float(np.log(np.clip(level, BOUND_LEVEL, 1.0)))
    for row, own in enumerate(reversed(FREEDOMS), start=1):
        by_level = np.array([np.zeros(len(LOG_RATIOS)), *(solved[own, each] for each in reversed(LEVELS))])
        by_level = np.vstack([by_level, by_level[-1]])
        row_FK[row] = [np.interp(place, levels, column) for column in by_level.T]
    return np.array([np.interp(1 / freedom, inverse, column) for column in row_FK.T])


def miss_rate(freedom: int, level: float, ratio: float) -> float:
    """The chance that the interval at confidence 1 - level misses, where B = ratio · A and A is known."""
    drawn_N = stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, freedom) / freedom
    half_N = half_width(np.ones(4000), 10**9, ratio * drawn_N, freedom, 1 - level)
    return float(2 * stats.norm.sf(half_N / np.sqrt(1 + ratio)).mean())


@lru_cache(maxsize=1)
def _table() -> dict[tuple[int, float], np.ndarray]:
    rows = json.loads(TABLE.read_text(encoding="utf-8"))["rows"]
    return {(row["freedom"], row["level"]): np.array(row["log_shrinkage"]) for row in rows}


def solve(freedom: int, level: float) -> np.ndarray:
    """(26,): the solution at `LOG_RATIOS`, by least squares on the log of the miss rate at 60 ratios ρ."""
    quantile, seed_quantile = stats.norm.isf(level / 2), stats.t.isf(level / 2, freedom)
    ratio_M = np.exp(np.linspace(np.log(1e-3), np.log(1e4), 60))
    drawn_N = stats.chi2.ppf((np.arange(400) + 0.5) / 400, freedom) / freedom
    log_MN = np.log(ratio_M[:, None] * drawn_N + 1e-300)
    bound_MN = np.sqrt(quantile**2 + seed_quantile**2 * np.exp(log_MN))
    caution = 1.0 if level >= 0.05 else CAUTION

    def residual(shrink_K: np.ndarray) -> np.ndarray:
        shrink_MN = np.interp(log_MN, LOG_RATIOS, shrink_K, left=0.0, right=0.0)
        half_MN = np.maximum(bound_MN * np.exp(shrink_MN), quantile)
        miss_M = 2 * stats.norm.sf(half_MN / np.sqrt(1 + ratio_M)[:, None]).mean(axis=1)
        error_M = np.log(np.maximum(miss_M, 1e-300) / level)
        ends = 5 * shrink_K[[0, -1]]
        return np.concatenate([np.where(error_M > 0, caution, 1.0) * error_M * 3, 0.3 * np.diff(shrink_K, 2), ends])

    start = np.full(len(LOG_RATIOS), -0.05)
    return optimize.least_squares(residual, start, bounds=(-3.0, 0.0), max_nfev=300).x


def ordered(solved: Mapping[float, np.ndarray], freedom: int) -> dict[float, np.ndarray]:
    """The solutions of one ν with half widths that never fall as the level does: what 95 % excludes, 90 % excludes too.

    The 5 % level stays as it is; wider where the level is smaller, narrower where it is larger.
    """
    anchor = LEVELS.index(0.05)
    bounds = {
        level: np.sqrt(
            stats.norm.isf(level / 2) ** 2 + stats.t.isf(level / 2, freedom) ** 2 * np.exp(LOG_RATIOS),
        )
        for level in LEVELS
    }
    halves = {level: bounds[level] * np.exp(solved[level]) for level in LEVELS}
    for before, level in zip(LEVELS[anchor:], LEVELS[anchor + 1 :], strict=False):
        halves[level] = np.maximum(halves[level], halves[before])
    for before, level in zip(LEVELS[anchor::-1], LEVELS[anchor - 1 :: -1], strict=False):
        halves[level] = np.minimum(halves[level], halves[before])
    return {level: np.log(halves[level] / bounds[level]) for level in LEVELS}


def main() -> None:
    """Solve for all `FREEDOMS` and `LEVELS` and write `TABLE`."""
    rows = []
    for freedom in FREEDOMS:
        solved = ordered({level: solve(freedom, level) for level in LEVELS}, freedom)
        rows += [
            {"freedom": freedom, "level": level, "log_shrinkage": [round(float(x), 4) for x in solved[level]]}
            for level in LEVELS
        ]
    lines = ",\n".join(json.dumps(row) for row in rows)
    TABLE.write_text(f'{{"rows": [\n{lines}\n]}}\n', encoding="utf-8")


if __name__ == "__main__":
    main()
