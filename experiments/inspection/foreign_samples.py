"""Samples made elsewhere, judged by our checker and kept as a comparison that every reader of ours reads."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from analysis import SAMPLE_COLUMNS
from analysis.records.frames import column, records_of, rows_where
from analysis.records.reading import RecordError, name_in
from analysis.records.showing import number_of
from experiments.records.folder import environment, write_json
from rewards import GoldAnswerError, check_answer, check_answers, extract_answer
from rewards.verdict import Verdict

__all__ = ["ForeignGoldError", "Judged", "check_comparable", "judge_foreign", "write_foreign"]

LONGEST_QUESTION = 80  # characters that a message shows


class ForeignGoldError(ValueError):
    """A gold answer of somebody's file cannot be read, or is not that of the same problem's other rows."""


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


def check_comparable(samples: pd.DataFrame) -> None:
    """Refuse what no report could be written of: an arm's name, or problems that are not the same.

    Args:
        samples: what `analysis.records.foreign.read_foreign` gives.

    Raises:
        RecordError: it is so; the message names a row.
    """
    for row in records_of(samples.drop_duplicates("arm")):
        name_in(row, "arm", row["source"])
    runs = _problems_by_step(samples)
    [(first, steps), *others] = runs.items()
    wanted = steps[max(steps)]
    for run, steps in others:
        problems = steps[max(steps)]
        if differing := sorted(problems.keys() ^ wanted.keys()):
            example = differing[0]
            raise RecordError(
                f"{_named(first)} has {number_of(len(wanted), 'problem')} at its last step and {_named(run)} "
                f"{len(problems)}, of which {len(problems.keys() & wanted.keys())} are the same: {example!r} is in one "
                f"only ({problems.get(example) or wanted[example]}); expected the same problems in every arm; leave "
                "out the rows of problems that not all arms have, or give each arm a folder of its own (--out)"
            )
    for arm in dict.fromkeys(arm for arm, _ in runs):
        seeds = [steps for (of, _), steps in runs.items() if of == arm]
        common = sorted(set.intersection(*(set(steps) for steps in seeds)))
        if not set.intersection(*(set(steps[step]) for steps in seeds for step in common)):
            raise RecordError(
                f"arm {arm!r} has no problem with samples at every one of its {len(common)} steps, such as "
                f"{common[0]} ({next(iter(seeds[0][common[0]].values()))}) and {common[-1]}; expected the same "
                "problems at every step, as an evaluation has them; give the rows or the file of one step"
            )


def _problems_by_step(samples: pd.DataFrame) -> dict[tuple[str, int], dict[int, dict[str, str]]]:
    """Where each problem stands, by arm and seed, and step; without seeds that end before others of their arm."""
    runs: dict[tuple[str, int], dict[int, dict[str, str]]] = {}
    for row in records_of(samples.drop_duplicates(["arm", "seed", "step", "problem"])):
        steps = runs.setdefault((row["arm"], row["seed"]), {})
        steps.setdefault(row["step"], {})[row["problem"]] = row["source"]
    last: dict[str, int] = {}
    for (arm, _), steps in runs.items():
        last[arm] = max(last.get(arm, 0), *steps)
    return {run: steps for run, steps in runs.items() if max(steps) == last[run[0]]}


def _named(run: tuple[str, int]) -> str:
    return f"arm {run[0]!r} (seed {run[1]})"


def judge_foreign(samples: pd.DataFrame) -> Judged:
    """Our checker's verdict on each sample, gold answers first.

    A gold text may be the short answer or a worked solution that ends in it. A problem has one gold answer, that of its
    first row: what others of its rows say must be the same answer to our checker, whichever of the two is the gold one,
    and may be written differently.

    Args:
        samples: what `analysis.records.foreign.read_foreign` gives.

    Raises:
        ForeignGoldError: a gold answer is empty or cannot be read, or a problem has two; the message names file and
            row.
    """
    golds: dict[str, str] = {}
    for gold, source in zip(samples["gold"], samples["source"], strict=True):
        if gold not in golds:
            golds[gold] = _short(gold, source)
    samples = _with_one_gold(samples.assign(gold=[golds[gold] for gold in samples["gold"]]))
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


def _with_one_gold(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples, every row of a problem with the gold answer of its first."""
    firsts = {row["problem"]: row for row in records_of(samples.drop_duplicates("problem"))}
    others = [
        row
        for row in records_of(samples.drop_duplicates(["problem", "gold"]))
        if row["gold"] != firsts[row["problem"]]["gold"]
    ]
    pairs = [(firsts[row["problem"]]["gold"], row["gold"]) for row in others]
    there = check_answers([(_boxed(other), first) for first, other in pairs])
    back = check_answers([(_boxed(first), other) for first, other in pairs])
    for row, one, two in zip(others, there, back, strict=True):
        if not (one.correct and two.correct):
            first = firsts[row["problem"]]
            asked = f" ({row['question'][:LONGEST_QUESTION]!r})" if row["question"] else ""
            raise ForeignGoldError(
                f"{row['source']}: the gold answer of problem {row['problem']!r}{asked} is {row['gold']!r}, and "
                f"{first['gold']!r} in {first['source']}; expected one gold answer a problem. Mend the wrong one, or "
                "give different problems different ids: --map problem=COLUMN."
            )
    return samples.assign(gold=[firsts[name]["gold"] for name in samples["problem"]])


def _boxed(answer: str) -> str:
    return f"\\boxed{{{answer}}}"


def write_foreign(judged: Judged, folder: Path) -> list[Path]:
    """Write a comparison with one run an arm and seed; what the samples do not say is left at 0 or "unknown".

    Args:
        judged: the samples.
        folder: gets ``comparison.json`` and ``runs/``; must not hold another comparison.

    Returns:
        The folders of the runs.

    Raises:
        FileExistsError: `folder` holds runs already.
        RecordError: see `check_comparable`.
    """
    check_comparable(judged.samples)
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
