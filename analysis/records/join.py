"""Comparisons of different folders read as one: the arms of both on the same problems, judged by the same checker.

An arm that two folders have by the same name becomes two, "grpo (A)" and "grpo (B)", named after the folders; the start
policy too, and where two folders have different ones, only arms of one start are compared, as everywhere. Where the
starts are one policy (the same answers on every problem and seed) they are one arm, and all arms may be compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.records.agreement import OnMismatch, same_checker, same_problems, seed_notes
from analysis.records.frames import column
from analysis.records.load import load_comparison
from analysis.records.reading import RecordError
from analysis.records.record import ComparisonRecord, UnfinishedRun
from analysis.records.schema import START_ARM


def load_joined(paths: Sequence[str | Path], *, on_mismatch: OnMismatch = "refuse") -> ComparisonRecord:
    """One folder as `load_comparison` reads it, or several as one comparison.

    Contrasts that a folder declared before it ran stay declared; none is declared between folders.

    Raises:
        RecordError: as `load_comparison`; or the folders were evaluated on different problems, at different
            temperatures, or judged by different versions of the checker, and `on_mismatch` is "refuse"; or two folders
            have the same name.
    """
    if len(paths) == 1:
        return load_comparison(paths[0], on_mismatch=on_mismatch)
    if not paths:
        raise RecordError("no folder to report on; expected at least one that coeflab compare, train or evaluate wrote")
    names = [Path(path).resolve().name for path in paths]
    if len(set(names)) < len(names):
        raise RecordError(f"folders named {names}; expected different names, which tell their arms apart; rename one")
    parts = [load_comparison(path, on_mismatch=on_mismatch) for path in paths]
    temperature_notes = _check_temperatures(parts, names)
    renamed = _renaming(parts, names)
    runs = tuple(
        replace(run, arm=renamed[name, run.arm])
        for name, part in zip(names, parts, strict=True)
        for run in part.runs
        if (name, run.arm) in renamed
    )
    runs, other_checker, checker_notes = same_checker(runs, on_mismatch)
    runs, problem_notes = same_problems(runs, on_mismatch)
    return ComparisonRecord(
        path=parts[0].path,
        description=_description(parts, names, renamed),
        runs=runs,
        unfinished=(
            *(
                UnfinishedRun(name=f"{name}/{run.name}", reason=run.reason, damaged=run.damaged)
                for name, part in zip(names, parts, strict=True)
                for run in part.unfinished
            ),
            *other_checker,
        ),
        notes=(
            f"Joined from {len(parts)} folders, {', '.join(names)}: their arms were not run side by side, and nothing "
            "between folders was declared beforehand.",
            *temperature_notes,
            *checker_notes,
            *problem_notes,
            *seed_notes(runs),
        ),
    )


def _check_temperatures(parts: Sequence[ComparisonRecord], names: Sequence[str]) -> tuple[str, ...]:
    """A difference between arms that were sampled at different temperatures would be one of decoding.

    Returns:
        A note for the folders that do not say at which.

    Raises:
        RecordError: they say different ones.
    """
    by_name = {
        name: sorted({run.temperature for run in part.runs if run.temperature is not None})
        for name, part in zip(names, parts, strict=True)
    }
    known = {tuple(values) for values in by_name.values() if values}
    if len(known) > 1:
        listed = "; ".join(f"{name}: {', '.join(f'{each:g}' for each in values)}" for name, values in by_name.items())
        raise RecordError(
            f"the folders were evaluated at different temperatures ({listed}); expected one; evaluate one of them again"
        )
    silent = [name for name, values in by_name.items() if not values]
    if not silent:
        return ()
    return (
        f"{', '.join(silent)} {'does' if len(silent) == 1 else 'do'} not say at which temperature the samples were "
        "drawn: a difference between folders may be one of decoding.",
    )


def _renaming(parts: Sequence[ComparisonRecord], names: Sequence[str]) -> dict[tuple[str, str], str]:
    """(folder, arm) → the arm's name in the joined comparison; a start that several folders share is kept once."""
    owners: dict[str, list[str]] = {}
    for name, part in zip(names, parts, strict=True):
        for arm in part.arms:
            owners.setdefault(arm, []).append(name)
    shared = same_starts(parts)
    renamed = {}
    for name, part in zip(names, parts, strict=True):
        for arm in part.arms:
            if arm == START_ARM and shared:
                if name == owners[arm][0]:
                    renamed[name, arm] = arm
                continue
            if arm.startswith(START_ARM):  # starts of arms of their own: the prefix says that it is one
                rest = arm.removeprefix(START_ARM).strip()
                renamed[name, arm] = f"{START_ARM} {rest} ({name})".replace("  ", " ")
            else:
                renamed[name, arm] = arm if len(owners[arm]) == 1 else f"{arm} ({name})"
    return renamed


def same_starts(parts: Sequence[ComparisonRecord]) -> bool:
    """Whether every folder evaluated the same start policy: its completions' classes and verdicts agree, row by row."""
    tables = [_start_table(part) for part in parts]
    return all(table is not None and tables[0] is not None and table.equals(tables[0]) for table in tables)


def _start_table(part: ComparisonRecord) -> pd.DataFrame | None:
    runs = part.runs_of(START_ARM)
    if not runs:
        return None
    keys = ["seed", "benchmark", "problem_id", "sample_index"]
    names = [*keys, "answer_class", "verdict", "num_tokens"]
    rows = pd.concat([run.final_samples for run in runs])
    table = pd.DataFrame({name: column(rows, name).astype(object) for name in names})
    return table.sort_values(by=keys, ignore_index=True)


def _description(
    parts: Sequence[ComparisonRecord], names: Sequence[str], renamed: Mapping[tuple[str, str], str]
) -> dict[str, Any]:
    """`comparison.json` of the joined comparison: title, starts, and the contrasts that each folder declared."""
    apart = sum(START_ARM in part.arms for part in parts) > 1 and not same_starts(parts)
    declared = [name for part in parts for name in _contrast_names(part)]
    starts, contrasts = {}, []
    for name, part in zip(names, parts, strict=True):
        own = {arm: renamed.get((name, arm), arm) for arm in part.arms}
        for arm, new in own.items():
            start = part.start_of(arm)
            named = own.get(start, f"{START_ARM} ({name})") if apart or start != START_ARM else START_ARM
            starts[new] = named
        contrasts += [_contrast(each, own, name, declared) for each in part.description.get("contrasts") or ()]
    titles = [str(part.description.get("title") or name) for name, part in zip(names, parts, strict=True)]
    description: dict[str, Any] = {"title": " and ".join(titles), "starts": starts}
    return description | ({"contrasts": contrasts} if contrasts else {})


def _contrast_names(part: ComparisonRecord) -> list[str]:
    records = part.description.get("contrasts") or ()
    return [str(each.get("name")) for each in records if isinstance(each, Mapping)]


def _contrast(record: Any, own: Mapping[str, str], folder: str, declared: Sequence[str]) -> Any:
    """A declared contrast with the arms' names in the joined comparison; what is malformed is refused by its reader."""
    if not isinstance(record, Mapping):
        return record
    name = str(record.get("name"))
    sides = {
        side: [own.get(arm, arm) for arm in arms] if isinstance(arms, list) else arms
        for side, arms in ((side, record.get(side)) for side in ("plus", "minus"))
    }
    return {**record, "name": f"{name} ({folder})" if declared.count(name) > 1 else name, **sides}
