"""The files of a run read into checked frames, and the few typed ways in which the other modules look into a frame."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records.schema import BUDGET_COLUMNS, JUDGEMENT_COLUMNS, SAMPLE_COLUMNS


class RecordError(ValueError):
    """A record that contradicts its format or the other records; says which file, what was found and the remedy."""


class UnfinishedRunError(RecordError):
    """A run that has not reached its last evaluation: a comparison lists it and goes on without it."""


def column(frame: pd.DataFrame, name: str) -> np.ndarray:
    """(N,): one column as an array."""
    return frame[name].to_numpy()


def rows_where(frame: pd.DataFrame, mask_N: np.ndarray) -> pd.DataFrame:
    """The rows at which the mask is true, in their order."""
    return frame.take(np.flatnonzero(mask_N))


def codes_of(frame: pd.DataFrame, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(N,) codes and (V,) values of one column: `values[codes]` is the column. Cheap for a categorical."""
    series = frame[name]
    if isinstance(series.dtype, pd.CategoricalDtype):
        return series.cat.codes.to_numpy().astype(np.int64), series.cat.categories.to_numpy().astype(object)
    codes, values = pd.factorize(series.to_numpy())
    return codes.astype(np.int64), np.asarray(values)


def records_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dicts by column name."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        UnfinishedRunError: there is no such file, or it was cut short: it is not JSON.
        RecordError: it is not an object.
    """
    if not path.exists():
        raise UnfinishedRunError(f"{path.name} is missing in {path.parent}; resume the run or remove the folder")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or half a character at the end
        raise UnfinishedRunError(f"{path}: not JSON ({error}); expected one object; rerun what wrote it") from error
    if not isinstance(content, dict):
        raise RecordError(f"{path}: holds a {type(content).__name__}; expected one JSON object; rerun what wrote it")
    return content


def read_metrics(path: Path) -> pd.DataFrame:
    """Rows of `metrics.jsonl`, sorted by step; empty where nothing was trained."""
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            kind = UnfinishedRunError if number == len(lines) else RecordError
            raise kind(f"{path}: line {number} is not JSON ({error}); resume the run or delete the line") from error
    metrics = pd.DataFrame(rows) if rows else pd.DataFrame({"step": pd.Series(dtype=int)})
    if "step" not in metrics:
        raise RecordError(f"{path}: rows lack the key 'step', got {list(metrics)}; expected one row an optimiser step")
    metrics = metrics.sort_values("step", kind="stable", ignore_index=True)
    for name in BUDGET_COLUMNS:
        if name not in metrics:
            continue
        known = column(metrics, name).astype(float)
        if (np.diff(known[np.isfinite(known)]) < 0).any():
            raise RecordError(
                f"{path}: {name} falls from one step to a later one; expected a total since the start of the run; "
                "write cumulative budgets, or start the file afresh when a run starts afresh"
            )
    return metrics


def read_samples(path: Path) -> pd.DataFrame:
    """`samples.parquet` whole, texts included; a row an evaluation sample.

    Raises:
        UnfinishedRunError: the file is missing, cut short or empty.
        RecordError: a column is missing.
    """
    samples = _read_columns(path, SAMPLE_COLUMNS, categorical=False)
    for name in ("completion", "answer", "answer_class"):
        samples[name] = samples[name].fillna("")
    return samples


def read_judgements(path: Path) -> pd.DataFrame:
    """`samples.parquet` without `TEXT_COLUMNS`: strings as categoricals, whole numbers in 32 bits, indexed by row.

    A hundredth of the memory of `read_samples` where completions are long. Raises as `read_samples` does.
    """
    judgements = _read_columns(path, JUDGEMENT_COLUMNS, categorical=True)
    for name in JUDGEMENT_COLUMNS:
        if judgements[name].dtype == np.int64 and name not in ("problem_id", "seed"):
            judgements[name] = judgements[name].astype(np.int32)
    absent_N = judgements["answer_class"].isna().to_numpy()
    if absent_N.any():
        classes = column(judgements, "answer_class").astype(object)
        classes[absent_N] = ""
        judgements["answer_class"] = pd.Categorical(classes)
    return judgements


def read_rows(path: Path, rows_N: np.ndarray) -> pd.DataFrame:
    """Some rows of `samples.parquet` by number, in the order asked for, texts included, a row group at a time."""
    rows = np.asarray(rows_N)
    file = pq.ParquetFile(path, page_checksum_verification=True)
    parts, start = [], 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        inside = np.flatnonzero((rows >= start) & (rows < start + size))
        if len(inside):
            table = file.read_row_group(group, columns=list(SAMPLE_COLUMNS)).take(pa.array(rows[inside] - start))
            parts.append(table.to_pandas().set_index(inside))
        start += size
    if not parts or sum(map(len, parts)) < len(rows):
        raise RecordError(f"{path}: has {start} rows, asked for {rows[:5].tolist()} …; expected rows of this file")
    samples = pd.concat(parts).sort_index()
    samples.index = pd.Index(rows)
    for name in ("completion", "answer", "answer_class"):
        samples[name] = samples[name].fillna("")
    return samples


def _read_columns(path: Path, names: tuple[str, ...], *, categorical: bool) -> pd.DataFrame:
    if not path.exists():
        raise UnfinishedRunError(f"{path.name} is missing in {path.parent}; resume the run or remove the folder")
    try:
        schema = pq.read_schema(path)
        absent = [name for name in SAMPLE_COLUMNS if name not in schema.names]
        if absent:
            raise RecordError(
                f"{path}: lacks the column(s) {absent}, has {schema.names}; expected {list(SAMPLE_COLUMNS)}; "
                "evaluate the run again with this version"
            )
        strings = [name for name in names if pa.types.is_string(schema.field(name).type)]
        strings += [name for name in names if pa.types.is_large_string(schema.field(name).type)]
        table = pq.read_table(
            path,
            columns=list(names),
            read_dictionary=strings if categorical else None,
            use_threads=False,
            page_checksum_verification=True,
        )
        samples = table.to_pandas(self_destruct=True, split_blocks=True)
        del table
    except (pa.ArrowInvalid, OSError) as error:
        raise UnfinishedRunError(
            f"{path}: cannot be read ({error}); it was cut short or damaged; start the same command again"
        ) from error
    if samples.empty:
        raise UnfinishedRunError(f"{path}: no rows; the run has no evaluation yet; resume it")
    return samples
