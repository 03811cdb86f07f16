"""Figures 5 to 7: the paper's values, ours beside them, and what is said where an arm is missing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import RecordError, load_comparison
from analysis.figures.paper_figures import FIGURES, PaperFigure
from analysis.figures.paper_values import paper_curves
from analysis.figures.styles import KNOWN_STYLES
from experiments.commands.plot import Plot

FIGURE_5_ARMS = ["rft", "online_rft", "grpo", "grpo_process"]
SHARED = Path(__file__).resolve().parents[4] / "shared" / "paper" / "curves.json"
# accuracy in %, from Table 5 (Instruct 7B is step 0 of figure 6) and read off figure 7
READ_IN_THE_PAPER = [
    ("figure6", "GSM8K", "Iteration-0", 0, 82.9),
    ("figure6", "MATH", "Iteration-0", 0, 46.8),
    ("figure7", "GSM8K", "Maj@K-RL", 64, 91.0),
    ("figure7", "GSM8K", "Pass@K-Instruct", 64, 99.1),
    ("figure7", "MATH", "Maj@K-RL", 64, 60.9),
    ("figure7", "MATH", "Pass@K-Instruct", 64, 87.5),
]


@pytest.mark.parametrize(("figure", "benchmark", "line", "x", "percent"), READ_IN_THE_PAPER)
def test_values_of_the_paper(figure, benchmark, line, x, percent):
    [curve] = [curve for curve in paper_curves(figure) if (curve.benchmark, curve.line) == (benchmark, line)]
    assert dict(zip(curve.x, curve.y, strict=True))[x] == pytest.approx(percent / 100)


@pytest.mark.parametrize("figure", ["figure5", "figure6"])
def test_the_papers_accuracies_are_whole_numbers_of_problems(figure):
    problems = {"GSM8K": 1319, "MATH": 5000}
    for curve in paper_curves(figure):
        right = np.array(curve.y) * problems[curve.benchmark]
        from_table = 1 if figure == "figure6" and curve.x[0] == 0 else 0  # one decimal only
        assert np.abs(right - right.round())[from_table:].max() < 0.1, curve.line


def test_the_papers_own_reading_of_figure_5_holds():
    for benchmark in ("GSM8K", "MATH"):
        late = {curve.line: np.mean(curve.y[-10:]) for curve in paper_curves("figure5") if curve.benchmark == benchmark}
        assert sorted(late, key=lambda line: late[line]) == ["RFT", "Online RFT", "GRPO+OS", "GRPO+PS"]


@pytest.mark.skipif(not SHARED.exists(), reason="the extracted curves are not beside the repository")
def test_values_are_those_extracted_from_the_paper():
    extracted = json.loads(SHARED.read_text())
    for figure, name in (("figure5", "fig5"), ("figure6", "fig6"), ("figure7", "fig7")):
        ours: dict = {}
        for curve in paper_curves(figure):
            points = [[x, round(100 * y, 2)] for x, y in zip(curve.x, curve.y, strict=True)]
            ours.setdefault(curve.benchmark, {})[curve.line] = points
        assert ours == extracted[name]


@pytest.fixture
def four_arms(make_run, tmp_path):
    """The arms of figure 5 and the start policy, two problems of four samples; the last letter says how good."""
    make_run("sft_start", 0, {0: ["Cabb", "CCaa"]})
    for place, arm in enumerate(FIGURE_5_ARMS):
        make_run(arm, 0, {0: ["Ca", "ab"], 2: ["CC", "ab"], 4: ["CCaa", "C" * place + "abab"[place:]]}, steps=4)
    return tmp_path / "cmp"


def points_of_ours(drawn: PaperFigure) -> dict:
    """Our accuracy by (line, x)."""
    rows = drawn.values[drawn.values["source"] == "ours"]
    return dict(zip(zip(rows["line"], rows["x"], strict=True), rows["point"], strict=True))


def test_figure_5_draws_ours_beside_the_paper(four_arms):
    drawn = FIGURES["figure5"](load_comparison(four_arms))
    ours = points_of_ours(drawn)
    # 4 samples, of which 2 and 0, 1, 2, 3 are right
    assert [ours[line, 4] for line in ("RFT", "Online RFT", "GRPO+OS", "GRPO+PS")] == [2 / 8, 3 / 8, 4 / 8, 5 / 8]
    assert [ours[line, 0] for line in ("RFT", "GRPO+PS")] == [1 / 4, 1 / 4]
    assert [axes.get_title(loc="left") for axes in drawn.figure.axes] == [
        "ours: sums",
        "paper: GSM8K, Figure 5",
        "paper: MATH, Figure 5",
    ]
    for axes in drawn.figure.axes[1:]:
        thick = [line for line in axes.lines if line.get_linewidth() > 1]
        assert [line.get_color() for line in thick] == [KNOWN_STYLES[arm].color for arm in FIGURE_5_ARMS]
    papers = {(curve.benchmark, curve.line): curve for curve in paper_curves("figure5")}
    for axes, benchmark in zip(drawn.figure.axes[1:], ("GSM8K", "MATH"), strict=True):
        assert list(np.asarray(axes.lines[0].get_ydata())) == list(papers[benchmark, "RFT"].y)
        assert list(np.asarray(axes.lines[3].get_ydata())) == list(papers[benchmark, "GRPO+PS"].y)


def test_figure_7_shows_the_start_policy_and_grpo(four_arms):
    ours = points_of_ours(FIGURES["figure7"](load_comparison(four_arms)))
    # sft_start: 1 and 2 of 4 right; grpo: 2 and 2 of 4
    assert ours["Pass@K-Instruct", 1] == pytest.approx(3 / 8)
    assert ours["Pass@K-Instruct", 2] == pytest.approx((1 / 2 + 5 / 6) / 2)
    assert ours["Pass@K-RL", 2] == pytest.approx(5 / 6)
    assert ours["Maj@K-Instruct", 4] == pytest.approx((0 + 1 / 2) / 2)  # one problem: b wins; the other: a tie


def iterative(folder, make_run, evaluated=(0, 1, 2, 3, 4, 5)):
    run = make_run("again", 0, {step: ["C" * step + "abcab"[step:]] for step in evaluated}, steps=max(evaluated))
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "training": {"iteration_steps": 2}}))
    return load_comparison(folder)


def test_figure_6_cuts_the_run_where_iterations_meet(make_run, tmp_path):
    values = FIGURES["figure6"](iterative(tmp_path / "cmp", make_run)).values
    ours = values[values["source"] == "ours"]
    found = {line: list(zip(rows["x"], rows["point"], strict=True)) for line, rows in ours.groupby("line")}
    assert found == {
        "Iteration-0": [(0, 0.0), (1, pytest.approx(1 / 5)), (2, pytest.approx(2 / 5))],
        "Iteration-1": [(2, pytest.approx(2 / 5)), (3, pytest.approx(3 / 5)), (4, pytest.approx(4 / 5))],
        "Iteration-2": [(4, pytest.approx(4 / 5)), (5, 1.0)],
    }


def test_no_two_of_many_iterations_look_alike(make_run, tmp_path):
    figure = FIGURES["figure6"](iterative(tmp_path / "cmp", make_run, evaluated=(0, 2, 4, 6, 8, 10, 12, 14, 16))).figure
    (legend,) = figure.legends
    drawn = zip(legend.get_lines(), legend.get_texts(), strict=True)
    marks = {text.get_text(): line.get_marker() for line, text in drawn}
    assert [marks[f"Iteration-{number}"] for number in range(3)] == ["o", "s", "X"]  # as the paper draws them
    assert len(set(marks.values())) == len(marks) == 8


def test_an_iteration_begins_at_the_last_evaluation_before_it(make_run, tmp_path):
    values = FIGURES["figure6"](iterative(tmp_path / "cmp", make_run, evaluated=(0, 1, 3, 5))).values
    ours = values[values["source"] == "ours"]
    found = {line: list(rows["x"]) for line, rows in ours.groupby("line")}
    assert found == {"Iteration-0": [0, 1], "Iteration-1": [1, 3], "Iteration-2": [3, 5]}


@pytest.mark.parametrize(
    ("figure", "missing", "message"),
    [
        ("figure5", "online_rft", r"not finished \['online_rft-seed0'\]; compare again with --algorithm online_rft"),
        (
            "figure7",
            "sft_start",
            r"figure7 needs the arm 'sft_start' in .*; `coeflab compare` evaluates it",
        ),
        (
            "figure6",
            "",
            r"figure6 needs an arm of iterative GRPO in .*iteration_steps below its",
        ),
    ],
)
def test_a_missing_arm_is_named(four_arms, figure, missing, message):
    if missing:
        samples = four_arms / "runs" / f"{missing}-seed0" / "samples.parquet"
        samples.write_bytes(samples.read_bytes()[:-20])  # that run died
    with pytest.raises(RecordError, match=message):
        Plot(figure=figure, comparison=four_arms).run()
    assert not (four_arms / "report").exists()


def test_an_arm_that_was_evaluated_once_cannot_be_drawn_against_steps(four_arms, make_run):
    comparison = load_comparison(four_arms)
    samples = four_arms / "runs" / "rft-seed0" / "samples.parquet"
    frame = comparison.runs_of("rft")[0].samples
    frame[frame["step"] == 4].to_parquet(samples)
    with pytest.raises(
        RecordError, match="figure5 needs 'rft' evaluated during training; it was evaluated at step 4 only"
    ):
        FIGURES["figure5"](load_comparison(four_arms))


def test_two_arms_of_a_method_are_not_guessed_between(four_arms, make_run):
    for name in ("one", "two"):
        make_run(f"rft {name}", 0, {0: ["Ca", "ab"], 4: ["CC", "ab"]}, steps=4)
    for run in (four_arms / "runs").glob("rft*"):
        config = json.loads((run / "config.json").read_text())
        (run / "config.json").write_text(json.dumps({**config, "algorithm": "rft"}))
    samples = four_arms / "runs" / "rft-seed0" / "samples.parquet"
    assert FIGURES["figure5"](load_comparison(four_arms))  # the arm of that name is meant
    samples.unlink()
    with pytest.raises(
        RecordError, match=r"got 2 of that algorithm: \['rft one', 'rft two'\].*; name one of them 'rft'"
    ):
        FIGURES["figure5"](load_comparison(four_arms))


def test_plot_writes_vector_and_png_and_numbers(four_arms, tmp_path, capsys):
    Plot(figure="figure5", comparison=four_arms, out=tmp_path / "out").run()
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == ["figure5.csv", "figure5.pdf", "figure5.png", "figure5.svg"]
    assert [path.read_bytes()[:4] for path in written[1:]] == [b"%PDF", b"\x89PNG", b"<?xm"]
    assert capsys.readouterr().out.split() == [
        str(tmp_path / "out" / f"figure5.{kind}") for kind in ("svg", "pdf", "png", "csv")
    ]


def test_long_names_of_benchmarks_and_arms_are_not_cut(make_run, tmp_path):
    """Every title lies inside the figure, and a panel's before the next panel begins."""
    before, after = "sft_start", "grpo-kl_coef=0.04-group_size=16-clip_high=0.28-scale=none-WWWWWWWWWWWWWWWWWWWWWWWW"
    for arm in (before, after, *FIGURE_5_ARMS):
        make_run(arm, 0, {0: ["Cabb", "CCaa"], 2: ["CCab", "abab"]}, steps=2)
    for path in (tmp_path / "cmp").glob("runs/*/samples.parquet"):
        samples = pd.read_parquet(path)
        samples["benchmark"] = "held_out/GSM8K-WITH-EVERY-NUMBER-REPLACED-AND-A-DISTRACTOR-SENTENCE-PER-PROBLEM/v2"
        samples.to_parquet(path)
    comparison = load_comparison(tmp_path / "cmp")
    for drawn in (FIGURES["figure5"](comparison), FIGURES["figure7"](comparison)):
        figure = drawn.figure
        figure.draw_without_rendering()
        room = [axes.get_window_extent().x0 for axes in figure.axes[1:]] + [figure.bbox.x1]
        for axes, end in zip(figure.axes, room, strict=True):
            assert axes._left_title.get_window_extent().x1 <= end  # type: ignore[attr-defined]
        above = figure._suptitle.get_window_extent()  # type: ignore[attr-defined]
        assert above.x0 >= 0 and above.x1 <= figure.bbox.x1
