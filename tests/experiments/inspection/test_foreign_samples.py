"""Samples made elsewhere: a problem has one gold answer, however it is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import load_comparison
from analysis.records.foreign import read_foreign
from experiments.inspection.foreign_samples import ForeignGoldError, Judged, judge_foreign, write_foreign


def judged(path: Path, *rows: str) -> Judged:
    """The table of these rows, judged; the header is arm, problem, question, completion, gold."""
    path.write_text("\n".join(("arm,problem,question,completion,gold", *rows)))
    return judge_foreign(read_foreign([path]))


@pytest.mark.parametrize("arm", ["a", "b"])
def test_two_golds_of_one_problem_are_refused_with_their_rows(tmp_path: Path, arm: str) -> None:
    expected = (
        r"samples\.csv, row 3: the gold answer of problem 'p1' is '4', and '3' in .*samples\.csv, row 1; expected one "
        r"gold answer a problem\. .*--map problem=COLUMN"
    )
    with pytest.raises(ForeignGoldError, match=expected):
        judged(tmp_path / "samples.csv", "a,p1,,3,3", "a,p2,,3,3", f"{arm},p1,,4,4")


def test_problems_without_ids_are_named_by_their_question(tmp_path: Path) -> None:
    with pytest.raises(ForeignGoldError, match=r"problem '[0-9a-f]{16}' \('How many\?'\) is '4'"):
        judged(tmp_path / "samples.csv", "a,,How many?,3,3", "a,,How many?,4,4")


def test_one_gold_written_in_several_ways_is_one(tmp_path: Path) -> None:
    rows = ("a,p1,,0.5,\\frac{1}{2}", "b,p1,,1/2,So it is\\boxed{0.5}", "a,p2,,3,3", "b,p2,,3,3.0")
    written = judged(tmp_path / "samples.csv", *rows)
    assert list(written.samples["gold"]) == ["\\frac{1}{2}", "\\frac{1}{2}", "3", "3"]
    assert all(verdict.correct for verdict in written.verdicts)
    write_foreign(written, tmp_path / "out")
    assert load_comparison(tmp_path / "out").arms == ("a", "b")
