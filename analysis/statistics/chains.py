"""Right answers with wrong chains: Pass@K where a sample counts only if every step that leads to its answer is right.

A guess can be right. Where steps were checked (column ``chain`` of the samples), a sample is verified if its answer is
right and its chain too; samples whose chain could not be checked do not count as verified.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from analysis.noise.intervals import Resampling
from analysis.noise.simultaneous import share_band
from analysis.records.frames import codes_of
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.statistics.scores import ArmScores, count_votes, powers_of_two, score_votes

CHAIN_COLUMNS = (
    "benchmark",
    "arm",
    "wrong_chain_rate",
    "pass_at_1",
    "pass_at_1_low",
    "pass_at_1_high",
    "pass_k",
    "pass_at_k",
    "pass_at_k_low",
    "pass_at_k_high",
)


def verified_scores(comparison: ComparisonRecord, benchmark: str) -> tuple[ArmScores, ...]:
    """Scores of every arm at its last step, only verified samples right; none where no chain was checked.

    An arm that has right answers and no chain of which was checked is left out: nothing is known of it. The majority of
    these scores means nothing: samples with a right answer and a wrong chain vote as wrong ones.
    """
    if not any(_checked(run, benchmark) for run in comparison.runs):
        return ()
    found = []
    for arm in comparison.arms:
        runs = comparison.runs_of(arm)
        if not any(_checked(run, benchmark) for run in runs) and any(_right(run, benchmark).any() for run in runs):
            continue
        votes = [count_votes(_verified(run.final_samples_on(benchmark))) for run in runs]
        fewest = min(int(table.num_samples_P.min()) for table in votes)
        found.append(
            score_votes(
                votes,
                powers_of_two(fewest),
                arm=arm,
                benchmark=benchmark,
                seeds=[run.seed for run in runs],
                temperature=runs[0].temperature,
            )
        )
    return tuple(found)


def chain_table(comparison: ComparisonRecord, *, resampling: Resampling) -> pd.DataFrame:
    """A row a benchmark and arm whose chains were checked, at the arm's last step, shares in 0..1.

    Columns: `wrong_chain_rate`, the share of right answers whose chain is wrong; `pass_at_1` and `pass_at_k` (K is
    `pass_k`) where only verified samples count, each with `_low` and `_high` over problems and seeds.
    """
    rows = []
    for benchmark in comparison.benchmarks:
        for arm in verified_scores(comparison, benchmark):
            runs = comparison.runs_of(arm.arm)
            ends = {"pass_at_1": 0, "pass_at_k": len(arm.ks) - 1}
            band = share_band(arm.pass_SPK[:, :, list(ends.values())], resampling.confidence)
            cells = {
                f"{name}{ending}": float(values[place])
                for place, name in enumerate(ends)
                for ending, values in (("", band.point), ("_low", band.low), ("_high", band.high))
            }
            rate = wrong_chain_rate(runs, benchmark)
            rows.append(
                {"benchmark": benchmark, "arm": arm.arm, "wrong_chain_rate": rate, "pass_k": arm.ks[-1], **cells}
            )
    return pd.DataFrame(rows, columns=list(CHAIN_COLUMNS))


def wrong_chain_rate(runs: Sequence[RunRecord], benchmark: str) -> float:
    """The share of right answers whose chain is wrong, all seeds together; NaN where no answer is right, or where no
    chain was checked."""
    if not any(_checked(run, benchmark) for run in runs):
        return np.nan
    right = wrong = 0
    for run in runs:
        correct_N = _right(run, benchmark)
        right += int(correct_N.sum())
        wrong += int((correct_N & _is(run.final_samples_on(benchmark), "chain", "WRONG")).sum())
    return wrong / right if right else np.nan


def _verified(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples, a right answer whose chain is not right counted as a wrong one."""
    guessed_N = _is(samples, "verdict", "CORRECT") & ~_is(samples, "chain", "RIGHT")
    return samples.assign(verdict=np.where(guessed_N, "INCORRECT", samples["verdict"].to_numpy().astype(object)))


def _checked(run: RunRecord, benchmark: str) -> bool:
    chain_N, chains = codes_of(run.final_samples_on(benchmark), "chain")
    return bool((chains != "")[chain_N].any())


def _right(run: RunRecord, benchmark: str) -> np.ndarray:
    return _is(run.final_samples_on(benchmark), "verdict", "CORRECT")


def _is(samples: pd.DataFrame, name: str, value: str) -> np.ndarray:
    code_N, values = codes_of(samples, name)
    return (values == value)[code_N]
