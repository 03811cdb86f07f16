"""Two folders that should hold the same numbers: where each run of one parts from its twin in the other.

A comparison repeats to the last bit on one kind of machine (README.md says what varies elsewhere). Where it does not,
the first number that differs says more than the last: everything after it differs because of it. Times are not
compared.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.records.decoding import DECODED, DECODING_FOLDER, VALIDATED
from analysis.records.frames import read_samples, records_of
from analysis.records.schema import TIME_COLUMNS
from analysis.records.showing import number_of
from experiments.records.same import differences, read_json

__all__ = ["Twins", "compare_twins", "twin_lines"]

SAMPLE_KEY = ("step", "benchmark", "problem_id", "sample_index")
ABOUT = ("config.json", "recipe.json", "machine.json", "environment.json")
SHOWN = 3  # metrics of the step at which two runs part
BEFORE = 12  # characters before the place at which two completions part

Rows = Mapping[tuple[Any, ...], Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Twins:
    """One file or run that both folders have.

    Attributes:
        name: of the run, relative to the folder.
        compared: what was compared, in words.
        parting: the first difference in the order in which things happened, ``""`` where there is none.
    """

    name: str
    compared: str
    parting: str


def twin_lines(first: Path, second: Path) -> list[str]:
    """The output of `coeflab twins`: differences of the set-up, a line a run, and a sentence on all."""
    lines = []
    for name in ABOUT:
        files = first / name, second / name
        if all(file.is_file() for file in files):
            held, here = (read_json(file, remedy=f"remove {file} to compare the rest") for file in files)
            if found := differences(held, here):
                lines.append(f"{name}: {found} ('there' is {first}, 'here' {second})")
    twins = compare_twins(first, second)
    width = max(len(each.name) for each in twins)
    lines += [f"{each.name:<{width}}  {each.parting or f'same: {each.compared}'}" for each in twins]
    parted = [each for each in twins if each.parting]
    if not parted:
        return [*lines, f"{len(twins)} of {len(twins)} are the same to the last bit, times aside."]
    return [*lines, f"{len(parted)} of {len(twins)} part, the first of them {parted[0].name}."]


def compare_twins(first: Path, second: Path) -> list[Twins]:
    """Every run and every file of offline completions of two run or comparison folders, start policies first.

    Raises:
        ValueError: they are not of one kind, or have no run in common.
    """
    kinds = {(folder / "config.json").is_file() for folder in (first, second)}
    if len(kinds) == 2:
        raise ValueError(f"{first} and {second}: one is a run and one is not; expected two runs or two comparisons.")
    if kinds == {True}:
        return [_run(first.name, first, second)]
    found = []
    for pattern in ("start*", "offline/*.jsonl", "runs/*"):
        for path in sorted(first.glob(pattern)):
            name = path.relative_to(first).as_posix()
            twin = second / name
            if path.is_dir() and twin.is_dir():
                found.append(_run(name, path, twin))
            elif path.is_file() and twin.is_file():
                found.append(_offline(name, path, twin))
    if not found:
        raise ValueError(f"{first} and {second} have no run in common; expected folders of the same comparison.")
    return found


def _run(name: str, first: Path, second: Path) -> Twins:
    """A run or a start policy: rows of metrics and samples, in the order in which they were made."""
    metrics = [_metrics(folder / "metrics.jsonl") for folder in (first, second)]
    partings = [(step, 0, text) for step, text in [_parted_metrics(*metrics)] if text]
    compared, samples = [number_of(len(metrics[0]), "step")], 0
    for path in _sample_files(first):
        twin = second / path.relative_to(first)
        if not twin.is_file():
            if path.name.startswith(VALIDATED):  # no number beside it depends on it, and earlier versions have none
                continue
            partings.append((math.inf, 1, f"{path.relative_to(first)} is missing in {second}"))
            continue
        tables = [_samples(file) for file in (path, twin)]
        samples += len(tables[0])
        step, text = _parted_samples(*tables, tokenizer=_tokenizer_file(first))
        partings += [(step, 1, f"{text}{_of_decoding(path)}")] if text else []
    compared += [number_of(samples, "sample")] if samples else []
    text = min(partings)[2] if partings else ""
    return Twins(name=name, compared=", ".join(compared), parting=text)


def _parted_metrics(first: Rows, second: Rows) -> tuple[float, str]:
    """The first step whose metrics differ, and how; 0 and "" where none does."""
    for key in sorted(first.keys() | second.keys()):
        [step] = key
        ours, theirs = first.get(key), second.get(key)
        if ours is None or theirs is None:
            rows, which = (first, "the first") if ours is None else (second, "the second")
            gap = any(later > key for later in rows)
            return step, f"has no row of step {step} in {which}" if gap else f"ends at step {step - 1} in {which}"
        names = [name for name in dict.fromkeys([*ours, *theirs]) if name not in TIME_COLUMNS]
        parted = [name for name in names if not _same(ours.get(name), theirs.get(name))]
        if parted:
            listed = ", ".join(f"{name} {_both(ours.get(name), theirs.get(name))}" for name in parted[:SHOWN])
            more = f" and {len(parted) - SHOWN} more" if len(parted) > SHOWN else ""
            return step, f"parts at step {step}: {listed}{more}"
    return 0, ""


def _parted_samples(first: Rows, second: Rows, *, tokenizer: Path | None) -> tuple[float, str]:
    """The first sample, step by step, whose completion or judgement differs, and where; 0 and "" where none does."""
    for key in sorted(first.keys() | second.keys(), key=lambda key: (key[0], *map(str, key[1:]))):
        step, _, problem, index = key
        where = f"sample {index} of {problem} at step {step}"
        ours, theirs = first.get(key), second.get(key)
        if ours is None or theirs is None:
            return step, f"parts at step {step}: {where} is missing in {'the first' if ours is None else 'the second'}"
        texts = str(ours["completion"]), str(theirs["completion"])
        if texts[0] != texts[1]:
            return step, f"parts at step {step}: {where}, {_parted_texts(*texts, tokenizer)}"
        parted = [name for name in ours if not _same(ours[name], theirs.get(name))]
        if parted:
            return step, f"parts at step {step}: {where}, {parted[0]} {_both(ours[parted[0]], theirs.get(parted[0]))}"
    return 0, ""


def _offline(name: str, first: Path, second: Path) -> Twins:
    """Completions of a frozen policy, token by token as they were drawn."""
    tables = [_drawn(file) for file in (first, second)]
    for place, (ours, theirs) in enumerate(zip(*tables, strict=False)):
        ids = ours["completion_ids"], theirs["completion_ids"]
        if ids[0] != ids[1] or ours["problem_id"] != theirs["problem_id"]:
            token = _first_difference(*ids)
            parted = f"token {token + 1} is {_item(ids[0], token)} and {_item(ids[1], token)}"
            return Twins(name=name, compared="", parting=f"parts at completion {place + 1}: {parted}")
    parting = "" if len(tables[0]) == len(tables[1]) else f"has {len(tables[0])} and {len(tables[1])} completions"
    return Twins(name=name, compared=number_of(len(tables[0]), "completion"), parting=parting)


def _parted_texts(ours: str, theirs: str, tokenizer: Path | None) -> str:
    """Where two completions part: the character, and the token where the run's tokenizer is there."""
    place = _first_difference(ours, theirs)
    behind = f"after {ours[max(0, place - BEFORE) : place]!r}" if place else "at its start"
    text = f"character {place + 1} is {_item(ours, place)} and {_item(theirs, place)} {behind}"
    if tokenizer is None:
        return text
    from tokenizers import Tokenizer

    loaded = Tokenizer.from_file(str(tokenizer))
    tokens = [loaded.encode(completion, add_special_tokens=False).tokens for completion in (ours, theirs)]
    number = _first_difference(*tokens)
    return f"token {number + 1} is {_item(tokens[0], number)} and {_item(tokens[1], number)} ({text})"


def _first_difference(ours: Sequence[Any], theirs: Sequence[Any]) -> int:
    pairs = zip(ours, theirs, strict=False)
    return next((place for place, (one, other) in enumerate(pairs) if one != other), min(len(ours), len(theirs)))


def _item(sequence: Sequence[Any], place: int) -> str:
    return repr(sequence[place]) if place < len(sequence) else "the end"


def _same(ours: Any, theirs: Any) -> bool:
    """Equal to the last bit; two that are not a number are equal."""
    return ours == theirs or (ours != ours and theirs != theirs)


def _both(ours: Any, theirs: Any) -> str:
    numbers = [value for value in (ours, theirs) if isinstance(value, int | float) and not isinstance(value, bool)]
    relative = ""
    if len(numbers) == 2 and all(map(math.isfinite, numbers)) and max(map(abs, numbers)) > 0:
        relative = f" (relative {abs(numbers[0] - numbers[1]) / max(map(abs, numbers)):.1g})"
    return f"{ours!r} and {theirs!r}{relative}"


def _metrics(file: Path) -> Rows:
    """The rows by step; a last line that was cut short by a kill is left out."""
    rows = {}
    for line in file.read_text(encoding="utf-8").splitlines() if file.is_file() else ():
        try:
            row = json.loads(line)
        except json.JSONDecodeError:
            break
        rows[(row["step"],)] = row
    return rows


def _samples(file: Path) -> Rows:
    return {tuple(row[name] for name in SAMPLE_KEY): row for row in records_of(read_samples(file))}


def _sample_files(run: Path) -> Iterator[Path]:
    own = run / "samples.parquet"
    yield from [own] if own.is_file() else []
    for prefix in (DECODED, VALIDATED):
        yield from sorted((run / DECODING_FOLDER).glob(f"{prefix}*.parquet"))


def _of_decoding(file: Path) -> str:
    return f" ({file.stem.replace('-', ' ')})" if file.parent.name == DECODING_FOLDER else ""


def _drawn(file: Path) -> list[dict[str, Any]]:
    lines = file.read_text(encoding="utf-8").splitlines()
    return [rollout for line in lines for rollout in json.loads(line)["rollouts"]]


def _tokenizer_file(run: Path) -> Path | None:
    return next(iter(sorted(run.glob("checkpoints/*/tokenizer.json"))), None)
