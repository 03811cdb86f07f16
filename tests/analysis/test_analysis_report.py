"""The report and the tables of a small comparison: numbers, escaping, figures, failures."""

import base64
import io
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from analysis import load_comparison, render_text, summary_table, verdict_table, write_report
from analysis.plots import KNOWN_STYLES, arm_styles, short_number


def count_pixels(image: np.ndarray, color: str) -> int:
    """How many pixels of the image have the colour (or nearly)."""
    wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(image[:, :, :3] - wanted).max(axis=2) < 0.02).sum())


def test_summary_equals_hand_computed_numbers(comparison_dir):
    table = summary_table(load_comparison(comparison_dir), baseline="sft_start").set_index("arm")
    start, grpo = table.loc["sft_start"], table.loc["grpo"]
    assert (start["pass_at_1"], grpo["pass_at_1"]) == pytest.approx((0.3125, 0.625))
    # two problems: a 95 % interval reaches from the worse to the better of them
    assert (start["pass_at_1_low"], start["pass_at_1_high"]) == pytest.approx((1 / 8, 1 / 2))
    assert (grpo["difference"], grpo["difference_low"], grpo["difference_high"]) == pytest.approx(
        (5 / 16, 1 / 8, 1 / 2)
    )
    assert np.isnan(start["difference"])
    assert (start["maj_k"], start["pass_k"]) == (4, 4)
    assert start["maj_at_k"] == pytest.approx((1 / 3 + 1 + 0 + 1) / 4)
    assert start["pass_at_k"] == pytest.approx(3 / 4)  # seed 1 never solves problem 0
    assert (start["pass_at_1_seeds"], grpo["pass_at_1_seeds"]) == ("0.375;0.25", "0.625;0.625")
    assert (start["completions_sampled"], grpo["completions_sampled"]) == (0, 32)
    assert (grpo["tokens_trained"], grpo["seconds"]) == (600, 8)
    shares = ["no_answer_rate", "unparsable_rate", "timeout_rate", "truncated_rate"]
    assert start[shares].tolist() == pytest.approx([2 / 16, 1 / 16, 2 / 16, 2 / 16])
    assert (start["seeds"], start["problems"], start["samples"], grpo["step"]) == (2, 2, 4, 4)


def test_verdicts_are_counted_over_seeds(comparison_dir):
    start = verdict_table(load_comparison(comparison_dir)).set_index("arm").loc["sft_start"]
    counts = ["samples", "CORRECT", "INCORRECT", "NO_ANSWER", "UNPARSABLE", "TIMEOUT", "truncated"]
    assert start[counts].tolist() == [16, 5, 6, 2, 1, 2, 2]
    assert start["mean tokens"] == 11.5


def test_text_table_is_aligned_and_narrow(comparison_dir, make_run):
    long_name = "grpo-kl_coef=0.04-group_size=16-clip_high=0.28-scale=none-baseline=leave_one_out"
    make_run(long_name, 0, {0: ["Cabb", "CCaa"]})
    make_run(long_name.replace("0.28", "0.20"), 0, {0: ["Cabb", "CCaa"]})
    text = render_text(summary_table(load_comparison(comparison_dir), baseline="sft_start"))
    lines = text.splitlines()
    assert max(map(len, lines)) <= 120
    scores = lines[1:6]
    assert len({len(line) for line in scores}) == 1  # the last column ends in one place
    assert len({line.split()[0] for line in scores}) == 5  # names that were shortened are still told apart
    assert scores[2].split()[:5] == ["grpo", "62.5", "[62.5,", "62.5]", "+31.2"]
    assert "37.5 25.0" in text


def test_model_text_is_escaped(report):
    page = report.read_text()
    assert "<script" not in page
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;quoted&quot;") >= 4
    assert "Two &lt;arms&gt;" in page
    assert "<arms>" not in page


def test_page_is_self_contained(report):
    page = report.read_text()
    assert not re.findall(r'(?:src|href)="(?!data:image/png;base64,|#)', page)
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+", "", page)


def test_page_says_the_numbers_and_their_limits(report):
    page = report.read_text()
    assert "grpo beats sft_start on Pass@1, sums, by 31.2 points (95 % +12.5 to +50.0, 2 seeds)." in page
    assert "<td>62.5 [62.5, 62.5]</td>" in page
    assert "Bands are over problems; seeds are shown as dots or thin lines; nothing is forced." in page
    assert "With 2 seeds an arm these are statements about these runs" in page
    assert "Only 2 problems: a percentile bootstrap is too narrow" in page
    assert "<th>TIMEOUT</th>" in page
    assert "packages.numpy" in page


def test_figures_are_inline_and_beside_and_show_every_arm(report):
    page = report.read_text()
    inline = [base64.b64decode(text) for text in re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)]
    files = sorted(report.parent.glob("*.png"))
    assert sorted(inline) == sorted(path.read_bytes() for path in files)
    assert [path.stem for path in files] == [
        "diagnostics",
        "learning_by_completions_sampled-sums",
        "learning_by_step-sums",
        "majority_at_k-sums",
        "majority_difference_at_k-sums",
        "pass_at_k-sums",
        "pass_difference_at_k-sums",
    ]
    for path in files:
        image = imread(io.BytesIO(path.read_bytes()))
        assert count_pixels(image, KNOWN_STYLES["grpo"].color) > 300, path.name
    image = imread(report.parent / "pass_at_k-sums.png")
    assert count_pixels(image, KNOWN_STYLES["sft_start"].color) > 300


def test_tables_beside_the_page_hold_the_same_numbers(report):
    written = pd.read_csv(report.parent / "summary.csv")
    table = summary_table(load_comparison(report.parent.parent), baseline="sft_start")
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    curves = pd.read_csv(report.parent / "curves.csv")
    row = curves[
        (curves["quantity"] == "pass") & (curves["arm"] == "grpo") & (curves["x_name"] == "K") & (curves["x"] == 1)
    ]
    assert row["point"].tolist() == [0.625]
    assert sorted(set(curves["x_name"])) == ["K", "completions_sampled", "step"]


def test_writing_again_gives_the_same_page(report, comparison_dir):
    again = write_report(comparison_dir, baseline="sft_start")
    assert again.read_bytes() == report.read_bytes()
    assert not list(again.parent.glob("*.part"))


def test_unfinished_runs_are_on_the_page(comparison_dir, make_run):
    (make_run("ppo", 0, {0: ["CCCC", "CCCC"]}) / "samples.parquet").unlink()
    page = write_report(comparison_dir).read_text()
    assert "1 run left out of every number and figure, not finished:" in page
    assert "ppo-seed0: samples.parquet is missing in ppo-seed0" in page


def test_baseline_is_checked_and_chosen(comparison_dir):
    with pytest.raises(ValueError, match=r"baseline 'dpo' is not among the finished arms \['sft_start', 'grpo'\]"):
        write_report(comparison_dir, baseline="dpo")
    assert not (comparison_dir / "report").exists()  # refused before anything was written
    page = write_report(comparison_dir, baseline="grpo").read_text()
    assert "sft_start is worse than grpo on Pass@1, sums, by 31.2 points" in page


def test_a_single_run_has_a_report(make_run):
    run = make_run("grpo", 0, {0: ["CabN", "CCaT"]})
    report = write_report(run)
    page = report.read_text()
    assert report == run / "report" / "index.html"
    assert "grpo solves 37.5 % of 2 problems of sums in one try (95 % 25.0 to 50.0, 1 seed)." in page
    assert "Nothing was trained here" in page
    assert [path.stem for path in sorted(report.parent.glob("*.png"))] == ["majority_at_k-sums", "pass_at_k-sums"]


def test_arms_look_different_and_always_the_same():
    arms = [*KNOWN_STYLES, *(f"grpo@{i}" for i in range(6))]
    styles = arm_styles(arms)
    assert len({(style.color, style.marker) for style in styles.values()}) == len(arms)
    assert len({style.color for style in styles.values()}) == len(arms)
    assert arm_styles(["grpo"])["grpo"] == styles["grpo"]


def test_short_numbers():
    values = [0, 7, 950, 12_345, 4_560_000, 7.1e9, 3.2e15]
    assert [short_number(value) for value in values] == ["0", "7", "950", "12.3k", "4.56M", "7.1G", "3.2e+15"]


def test_importing_analysis_loads_no_model_library():
    code = "import sys, analysis; print(sorted({'torch', 'vllm', 'matplotlib.pyplot'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
