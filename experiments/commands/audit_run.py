"""`coeflab audit RUN`: what a change of checker version would change in a finished run.

Nothing in the run's folder is written: a run is judged by one version, the one that `environment.json` records.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from benchmarks.files import FILES, load_from_folder
from benchmarks.problem import Tolerance
from benchmarks.registry import BENCHMARKS
from rewards import CHECKER_VERSION

if TYPE_CHECKING:  # heavy, and imported by every command
    import pandas as pd

    from analysis.records.record import RunRecord
    from experiments.inspection.rejudged import Rejudged

__all__ = ["AuditRun"]

_TOLERANCE_BY_ROW = frozenset({"olympiadbench"})
_MOST_CHARS = 100


@dataclass(frozen=True, kw_only=True)
class AuditRun:
    """Judge the samples of a finished run or comparison again and show which verdicts change."""

    run_folder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="RUN")]
    """Folder of a run (config.json, samples.parquet) or of a comparison (runs/)."""
    show: int = 3
    """Examples of each change of verdict."""
    data_dir: Path | None = None
    """Folder of benchmark files, for the tolerances that a benchmark writes beside each problem (OlympiadBench)."""
    json_file: Annotated[Path | None, tyro.conf.arg(name="json")] = None
    """Write counts, Pass@1 and every changed sample here as well."""

    def run(self) -> None:
        """Judges, and prints tables and examples."""
        from experiments.inspection.rejudged import finished_runs, rejudge, versions_in_words

        runs, left_out = finished_runs(self.run_folder)
        for sentence in left_out:
            print(f"left out: {sentence}")
        rejudged = []
        for run in runs:
            rejudged.append(rejudge(run, tolerances=_tolerances(run, self.data_dir)))
            print(f"judged {rejudged[-1].name}", file=sys.stderr)
        for versions in dict.fromkeys(versions_in_words(one.recorded_version) for one in rejudged):
            names = [one.name for one in rejudged if versions_in_words(one.recorded_version) == versions]
            print(f"{', '.join(names)}: {versions}")
        if self.data_dir is None and (named := _with_tolerance_by_row(runs)):
            print(
                f"{', '.join(named)} writes a tolerance beside some problems, and a run does not hold it: its verdicts "
                "below are the exact ones. Pass --data-dir with its file."
            )
        print(_report(rejudged, self.show))
        if self.json_file is not None:
            self.json_file.write_text(json.dumps([_as_json(one) for one in rejudged], ensure_ascii=False, indent=1))


def _tolerances(run: RunRecord, data_dir: Path | None) -> dict[tuple[str, str], Tolerance | None]:
    """By the registry; by the benchmark's file, where it is at hand and says it row by row."""
    judged = {
        (str(benchmark), str(problem))
        for benchmark, problem in zip(run.judgements["benchmark"], run.judgements["problem_id"], strict=True)
    }
    found = {key: BENCHMARKS[key[0]].tolerance for key in judged if key[0] in BENCHMARKS}
    if data_dir is None:
        return found
    for name in sorted({benchmark for benchmark, _ in judged} & _TOLERANCE_BY_ROW):
        for split in FILES[name]:
            for problem in load_from_folder(name, split, data_dir):
                found[name, problem.problem_id] = problem.tolerance
    return found


def _with_tolerance_by_row(runs: Iterable[RunRecord]) -> list[str]:
    return sorted({str(name) for run in runs for name in run.judgements["benchmark"].unique()} & _TOLERANCE_BY_ROW)


def _report(rejudged: list[Rejudged], show: int) -> str:
    import pandas as pd

    from analysis.records.frames import column

    samples = pd.concat([one.samples.assign(run=one.name) for one in rejudged], ignore_index=True)
    moved = pd.concat([one.transitions().assign(run=one.name) for one in rejudged], ignore_index=True)
    votes = sum(one.votes_moved() for one in rejudged)
    changed = int(column(moved, "samples").sum())
    lines = [
        f"{len(samples):,} samples, {changed:,} verdicts differ ({100 * changed / max(1, len(samples)):.2f} %); "
        f"{votes:,} answers of unchanged verdict vote under another key in Maj@K."
    ]
    if changed:
        totals = moved.pivot_table("samples", ["benchmark", "verdict", "new_verdict"], aggfunc="sum").reset_index()
        totals = totals.sort_values("samples", ascending=False, kind="stable")
        totals = totals.rename(columns={"verdict": "recorded", "new_verdict": f"checker {CHECKER_VERSION}"})
        lines += ["", totals.to_string(index=False)]
    lines += ["", "Pass@1 at the last evaluation", _effects(rejudged)]
    return "\n".join([*lines, *_examples(samples, show)])


def _effects(rejudged: list[Rejudged]) -> str:
    import pandas as pd

    tables = []
    for one in rejudged:
        table = one.pass_at_1()
        tables.append(table[table["step"] == table["step"].max()].assign(run=one.name))
    table = pd.concat(tables, ignore_index=True)[["run", "benchmark", "step", "before", "after", "change"]]
    return table.to_string(index=False, float_format="%.4f")


def _examples(samples: pd.DataFrame, show: int) -> list[str]:
    from analysis.records.frames import column, rows_where

    lines: list[str] = []
    recorded, now = column(samples, "verdict"), column(samples, "new_verdict")
    for before, after in sorted(set(zip(recorded, now, strict=True))):
        if before == after:
            continue
        group = rows_where(samples, (recorded == before) & (now == after))
        lines += ["", f"{before} → {after}, {len(group):,} samples"]
        distinct = group.drop_duplicates(["gold_answer", "new_answer"]).head(show)
        columns = ("run", "problem_id", "gold_answer", "answer", "new_answer", "reason")
        for run, problem, gold, old, new, reason in distinct[list(columns)].itertuples(index=False):
            answer = _short(new) if old == new else f"{_short(old)}, now {_short(new)}"
            lines.append(f"  {run}, {problem}: gold {_short(gold)}, answer {answer}{f' ({reason})' if reason else ''}")
    return lines


def _short(text: str) -> str:
    return repr(text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}…")


def _as_json(one: Rejudged) -> dict[str, object]:
    from analysis.records.frames import column, records_of, rows_where

    samples = one.samples
    changed = rows_where(samples, column(samples, "verdict") != column(samples, "new_verdict"))
    names = ["step", "benchmark", "problem_id", "sample_index", "gold_answer", "answer", "verdict", "new_answer"]
    return {
        "run": one.name,
        "recorded_version": one.recorded_version,
        "checker_version": CHECKER_VERSION,
        "samples": len(samples),
        "votes_moved": one.votes_moved(),
        "transitions": records_of(one.transitions()),
        "pass_at_1": records_of(one.pass_at_1()),
        "changed": records_of(changed.filter([*names, "new_verdict", "reason"])),
    }
