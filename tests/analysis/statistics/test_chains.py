"""Pass@K of verified samples and the rate of right answers with wrong chains, worked out by hand."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import Resampling, comparison_text, load_comparison, summary_table, write_report
from analysis.statistics.chains import chain_table, verified_scores, wrong_chain_rate

CHAINS = {"g": ("CORRECT", "RIGHT"), "w": ("CORRECT", "WRONG"), "u": ("CORRECT", ""), "a": ("INCORRECT", "")}


def with_chains(run: Path, letters: list[str]) -> None:
    """Each problem's samples: g right answer and chain, w right answer and wrong chain, u not checked, a wrong."""
    samples = pd.read_parquet(run / "samples.parquet")
    flat = [CHAINS[letter] for problem in letters for letter in problem]
    samples["verdict"], samples["chain"] = zip(*flat, strict=True)
    samples.to_parquet(run / "samples.parquet")


@pytest.fixture
def checked(make_run, tmp_path: Path) -> Path:
    """Two seeds of two problems with four samples each."""
    for seed, letters in enumerate((["gwua", "wwaa"], ["ggwa", "aaaa"])):
        with_chains(make_run("grpo", seed, {2: ["CCCa", "CCaa"]}), letters)
        with_chains(make_run("sft_start", seed, {0: ["CCCa", "CCaa"]}), ["aaaa", "aaaa"])
    return tmp_path / "cmp"


def test_only_a_right_chain_counts(checked: Path) -> None:
    """Verified samples: 1 and 0 of 4, 2 and 0 of 4. Pass@2 is 1 − C(4 − n, 2)/C(4, 2): 1/2, 0 and 5/6, 0."""
    start, grpo = verified_scores(load_comparison(checked), "sums")
    assert (start.arm, grpo.arm) == ("sft_start", "grpo")
    assert grpo.pass_SPK[:, :, 0].tolist() == [[1 / 4, 0], [2 / 4, 0]]
    assert grpo.pass_SPK[:, :, 1] == pytest.approx(np.array([[1 / 2, 0], [5 / 6, 0]]))
    assert not start.pass_SPK.any()


def test_the_rate_is_of_right_answers(checked: Path) -> None:
    """grpo: g w u, w w, g g w are 8 right answers, 4 of them with a wrong chain; the start has no right answer."""
    comparison = load_comparison(checked)
    assert wrong_chain_rate(comparison.runs_of("grpo"), "sums") == 4 / 8
    assert np.isnan(wrong_chain_rate(comparison.runs_of("sft_start"), "sums"))
    table = chain_table(comparison, resampling=Resampling()).set_index("arm")
    assert table.loc["grpo", "pass_at_1"] == pytest.approx((1 / 4 + 2 / 4) / 4)
    assert table.loc["grpo", "pass_at_k"] == pytest.approx(2 / 4)
    assert table.loc["grpo", "pass_k"] == 4


def test_the_table_of_scores_has_the_rate_where_chains_were_checked(checked: Path) -> None:
    """On the page its row of grpo ends in 50.0 %, that of the start, without a right answer, in a dash."""
    page = write_report(checked).read_text()
    summary = pd.read_csv(checked / "report" / "summary.csv").set_index("arm")["wrong_chain_rate"]
    assert summary.to_dict() == pytest.approx({"grpo": 0.5, "sft_start": np.nan}, nan_ok=True)
    table = page.split("2 problems, 4 samples each", 1)[1].split("</table>", 1)[0]
    assert "wrong chains" in table
    start, grpo = (re.findall(r"<td[^>]*>(.*?)</td>", row) for row in table.split("<tr>") if "<td" in row)
    assert (start[0], start[-1]) == ("sft_start", "–") and (grpo[0], grpo[-1]) == ("grpo", "50.0 %")


def test_no_rate_of_chains_that_nobody_checked(comparison_dir: Path) -> None:
    """An unchecked chain is none that is right."""
    comparison = load_comparison(comparison_dir)
    assert np.isnan(wrong_chain_rate(comparison.runs_of("grpo"), "sums"))
    assert "wrong_chain_rate" not in summary_table(comparison)


def test_the_terminal_and_the_files_have_the_table(checked: Path) -> None:
    write_report(checked)
    table = pd.read_csv(checked / "report" / "chains.csv").set_index("arm")
    assert table.loc["grpo", "wrong_chain_rate"] == 0.5
    lines = comparison_text(load_comparison(checked), baseline="sft_start").splitlines()
    head = next(place for place, line in enumerate(lines) if line.startswith("right answers whose chain is wrong"))
    rows = [line.split() for line in lines[head + 2 : head + 4]]
    assert rows[0][:2] == ["sft_start", "–"]
    assert rows[1][:4] == ["grpo", "50.0", "%", "18.8"]


def test_an_arm_whose_chains_nobody_checked_is_left_out(checked: Path, make_run) -> None:
    """It was 0 % wrong chains and 0 verified samples beside 5 right answers, which is neither known nor possible."""
    for seed, letters in enumerate((["uuua", "uuaa"], ["aaaa", "aaaa"])):
        with_chains(make_run("dpo", seed, {2: ["CCCa", "CCaa"]}), letters)
    comparison = load_comparison(checked)
    assert [arm.arm for arm in verified_scores(comparison, "sums")] == ["sft_start", "grpo"]
    assert set(chain_table(comparison, resampling=Resampling())["arm"]) == {"sft_start", "grpo"}


def test_where_no_chain_was_checked_there_is_no_table(comparison_dir: Path) -> None:
    """Also of files of earlier versions, which have no such column."""
    comparison = load_comparison(comparison_dir)
    assert verified_scores(comparison, "sums") == ()
    assert "chain" not in comparison_text(comparison, baseline="sft_start")
