"""Figures of a stated width and letters, what the pointer finds in them, and the script that draws them again."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib import rc_context

from analysis import comparison_pictures, load_comparison
from analysis.figures.canvas import PAGE, Look, blank_figure, figure_pdf, figure_svg, plain_axes
from analysis.figures.marks import Mark, placed_marks
from analysis.figures.overview import ArmRow, draw_arms, draw_forest
from analysis.noise.intervals import Interval
from analysis.statistics.differences import Difference


def test_a_panel_has_the_width_and_letters_that_are_asked_for():
    look = Look(width=3.25, points=8, font="DejaVu Serif")
    with look.context():
        figure = blank_figure((PAGE.width, 4.7))
        axes = figure.subplots()
        plain_axes(axes, "a title that is as long as titles of these figures are")
        axes.set_xlabel("steps")
        pdf = figure_pdf(figure)
    assert figure.get_figwidth() == pytest.approx(3.25)
    assert axes.xaxis.label.get_fontsize() == 8 and axes.xaxis.label.get_fontname() == "DejaVu Serif"
    assert axes._left_title.get_fontsize() == pytest.approx(8.8)  # type: ignore[attr-defined]
    box = [float(value) for value in re.findall(rb"/MediaBox \[([^\]]*)\]", pdf)[0].split()]
    assert box[2] == pytest.approx(3.25 * 72, abs=0.01)
    figure = blank_figure((PAGE.width, 4.7))  # outside of the context all is as on the page
    assert figure.get_figwidth() == PAGE.width
    with pytest.raises(ValueError, match=r"0.2 inches wide .* expected 1 to 30 inches"):
        Look(width=0.2)


def test_titles_stay_inside_a_narrow_figure():
    rows = [ArmRow(arm="grpo_process", accuracy=Interval(point=0.5, low=0.4, high=0.6), seeds=(0.5,), greedy=None)]
    contrast = Difference(
        name="grpo_process − tuned start",
        arm="grpo_process",
        baseline="tuned_start",
        benchmark="arithmetic",
        quantity="pass",
        k=1,
        temperature=1.0,
        num_seeds=2,
        num_baseline_seeds=2,
        num_problems=100,
        point=0.1,
        interval=Interval(point=0.1, low=0.0, high=0.2),
        seed_points=(0.05, 0.15),
        p_value=0.5,
        p_holm=0.5,
        num_comparisons=2,
        detectable=0.1,
        confidence=0.95,
    )
    with Look(width=3.25, points=8, font="DejaVu Serif").context():
        figures = [
            draw_arms(rows, ["grpo_process"], "Every arm on arithmetic", start=None, tuned=None, at="at temperature 1"),
            draw_forest([contrast], "Declared contrasts on arithmetic"),
        ]
        for figure in figures:
            figure.draw_without_rendering()
            title = figure.axes[0]._left_title.get_window_extent()  # type: ignore[attr-defined]
            assert title.x0 >= 0 and title.x1 <= figure.bbox.x1


def test_marks_lie_where_the_value_was_drawn():
    figure = blank_figure((4, 3))
    axes = figure.subplots()
    axes.plot([0, 10], [0, 100])
    axes.set(xlim=(0, 10), ylim=(0, 100))
    svg = figure_svg(figure)
    found = placed_marks(figure, [Mark(axes=axes, x=x, y=y, text="here") for x, y in ((0, 0), (10, 100), (5, np.nan))])
    size = [float(value) for value in re.findall(rb'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]]
    path = re.findall(rb'<path d="M ([\d.]+) ([\d.]+) \nL ([\d.]+) ([\d.]+) \n" clip-path[^>]*stroke: #1f77b4', svg)
    drawn = np.array(path[0], dtype=float).reshape(2, 2) / size
    assert [text for *_, text in found] == ["here", "here"]  # what is not finite is nowhere
    np.testing.assert_allclose([[x, y] for x, y, _ in found], drawn, atol=2e-3)


def test_washes_say_where_a_gain_is_sharpening_and_where_more():
    rows = [
        ArmRow(
            arm=arm, accuracy=Interval(point=point, low=point - 0.02, high=point + 0.02), seeds=(point,), greedy=None
        )
        for arm, point in (("sft_start", 0.4), ("grpo", 0.7))
    ]
    tuned = Interval(point=0.55, low=0.5, high=0.6)
    figure = draw_arms(rows, ["sft_start", "grpo"], "t", start=0.4, tuned=tuned, at="at temperature 1")
    [axes] = figure.axes
    spans = sorted((patch.get_x(), patch.get_x() + patch.get_width()) for patch in axes.patches)  # type: ignore[attr-defined]
    assert spans[0] == pytest.approx((40, 55)) and spans[1][0] == pytest.approx(55) and spans[1][1] > 72
    assert [text.get_text() for text in axes.texts] == ["sharpening", "more"]
    nothing = draw_arms(rows, ["sft_start", "grpo"], "t", start=0.4, tuned=None, at="").axes[0]
    assert not nothing.patches and not nothing.texts


def redraw_arguments(report: Path, name: str, out: Path) -> list[str]:
    return [str(report.parent / f"{name}.csv"), "--out", str(out), "--width", "3.25"]


def assert_as_wide_as_asked_for(pdf: Path):
    box = re.findall(rb"/MediaBox \[([^\]]*)\]", pdf.read_bytes())[0].split()
    assert float(box[2]) == pytest.approx(3.25 * 72, abs=0.01)


def test_the_script_draws_a_figure_without_this_project(report: Path, tmp_path: Path):
    script = report.parent / "redraw.py"
    assert "import analysis" not in script.read_text() and "from analysis" not in script.read_text()
    out = tmp_path / "arms.pdf"
    command = [sys.executable, str(script), *redraw_arguments(report, "arms-sums", out)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert_as_wide_as_asked_for(out)


@pytest.mark.parametrize("name", ["contrasts-sums", "pass_at_k-sums", "by_length_of_the_completion-sums"])
def test_every_figure_of_a_report_is_drawn_again_by_its_script(
    name: str, report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    script = report.parent / "redraw.py"
    out = tmp_path / f"{name}.pdf"
    monkeypatch.setattr("sys.argv", [str(script), *redraw_arguments(report, name, out)])
    with rc_context():
        runpy.run_path(str(script), run_name="__main__")
    assert_as_wide_as_asked_for(out)


def test_values_beside_a_figure_are_those_of_the_tables(report: Path):
    drawn = pd.read_csv(report.parent / "pass_at_k-sums.csv")
    table = pd.read_csv(report.parent / "curves.csv").query("quantity == 'pass'")
    pd.testing.assert_frame_equal(drawn, table.reset_index(drop=True), check_dtype=False)
    arms = pd.read_csv(report.parent / "arms-sums.csv").set_index("arm")
    assert arms.loc["grpo", "point"] == pytest.approx(0.625) and arms.loc["grpo", "start"] == pytest.approx(0.3125)


def test_figures_in_another_look_hold_the_same_values(report: Path):
    comparison = load_comparison(report.parent.parent)
    column = comparison_pictures(comparison, baseline="sft_start", look=Look(width=3.25, points=7))
    assert {each.name for each in column} == {file.stem for file in report.parent.glob("*.svg")} and column
    for picture in column:
        assert picture.files()[f"{picture.name}.csv"] == (report.parent / f"{picture.name}.csv").read_bytes()
        assert picture.svg != (report.parent / f"{picture.name}.svg").read_bytes()
