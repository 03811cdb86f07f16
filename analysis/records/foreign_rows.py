"""The rows of one file of somebody's samples, whatever its kind, with the columns that it has."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from analysis.records.reading import RecordError

__all__ = ["SUFFIXES", "file_rows"]

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
SEPARATORS = {".csv": ",", ".tsv": "\t"}
SEPARATOR_NAMES = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "vertical bars"}
OTHER_SEPARATORS = (";", "\t", "|", ",")  # the likeliest first


def file_rows(path: Path) -> pd.DataFrame:
    """The rows of a file, one or more.

    Raises:
        RecordError: the file is of no known kind, cannot be read, or has no rows.
    """
    try:
        rows = _table(path)
    except RecordError:
        raise
    except pd.errors.EmptyDataError:
        rows = pd.DataFrame()
    except (ValueError, pa.ArrowInvalid, OSError) as error:  # no JSON, not UTF-8, no table
        raise RecordError(f"{path}: cannot be read ({error}); expected a {path.suffix} file; copy it again") from error
    if rows.empty:
        raise RecordError(f"{path}: no rows; expected one a completion; write the samples again, or leave the file out")
    return rows


def _table(path: Path) -> pd.DataFrame:
    if path.suffix in SUFFIXES and not path.stat().st_size:
        return pd.DataFrame()
    match path.suffix:
        case ".jsonl":
            lines = path.read_text(encoding="utf-8-sig").split("\n")
            return pd.DataFrame(
                [_object(line, f"{path}, line {n}") for n, line in enumerate(lines, start=1) if line.strip()],
                dtype=object,  # or one row without an id makes 1.0 of 1 in all others
            )
        case ".json":
            content = json.loads(path.read_text(encoding="utf-8-sig"))
            listed = content if isinstance(content, list) else [content]
            if strange := [row for row in listed if not isinstance(row, dict)]:
                raise RecordError(f"{path}: a {type(strange[0]).__name__}; expected a list of objects")
            return pd.DataFrame(listed, dtype=object)
        case ".csv" | ".tsv":
            return _separated(path)
        case ".parquet":
            return pd.read_parquet(path)
        case _:
            raise RecordError(f"{path}: ends in {path.suffix or 'nothing'}; expected {', '.join(SUFFIXES)}")


def _separated(path: Path) -> pd.DataFrame:
    separator = SEPARATORS[path.suffix]
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    other = next((letter for letter in OTHER_SEPARATORS if letter in header), None)
    if separator not in header and other is not None:
        known = [suffix for suffix, letter in SEPARATORS.items() if letter == other]
        remedy = f"rename it to end in {known[0]}" if known else f"write it again with {SEPARATOR_NAMES[separator]}"
        raise RecordError(
            f"{path}: its columns are separated by {SEPARATOR_NAMES[other]}; expected {SEPARATOR_NAMES[separator]} in "
            f"a {path.suffix} file; {remedy}"
        )
    rows = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if not isinstance(rows.index, pd.RangeIndex):  # pandas would take the first cells for names of the rows
        raise RecordError(
            f"{path}: the rows have more cells than the header; expected a cell a column; put texts that hold "
            f'{SEPARATOR_NAMES[separator]} in quotation marks ("), or name the columns that have no name'
        )
    return rows


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RecordError(f"{where}: not JSON ({error}); expected one object a line; mend it") from error
    if not isinstance(row, dict):
        raise RecordError(f"{where}: a {type(row).__name__}; expected one object a line")
    return row
