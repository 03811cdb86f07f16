"""`coeflab audit RUN`: verdicts of an older checker, and what they would be today."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from experiments.commands.audit_run import AuditRun
from rewards import CHECKER_VERSION

# (gold, completion, answer as recorded, class as recorded, verdict as recorded): what a checker said that knew no
# arctangents and took infinity for a number.
SAMPLES = [
    ("\\frac{\\pi}{4}", "\\boxed{\\arctan\\frac12+\\arctan\\frac13}", "…", "=arctan", "INCORRECT"),
    ("\\frac{\\pi}{4}", "\\boxed{\\frac{\\pi}{4}}", "\\frac{\\pi}{4}", "correct", "CORRECT"),
    ("0", "\\boxed{\\infty-\\infty}", "\\infty-\\infty", "correct", "CORRECT"),
    ("0", "\\boxed{1}", "1", "=1", "INCORRECT"),
]


@pytest.fixture
def write_run(tmp_path: Path):
    def write(folder: str, version: str | None, *, benchmark: str = "math") -> Path:
        path = tmp_path / folder
        path.mkdir(parents=True)
        (path / "config.json").write_text(json.dumps({"arm": "grpo", "seed": 0, "algorithm": "grpo"}))
        (path / "environment.json").write_text(json.dumps({} if version is None else {"checker_version": version}))
        (path / "metrics.jsonl").write_text("")
        rows = [
            {
                "arm": "grpo", "seed": 0, "step": 0, "benchmark": benchmark, "problem_id": f"p{index // 2}",
                "sample_index": index % 2, "question": "?", "gold_answer": gold, "completion": completion,
                "answer": answer, "answer_class": answer_class, "verdict": verdict, "num_tokens": 5,
                "finish_reason": "stop", "policy_version": 0,
            }
            for index, (gold, completion, answer, answer_class, verdict) in enumerate(SAMPLES)
        ]  # fmt: skip
        pd.DataFrame(rows).to_parquet(path / "samples.parquet")
        return path

    return write


def test_what_changes_is_counted_shown_and_scored(
    write_run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Problem 0 goes from 1/2 to 2/2 and problem 1 from 1/2 to 0/2, so that Pass@1 stays 1/2."""
    path = write_run("run", "3")
    before = {file: file.read_bytes() for file in path.iterdir()}
    AuditRun(run_folder=path, json_file=tmp_path / "out.json").run()
    printed = capsys.readouterr().out
    assert f"judged by checker 3, now {CHECKER_VERSION}" in printed
    assert "4 samples, 2 verdicts differ (50.00 %)" in printed
    assert "INCORRECT → CORRECT, 1 samples" in printed and "CORRECT → INCORRECT, 1 samples" in printed
    assert "answer '\\\\infty-\\\\infty'" in printed
    [found] = json.loads((tmp_path / "out.json").read_text())
    assert {(row["verdict"], row["new_verdict"], row["samples"]) for row in found["transitions"]} == {
        ("INCORRECT", "CORRECT", 1),
        ("CORRECT", "INCORRECT", 1),
    }
    assert [(row["before"], row["after"], row["change"]) for row in found["pass_at_1"]] == [(0.5, 0.5, 0.0)]
    assert [row["problem_id"] for row in found["changed"]] == ["p0", "p1"]
    assert {file: file.read_bytes() for file in path.iterdir()} == before


def test_a_run_that_does_not_say_or_says_the_same(write_run, capsys: pytest.CaptureFixture[str]) -> None:
    write_run("comparison/runs/a", None)
    write_run("comparison/runs/b", CHECKER_VERSION)
    AuditRun(run_folder=write_run("comparison/runs/c", "2").parents[1]).run()
    printed = capsys.readouterr().out
    assert f"a: judged by a checker whose version it does not record, now {CHECKER_VERSION}" in printed
    assert f"b: judged by checker {CHECKER_VERSION}, the same as now: no verdict should differ" in printed
    assert f"c: judged by checker 2, now {CHECKER_VERSION}" in printed
    assert "12 samples, 6 verdicts differ" in printed


def test_a_benchmark_with_a_tolerance_keeps_it(write_run, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_run("run", "3", benchmark="minerva_math")
    rows = pd.read_parquet(path / "samples.parquet").head(1)
    rows["gold_answer"], rows["completion"], rows["verdict"], rows["answer_class"] = (
        "2.00", "\\boxed{2.01}", "CORRECT", "correct",
    )  # fmt: skip
    rows.to_parquet(path / "samples.parquet")
    AuditRun(run_folder=path).run()
    assert "1 samples, 0 verdicts differ" in capsys.readouterr().out


def test_a_folder_that_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no config\.json"):
        AuditRun(run_folder=tmp_path).run()
