"""The files of a run read into checked frames, and the few typed ways in which the other modules look into a frame."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from analysis.records.reading import (
    MOST_METRICS_BYTES,
    RecordError,
    UnfinishedRunError,
    name_in,
    parse_object,
    printable,
    quoted,
    read_text,
    unsealed,
    whole_number_in,
)
from analysis.records.schema import (
    BUDGET_COLUMNS,
    JUDGEMENT_COLUMNS,
    LATER_COLUMNS,
    SAMPLE_COLUMNS,
    START_KL_COLUMNS,
    START_KL_FILE,
)

WHOLE_NUMBERS = ("seed", "step", "sample_index", "num_tokens")
NAMES = ("arm", "benchmark", "verdict", "finish_reason")


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
        RecordError: it cannot be read, is not an object, or is not what was written.
    """
    return unsealed(parse_object(read_text(path), str(path)), str(path))


def read_metrics(path: Path) -> pd.DataFrame:
    """Rows of `metrics.jsonl`, sorted by step; empty where nothing was trained."""
    lines = read_text(path, MOST_METRICS_BYTES).splitlines() if path.exists() else []
    rows = []
    for number, line in enumerate(lines, start=1):
        where = f"{path}: line {number}"
        row = parse_object(line, where, cut_short=UnfinishedRunError if number == len(lines) else RecordError)
        if "step" not in row:
            raise RecordError(f"{where}: rows lack the key 'step', got {quoted(list(row))}; expected a row a step")
        row["step"] = whole_number_in(row, "step", where)
        for name in BUDGET_COLUMNS:
            if isinstance(row.get(name, 0), str | list | dict | bool):
                raise RecordError(f"{where}: {name} is {quoted(row[name])}; expected a number; mend the file")
        rows.append(row)
    metrics = pd.DataFrame(rows) if rows else pd.DataFrame({"step": pd.Series(dtype=int)})
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
    return _without_gaps(_read_columns(path, SAMPLE_COLUMNS, categorical=False))


def read_judgements(path: Path) -> pd.DataFrame:
    """`samples.parquet` without `TEXT_COLUMNS`: strings as categoricals, whole numbers in 32 bits, indexed by row.

    A hundredth of the memory of `read_samples` where completions are long. Raises as `read_samples` does.
    """
    judgements = _read_columns(path, JUDGEMENT_COLUMNS, categorical=True)
    for name in JUDGEMENT_COLUMNS:
        if judgements[name].dtype == np.int64 and name not in ("problem_id", "seed"):
            judgements[name] = judgements[name].astype(np.int32)
    for name in ("answer_class", *LATER_COLUMNS):
        absent_N = judgements[name].isna().to_numpy()
        if absent_N.any():
            values = column(judgements, name).astype(object)
            values[absent_N] = ""
            judgements[name] = pd.Categorical(values)
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
    return _without_gaps(samples).reindex(columns=list(SAMPLE_COLUMNS))


def read_start_kl(run: Path) -> dict[int, float]:
    """KL(π_θ ‖ π_start) of a run by evaluated step, in nats: the mean over the completions that were measured.

    0 at step 0, which is the start policy, whether it was evaluated or not. Steps at which nothing was measured have
    none, and a run without the file, as of earlier versions, has no step at all.

    Raises:
        RecordError: the file cannot be read, or lacks a column.
    """
    path = run / START_KL_FILE
    if not path.is_file():
        return {}
    try:
        frame = pq.read_table(path, page_checksum_verification=True).to_pandas()
    except (pa.ArrowException, OSError, ValueError) as error:
        why = printable(str(error), 300)
        raise RecordError(f"{path}: cannot be read ({why}); put back a copy, or remove the file") from error
    absent = [name for name in START_KL_COLUMNS if name not in frame]
    if absent:
        raise RecordError(f"{path}: lacks the column(s) {absent}; expected {list(START_KL_COLUMNS)}; remove the file")
    for name, kinds in (("step", "iu"), ("start_kl", "iuf")):
        if frame[name].dtype.kind not in kinds:
            raise RecordError(f"{path}: the column {name} holds {frame[name].dtype}; expected numbers; remove the file")
    steps_N, kl_N = column(frame, "step"), column(frame, "start_kl").astype(float)
    known_N = np.isfinite(kl_N)
    means = {int(step): float(kl_N[known_N & (steps_N == step)].mean()) for step in np.unique(steps_N[known_N])}
    return {0: 0.0, **means} if means else {}


def _without_gaps(samples: pd.DataFrame) -> pd.DataFrame:
    """The samples with "" where a text of theirs may be absent."""
    for name in ("completion", "answer", "answer_class", *LATER_COLUMNS):
        samples[name] = samples[name].fillna("") if name in samples else ""
    return samples


def _read_columns(path: Path, names: tuple[str, ...], *, categorical: bool) -> pd.DataFrame:
    if not path.exists():
        raise UnfinishedRunError(f"{path.name} is missing in {path.parent}; resume the run or remove the folder")
    if not path.is_file():
        raise RecordError(f"{path}: is a folder or a device; expected a file; put the file back or remove the run")
    try:
        schema = pq.read_schema(path)
        _check_columns(path, schema)
        present = [name for name in names if name in schema.names]
        strings = [name for name in present if _is_text(schema.field(name).type)]
        table = pq.read_table(
            path,
            columns=present,
            read_dictionary=strings if categorical else None,
            use_threads=False,
            page_checksum_verification=True,
        )
        _check_whole(path, table)
        samples = table.to_pandas(self_destruct=True, split_blocks=True)
        del table
    except (pa.ArrowException, OSError) as error:
        message = printable(str(error), 300)
        raise UnfinishedRunError(
            f"{path}: cannot be read ({message}); it was cut short or damaged; start the same command again"
        ) from error
    except UnicodeDecodeError as error:
        raise RecordError(f"{path}: a text is no UTF-8 ({error.reason}); evaluate the run again") from error
    for name in (name for name in names if name not in present):
        samples[name] = pd.Categorical([""] * len(samples)) if categorical else ""
    if samples.empty:
        raise UnfinishedRunError(f"{path}: no rows; the run has no evaluation yet; resume it")
    return samples


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _check_columns(path: Path, schema: pa.Schema) -> None:
    """Every column once, and of its kind."""
    absent = [name for name in SAMPLE_COLUMNS if name not in schema.names and name not in LATER_COLUMNS]
    if absent:
        raise RecordError(
            f"{path}: lacks the column(s) {absent}, has {quoted(schema.names)}; expected {list(SAMPLE_COLUMNS)}; "
            "evaluate the run again with this version"
        )
    for name in SAMPLE_COLUMNS:
        if schema.names.count(name) > 1:
            raise RecordError(f"{path}: has the column {name} {schema.names.count(name)} times; expected it once")
        if name not in schema.names:
            continue
        kind = schema.field(name).type
        if name in WHOLE_NUMBERS and not pa.types.is_integer(kind):
            raise RecordError(f"{path}: the column {name} holds {kind}; expected whole numbers; evaluate the run again")
        if name in LATER_COLUMNS and not _is_text(kind) and not pa.types.is_null(kind):
            raise RecordError(f"{path}: the column {name} holds {kind}; expected texts; evaluate the run again")
        if name in NAMES and not _is_text(kind):
            raise RecordError(f"{path}: the column {name} holds {kind}; expected texts; evaluate the run again")


def _check_whole(path: Path, table: pa.Table) -> None:
    """No gaps in the columns that numbers are computed from, and names that can be printed."""
    for name in (*WHOLE_NUMBERS, *NAMES, "problem_id"):
        if name not in table.column_names:
            continue
        if table.column(name).null_count:
            row = table.column(name).is_null().index(True).as_py()
            raise RecordError(
                f"{path}: {name} of row {row} is null ({table.column(name).null_count} of {table.num_rows} are); "
                "expected a value in every row; evaluate the run again"
            )
    for name in ("arm", "benchmark"):
        for value in table.column(name).unique().to_pylist() if name in table.column_names else ():
            name_in({name: value}, name, str(path))
