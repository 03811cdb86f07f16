"""Files of other tools that are no table, or another than their name says."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import RecordError
from analysis.records.foreign import read_foreign


def test_what_is_no_table_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and no more")
    (tmp_path / "b.csv").write_bytes(b"completion,gold\n\xff\xfe,1\n")
    (tmp_path / "empty").mkdir()
    for name in ("a.parquet", "b.csv"):
        with pytest.raises(RecordError, match=f"{name}: cannot be read"):
            read_foreign([tmp_path / name])
    with pytest.raises(RecordError, match="holds no file that ends in"):
        read_foreign([tmp_path / "empty"])
    with pytest.raises(RecordError, match="no such file or folder"):
        read_foreign([tmp_path / "nowhere.csv"])
