"""The command `coeflab curves`: Pass@K, Maj@K and the report of samples that another tool made."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from benchmarks.naming import did_you_mean
from experiments.commands.options import Repeated, write_report_of

__all__ = ["Curves"]

SHOWN = 5  # disagreements that are printed


@dataclass(frozen=True, kw_only=True)
class Curves:
    """Judge samples of lm-eval, TRL, verl or a plain table with our checker, print the table, write the report."""

    files: tyro.conf.Positional[tuple[Path, ...]]
    """lm-eval samples_*.jsonl, TRL completions parquet, verl dumps, or JSONL, CSV, parquet; also folders of them."""
    map: Annotated[Repeated[tuple[str, ...]], tyro.conf.arg(name="map")] = ()
    """field=column where a column is called otherwise; fields: problem, question, completion, gold, arm, seed, step,
    correct (the tool's own verdict). May be repeated."""
    out: Path = Path("runs/curves")
    """Folder of the judged samples and the report."""
    baseline: str | None = None
    """The arm that the others are compared with."""

    def run(self) -> None:
        """Read, judge, write, print."""
        from analysis.records.foreign import read_foreign
        from analysis.report.export import csv_text
        from experiments.inspection.foreign_samples import check_comparable, judge_foreign, write_foreign

        if not self.files:
            raise ValueError(
                "no files; expected samples of lm-eval, TRL or verl, or a table of problem, completion, gold."
            )
        samples = read_foreign(self.files, dict(map(_pair, self.map)))
        if (self.out / "runs").exists():
            raise ValueError(f"{self.out} holds runs already; choose another --out, or remove it.")
        check_comparable(samples)
        if self.baseline is not None and self.baseline not in (arms := list(dict.fromkeys(samples["arm"]))):
            near = did_you_mean(self.baseline, arms)
            raise ValueError(f"--baseline {self.baseline}: no such arm{near}Known: {', '.join(arms)}.")
        judged = judge_foreign(samples)
        write_foreign(judged, self.out)
        differing = judged.disagreements()
        (self.out / "disagreements.csv").write_text(csv_text(differing), encoding="utf-8", newline="")
        told = sum(verdict is not None for verdict in samples["correct"])
        write_report_of(self.out, self.baseline)
        if told:
            print(f"their verdicts: {told:,}; ours differ on {len(differing):,}: {self.out / 'disagreements.csv'}")
        for row in differing.head(SHOWN).to_dict("records"):
            said = f"gold {row['gold']!r}, answer {row['answer']!r}"
            print(f"  {row['source']}: {said}: theirs {row['theirs']}, ours {row['ours']}")


def _pair(text: str) -> tuple[str, str]:
    field, equals, column = text.partition("=")
    if not equals or not field or not column:
        raise ValueError(f"--map {text!r}: expected field=column, e.g. --map gold=answer.")
    return field, column
