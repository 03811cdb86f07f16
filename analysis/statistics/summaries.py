"""What the samples of the last step look like, apart from right and wrong: length, cut-offs, each verdict's share."""

import numpy as np
import pandas as pd

from analysis.noise.intervals import Resampling
from analysis.noise.seeds import total_band
from analysis.noise.simultaneous import share_band
from analysis.records.frames import codes_of, column
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.records.schema import VERDICTS

QUANTITIES = ("num_tokens", "truncated", *VERDICTS)


def sample_summaries(comparison: ComparisonRecord, *, resampling: Resampling) -> pd.DataFrame:
    """Mean length in tokens, share cut off, and share of each verdict, at every arm's final step.

    A mean is over the samples of each problem first, then over problems and seeds, so that the bands are those of the
    scores.

    Returns:
        Columns benchmark, arm, quantity, point, low, high (95 % over problems and seeds).
    """
    rows = []
    for benchmark in comparison.benchmarks:
        for arm in comparison.arms:
            values_SPX = np.stack([_problem_summaries(run, benchmark) for run in comparison.runs_of(arm)])
            shares = share_band(values_SPX[:, :, 1:], resampling.confidence)
            length = total_band(values_SPX[:, :, :1], resampling.confidence)
            for place, quantity in enumerate(QUANTITIES):
                rows.append(
                    {
                        "benchmark": benchmark,
                        "arm": arm,
                        "quantity": quantity,
                        "point": length.point[0] if place == 0 else shares.point[place - 1],
                        "low": max(length.low[0], 0.0) if place == 0 else shares.low[place - 1],
                        "high": length.high[0] if place == 0 else shares.high[place - 1],
                    }
                )
    return pd.DataFrame(rows)


def _problem_summaries(run: RunRecord, benchmark: str) -> np.ndarray:
    """(P, X): the mean of each of `QUANTITIES` over the samples of each problem, ordered by problem id."""
    judgements = run.final_samples_on(benchmark)
    problem_N, ids = codes_of(judgements, "problem_id")
    verdict_N, verdicts = codes_of(judgements, "verdict")
    reason_N, reasons = codes_of(judgements, "finish_reason")
    marks = [column(judgements, "num_tokens").astype(float), (reasons == "length")[reason_N].astype(float)]
    marks += [(verdicts == verdict)[verdict_N].astype(float) for verdict in VERDICTS]
    size_P = np.bincount(problem_N, minlength=len(ids))
    sums = np.stack([np.bincount(problem_N, mark_N, minlength=len(ids)) for mark_N in marks], axis=1)
    used = np.flatnonzero(size_P)
    ordered = used[np.argsort(ids[used], kind="stable")]
    return sums[ordered] / size_P[ordered, None]
