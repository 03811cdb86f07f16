"""The commands that show results while they come in, and objects in a notebook."""

import json
import re
from pathlib import Path

import pytest

from analysis import compare_arms, crossings, load_comparison, pass_curves, score_comparison, write_report
from analysis.noise.intervals import Resampling
from analysis.records.showing import MOST_ROWS, table_html
from analysis.statistics.ranks import rank_arms
from experiments.commands.evaluate import WriteReport
from experiments.commands.look import Watch


def test_objects_show_their_numbers_as_escaped_tables(comparison_dir: Path):
    comparison = load_comparison(comparison_dir)
    scores = score_comparison(comparison)
    grpo = scores[1]
    shown = {
        comparison: "<td>grpo</td><td>grpo</td><td>0 1</td><td>4</td>",
        comparison.runs[0]: "<td>grpo</td><td>0</td>",
        grpo: "<td>1</td><td>0.625</td><td>0.625</td>",
        pass_curves([grpo], Resampling())[0]: "<td>1</td><td>0.625</td>",
        compare_arms(scores, resampling=Resampling(), baseline="sft_start")[0]: "<td>31.25</td>",
        rank_arms(scores, resampling=Resampling())[0]: "<td>grpo</td><td>0.625</td><td>1</td><td>2</td>",
        crossings(scores, resampling=Resampling())[0]: "<td>grpo</td>",
    }
    for each, text in shown.items():
        html = each._repr_html_()
        assert text in html and html.count("<table>") == html.count("</table>") == 1
    hostile = table_html("<b>", {"<i>": ["</td><script>"] * (MOST_ROWS + 2)})
    assert "<script>" not in hostile and "<b>" not in hostile and "<i>" not in hostile
    assert hostile.count("&lt;script&gt;") == MOST_ROWS and "2 more rows" in hostile


def test_a_page_that_is_still_written_reads_itself_again(one_run_dir: Path):
    page = write_report(one_run_dir, again_s=30)
    assert '<meta http-equiv="refresh" content="30">' in page.read_text()
    assert "refresh" not in re.findall(r"<head>.*?<style>", write_report(one_run_dir).read_text(), re.DOTALL)[0]


def test_watch_prints_panels_once_and_refuses_what_it_cannot_draw(comparison_dir: Path, capsys):
    Watch(folder=comparison_dir, once=True, metric=("pass@1",), height=4).run()
    printed = capsys.readouterr().out
    assert "Pass@1 of the evaluations" in printed and "grpo (step 4)" in printed and "4 runs" in printed
    with pytest.raises(ValueError, match="more than 0 s and 2"):
        Watch(folder=comparison_dir, every=0).run()


def test_the_report_of_what_runs_is_written_until_nothing_runs(comparison_dir: Path, monkeypatch, capsys):
    """Twice a run is at work, then none: two pages that reload, and one that does not."""
    states = iter(["running", "waiting", "finished"])
    again, page = [], comparison_dir / "report" / "index.html"
    monkeypatch.setattr(
        "experiments.schedule.status.read_status",
        lambda folder: [type("Run", (), {"state": next(states)})],
    )
    monkeypatch.setattr("time.sleep", lambda seconds: again.append(page.read_text()))
    WriteReport(folders=(comparison_dir,), refresh=5).run()
    assert ['content="5"' in text for text in again] == [True, True]
    assert 'content="5"' not in page.read_text()
    assert "Pass@1" in capsys.readouterr().out


def test_folders_that_cannot_be_joined_are_refused_before_anything_is_written(comparison_dir: Path, tmp_path: Path):
    with pytest.raises(ValueError, match="no folder; expected"):
        WriteReport(folders=()).run()
    other = tmp_path / "other"
    (other / "runs").mkdir(parents=True)
    (other / "comparison.json").write_text(json.dumps({}))
    with pytest.raises(ValueError, match="no finished run"):
        WriteReport(folders=(comparison_dir, other)).run()
    assert not (tmp_path / "report-cmp-other").exists()
