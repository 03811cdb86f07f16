"""`coeflab curves`: the table of files that other tools wrote, and where their verdicts and ours differ."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from analysis import load_comparison
from analysis.records.frames import column
from experiments.commands.curves import Curves
from experiments.inspection.foreign_samples import ForeignGoldError
from experiments.schedule.status import status_lines

FILES = Path(__file__).resolve().parents[2] / "foreign_files"


def final_rates(folder: Path) -> dict[str, float]:
    """Pass@1 of each arm at its last step, from the samples that were written."""
    rates = {}
    for run in load_comparison(folder).runs:
        last = column(run.judgements, "step") == run.final_step
        rates[run.arm] = float((column(run.judgements, "verdict").astype(object)[last] == "CORRECT").mean())
    return rates


def test_lm_evals_samples_give_the_share_one_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Curves(files=(FILES / "samples_sums.jsonl",), out=tmp_path / "out").run()
    assert final_rates(tmp_path / "out") == {"foreign_files": pytest.approx(10 / 12)}  # 4 of 4, 3 of 4, 3 of 4
    assert re.search(r"foreign_files +83\.3", capsys.readouterr().out)
    assert (tmp_path / "out" / "report" / "index.html").is_file()
    status = [line.split(maxsplit=2) for line in status_lines(tmp_path / "out")]
    assert status[0] == ["finished", "foreign_files-seed0", "samples made elsewhere"]


def test_verls_verdicts_that_differ_from_ours_are_listed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Curves(files=(FILES / "validation",), out=tmp_path / "out").run()
    assert final_rates(tmp_path / "out") == {"validation": pytest.approx(11 / 12)}
    differing = pd.read_csv(tmp_path / "out" / "disagreements.csv", dtype=str)
    assert differing[["step", "theirs", "ours", "gold", "answer"]].to_numpy().tolist() == [
        ["20", "wrong", "CORRECT", "5", "5.0"]
    ]
    assert "their verdicts: 24; ours differ on 1" in capsys.readouterr().out


def test_two_arms_of_a_table_whose_golds_are_worked_solutions(tmp_path: Path) -> None:
    rows = [("a", f"p{n}", f"\\boxed{{{n}}}", f"So it is\n#### {n}") for n in range(4)]
    rows += [("b/../c", f"p{n}", f"\\boxed{{{n + n % 2}}}", f"So it is\n#### {n}") for n in range(4)]
    table = tmp_path / "samples.csv"
    pd.DataFrame(rows, columns=["arm", "problem", "completion", "gold"]).to_csv(table, index=False)
    Curves(files=(table,), out=tmp_path / "out").run()
    assert final_rates(tmp_path / "out") == {"a": 1.0, "b/../c": 0.5}
    assert sorted(path.name for path in (tmp_path / "out" / "runs").iterdir()) == ["a-seed0", "b_.._c-seed0"]


def test_a_gold_that_cannot_be_read_and_a_folder_that_is_taken(tmp_path: Path) -> None:
    table = tmp_path / "samples.csv"
    table.write_text("completion,gold\n\\boxed{1},1\n\\boxed{1}, \n")
    with pytest.raises(ForeignGoldError, match=r"samples\.csv, row 2.*--map gold=COLUMN"):
        Curves(files=(table,), out=tmp_path / "out").run()
    assert not (tmp_path / "out").exists()
    (tmp_path / "out" / "runs").mkdir(parents=True)
    with pytest.raises(ValueError, match="holds runs already"):
        Curves(files=(FILES / "validation",), out=tmp_path / "out").run()
    with pytest.raises(ValueError, match="expected field=column"):
        Curves(files=(FILES / "validation",), map=("gold",), out=tmp_path / "other").run()


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ({("a", "p1"): 2, ("a", "p2"): 7}, "2 problems, 2 to 7 samples each, K up to 2 as the fewest allow; in %"),
        ({("a", "p1"): 4, ("b", "p1"): 1}, "1 problem, 1 to 4 samples each, K up to 1 as the fewest allow; in %"),
        ({("a", "p1"): 3, ("b", "p1"): 3}, "1 problem, 3 samples each; in %"),
        ({("a", "p1"): 1}, "1 problem, 1 sample each; in %"),
    ],
)
def test_how_many_samples_there_are_is_true_of_every_problem_and_arm(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], counts: dict[tuple[str, str], int], said: str
) -> None:
    rows = [f"{arm},{problem},3,3" for (arm, problem), count in counts.items() for _ in range(count)]
    (tmp_path / "samples.csv").write_text("arm,problem,completion,gold\n" + "\n".join(rows))
    Curves(files=(tmp_path / "samples.csv",), out=tmp_path / "out").run()
    assert f"samples: {said}" in capsys.readouterr().out
    page = (tmp_path / "out" / "report" / "index.html").read_text()
    assert f"samples: {said.removesuffix('; in %')}" in page


def test_one_sample_a_problem_has_one_column_of_scores(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "samples.csv"
    table.write_text("problem,completion,gold\n1,3,3\n2,4,3\n")
    Curves(files=(table,), out=tmp_path / "out").run()
    [heading] = [line for line in capsys.readouterr().out.splitlines() if line.split()[:2] == ["arm", "Pass@1"]][:1]
    assert heading.split() == ["arm", "Pass@1"]


def test_steps_without_a_problem_in_common_are_refused_before_anything_is_written(tmp_path: Path) -> None:
    """Completions of a training have other problems at every step."""
    table = tmp_path / "samples.csv"
    table.write_text("step,problem,completion,gold\n1,p1,3,3\n2,p2,3,3\n")
    with pytest.raises(ValueError, match=r"no problem with samples at every one of its 2 steps, such as 1 .*one step"):
        Curves(files=(table,), out=tmp_path / "out").run()
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("rows", "baseline", "message"),
    [
        (
            "a,p1,3,3\na,p2,4,4\nb,p2,4,4\nb,p3,5,5\nb,p4,5,5",
            None,
            r"arm 'a' \(seed 0\) has 2 problems at its last step and arm 'b' \(seed 0\) 3, of which 1 are the same: "
            r"'p1' is in one only \(.*row 1\); .*leave out the rows .*--out",
        ),
        (f"{'a' * 201},p1,3,3", None, "row 1: arm is 'aaa.*expected a text of 1 to 200"),
        ("long,p1,3,3", "lung", "--baseline lung: no such arm; did you mean 'long'. Known: long"),
    ],
)
def test_what_no_report_can_be_written_of_is_refused_before_anything_is_written(
    tmp_path: Path, rows: str, baseline: str | None, message: str
) -> None:
    table = tmp_path / "samples.csv"
    table.write_text(f"arm,problem,completion,gold\n{rows}\n")
    with pytest.raises(ValueError, match=message):
        Curves(files=(table,), out=tmp_path / "out", baseline=baseline).run()
    assert not (tmp_path / "out").exists()


def test_problems_need_be_the_same_at_the_last_steps_of_whole_seeds_alone(tmp_path: Path) -> None:
    rows = ["a,0,1,p2", "a,0,1,p1", "a,0,2,p2", "a,1,1,p3", "b,0,5,p2"]
    table = tmp_path / "samples.csv"
    table.write_text("arm,seed,step,problem,completion,gold\n" + "\n".join(f"{row},3,3" for row in rows))
    Curves(files=(table,), out=tmp_path / "out").run()
    assert final_rates(tmp_path / "out") == {"a": 1.0, "b": 1.0}
