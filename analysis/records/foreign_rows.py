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


def file_rows(path: Path) -> pd.DataFrame:
    """The rows of a file, one or more.

    Raises:
        RecordError: the file is of no known kind, cannot be read, or has no rows.
    """
    try:
        match path.suffix:
            case ".jsonl":
                lines = path.read_text(encoding="utf-8-sig").split("\n")
                rows = pd.DataFrame(
                    [_object(line, f"{path}, line {n}") for n, line in enumerate(lines, start=1) if line.strip()],
                    dtype=object,  # or one row without an id makes 1.0 of 1 in all others
                )
            case ".json":
                content = json.loads(path.read_text(encoding="utf-8-sig"))
                listed = content if isinstance(content, list) else [content]
                if strange := [row for row in listed if not isinstance(row, dict)]:
                    raise RecordError(f"{path}: a {type(strange[0]).__name__}; expected a list of objects")
                rows = pd.DataFrame(listed, dtype=object)
            case ".csv" | ".tsv":
                separator = "," if path.suffix == ".csv" else "\t"
                rows = pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, encoding="utf-8-sig")
            case ".parquet":
                rows = pd.read_parquet(path)
            case _:
                raise RecordError(f"{path}: ends in {path.suffix or 'nothing'}; expected {', '.join(SUFFIXES)}")
    except (ValueError, pa.ArrowInvalid, OSError) as error:  # no JSON, not UTF-8, no table
        if isinstance(error, RecordError):
            raise
        raise RecordError(f"{path}: cannot be read ({error}); expected a {path.suffix} file; copy it again") from error
    if rows.empty:
        raise RecordError(f"{path}: no rows; expected one a completion")
    return rows


def _object(line: str, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise RecordError(f"{where}: not JSON ({error}); expected one object a line; mend it") from error
    if not isinstance(row, dict):
        raise RecordError(f"{where}: a {type(row).__name__}; expected one object a line")
    return row
