"""The report and the tables of a small comparison: numbers, escaping, figures, failures."""

import base64
import hashlib
import io
import json
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from analysis import RecordError, load_comparison, render_text, summary_table, verdict_table, write_report
from analysis.figures.canvas import blank_figure, figure_pdf, figure_png, figure_svg, legend_below, short_number
from analysis.figures.styles import KNOWN_STYLES
from analysis.records.schema import START_KL_COLUMNS, START_KL_FILE
from analysis.report.page import json_block, shown
from analysis.report.sections import failures_section, run_section, warnings


def count_pixels(image: np.ndarray, color: str) -> int:
    """How many pixels of the image have the colour (or nearly)."""
    wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return int((np.abs(image[:, :, :3] - wanted).max(axis=2) < 0.02).sum())


def test_summary_equals_hand_computed_numbers(comparison_dir):
    table = summary_table(load_comparison(comparison_dir), baseline="sft_start").set_index("arm")
    start, grpo = table.loc["sft_start"], table.loc["grpo"]
    assert (start["pass_at_1"], grpo["pass_at_1"]) == pytest.approx((0.3125, 0.625))
    # two problems and two seeds: next to nothing is known
    assert start["pass_at_1_low"] < 0.05 and start["pass_at_1_high"] > 0.9
    assert (grpo["difference"], grpo["difference_low"], grpo["difference_high"]) == pytest.approx((5 / 16, -1, 1))
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
    assert scores[2].split()[:5] == ["grpo", "62.5", "[0.9,", "99.7]", "+31.2"]
    assert "37.5 25.0" in text


SCRIPTS = re.compile(r"<script([^>]*)>(.*?)</script>", re.DOTALL)


def embedded_samples(page: str) -> dict:
    """The data of the sample browser."""
    [text] = [text for kind, text in SCRIPTS.findall(page) if "application/json" in kind]
    return json.loads(text)


def test_model_text_is_data_or_escaped(report):
    page = report.read_text()
    data = embedded_samples(page)
    completion = data["columns"].index("completion")
    assert {row[completion] for row in data["samples"]} >= {
        f'sample {index} of grpo: <script>alert(1)</script> & "quoted"' for index in range(4)
    }
    kinds = [kind for kind, _ in SCRIPTS.findall(page)]
    assert kinds == [' type="application/json" id="sample-data"', ""]  # the samples and the page's own script
    assert "<script>alert" not in page and "Two &lt;arms&gt;" in page and "<arms>" not in page


def test_page_is_self_contained(report):
    page = report.read_text()
    assert not re.findall(
        r'(?:src|href)="(?!data:image/svg\+xml;base64,|#|[A-Za-z0-9_.-]+\.(?:csv|parquet|svg|png|pdf|py|json)")', page
    )
    assert "http" not in re.sub(r"base64,[A-Za-z0-9+/=]+|http-equiv", "", page)
    script = SCRIPTS.findall(page)[-1][1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert policy == [f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("a<b>&\"'", "a&lt;b&gt;&amp;&quot;&#x27;"),
        ("nul\0 esc\x1b[31m", "nul⟨U+0000⟩ esc⟨U+001B⟩[31m"),
        ("\tone\ntwo\r\n", "\tone\ntwo⟨U+000D⟩\n"),
        ("right \u202eto left\u202c", "right ⟨U+202E⟩to left⟨U+202C⟩"),
        ("half \ud83d", "half \\ud83d"),
        ("שלום 😀", "שלום 😀"),
    ],
)
def test_text_is_shown_whatever_is_in_it(text, html):
    assert shown(text) == html


def test_embedded_data_cannot_leave_its_element():
    hostile = {"text": "</script><script>alert(1)</script><!--<script>\u2028\0\ud83d&amp;"}
    block = json_block("data", hostile)
    inside = block.removeprefix('<script type="application/json" id="data">').removesuffix("</script>")
    assert not set("<>&\0") & set(inside)
    assert json.loads(inside) == hostile
    block.encode("utf-8")


def test_figures_show_names_as_they_are_written(make_run, tmp_path):
    make_run("sft_start", 0, {0: ["Cabb", "CCaa"]})  # with a baseline figures of differences name the arms too
    make_run("$x_1$ & _a", 0, {0: ["Cabb", "CCaa"]})  # drawn as a formula it would lose its dollar signs
    make_run("$\\frac$", 0, {0: ["Cabb", "CCaa"]})  # and this one would be an error
    assert "$\\frac$" in write_report(tmp_path / "cmp").read_text()
    figure = blank_figure((3, 1))
    figure.text(0.1, 0.5, "$x_1$")
    same = blank_figure((3, 1))
    same.text(0.1, 0.5, "$x_1$", parse_math=False)
    assert figure_png(figure) == figure_png(same)


def test_many_long_names_make_the_figure_taller_not_the_axes_smaller():
    def drawn(names):
        figure = blank_figure((5.6, 4.7))
        axes = figure.subplots()
        legend_below(figure, {name: axes.plot([0, 1])[0] for name in names})
        figure.draw_without_rendering()
        [legend] = figure.legends
        box = legend.get_window_extent().transformed(figure.transFigure.inverted())
        return axes.get_position(), axes.get_position().height * figure.get_figheight(), box

    _, height, _ = drawn(["grpo", "rft"])
    for count in (4, 12):
        place, same_height, box = drawn(
            [f"grpo {number}" + " kl_coef=0.04 group_size=16" * 3 for number in range(count)]
        )
        assert same_height == pytest.approx(height, rel=0.1)
        assert box.x0 >= 0 and box.x1 <= 1 and box.y0 >= 0 and box.y1 < place.y0


def test_the_same_figure_gives_the_same_files():
    def files() -> list[bytes]:
        figure = blank_figure((3, 2))
        figure.subplots().plot([1, 2], [3, 4])
        return [figure_svg(figure), figure_pdf(figure), figure_png(figure)]

    one, other = files(), files()
    assert one == other
    assert [content[:4] for content in one] == [b"<?xm", b"%PDF", b"\x89PNG"]


def test_page_says_the_numbers_and_their_limits(report):
    page = report.read_text()
    assert "Pass@1 on sums, in %, highest first: grpo 62.5, sft_start 31.2." in page
    assert "Decided, of 1 contrast on sums: none." in page
    assert "grpo and sft_start cannot be told apart on Pass@1: +31.2 points (95 % −" in page  # two problems say little
    assert "<td>62.5 [0.9, 99.7]</td>" in page
    assert (
        "2 seeds an arm, shown as dots or thin lines. Every interval is 95 % over problems and training seeds" in page
    )
    assert "No control arm was run (random reward, format-only reward, no update, shuffled verdicts" in page
    assert "Only 2 problems: intervals were calibrated with 100 or more" in page
    assert "3 samples without an answer, 1 sample with an answer that cannot be parsed, 2 samples on which" in page
    assert "<td>2 (12.5 %)</td>" in page
    assert "packages.numpy" in page


def test_figures_are_inline_and_beside_and_show_every_arm(report):
    page = report.read_text()
    inline = [base64.b64decode(text) for text in re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", page)]
    files = sorted(report.parent.glob("*.svg"))
    assert sorted(inline) == sorted(path.read_bytes() for path in files)
    assert [path.stem for path in files] == [
        "arms-sums",
        "by_length_of_the_completion-sums",
        "contrasts-sums",
        *(
            f"learning_by_{x}-sums"
            for x in ("completions_sampled", "seconds", "step", "tokens_generated", "tokens_trained")
        ),
        "majority_at_k-sums",
        "majority_difference_at_k-sums",
        "pass_at_k-sums",
        "pass_difference_at_k-sums",
        *(f"training-{name}" for name in ("loss", "reward_mean")),  # tokens a completion never change: said in words
    ]
    assert "tokens a completion: 20 at every step of grpo." in page
    for path in files:
        if path.stem == "contrasts-sums":
            continue
        values = pd.read_csv(path.with_suffix(".csv"))
        assert "grpo" in set(values["arm"])
        image = imread(io.BytesIO(path.with_suffix(".png").read_bytes()))
        assert count_pixels(image, KNOWN_STYLES["grpo"].color) > 300, path.name
    image = imread(report.parent / "pass_at_k-sums.png")
    assert count_pixels(image, KNOWN_STYLES["sft_start"].color) > 300


def test_the_kl_from_the_start_has_a_figure_and_its_data(make_run):
    for seed in (0, 1):
        run = make_run("grpo", seed, {step: ["CabN"] for step in (0, 2, 4)})
        rows = [(step, "sums", "sums-0", 0, 0.25 * step * (1 + seed)) for step in (0, 2, 4)]
        frame = pd.DataFrame(rows, columns=list(START_KL_COLUMNS))
        frame.to_parquet(run / START_KL_FILE)
    page = write_report(run.parent.parent)
    values = pd.read_csv(page.parent / "training-start_kl.csv")
    assert values[["quantity", "arm", "x", "point"]].to_numpy().tolist() == [
        ["start_kl", "grpo", step, point] for step, point in ((0, 0.0), (2, 0.75), (4, 1.5))
    ]
    assert "KL from the start policy against the optimiser step, 1 arm" in page.read_text()
    for kind in ("svg", "png", "pdf"):
        assert (page.parent / f"training-start_kl.{kind}").is_file()


def test_tables_beside_the_page_hold_the_same_numbers(report):
    written = pd.read_csv(report.parent / "summary.csv")
    table = summary_table(load_comparison(report.parent.parent), baseline="sft_start")
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    curves = pd.read_parquet(report.parent / "curves.parquet")
    row = curves[(curves["quantity"] == "pass") & (curves["arm"] == "grpo") & (curves["x"] == 1)]
    assert row["point"].tolist() == [0.625]
    links = re.findall(r'href="([A-Za-z0-9_-]+\.(?:csv|parquet))"', report.read_text())
    assert sorted(set(links)) == sorted(
        path.name for path in report.parent.iterdir() if path.suffix in (".csv", ".parquet")
    )


def test_writing_again_gives_the_same_page(report, comparison_dir):
    again = write_report(comparison_dir, baseline="sft_start")
    assert again.read_bytes() == report.read_bytes()
    assert not list(again.parent.glob("*.part"))


def test_unfinished_runs_are_on_the_page(comparison_dir, make_run):
    (make_run("ppo", 0, {0: ["CCCC", "CCCC"]}) / "samples.parquet").unlink()
    page = warnings(load_comparison(comparison_dir))
    assert "1 run left out of every number and figure, not finished:" in page
    assert "ppo-seed0: samples.parquet is missing in ppo-seed0" in page


def test_settings_chosen_on_validation_and_failed_runs_are_shown(comparison_dir):
    table = [
        {"arm": "grpo", "value": 1e-4, "pass_at_1": 0.85, "chosen": True, "failure": None},
        {"arm": "grpo", "value": 1.0, "pass_at_1": None, "chosen": False, "failure": "loss is <nan>"},
    ]
    choice = {"field": "learning_rate", "rule": "best Pass@1", "split": "validation", "seed": 100, "table": table}
    described = {"choice": choice, "failures": {"dpo-seed0": "out of memory"}}
    (comparison_dir / "comparison.json").write_text(json.dumps(described))
    comparison = load_comparison(comparison_dir)
    page = run_section(comparison) + failures_section(comparison, verdict_table(comparison))
    assert "Rule: best Pass@1. Split: validation, seed 100; never the test problems." in page
    assert '<td>85.0</td><td class="text">chosen</td>' in page
    assert '<td>–</td><td class="text">loss is &lt;nan&gt;</td>' in page
    assert "1 run failed:<ul><li>dpo-seed0: out of memory</li></ul>" in page


def test_a_comparison_without_a_finished_run_leaves_no_report(tmp_path, make_run):
    samples = make_run("grpo", 0, {0: ["Cabb"]}) / "samples.parquet"
    samples.write_bytes(samples.read_bytes()[: samples.stat().st_size // 2])
    with pytest.raises(RecordError, match=r"no finished run \(grpo-seed0: .*parquet: cannot be read .* cut short"):
        write_report(tmp_path / "cmp")
    assert sorted(path.name for path in (tmp_path / "cmp").iterdir()) == ["runs"]


def test_baseline_is_checked_and_chosen(comparison_dir):
    with pytest.raises(ValueError, match=r"baseline 'dpo' is not among the finished arms \['sft_start', 'grpo'\]"):
        write_report(comparison_dir, baseline="dpo")
    assert not (comparison_dir / "report").exists()  # refused before anything was written
    page = write_report(comparison_dir, baseline="grpo").read_text()
    assert "sft_start and grpo cannot be told apart on Pass@1: −31.2 points" in page


def test_a_single_run_has_a_report(make_run):
    run = make_run("grpo", 0, {0: ["CabN", "CCaT"]})
    report = write_report(run)
    page = report.read_text()
    assert report == run / "report" / "index.html"
    assert "Pass@1 on sums, in %, highest first: grpo 37.5." in page
    assert "Nothing was trained here" in page
    assert [path.stem for path in sorted(report.parent.glob("*.png"))] == [
        "arms-sums",
        "by_length_of_the_completion-sums",
        "majority_at_k-sums",
        "pass_at_k-sums",
    ]


def test_short_numbers():
    values = [0, 7, 950, 12_345, 4_560_000, 7.1e9, 3.2e15]
    assert [short_number(value) for value in values] == ["0", "7", "950", "12.3k", "4.56M", "7.1G", "3.2e+15"]


def test_importing_analysis_loads_no_model_library():
    code = "import sys, analysis; print(sorted({'torch', 'vllm', 'matplotlib.pyplot'} & set(sys.modules)))"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert output.strip() == "[]"
