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


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet"])
def test_an_empty_file_of_any_kind_has_no_rows(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a.{suffix}").write_text("")
    with pytest.raises(RecordError, match=f"a.{suffix}: no rows; expected one a completion; write the samples again"):
        read_foreign([tmp_path / f"a.{suffix}"])


@pytest.mark.parametrize("content", ["\n\n", "completion,gold\n"])
def test_a_table_without_rows_has_no_rows(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(RecordError, match="no rows; expected one a completion"):
        read_foreign([tmp_path / "a.csv"])


@pytest.mark.parametrize(
    ("suffix", "separator", "message"),
    [
        ("csv", ";", "separated by semicolons; expected commas in a .csv file; write it again with commas"),
        ("csv", "\t", "separated by tabs; expected commas in a .csv file; rename it to end in .tsv"),
        ("csv", "|", "separated by vertical bars"),
        ("tsv", ",", "separated by commas; expected tabs in a .tsv file; rename it to end in .csv"),
        ("tsv", ";", "separated by semicolons; expected tabs in a .tsv file; write it again with tabs"),
    ],
)
def test_another_separator_is_named(tmp_path: Path, suffix: str, separator: str, message: str) -> None:
    lines = (("problem", "completion", "gold"), ("p1", "0,5", "0,5"))
    (tmp_path / f"a.{suffix}").write_text("\n".join(map(separator.join, lines)))
    with pytest.raises(RecordError, match=message):
        read_foreign([tmp_path / f"a.{suffix}"])


def test_rows_of_more_cells_than_the_header_are_not_shifted(tmp_path: Path) -> None:
    """pandas would call the rows by their first cells, and judge the second as the completion."""
    (tmp_path / "a.csv").write_text("completion,gold\n3,4,3\n")
    with pytest.raises(RecordError, match="more cells than the header"):
        read_foreign([tmp_path / "a.csv"])
