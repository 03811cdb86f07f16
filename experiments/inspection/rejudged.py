"""A finished run judged again by the checker of today: which verdicts change, and what that does to Pass@1."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis.records.frames import UnfinishedRunError, column, rows_where
from analysis.records.load import load_run
from analysis.records.record import RunRecord
from benchmarks.problem import Tolerance
from rewards import CHECKER_VERSION, GoldAnswerError, check_answer, check_answers

__all__ = ["Rejudged", "Tolerances", "finished_runs", "rejudge", "versions_in_words"]

Tolerances = Mapping[tuple[str, str], Tolerance | None]
"""By benchmark and problem id."""

UNREADABLE_GOLD = "GOLD"  # in place of a verdict, where the gold answer cannot be read today


@dataclass(frozen=True, kw_only=True, eq=False)
class Rejudged:
    """The samples of one run with both verdicts.

    Attributes:
        name: the run's folder.
        recorded_version: the checker that judged it, ``""`` where the run does not say.
        samples: SAMPLE_COLUMNS and ``new_verdict``, ``new_answer``, ``new_class``, ``reason``; a row a sample.
    """

    name: str
    recorded_version: str
    samples: pd.DataFrame

    def transitions(self) -> pd.DataFrame:
        """Numbers of samples by old and new verdict, a row each benchmark and pair of different verdicts."""
        changed = rows_where(self.samples, column(self.samples, "verdict") != column(self.samples, "new_verdict"))
        keys = ["benchmark", "verdict", "new_verdict"]
        counts = Counter(zip(*(column(changed, key) for key in keys), strict=True))
        ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        return pd.DataFrame([(*key, count) for key, count in ordered], columns=[*keys, "samples"])

    def votes_moved(self) -> int:
        """Answers of unchanged verdict that Maj@K would count under another key."""
        same = column(self.samples, "verdict") == column(self.samples, "new_verdict")
        return int((same & (column(self.samples, "answer_class") != column(self.samples, "new_class"))).sum())

    def pass_at_1(self) -> pd.DataFrame:
        """Pass@1 (mean over problems of the share correct) by each version, a row each benchmark and step."""
        scored = self.samples.assign(
            before=(column(self.samples, "verdict") == "CORRECT").astype(float),
            after=(column(self.samples, "new_verdict") == "CORRECT").astype(float),
        )
        both, keys = ["before", "after"], ["benchmark", "step"]
        problems = scored.pivot_table(both, [*keys, "problem_id"], aggfunc="mean", observed=True)
        table = problems.pivot_table(both, keys, aggfunc="mean", observed=True)[both].reset_index()
        return table.assign(change=table["after"] - table["before"])


def finished_runs(folder: Path) -> tuple[list[RunRecord], list[str]]:
    """The finished runs of a run folder or a comparison, and a sentence on each that is not, whatever their checkers.

    Raises:
        RecordError: a run contradicts itself.
        ValueError: the folder is neither, or holds no finished run.
    """
    if (folder / "config.json").exists():
        return [load_run(folder)], []
    if not (folder / "runs").is_dir():
        raise ValueError(f"{folder}: got no config.json (a run) and no runs/ (a comparison); name one of the two.")
    runs, left_out = [], []
    for child in sorted(path for path in (folder / "runs").iterdir() if path.is_dir()):
        try:
            runs.append(load_run(child))
        except UnfinishedRunError as error:
            left_out.append(f"{child.name}: {error}")
    if not runs:
        raise ValueError(f"{folder}: got no finished run ({'; '.join(left_out) or 'runs/ is empty'}); let one finish.")
    return runs, left_out


def rejudge(run: RunRecord, *, tolerances: Tolerances) -> Rejudged:
    """Every sample of a run under `CHECKER_VERSION`.

    Args:
        run: a finished run; its texts are read from its folder.
        tolerances: of the problems whose benchmark defines one; exact for all others.
    """
    samples = run.samples.reset_index(drop=True)
    pairs = list(zip(samples["completion"], samples["gold_answer"], strict=True))
    keys = zip(samples["benchmark"], samples["problem_id"], strict=True)
    allowed = [tolerances.get((str(benchmark), str(problem))) for benchmark, problem in keys]
    readable = {gold: _is_readable(gold) for gold in dict.fromkeys(samples["gold_answer"])}
    asked = [row for row, (_, gold) in enumerate(pairs) if readable[gold]]
    verdicts = dict(
        zip(
            asked,
            check_answers([pairs[row] for row in asked], tolerances=[allowed[row] for row in asked]),
            strict=True,
        )
    )
    found = [verdicts.get(row) for row in range(len(pairs))]
    return Rejudged(
        name=run.path.name,
        recorded_version=run.checker_version,
        samples=samples.assign(
            new_verdict=[UNREADABLE_GOLD if verdict is None else str(verdict.status) for verdict in found],
            new_answer=["" if verdict is None else verdict.answer for verdict in found],
            new_class=["" if verdict is None else verdict.answer_class for verdict in found],
            reason=["" if verdict is None else verdict.reason for verdict in found],
        ),
    )


def _is_readable(gold_answer: str) -> bool:
    try:
        check_answer("", gold_answer)
    except GoldAnswerError:
        return False
    return True


def versions_in_words(recorded: str) -> str:
    """``judged by checker 3, now 4``; honest where a run does not say, or where it is the same."""
    if not recorded:
        return f"judged by a checker whose version it does not record, now {CHECKER_VERSION}"
    if recorded == CHECKER_VERSION:
        return f"judged by checker {recorded}, the same as now: no verdict should differ"
    return f"judged by checker {recorded}, now {CHECKER_VERSION}"
