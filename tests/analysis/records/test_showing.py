"""Numbers with their units."""

from __future__ import annotations

from analysis.records.showing import number_of


def test_one_of_a_thing_is_told_in_the_singular() -> None:
    assert [number_of(count, "sample") for count in (0, 1, 2, 1024)] == [
        "0 samples",
        "1 sample",
        "2 samples",
        "1,024 samples",
    ]
    assert number_of(2, "entry", "entries") == "2 entries"
