"""One model on many benchmarks, laid out like the paper's Tables 2 and 5 with the paper's values above ours.

A suite is a folder with ``suite.json`` and a run folder a benchmark. Read from it: "model", and "benchmarks",
a list of objects with "name", "title", "paper_name", "language", "shots", "papers_shots", "prompt", "mode", "size",
"temperature" and "notes" (sentences).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from string import ascii_lowercase
from typing import Any

import numpy as np
import pandas as pd

from analysis.records.load import load_comparison
from analysis.records.reading import RecordError, printable
from analysis.records.showing import number_of
from analysis.report.contrast_tables import DASH, TextColumn
from analysis.report.tables import TERMINAL_WIDTH, align, summary_table

__all__ = ["SUITE_FILE", "Suite", "is_suite", "load_suite", "suite_markdown", "suite_text", "write_suite"]

SUITE_FILE = "suite.json"
_PAPER_TABLES = Path(__file__).parent.parent / "figures" / "paper_tables.json"
_OF_TRAININGS = ("difference", "difference_low", "difference_high", "completions_sampled", "tokens_trained", "seconds")
_WITH = {"program": "+Python", "tool": ", tool"}  # behind a benchmark's name, as Tables 3 and 6 have it
_BLOCKS = ("English benchmarks", "Chinese benchmarks", "further benchmarks, not in the paper")


@dataclass(frozen=True, kw_only=True)
class Suite:
    """A model's results on several benchmarks.

    Attributes:
        model: its name in tables.
        about: what ``suite.json`` says of each benchmark that is finished, in its order.
        scores: the row of `analysis.summary_table` of each, by name.
        missing: benchmarks without a finished run, with the reason.
    """

    model: str
    about: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, Mapping[str, Any]]
    missing: Mapping[str, str]


def is_suite(folder: Path) -> bool:
    """Whether `folder` holds one model's evaluation on several benchmarks."""
    return (folder / SUITE_FILE).is_file()


def load_suite(folder: Path) -> Suite:
    """Read every finished benchmark of a suite.

    Raises:
        RecordError: ``suite.json`` cannot be read, or no benchmark is finished.
    """
    file = folder / SUITE_FILE
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        listed = {str(each["name"]): each for each in content["benchmarks"]}
        model = printable(str(content["model"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise RecordError(f"{file} cannot be read ({type(error).__name__}); evaluate again into this folder") from error
    about, rows, missing = {}, {}, {}
    for name, each in listed.items():
        if not (folder / Path(name).name).is_dir():
            missing[name] = "not begun"
            continue
        try:
            table = summary_table(load_comparison(folder / Path(name).name))
        except RecordError as error:
            missing[name] = printable(str(error))
            continue
        about[name] = each
        rows[name] = {str(column): value for column, value in table.iloc[0].items()}
    if not rows:
        raise RecordError(f"{folder}: no benchmark is finished ({'; '.join(missing.values())[:300]})")
    return Suite(model=model, about=about, scores=rows, missing=missing)


def suite_text(suite: Suite) -> str:
    """The tables for a terminal, their footnotes below; one that is too wide goes on below itself."""
    blocks, notes = [], _Footnotes()
    for title, names in _blocks(suite).items():
        beside = "" if title == _BLOCKS[2] else " beside DeepSeekMath"
        blocks.append(f"{suite.model}{beside}, {title}: accuracy in %, with 95 % over problems")
        for piece in _pieces(suite, names):
            blocks += [align(_columns(suite, piece, notes, short=True)), ""]
    return "\n".join([*blocks, *_averages(suite), "", *notes.lines(), *_left_out(suite)]).rstrip() + "\n"


def suite_markdown(suite: Suite) -> str:
    """The same as a page of Markdown."""
    blocks, notes = [f"# {suite.model}", ""], _Footnotes()
    for title, names in _blocks(suite).items():
        columns = _columns(suite, names, notes)
        rows = zip(*(column.cells for column in columns), strict=True)
        blocks += [f"## {title[0].upper()}{title[1:]}", "", "Accuracy in %, with 95 % over problems.", ""]
        blocks += ["| " + " | ".join(column.heading for column in columns) + " |", "|" + " --- |" * len(columns)]
        blocks += ["| " + " | ".join(row) + " |" for row in rows] + [""]
    listed = [f"- {line}" for line in [*_averages(suite), *notes.lines(), *_left_out(suite)]]
    return "\n".join([*blocks, *listed]) + "\n"


def write_suite(suite: Suite, folder: Path) -> Path:
    """Write ``benchmarks.md`` and ``benchmarks.csv`` (the columns of `analysis.summary_table`); the page's path."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pd.DataFrame(suite.scores.values()).drop(columns=[*_OF_TRAININGS, "algorithm"], errors="ignore")
    table.to_csv(folder / "benchmarks.csv", index=False)
    page = folder / "benchmarks.md"
    page.write_text(suite_markdown(suite), encoding="utf-8")
    return page


@cache
def _paper_rows() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(_PAPER_TABLES.read_text(encoding="utf-8"))["rows"])


class _Footnotes:
    """Sentences by letter; the same sentence has one letter."""

    def __init__(self) -> None:
        self._letters: dict[str, str] = {}

    def letter(self, sentence: str) -> str:
        count = len(self._letters)
        name = ascii_lowercase[count % 26] * (1 + count // 26)
        return self._letters.setdefault(sentence, name)

    def lines(self) -> list[str]:
        return [f"({letter}) {sentence}" for sentence, letter in self._letters.items()]


def _blocks(suite: Suite) -> dict[str, list[str]]:
    """Benchmarks by the part of the table that they stand in; parts without any are left out."""
    blocks: dict[str, list[str]] = {title: [] for title in _BLOCKS}
    for name, about in suite.about.items():
        place = 2 if about.get("paper_name") is None else 1 if about.get("language") == "zh" else 0
        blocks[_BLOCKS[place]].append(name)
    return {title: names for title, names in blocks.items() if names}


def _pieces(suite: Suite, names: Sequence[str]) -> list[list[str]]:
    """Benchmarks in their order, as many together as a terminal has room for beside the rows' labels."""
    pieces: list[list[str]] = [[]]
    for name in names:
        longer = _columns(suite, [*pieces[-1], name], _Footnotes(), short=True)
        widths = [max(map(len, (column.heading, *column.cells))) for column in longer]
        if pieces[-1] and sum(widths) + 2 * (len(widths) - 1) > TERMINAL_WIDTH:
            pieces.append([])
        pieces[-1].append(name)
    return pieces


def _columns(suite: Suite, names: Sequence[str], notes: _Footnotes, *, short: bool = False) -> list[TextColumn]:
    """The first column says what a row is, every other one is a benchmark.

    Args:
        suite: the results.
        names: the benchmarks.
        notes: gets their footnotes.
        short: rows without the names of ours and of the paper's series, which the heading has.
    """
    modes = {str(suite.about[name].get("mode", "words")) for name in names}
    theirs = [row for row in _paper_rows() if row["mode"] in modes and any(_paper(suite, row, name) for name in names)]
    first = suite.scores[names[0]]
    several = {"pass_at_k": first["pass_k"], "maj_at_k": first["maj_k"]}
    several = {score: k for score, k in several.items() if any(suite.scores[name]["samples"] > 1 for name in names)}
    further = [f"{'Pass' if score == 'pass_at_k' else 'Maj'}@{k}" for score, k in several.items()]
    labels = [_label(suite, row, names, short=short) for row in theirs]
    labels += [
        "Pass@1" if short else f"{suite.model}: Pass@1",
        "  95 %",
        *(part for score in further for part in (f"  {score}", "  95 %")),
        "  problems",
        "  prompt",
        "  notes",
    ]
    columns = [TextColumn(heading="", cells=tuple(labels), is_text=True)]
    for name in names:
        about, row = suite.about[name], suite.scores[name]
        cells = [_paper(suite, each, name) or DASH for each in theirs]
        cells += [
            *(cell for score in ("pass_at_1", *several) for cell in (_percent(row[score]), _band(row, score))),
            f"{row['problems']:,} of {int(about['size']):,}" if about.get("size") else f"{row['problems']:,}",
            f"{about.get('prompt')}" + (f", {about['shots']}-shot" if about.get("shots") else ""),
            " ".join(notes.letter(sentence) for sentence in _differences(about, row)) or DASH,
        ]
        heading = str(about.get("paper_name") or about["title"]) + _WITH.get(str(about.get("mode")), "")
        columns.append(TextColumn(heading=heading, cells=tuple(cells), shortens=True))
    return columns


def _label(suite: Suite, row: Mapping[str, Any], names: Sequence[str], *, short: bool) -> str:
    """What a row of the paper is; "few-shot" becomes the number of examples where all its benchmarks have one."""
    shots = {int(suite.about[name].get("papers_shots") or 0) for name in names if _paper(suite, row, name)}
    number = "" if len(shots) != 1 else f"{shots.pop()}-shot"
    table = str(row["table"]).replace("few-shot", number or "few-shot")
    return f"{str(row['model']).removeprefix('DeepSeekMath-')}, {table}" if short else f"{row['model']} ({table})"


def _paper(suite: Suite, row: Mapping[str, Any], name: str) -> str:
    about = suite.about[name]
    value = row["values"].get(about.get("paper_name")) if row["mode"] == about.get("mode", "words") else None
    return "" if value is None else f"{value:.1f}"


def _percent(share: float) -> str:
    return DASH if np.isnan(share) else f"{100 * share:.1f}"


def _band(row: Mapping[str, Any], score: str) -> str:
    return f"[{_percent(row[f'{score}_low'])}, {_percent(row[f'{score}_high'])}]"


def _differences(about: Mapping[str, Any], row: Mapping[str, Any]) -> list[str]:
    """What of this cell is not the paper's protocol, a sentence each."""
    notes = [str(each) for each in about.get("notes", ())]
    size, problems = int(about.get("size") or 0), int(row["problems"])
    found = [] if problems >= size else ["the first problems alone, of those that there are"]
    if about.get("paper_name") is None:
        return found + notes
    temperature = float(about.get("temperature") or 0)
    if temperature:
        found.append(
            f"{number_of(int(row['samples']), 'sample')} a problem at temperature {temperature:g}, Pass@1 is "
            "their mean; the paper decodes once, greedily"
        )
    if about.get("shots"):
        same = about["shots"] == about.get("papers_shots")
        number = "as many examples as the paper's, others" if same else f"the paper shows {about.get('papers_shots')}"
        found.append(f"{number}: of a training split or written for coeflab, in one layout for all benchmarks")
    elif about.get("papers_shots"):
        found.append("asked without examples, as the paper's Instruct and RL models are; its base models get some")
    return found + notes


def _averages(suite: Suite) -> list[str]:
    """Means over benchmarks, every benchmark counted once: ours, and the paper's with ours over the same ones."""
    ours = {name: 100 * float(suite.scores[name]["pass_at_1"]) for name in suite.about}
    lines = [
        f"macro-average: {suite.model} {np.mean(list(ours.values())):.1f} over {number_of(len(ours), 'benchmark')}"
    ]
    for row in _paper_rows():
        values = {name: float(text) for name in suite.about if (text := _paper(suite, row, name))}
        if len(values) > 1:
            there, here = np.mean(list(values.values())), np.mean([ours[name] for name in values])
            lines.append(
                f"  over the {len(values)} of them that {row['table']} has for {row['model']}: "
                f"{there:.1f} there, {here:.1f} here"
            )
    return lines


def _left_out(suite: Suite) -> list[str]:
    return [f"left out: {name}: {why}" for name, why in suite.missing.items()]
