"""Samples of a run's last policy at further temperatures: `decoding/temperature-0.4.parquet` and the like.

Each file has the columns of `samples.parquet`. Beside them stand the samples of the last evaluation itself, at the
temperature of the configuration.
"""

import pandas as pd

from analysis.records.frames import column, read_judgements, rows_where
from analysis.records.reading import DECODING_FOLDER
from analysis.records.record import RunRecord


def decoding_file(temperature: float) -> str:
    """The name of the file of a temperature."""
    return f"temperature-{temperature:g}.parquet"


def decoded_samples(run: RunRecord) -> dict[float, pd.DataFrame]:
    """The judgements of the last policy by temperature, in order; empty where a run recorded no temperature.

    Raises:
        RecordError: a file of the folder cannot be read.
    """
    if run.temperature is None:
        return {}
    found = {run.temperature: run.final_samples}
    for path in sorted((run.path / DECODING_FOLDER).glob("temperature-*.parquet")):
        try:
            temperature = float(path.stem.removeprefix("temperature-"))
        except ValueError:
            continue  # no file of ours
        judgements = read_judgements(path)
        rows = rows_where(judgements, column(judgements, "step") == run.final_step)
        if len(rows):
            found.setdefault(temperature, rows)
    return dict(sorted(found.items()))
