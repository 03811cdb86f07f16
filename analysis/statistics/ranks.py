"""How firm an order of arms is: the ranks that the data allow, the ranks in each seed, and their agreement.

**The ranks that the data allow.** An arm's rank is one more than the number of arms truly better. With every pair
tested and the tests corrected together (Holm 1979), the arms decided better and those decided worse bound it,

    1 + #{decided better}  ≤  rank  ≤  J − #{decided worse},

for all J arms at once with the stated confidence (Mogstad, Romano, Shaikh & Wilhelm 2024, Review of Economic Studies
91, 476-518). The pairs are all pairs, declared or not: a rank is a statement about all arms, and is corrected for all.
With a single seed nothing is known of the training noise, and every rank is allowed.

**Agreement over seeds.** Kendall's W is 1 where every seed orders the arms alike and about 1/S where S seeds order them
by chance. Seeds of one number share their start policy in all arms, so that W is of the training alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.noise.intervals import Resampling
from analysis.records.showing import table_html
from analysis.statistics.differences import compare_arms, holm
from analysis.statistics.scores import ArmScores

COLUMNS = ("benchmark", "arm", "pass_at_1", "rank", "best_rank", "worst_rank", "seed_ranks", "num_arms", "kendalls_w")


@dataclass(frozen=True, kw_only=True)
class ArmRanks:
    """Arms of one benchmark, highest Pass@1 first."""

    benchmark: str
    arms: tuple[str, ...]
    accuracies: tuple[float, ...]
    best: tuple[int, ...]
    worst: tuple[int, ...]
    seeds: tuple[int, ...]  # that all arms have
    seed_ranks: tuple[tuple[float, ...], ...]  # of each arm; ties share their mean rank
    agreement: float  # Kendall's W over `seeds`; NaN with one seed or one arm

    def _repr_html_(self) -> str:
        columns = {"arm": self.arms, "Pass@1": self.accuracies, "best rank": self.best, "worst rank": self.worst}
        return table_html(f"ranks on {self.benchmark} that the data allow", columns)


def rank_arms(scores: Sequence[ArmScores], *, resampling: Resampling) -> tuple[ArmRanks, ...]:
    """The ranks of the arms on Pass@1, benchmark by benchmark; `scores` are of arms that may be compared."""
    return tuple(
        _ranks([arm for arm in scores if arm.benchmark == benchmark], resampling)
        for benchmark in dict.fromkeys(arm.benchmark for arm in scores)
    )


def kendalls_w(ranks_SJ: np.ndarray) -> float:
    """Kendall & Babington Smith's coefficient of concordance, with their correction for ties; NaN where all tie.

    W = 12 Σ_j (R_j − R̄)² / (S²·(J³ − J) − S·Σ_s Σ_ties (t³ − t)), R_j the sum of the ranks of arm j over S seeds.
    """
    num_seeds, num_arms = ranks_SJ.shape
    sums_J = ranks_SJ.sum(axis=0)
    ties = sum(float((count**3 - count).sum()) for row in ranks_SJ for count in [np.unique(row, return_counts=True)[1]])
    scale = num_seeds**2 * (num_arms**3 - num_arms) - num_seeds * ties
    return float(12 * ((sums_J - sums_J.mean()) ** 2).sum() / scale) if scale > 0 else np.nan


def rank_table(found: Sequence[ArmRanks]) -> pd.DataFrame:
    """A row an arm and benchmark: pass_at_1, rank, the ranks that are allowed, each seed's separated by ";"."""
    rows = [
        {
            "benchmark": each.benchmark,
            "arm": arm,
            "pass_at_1": each.accuracies[place],
            "rank": place + 1,
            "best_rank": each.best[place],
            "worst_rank": each.worst[place],
            "seed_ranks": ";".join(f"{rank:g}" for rank in each.seed_ranks[place]),
            "num_arms": len(each.arms),
            "kendalls_w": each.agreement,
        }
        for each in found
        for place, arm in enumerate(each.arms)
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _ranks(scores: Sequence[ArmScores], resampling: Resampling) -> ArmRanks:
    ordered = sorted(scores, key=lambda arm: -float(arm.pass_SPK[:, :, 0].mean()))
    names = [arm.arm for arm in ordered]
    better, worse = dict.fromkeys(names, 0), dict.fromkeys(names, 0)
    pairs = compare_arms(ordered, resampling=resampling)
    for pair, p_holm in zip(pairs, holm(np.array([each.p_value for each in pairs])), strict=True):
        known = min(pair.num_seeds, pair.num_baseline_seeds) > 1 and pair.point != 0
        if known and p_holm < 1 - resampling.confidence:
            winner, loser = (pair.arm, pair.baseline) if pair.point > 0 else (pair.baseline, pair.arm)
            worse[winner] += 1
            better[loser] += 1
    common = set.intersection(*(set(arm.seeds) for arm in ordered))
    seeds = tuple(seed for seed in ordered[0].seeds if seed in common)
    by_seed_SJ = np.array([[arm.pass_SPK[arm.seeds.index(seed), :, 0].mean() for arm in ordered] for seed in seeds])
    ranks_SJ = np.array([stats.rankdata(-row) for row in by_seed_SJ.round(12)]).reshape(len(seeds), len(ordered))
    return ArmRanks(
        benchmark=ordered[0].benchmark,
        arms=tuple(names),
        accuracies=tuple(float(arm.pass_SPK[:, :, 0].mean()) for arm in ordered),
        best=tuple(1 + better[name] for name in names),
        worst=tuple(len(names) - worse[name] for name in names),
        seeds=seeds,
        seed_ranks=tuple(tuple(float(rank) for rank in column_S) for column_S in ranks_SJ.T),
        agreement=kendalls_w(ranks_SJ) if len(seeds) > 1 and len(ordered) > 1 else np.nan,
    )
