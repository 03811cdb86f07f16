"""Pass@1 by kind of problem and by length: where a method gains, not only how much.

`level` is the difficulty that the source gives (`Problem.level`); length is that of the question, and of the
completion. Problems are grouped by what was known before any arm ran, never by how well an arm did on them: a group of
problems that the start policy got wrong would flatter every other arm (regression to the mean). The length of a
completion is the policy's own doing: its groups say which completions are right, not what a longer one would gain, and
have no interval.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from analysis.noise.intervals import Resampling
from analysis.noise.simultaneous import share_band
from analysis.records.frames import codes_of, column, records_of
from analysis.records.record import ComparisonRecord, RunRecord
from analysis.statistics.scores import ArmScores

LEVEL, QUESTION, COMPLETION = "level", "question characters", "completion tokens"
FOURTHS = 4  # groups of a length
COLUMNS = ("benchmark", "by", "group", "arm", "problems", "samples", "point", "low", "high")
NUMBER = re.compile(r"-?\d+(\.\d+)?")


def breakdown(comparison: ComparisonRecord, scores: Sequence[ArmScores], *, resampling: Resampling) -> pd.DataFrame:
    """Pass@1 at the last step of every arm in every group, benchmark by benchmark.

    Args:
        comparison: the finished runs.
        scores: of `score_comparison`.
        resampling: its confidence is that of the bands, over the problems of the group and the seeds.

    Returns:
        benchmark; by: "level" (where the source gives two or more), "question characters" or "completion tokens";
        group: a level, or the range of a fourth of the problems (of the completions of all arms); arm; problems in the
        group (0 for completions); samples of the arm in it, all seeds; point, low, high.
    """
    rows: list[dict[str, object]] = []
    for benchmark in comparison.benchmarks:
        here = [arm for arm in scores if arm.benchmark == benchmark]
        for by, groups in problem_groups(comparison.runs[0], benchmark).items():
            for arm in here:
                rows += _rows_of_problems(arm, by, groups, resampling)
        rows += _rows_of_completions(comparison, benchmark)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def problem_groups(run: RunRecord, benchmark: str) -> dict[str, dict[str, frozenset[str | int]]]:
    """The problems of one benchmark by level and by length of the question: group → problem ids, in order.

    A division into a single group says nothing and is left out.
    """
    judgements = run.final_samples_on(benchmark)
    first = judgements.drop_duplicates("problem_id")
    texts = records_of(run.texts(first.index.to_numpy()))
    level = {row["problem_id"]: str(row["level"]) for row in texts if row["level"]}
    sizes = {row["problem_id"]: len(str(row["question"]).strip()) for row in texts}
    levels = {
        name: frozenset(each for each in level if level[each] == name)
        for name in sorted(set(level.values()), key=_order)
    }
    edges = _fourths(np.array(list(sizes.values())))
    lengths = {
        _range(low, high): frozenset(each for each, length in sizes.items() if low <= length <= high)
        for low, high in edges
    }
    return {by: groups for by, groups in ((LEVEL, levels), (QUESTION, lengths)) if len(groups) > 1}


def _rows_of_problems(
    arm: ArmScores, by: str, groups: Mapping[str, frozenset[str | int]], resampling: Resampling
) -> list[dict[str, object]]:
    rows = []
    for group, problems in groups.items():
        inside_P = np.array([problem in problems for problem in arm.problem_ids])
        if not inside_P.any():
            continue
        band = share_band(arm.pass_SPK[:, inside_P, :1], resampling.confidence)
        rows.append(
            {
                "benchmark": arm.benchmark,
                "by": by,
                "group": group,
                "arm": arm.arm,
                "problems": int(inside_P.sum()),
                "samples": int(sum(votes.num_samples_P[inside_P].sum() for votes in arm.votes_S)),
                "point": float(band.point[0]),
                "low": float(band.low[0]),
                "high": float(band.high[0]),
            }
        )
    return rows


def _rows_of_completions(comparison: ComparisonRecord, benchmark: str) -> list[dict[str, object]]:
    """The share of right completions of each arm by length, in fourths of all arms' completions."""
    own = {arm: _lengths(comparison.runs_of(arm), benchmark) for arm in comparison.arms}
    edges = _fourths(np.concatenate([tokens_N for tokens_N, _ in own.values()]))
    if len(edges) < 2:
        return []
    rows = []
    for low, high in edges:
        for arm, (tokens_N, right_N) in own.items():
            inside_N = (low <= tokens_N) & (tokens_N <= high)
            rows.append(
                {
                    "benchmark": benchmark,
                    "by": COMPLETION,
                    "group": _range(low, high),
                    "arm": arm,
                    "problems": 0,
                    "samples": int(inside_N.sum()),
                    "point": float(right_N[inside_N].mean()) if inside_N.any() else np.nan,
                    "low": np.nan,
                    "high": np.nan,
                }
            )
    return rows


def _lengths(runs: Sequence[RunRecord], benchmark: str) -> tuple[np.ndarray, np.ndarray]:
    tokens, right = [], []
    for run in runs:
        samples = run.final_samples_on(benchmark)
        verdict_N, verdicts = codes_of(samples, "verdict")
        tokens.append(column(samples, "num_tokens").astype(np.int64))
        right.append((verdicts == "CORRECT")[verdict_N])
    return np.concatenate(tokens), np.concatenate(right)


def _fourths(lengths_N: np.ndarray) -> list[tuple[int, int]]:
    """Ranges that do not overlap, each about a fourth of the lengths; fewer where many are the same."""
    cuts = np.unique(np.quantile(lengths_N, np.arange(1, FOURTHS) / FOURTHS, method="inverted_cdf"))
    ranges, low = [], int(lengths_N.min())
    for high in (*(int(cut) for cut in cuts), int(lengths_N.max())):
        if high >= low:
            ranges.append((low, high))
            low = high + 1
    return ranges


def _range(low: int, high: int) -> str:
    return f"{low}" if low == high else f"{low}–{high}"


def _order(name: str) -> tuple[int, float, str]:
    """Numbers by size, then other names."""
    return (0, float(name), "") if NUMBER.fullmatch(name) else (1, 0.0, name)
