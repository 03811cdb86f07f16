"""Many pairs at once: exact verdicts at once, and what they leave open in several symbolic workers side by side."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from benchmarks.problem import Tolerance
from rewards.algebra.symbolic import SymbolicNeededError, num_workers, without_workers
from rewards.checker.answers import check_answer
from rewards.verdict import Verdict

__all__ = ["check_answers"]

_PAIRS_A_WORKER = 16  # about as many as one worker judges while another one starts


def check_answers(
    pairs: Sequence[tuple[str, str]], *, tolerances: Sequence[Tolerance | None] | None = None
) -> list[Verdict]:
    """`check_answer` on each (completion, gold answer), in order; a pair that occurs twice is judged once.

    What the exact rules leave open is shared out among symbolic workers, up to one a processor. The verdicts are those
    of `check_answer`, however many workers there are: a deadline counts the worker's own processor time.

    Args:
        pairs: completion and gold answer.
        tolerances: of each pair, where a benchmark defines one; none without it.

    Returns:
        One verdict a pair.

    Raises:
        GoldAnswerError: one of the gold answers is empty or cannot be read.
        ValueError: there are not as many tolerances as pairs.
    """
    if tolerances is None:
        tolerances = [None] * len(pairs)
    tasks = [(*pair, tolerance) for pair, tolerance in zip(pairs, tolerances, strict=True)]
    verdicts: dict[tuple[str, str, Tolerance | None], Verdict] = {}
    still_open = []
    with without_workers():
        for task in dict.fromkeys(tasks):
            try:
                verdicts[task] = _check(task)
            except SymbolicNeededError:
                still_open.append(task)
    if still_open:
        num_threads = min(num_workers(), 1 + len(still_open) // _PAIRS_A_WORKER)
        executor = ThreadPoolExecutor(num_threads, thread_name_prefix="symbolic")
        try:
            verdicts |= zip(still_open, executor.map(_check, still_open), strict=True)
        finally:
            executor.shutdown(cancel_futures=True)
    return [verdicts[task] for task in tasks]


def _check(task: tuple[str, str, Tolerance | None]) -> Verdict:
    completion, gold_answer, tolerance = task
    return check_answer(completion, gold_answer, tolerance=tolerance)
