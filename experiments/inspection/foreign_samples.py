"""Samples made elsewhere, judged by our checker and kept as a comparison that every reader of ours reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis import SAMPLE_COLUMNS
from analysis.records.frames import column, rows_where
from experiments.records.folder import environment, write_json
from rewards import GoldAnswerError, check_answer, check_answers, extract_answer
from rewards.verdict import Verdict

__all__ = ["ForeignGoldError", "Judged", "judge_foreign", "write_foreign"]


class ForeignGoldError(ValueError):
    """A gold answer of somebody's file cannot be read."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Somebody's samples with our verdicts.

    Attributes:
        samples: what `analysis.records.foreign.read_foreign` gives, N rows; ``gold`` is the short answer.
        verdicts: N.
    """

    samples: pd.DataFrame
    verdicts: list[Verdict]

    def disagreements(self) -> pd.DataFrame:
        """Rows on which the tool and our checker differ, with what each says."""
        ours = [verdict.correct for verdict in self.verdicts]
        differ = [
            theirs is not None and theirs != own for theirs, own in zip(self.samples["correct"], ours, strict=True)
        ]
        table = self.samples.assign(
            theirs=["right" if theirs else "wrong" for theirs in self.samples["correct"]],
            ours=[str(verdict.status) for verdict in self.verdicts],
            answer=[verdict.answer for verdict in self.verdicts],
        )
        names = ["arm", "seed", "step", "problem", "sample_index", "theirs", "ours", "gold", "answer", "completion"]
        return table.loc[differ, [*names, "source"]].reset_index(drop=True)


def judge_foreign(samples: pd.DataFrame) -> Judged:
    """Our checker's verdict on each sample, gold answers first.

    A gold text may be the short answer or a worked solution that ends in it.

    Args:
        samples: what `analysis.records.foreign.read_foreign` gives.

    Raises:
        ForeignGoldError: a gold answer is empty or cannot be read; the message names file and row.
    """
    golds: dict[str, str] = {}
    for gold, source in zip(samples["gold"], samples["source"], strict=True):
        if gold not in golds:
            golds[gold] = _short(gold, source)
    samples = samples.assign(gold=[golds[gold] for gold in samples["gold"]])
    return Judged(
        samples=samples, verdicts=check_answers(list(zip(samples["completion"], samples["gold"], strict=True)))
    )


def _short(gold: str, source: str) -> str:
    short = extract_answer(gold) or gold
    try:
        check_answer("", short)
    except GoldAnswerError as error:
        raise ForeignGoldError(
            f"{source}: {error} Name the column of the gold answers: --map gold=COLUMN, or leave the row out."
        ) from error
    return short


def write_foreign(judged: Judged, folder: Path) -> list[Path]:
    """Write a comparison with one run an arm and seed; what the samples do not say is left at 0 or "unknown".

    Args:
        judged: the samples.
        folder: gets ``comparison.json`` and ``runs/``; must not hold another comparison.

    Returns:
        The folders of the runs.

    Raises:
        FileExistsError: `folder` holds runs already.
    """
    if (folder / "runs").exists():
        raise FileExistsError(f"{folder} holds runs already; choose another --out, or remove it.")
    rows = _rows(judged)
    arms = list(dict.fromkeys(judged.samples["arm"]))
    written = []
    for arm, seed in dict.fromkeys(zip(rows["arm"], rows["seed"], strict=True)):
        part = rows_where(rows, (column(rows, "arm") == arm) & (column(rows, "seed") == seed))
        run = folder / "runs" / f"{_file_name(str(arm), arms)}-seed{seed}"
        run.mkdir(parents=True)
        config = {"arm": arm, "seed": int(seed), "algorithm": "samples made elsewhere"}
        write_json(run / "config.json", config)
        write_json(run / "environment.json", environment(int(seed)))
        part.to_parquet(run / "samples.parquet", index=False)
        written.append(run)
    write_json(folder / "comparison.json", {"title": "samples made elsewhere", "arms": arms})
    return written


def _rows(judged: Judged) -> pd.DataFrame:
    samples = judged.samples
    rows = pd.DataFrame(
        {
            "arm": samples["arm"],
            "seed": samples["seed"].astype("int64"),
            "step": samples["step"].astype("int64"),
            "benchmark": "samples",
            "problem_id": samples["problem"],
            "sample_index": samples["sample_index"].astype("int64"),
            "question": samples["question"],
            "gold_answer": samples["gold"],
            "completion": samples["completion"],
            "answer": [verdict.answer for verdict in judged.verdicts],
            "answer_class": [verdict.answer_class for verdict in judged.verdicts],
            "verdict": [str(verdict.status) for verdict in judged.verdicts],
            "num_tokens": 0,
            "finish_reason": "unknown",
            "policy_version": samples["step"].astype("int64"),
        }
    )
    absent = [name for name in SAMPLE_COLUMNS if name not in rows]
    return rows.assign(**dict.fromkeys(absent)).reindex(columns=list(SAMPLE_COLUMNS))


def _file_name(arm: str, arms: list[str]) -> str:
    """A folder name for an arm whatever it is called; arms whose letters alone would clash are numbered."""
    plain = [re.sub(r"[^A-Za-z0-9._-]+", "_", name)[:80].lstrip(".") or "arm" for name in arms]
    own = plain[arms.index(arm)]
    return own if plain.count(own) == 1 else f"{own}-{arms.index(arm) + 1}"
