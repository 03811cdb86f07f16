"""Time and memory of the statistics of a large comparison: generated records, real code.

1,319 problems (GSM8K's test set) × 256 samples × 7 arms × 3 seeds. From the vote counts, and from Parquet files as runs
write them: every Pass@K and Maj@K curve at the powers of two with its bands (2,000 resamples), the difference curves to
the first arm, and all pairs of arms on Pass@1 and on Maj@16.
"""

from __future__ import annotations

import json
import resource
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from analysis import Resampling, load_comparison, score_comparison
from analysis.statistics.crossings import crossings
from analysis.statistics.curves import difference_curves, majority_curves, pass_curves
from analysis.statistics.differences import compare_arms
from analysis.statistics.scores import ArmScores, VoteTable, powers_of_two, score_votes

__all__ = ["AnalysisSize", "AnalysisTiming", "measure_analysis", "timing_table"]

Result = TypeVar("Result")
BENCHMARK = "generated"
WRONG_ANSWERS = 120  # distinct wrong answers that a problem can attract
RESAMPLING = Resampling(num_resamples=2000)


@dataclass(frozen=True, kw_only=True)
class AnalysisSize:
    """Size of the generated comparison; texts are `characters` long on average."""

    problems: int = 1319
    samples: int = 256
    arms: int = 7
    seeds: int = 3
    characters: int = 300


@dataclass(frozen=True, kw_only=True)
class AnalysisTiming:
    """Time and peak resident memory of a process that did nothing else; `start` says what it began with.

    `cpu_s` is the time on a core: what `seconds` would be, nearly, where nothing else runs.
    """

    start: str
    seconds: float
    cpu_s: float
    peak_gib: float
    limit_s: float
    num_bytes: int


def measure_analysis(size: AnalysisSize = AnalysisSize(), folder: Path | None = None) -> tuple[AnalysisTiming, ...]:
    """Generate a comparison, then time the statistics from vote counts and from its files, each in a new process.

    Args:
        size: of the comparison.
        folder: where the files go (about 100 MB a run at full size); without it, a temporary folder.
    """
    with tempfile.TemporaryDirectory(dir=folder) as name:
        comparison = Path(name)
        _in_new_process(write_comparison, comparison, size)
        written = sum(file.stat().st_size for file in comparison.rglob("*.parquet"))
        from_votes = _in_new_process(_time_from_votes, comparison, size)
        from_files = _in_new_process(_time_from_files, comparison, size)
    return from_votes, replace(from_files, num_bytes=written)


def timing_table(timings: tuple[AnalysisTiming, ...]) -> str:
    """The timings as text, a line each."""
    lines = [f"{'from':<14}{'seconds':>9}{'cpu s':>7}{'limit':>7}{'peak GiB':>10}{'files GiB':>11}"]
    for timing in timings:
        read = f"{timing.num_bytes / 2**30:.2f}" if timing.num_bytes else "–"
        lines.append(
            f"{timing.start:<14}{timing.seconds:>9.1f}{timing.cpu_s:>7.1f}{timing.limit_s:>7.0f}"
            f"{timing.peak_gib:>10.2f}{read:>11}"
        )
    return "\n".join(lines)


def write_comparison(folder: Path, size: AnalysisSize) -> None:
    """Run folders of a generated comparison: `ARM-seedN` with configuration and samples."""
    rng = np.random.default_rng(0)
    letters = rng.choice(list("abcdefghij 0123456789+-=()\\{}"), size=1 << 20)
    text = "".join(letters.tolist())
    for arm in range(size.arms):
        for seed in range(size.seeds):
            run = folder / "runs" / f"arm{arm}-seed{seed}"
            run.mkdir(parents=True)
            settings = {"arm": f"arm{arm}", "seed": seed, "algorithm": "grpo"}
            (run / "config.json").write_text(json.dumps(settings))
            (run / "environment.json").write_text("{}")
            pq.write_table(_samples(size, arm, seed, text), run / "samples.parquet")


def generated_answers(size: AnalysisSize, arm: int, seed: int) -> np.ndarray:
    """(P, n) answers of one run: 0 is right, -1 none, others are wrong ones, some wrong ones far more attractive."""
    shared = np.random.default_rng(1)
    ability_P = shared.normal(0.5, 2.0, size.problems)
    spread_P = shared.uniform(0.6, 2.0, size.problems)  # how quickly wrong answers get rare
    rng = np.random.default_rng((2, arm, seed))
    right_P = 1 / (1 + np.exp(-(ability_P + 0.15 * arm + rng.normal(0, 0.3, size.problems) + rng.normal(0, 0.05))))
    silent_P = rng.beta(1, 40, size.problems)
    weights_PA = 1 / np.arange(1, WRONG_ANSWERS + 1) ** spread_P[:, None]
    weights_PA /= weights_PA.sum(axis=1, keepdims=True)
    chances_PA = np.column_stack(
        [silent_P, (1 - silent_P) * right_P, ((1 - silent_P) * (1 - right_P))[:, None] * weights_PA]
    )
    bounds_PA = np.cumsum(chances_PA, axis=1)
    draws_PN = rng.random((size.problems, size.samples)) * bounds_PA[:, -1:]
    return np.stack([np.searchsorted(bounds, draws) for bounds, draws in zip(bounds_PA, draws_PN, strict=True)]) - 1


def _samples(size: AnalysisSize, arm: int, seed: int, text: str) -> pa.Table:
    rng = np.random.default_rng((3, arm, seed))
    answer_N = generated_answers(size, arm, seed).ravel()
    problem_N = np.repeat(np.arange(size.problems), size.samples)
    starts = rng.integers(0, len(text) - 2 * size.characters, len(answer_N)).tolist()
    lengths = rng.integers(size.characters // 2, 3 * size.characters // 2, len(answer_N))
    completions = [text[start : start + length] for start, length in zip(starts, lengths.tolist(), strict=True)]
    names = np.array(["", "correct", *(str(wrong) for wrong in range(1, WRONG_ANSWERS + 1))])
    verdicts = np.where(answer_N < 0, "NO_ANSWER", np.where(answer_N == 0, "CORRECT", "INCORRECT"))
    ids = np.array([f"{BENCHMARK}-{problem:05d}" for problem in range(size.problems)])
    count = len(answer_N)
    return pa.table(
        {
            "arm": [f"arm{arm}"] * count,
            "seed": np.full(count, seed),
            "step": np.zeros(count, dtype=np.int64),
            "benchmark": [BENCHMARK] * count,
            "problem_id": ids[problem_N],
            "sample_index": np.tile(np.arange(size.samples), size.problems),
            "question": ids[problem_N],
            "gold_answer": np.array([str(problem) for problem in range(size.problems)])[problem_N],
            "completion": completions,
            "answer": names[answer_N + 1],
            "answer_class": names[answer_N + 1],
            "verdict": verdicts,
            "num_tokens": lengths // 3,
            "finish_reason": np.where(answer_N < 0, "length", "stop"),
            "policy_version": np.zeros(count, dtype=np.int64),
        }
    )


def generated_votes(size: AnalysisSize, arm: int, seed: int) -> VoteTable:
    """The votes of one run, counted from `generated_answers`; its files hold the same."""
    answers_PN = generated_answers(size, arm, seed)
    counts = [np.unique(answers[answers > 0], return_counts=True)[1] for answers in answers_PN]
    return VoteTable(
        problem_ids=tuple(f"{BENCHMARK}-{problem:05d}" for problem in range(size.problems)),
        num_samples_P=np.full(size.problems, size.samples),
        num_correct_P=(answers_PN == 0).sum(axis=1),
        num_abstaining_P=(answers_PN < 0).sum(axis=1),
        wrong_votes_P=tuple(tuple(sorted(count.tolist(), reverse=True)) for count in counts),
    )


def _statistics(scores: tuple[ArmScores, ...]) -> None:
    pass_curves(scores, RESAMPLING)
    majority_curves(scores, RESAMPLING)
    difference_curves(scores, scores[0].arm, RESAMPLING)
    compare_arms(scores, resampling=RESAMPLING)
    compare_arms(scores, resampling=RESAMPLING, quantity="majority", k=min(16, scores[0].ks[-1]))
    crossings(scores, resampling=RESAMPLING)


def _time_from_votes(_: Path, size: AnalysisSize) -> AnalysisTiming:
    votes = [[generated_votes(size, arm, seed) for seed in range(size.seeds)] for arm in range(size.arms)]

    def work() -> None:
        ks, seeds = powers_of_two(size.samples), tuple(range(size.seeds))
        arms = [
            score_votes(own, ks, arm=f"arm{arm}", benchmark=BENCHMARK, seeds=seeds) for arm, own in enumerate(votes)
        ]
        _statistics(tuple(arms))

    return _timed(work, "vote counts", limit_s=60)


def _time_from_files(folder: Path, _: AnalysisSize) -> AnalysisTiming:
    return _timed(lambda: _statistics(score_comparison(load_comparison(folder))), "parquet files", limit_s=120)


def _timed(work: Callable[[], None], start: str, *, limit_s: float) -> AnalysisTiming:
    began, began_cpu = time.perf_counter(), time.process_time()
    work()
    seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # in KiB on Linux
    return AnalysisTiming(start=start, seconds=seconds, cpu_s=cpu_s, peak_gib=peak_gib, limit_s=limit_s, num_bytes=0)


def _in_new_process(task: Callable[[Path, AnalysisSize], Result], folder: Path, size: AnalysisSize) -> Result:
    with ProcessPoolExecutor(max_workers=1, mp_context=get_context("spawn")) as pool:
        return pool.submit(task, folder, size).result()
