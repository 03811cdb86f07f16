"""Samples of a run's last policy at further temperatures: `decoding/temperature-0.4.parquet` and the like.

Each file has the columns of `samples.parquet`. Beside them stand the samples of the last evaluation itself, at the
temperature of the configuration. Start policies have `decoding/validation-0.4.parquet` and the like too: samples of
validation problems at every temperature, that of the configuration included, on which their best one is chosen.
"""

import pandas as pd

from analysis.records.frames import column, read_judgements, rows_where
from analysis.records.reading import DECODING_FOLDER
from analysis.records.record import RunRecord

DECODED, VALIDATED = "temperature-", "validation-"


def decoding_file(temperature: float) -> str:
    """The name of the file of a temperature."""
    return f"{DECODED}{temperature:g}.parquet"


def validation_file(temperature: float) -> str:
    """The name of the file of the validation problems at a temperature."""
    return f"{VALIDATED}{temperature:g}.parquet"


def decoded_samples(run: RunRecord) -> dict[float, pd.DataFrame]:
    """The judgements of the last policy by temperature, in order; empty where a run recorded no temperature.

    Raises:
        RecordError: a file of the folder cannot be read.
    """
    if run.temperature is None:
        return {}
    return dict(sorted({**_samples_in(run, DECODED), run.temperature: run.final_samples}.items()))


def validated_samples(run: RunRecord) -> dict[float, pd.DataFrame]:
    """The judgements of the last policy on validation problems by temperature; empty where none were drawn.

    Raises:
        RecordError: a file of the folder cannot be read.
    """
    return _samples_in(run, VALIDATED)


def _samples_in(run: RunRecord, prefix: str) -> dict[float, pd.DataFrame]:
    """The judgements in the files of a prefix by temperature, in order."""
    found = {}
    for path in sorted((run.path / DECODING_FOLDER).glob(f"{prefix}*.parquet")):
        try:
            temperature = float(path.stem.removeprefix(prefix))
        except ValueError:
            continue  # no file of ours
        judgements = read_judgements(path)
        rows = rows_where(judgements, column(judgements, "step") == run.final_step)
        if len(rows):
            found[temperature] = rows
    return dict(sorted(found.items()))
